"""The one seam through which writes that must survive reach the disk.

Production uses `RealDisk`. Crash tests put a disk in its place that counts the durable calls, cuts the
power after the n-th and gives back only what was synced. Reading needs no seam.
"""

import errno
import os
from pathlib import Path
from typing import ClassVar, Final, Protocol

from safelight.core.errors import ResourceError

_O_DIRECT: Final = getattr(os, "O_DIRECT", 0)


class DiskFull(ResourceError):
    """There is no space left where we must write."""

    code: ClassVar[str] = "core.disk-full"
    hint: ClassVar[str] = "Free space on this file system or move the home; nothing held was lost."


class DiskFailed(ResourceError):
    """The disk refused a write or a sync. What it held before is untouched."""

    code: ClassVar[str] = "core.disk-failed"
    hint: ClassVar[str] = "Look at the kernel log (dmesg) for this device before you restart Safelight."


class Disk(Protocol):
    """Writing, syncing, renaming and removing; every method raises DiskFull or DiskFailed."""

    def create(self, path: Path) -> int:
        """Make a new file, readable by us alone, and return its descriptor (read and write)."""

    def open(self, path: Path) -> int:
        """Open an existing file for reading and writing."""

    def open_direct(self, path: Path) -> int | None:
        """Open for writing whole pages past the page cache; None where the file system cannot."""

    def write(self, descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""

    def allocate(self, descriptor: int, size: int) -> None:
        """Reserve space up to ``size`` without writing it."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Set the length of the file."""

    def sync(self, descriptor: int) -> None:
        """Return when the file's data, and the length needed to read it, are durable."""

    def rename(self, source: Path, target: Path) -> None:
        """Give the file another name in one step; durable after `sync_directory`."""

    def sync_directory(self, path: Path) -> None:
        """Return when names made, changed or removed in this directory are durable."""

    def remove(self, path: Path) -> None:
        """Remove a name; durable after `sync_directory`."""

    def close(self, descriptor: int) -> None:
        """Close without syncing."""


def _mended(error: OSError, path: object) -> ResourceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(where=str(path))
    return DiskFailed(where=str(path), error=error.strerror or "unknown")


class RealDisk:
    """The operating system's disk."""

    def create(self, path: Path) -> int:
        """Make a new file with mode 0600."""
        try:
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _mended(error, path) from error

    def open(self, path: Path) -> int:
        """Open for reading and writing."""
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _mended(error, path) from error

    def open_direct(self, path: Path) -> int | None:
        """Open with O_DIRECT, which wants memory, offset and length in whole pages."""
        try:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC | _O_DIRECT) if _O_DIRECT else None
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise _mended(error, path) from error

    def write(self, descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all, going on after short writes."""
        view = memoryview(data)
        try:
            while view:
                count = os.pwrite(descriptor, view, offset)
                view = view[count:]
                offset += count
        except OSError as error:
            raise _mended(error, descriptor) from error

    def allocate(self, descriptor: int, size: int) -> None:
        """Reserve space with fallocate; where the file system cannot, the length is set."""
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                self.truncate(descriptor, size)
                return
            raise _mended(error, descriptor) from error

    def truncate(self, descriptor: int, size: int) -> None:
        """Set the length."""
        try:
            os.ftruncate(descriptor, size)
        except OSError as error:
            raise _mended(error, descriptor) from error

    def sync(self, descriptor: int) -> None:
        """Call fdatasync. A failure is never retried: the kernel may have dropped the pages."""
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise _mended(error, descriptor) from error

    def rename(self, source: Path, target: Path) -> None:
        """Replace ``target`` by ``source``."""
        try:
            source.replace(target)
        except OSError as error:
            raise _mended(error, target) from error

    def sync_directory(self, path: Path) -> None:
        """Call fsync on the directory."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _mended(error, path) from error

    def remove(self, path: Path) -> None:
        """Remove a name; a name that is gone already is no error, so that a repeat is harmless."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _mended(error, path) from error

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""
        os.close(descriptor)


def make_directory(disk: Disk, path: Path) -> None:
    """Make a directory (mode 0700) and its parents, each name durable."""
    if path.is_dir():
        return
    make_directory(disk, path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    disk.sync_directory(path.parent)


def write_file(disk: Disk, path: Path, data: bytes) -> None:
    """Put a small file in its place, whole or not at all, and durable."""
    draft = path.with_name(path.name + ".draft")
    disk.remove(draft)
    descriptor = disk.create(draft)
    try:
        disk.write(descriptor, data, 0)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    disk.rename(draft, path)
    disk.sync_directory(path.parent)
