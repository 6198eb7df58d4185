"""Bytes that are kept for a moment: in memory while they are few, in an unnamed file when they are many."""

import os
import tempfile
from pathlib import Path
from typing import Final

from safelight.core.instance import ByteSource, MemorySource
from safelight.site.packer import FileSource

IN_MEMORY_BYTES_MAX: Final = 32 * 2**20
_GROW_BYTES: Final = 2**20


class Spool:
    """Takes in a data set (`room`, `filled`) and gives it back as a source until it is closed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._buffer = bytearray(_GROW_BYTES)
        self._filled = 0
        self._descriptor: int | None = None
        self._written = 0

    def room(self) -> memoryview:
        """Return where the next bytes go."""
        if self._filled == len(self._buffer):
            if self._filled >= IN_MEMORY_BYTES_MAX or self._descriptor is not None:
                self._spill()
            else:
                grown = bytearray(min(2 * len(self._buffer), IN_MEMORY_BYTES_MAX))
                grown[: self._filled] = self._buffer
                self._buffer = grown
        return memoryview(self._buffer)[self._filled :]

    def filled(self, count: int) -> None:
        """Take in what was read into `room`."""
        self._filled += count

    def source(self) -> ByteSource:
        """Return everything that came; valid until `close`."""
        if self._descriptor is None:
            return MemorySource(memoryview(self._buffer)[: self._filled])
        self._spill()
        return FileSource(self._descriptor, 0, self._written)

    def close(self) -> None:
        """Let go of the bytes."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _spill(self) -> None:
        if self._descriptor is None:
            self._descriptor, name = tempfile.mkstemp(dir=self._directory)
            Path(name).unlink()
        os.pwrite(self._descriptor, memoryview(self._buffer)[: self._filled], self._written)
        self._written += self._filled
        self._filled = 0
