"""The files of a recovery that goes to a folder."""

import threading
from collections.abc import Iterable
from pathlib import Path

from safelight.core.disk import Disk, make_directory
from safelight.core.instance import ByteSource, MemorySource


class FolderFiles:
    """The folder of a recovery to files."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk
        self._made = threading.Lock()

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file whole and durably."""
        path = self._root / name
        with self._made:
            make_directory(self._disk, path.parent)
        draft = path.with_name(path.name + ".draft")
        self._disk.remove(draft)
        descriptor = self._disk.create(draft)
        try:
            offset = 0
            for piece in pieces:
                self._disk.write(descriptor, piece, offset)
                offset += len(piece)
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
        self._disk.rename(draft, path)
        self._disk.sync_directory(path.parent)

    def get(self, name: str) -> ByteSource | None:
        """Return the file's bytes as they lie on the disk now, or nothing."""
        try:
            return MemorySource((self._root / name).read_bytes())
        except FileNotFoundError:
            return None
