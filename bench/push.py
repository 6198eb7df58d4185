"""Send folders of Part 10 files by Safelight's own sender, one association a folder.

Usage: ``python -m bench.push AET PORT FOLDER...``
"""

import mmap
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import contexts_for
from safelight.wire.dicom.part10 import Part10Prefix, read_prefix

MAPPED_BYTES_MIN = 64 * 1024
"""Smaller files are read: each that is mapped stays open."""


def _files(folder: Path) -> Iterator[tuple[memoryview, Part10Prefix]]:
    for path in sorted(folder.rglob("*.dcm")):
        if path.stat().st_size < MAPPED_BYTES_MIN:
            view = memoryview(path.read_bytes())
        else:
            with path.open("rb") as file:
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        yield view, read_prefix(MemorySource(view))


def push(peer: Peer, folder: Path) -> int:
    """Send one folder, print when it began and ended, and return how many instances were not stored."""
    files = list(_files(folder))
    (contexts,) = contexts_for((prefix.sop_class, prefix.transfer_syntax) for _, prefix in files)
    outgoing = (
        Outgoing(
            prefix.sop_class, prefix.sop_instance, prefix.transfer_syntax, MemorySource(view[prefix.prefix_size :])
        )
        for view, prefix in files
    )
    print(f"{time.time()} Requesting Association", flush=True)
    with connect(peer, AETitle("BENCH"), contexts) as association:
        failed = sum(1 for sent in association.store_all(outgoing) if not sent.is_stored)
    print(f"{time.time()} Releasing Association", flush=True)
    return failed


def main() -> int:
    """Send all folders at once."""
    peer = Peer(AETitle(sys.argv[1]), "127.0.0.1", int(sys.argv[2]))
    failed: list[int] = []
    threads = [
        threading.Thread(target=lambda one=folder: failed.append(push(peer, Path(one)))) for folder in sys.argv[3:]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0 if failed == [0] * len(threads) else 1


if __name__ == "__main__":
    sys.exit(main())
