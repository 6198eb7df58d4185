"""Memory that a packer reads the instances of one order into, and keeps for the next order."""

import mmap
import os
from pathlib import Path
from typing import Final

from safelight.core.instance import MemorySource

IN_MEMORY_BYTES_MAX: Final = 64 * 2**20
_PAGE_BYTES: Final = mmap.PAGESIZE
_ROUNDING_BYTES: Final = 16 * 2**20
"""Each instance begins at a page border and may be read from the border before it."""


class OrderMemory:
    """Holds what an order is made of. For one thread; what it gave is valid until the next `clear`.

    Pages that are used again cost nothing; new ones for each instance cost the packer a tenth of its time. What lies in
    the landing log was written past the page cache, so it is read past it, too: no copy, and nothing else is displaced.
    """

    def __init__(self) -> None:
        self._pages = memoryview(mmap.mmap(-1, IN_MEMORY_BYTES_MAX + _ROUNDING_BYTES))
        self._used = 0
        self._descriptors: dict[tuple[Path, bool], int | None] = {}

    def clear(self) -> None:
        """Begin a new order."""
        self._used = 0
        for descriptor in self._descriptors.values():
            if descriptor is not None:
                os.close(descriptor)
        self._descriptors.clear()

    def descriptor(self, path: Path) -> int:
        """Return a descriptor of a file, open until the order ends.

        Raises:
            OSError: it cannot be opened.
        """
        found = self._open(path, direct=False)
        assert found is not None
        return found

    def read(self, path: Path, offset: int, size: int, *, direct: bool) -> MemorySource | None:
        """Return a part of a file, shorter only where the file is; None when it does not fit.

        Raises:
            OSError: it cannot be read.
        """
        lead = offset % _PAGE_BYTES if direct else 0
        length = _page_border(lead + size)
        if self._used + length > len(self._pages):
            return None
        room = self._pages[self._used : self._used + length]
        self._used += length
        if direct and self._read_direct(path, offset - lead, room) >= lead + size:
            return MemorySource(room[lead : lead + size])
        count = _read_all(self.descriptor(path), room[:size], offset)
        return MemorySource(room[:count])

    def _read_direct(self, path: Path, offset: int, room: memoryview) -> int:
        descriptor = self._open(path, direct=True)
        try:
            return 0 if descriptor is None else _read_all(descriptor, room, offset)
        except OSError:
            # Whether the disk fails, or only wants more than pages, is seen by the ordinary reading that follows.
            return 0

    def _open(self, path: Path, *, direct: bool) -> int | None:
        key = (path, direct)
        if key not in self._descriptors:
            flags = os.O_RDONLY | os.O_CLOEXEC
            try:
                self._descriptors[key] = os.open(path, flags | os.O_DIRECT if direct else flags)
            except OSError:
                if not direct:
                    raise
                self._descriptors[key] = None
        return self._descriptors[key]


def _read_all(descriptor: int, room: memoryview, offset: int) -> int:
    done = 0
    while done < len(room):
        count = os.preadv(descriptor, [room[done:]], offset + done)
        if not count:
            break
        done += count
    return done


def _page_border(size: int) -> int:
    return -(-size // _PAGE_BYTES) * _PAGE_BYTES
