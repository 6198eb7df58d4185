"""A folder tree to seed from: named completely, read in ranges, never followed out of itself."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.errors import ResourceError
from safelight.core.instance import ByteSource
from safelight.protection.seed import SourceFile, SourceGap

_SORTED_AT_ONCE: Final = 100_000
"""Entries of one folder that are sorted in memory; a larger folder comes in sorted parts."""


class SourceUnreadable(ResourceError):
    """A file or folder of the source cannot be read."""

    code: ClassVar[str] = "media.source-unreadable"
    hint: ClassVar[str] = "Give Safelight's user the right to read the source, or see the kernel log for the device."


class SourceFolder:
    """A folder tree as the source of a seed. Symbolic links are listed and not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def walk(self) -> Iterator[SourceFile | SourceGap]:
        """Name all there is: the files of a folder, then its folders, each in byte order of their names."""
        waiting = [""]
        while waiting:
            folders: list[str] = []
            for found in self._list(waiting.pop()):
                if isinstance(found, str):
                    folders.append(found)
                else:
                    yield found
            waiting.extend(reversed(folders))

    @contextmanager
    def open(self, locator: str) -> Iterator[ByteSource]:
        """Open one file by its locator.

        Raises:
            SourceUnreadable: it is gone, forbidden, or no regular file any more.
        """
        try:
            # A pipe that took the file's place would block without O_NONBLOCK.
            descriptor = os.open(self._root / locator, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnreadable(error=error.strerror) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceUnreadable(error="no regular file any more")
            yield _OpenFile(descriptor, status.st_size)
        finally:
            os.close(descriptor)

    def _list(self, folder: str) -> Iterator[SourceFile | SourceGap | str]:
        try:
            with os.scandir(self._root / folder) as entries:
                while part := list(islice(entries, _SORTED_AT_ONCE)):
                    part.sort(key=lambda entry: os.fsencode(entry.name))
                    for entry in part:
                        yield _classify(entry, f"{folder}/{entry.name}" if folder else entry.name)
        except OSError:
            yield SourceGap(folder or ".", "folder-unreadable")


class _OpenFile:
    """An open file as a `ByteSource`; its size is what it was when it was opened."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        pieces: list[bytes] = []
        try:
            while length > 0 and (piece := os.pread(self._descriptor, length, offset)):
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            raise SourceUnreadable(error=error.strerror) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _classify(entry: "os.DirEntry[str]", locator: str) -> SourceFile | SourceGap | str:
    """Tell a file, a folder (its locator) and what is neither apart."""
    try:
        mode = entry.stat(follow_symlinks=False)
    except OSError:
        return SourceGap(locator, SourceUnreadable.code)
    if stat.S_ISREG(mode.st_mode):
        return SourceFile(locator, mode.st_size)
    if stat.S_ISDIR(mode.st_mode):
        return locator
    return SourceGap(locator, "symbolic-link" if stat.S_ISLNK(mode.st_mode) else "special-file")
