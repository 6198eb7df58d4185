"""What runs in a worker process: codecs are loaded once, then the first message says what each worker is."""

import gc
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from safelight.core.disk import RealDisk
from safelight.site.packer import Packer, PackerSettings
from safelight.site.unpacker import Unpacker, UnpackerSettings


def main() -> None:
    """Load the codecs, become as many workers as there are descriptors, and work until the other end closes."""
    # Ctrl-C and a service manager reach us, too. Whoever started us decides what becomes of our work.
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)
    os.nice(int(sys.argv[1]))
    _load_codecs()
    others: list[int] = []
    numbers = [int(text) for text in sys.argv[2:]]
    while len(numbers) > 1:
        number = numbers.pop()
        # One thread and codecs without threads of their own: the copy misses nothing.
        if (other := os.fork()) == 0:
            for foreign in numbers:
                os.close(foreign)
            numbers, others = [number], []
        else:
            os.close(number)
            others.append(other)
    _work(Connection(numbers[0]))
    for other in others:
        # What they cost counts as ours, and so as the command's.
        os.waitpid(other, 0)
    # Everything was written and told: the interpreter need not take itself apart.
    os._exit(0)


def _work(connection: Connection) -> None:
    with suppress(EOFError, ConnectionError):
        connection.send(os.getpid())
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
