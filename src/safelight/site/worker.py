"""What runs in a worker process: codecs are loaded, then the first message says what the worker is."""

import gc
import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from safelight.core.disk import RealDisk
from safelight.site.packer import Packer, PackerSettings
from safelight.site.unpacker import Unpacker, UnpackerSettings


def main() -> None:
    """Take settings and then orders from the descriptor that was inherited, until the other end closes."""
    os.nice(int(sys.argv[2]))
    _load_codecs()
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError):
        match connection.recv():
            case PackerSettings() as settings:
                Packer(settings, connection, RealDisk()).work()
            case UnpackerSettings() as settings:
                Unpacker(settings, connection).work()


def _load_codecs() -> None:
    """Import what the first order would wait for."""
    import safelight.vault.codec
    import safelight.vault.pack_writer
    import safelight.wire.dicom.layout  # noqa: F401

    gc.freeze()
