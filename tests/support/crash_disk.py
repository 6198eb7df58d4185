"""A disk whose power can be cut: the real file system, with a log of what it would not yet have kept.

`CrashDisk` carries everything out at once, so that the code under test reads what it wrote, and remembers
what was not synced. After the cut `lose_power` puts the files into a state that a disk may show: each unsynced
write is lost, there, torn at sectors or turned into garbage; names are lost from some moment on.

Stricter than ext4: a synced file may still lose its name, and only `sync_directory` on the folder
of a name keeps it. Folders themselves are never lost.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from safelight.core.disk import Disk, DiskFailed, DiskFull, RealDisk

SECTOR = 512


class PowerCut(BaseException):
    """The machine is off; nothing but the test itself may catch this."""


class When(Enum):
    """On which side of the counted call the power goes."""

    BEFORE = "before"
    AFTER = "after"


class Call(StrEnum):
    """What is counted."""

    CREATE = "create"
    WRITE = "write"
    ALLOCATE = "allocate"
    TRUNCATE = "truncate"
    SYNC = "sync"
    RENAME = "rename"
    SYNC_DIRECTORY = "sync_directory"
    REMOVE = "remove"
    COMMIT = "commit"


DURABLE = frozenset({Call.CREATE, Call.SYNC, Call.RENAME, Call.SYNC_DIRECTORY, Call.REMOVE, Call.COMMIT})
EVERY = frozenset(Call)


class Fate(Enum):
    """What a power cut makes of one unsynced write."""

    LOST = "lost"
    THERE = "there"
    TORN = "torn"
    GARBAGE = "garbage"


@dataclass(slots=True)
class _Write:
    offset: int
    data: bytes


@dataclass(slots=True)
class _File:
    """What the disk is sure of, for one file with something unsynced."""

    descriptor: int
    """Our own, so that the bytes outlive their names."""
    durable_size: int = 0
    durable_sectors: dict[int, bytes] = field(default_factory=dict)
    writes: list[_Write | int] = field(default_factory=list)
    """In order; a number is a new length."""
    refused: bool = False
    """A sync failed: the kernel may call lost pages clean, so nothing is sure any more."""


@dataclass(slots=True)
class _Name:
    call: Call
    path: Path
    source: Path | None = None
    kept: Path | None = None
    """A hidden name for the file that was replaced or removed."""
    inode: int = 0


class CrashDisk:
    """A `Disk` that counts calls, fails or cuts the power at one of them, and can then lose what was unsynced."""

    def __init__(self, counted: frozenset[Call] = DURABLE) -> None:
        self._real = RealDisk()
        self._counted = counted
        self._lock = RLock()
        self._hidden: Path | None = None
        self._hidden_count = 0
        self._files: dict[tuple[int, int], _File] = {}
        self._names: list[_Name] = []
        self._open: set[int] = set()
        self._cut: tuple[int, When] | None = None
        self._faults: dict[int, type[DiskFull] | type[DiskFailed]] = {}
        self.off = False
        self.calls: list[Call] = []

    def cut_at(self, number: int, when: When = When.BEFORE) -> None:
        """Cut the power at the counted call ``number``, from 1."""
        self._cut = (number, when)

    def fail_at(self, number: int, error: type[DiskFull] | type[DiskFailed] = DiskFull) -> None:
        """Refuse the counted call ``number``; a refused write leaves half of itself behind."""
        self._faults[number] = error

    # The disk.

    def create(self, path: Path) -> int:
        """Make a file whose name is not durable yet."""
        with self._counting(Call.CREATE, str(path)):
            descriptor = self._real.create(path)
            self._open.add(descriptor)
            inode = os.fstat(descriptor).st_ino
            self._names.append(_Name(Call.CREATE, path, inode=inode))
            self._watched(descriptor)
            return descriptor

    def open(self, path: Path) -> int:
        """Open without counting."""
        with self._lock:
            self._powered()
            descriptor = self._real.open(path)
            self._open.add(descriptor)
            return descriptor

    def open_direct(self, path: Path) -> int | None:
        """Open as `open` does: what is written past the page cache is as little durable before a sync."""
        return self.open(path)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write; until the next sync it may be lost."""
        view = memoryview(data).cast("B")
        with self._lock:
            try:
                with self._counting(Call.WRITE, str(descriptor)):
                    self._write(descriptor, bytes(view), offset)
            except (DiskFull, DiskFailed):
                self._write(descriptor, bytes(view[: len(view) // 2]), offset)
                raise

    def allocate(self, descriptor: int, size: int) -> None:
        """Reserve space; the length is not durable yet."""
        with self._counting(Call.ALLOCATE, str(descriptor)):
            file = self._watched(descriptor)
            self._real.allocate(descriptor, size)
            file.writes.append(os.fstat(descriptor).st_size)

    def truncate(self, descriptor: int, size: int) -> None:
        """Set the length; it is not durable yet."""
        with self._counting(Call.TRUNCATE, str(descriptor)):
            file = self._watched(descriptor)
            self._remember(descriptor, file, size, os.fstat(descriptor).st_size)
            self._real.truncate(descriptor, size)
            file.writes.append(size)

    def sync(self, descriptor: int) -> None:
        """Make the contents of one file durable, not its name."""
        try:
            with self._counting(Call.SYNC, str(descriptor)):
                file = self._files.get(_key(descriptor))
                if file is not None and not file.refused:
                    self._forget(_key(descriptor))
        except DiskFailed:
            self._watched(descriptor).refused = True
            raise

    def rename(self, source: Path, target: Path) -> None:
        """Rename; which of both names holds is open until `sync_directory`."""
        with self._counting(Call.RENAME, str(target)):
            kept = self._hide(target)
            inode = source.stat().st_ino
            self._real.rename(source, target)
            self._names.append(_Name(Call.RENAME, target, source, kept, inode))

    def sync_directory(self, path: Path) -> None:
        """Make the names in one folder durable."""
        with self._counting(Call.SYNC_DIRECTORY, str(path)):
            for name in [name for name in self._names if name.path.parent == path]:
                self._settle(name)

    def remove(self, path: Path) -> None:
        """Remove a name; it may come back until `sync_directory`."""
        with self._counting(Call.REMOVE, str(path)):
            kept = self._hide(path)
            self._real.remove(path)
            if kept is not None:
                self._names.append(_Name(Call.REMOVE, path, kept=kept))

    def close(self, descriptor: int) -> None:
        """Close; works without power, as any clean-up of a dead program."""
        with self._lock:
            if descriptor in self._open:
                self._open.discard(descriptor)
                self._real.close(descriptor)

    # Databases, whose engine writes past us.

    def commit(self, path: Path) -> None:
        """Count a commit that is about to happen; the engine syncs the file by itself, not its name."""
        with self._counting(Call.COMMIT, str(path)):
            facts = path.stat()
            key = facts.st_dev, facts.st_ino
            if key in self._files:
                self._forget(key)

    # What the test asks for.

    def lose_power(self, seed: int) -> None:
        """Put the files into a state that the disk may show after the cut."""
        chance = random.Random(seed)
        with self._lock:
            self.off = True
            for descriptor in list(self._open):
                self.close(descriptor)
            for file in self._files.values():
                _decide(file, chance)
            self._lose_names(chance)
            self._files.clear()
            self._names.clear()
            if self._hidden is not None:
                shutil.rmtree(self._hidden)
                self._hidden = None

    # Its parts.

    @contextmanager
    def _counting(self, call: Call, where: str) -> Iterator[None]:
        with self._lock:
            self._powered()
            number = 0
            if call in self._counted:
                self.calls.append(call)
                number = len(self.calls)
            fault = self._faults.get(number)
            if fault is not None:
                raise fault(where=where, error="made to fail")
            if self._cut == (number, When.BEFORE):
                self._power_off()
            yield
            if self._cut == (number, When.AFTER):
                self._power_off()

    def _power_off(self) -> None:
        self.off = True
        raise PowerCut

    def _powered(self) -> None:
        if self.off:
            raise PowerCut

    def _write(self, descriptor: int, data: bytes, offset: int) -> None:
        file = self._watched(descriptor)
        self._remember(descriptor, file, offset, offset + len(data))
        self._real.write(descriptor, data, offset)
        file.writes.append(_Write(offset, data))

    def _watched(self, descriptor: int) -> _File:
        key = _key(descriptor)
        if key not in self._files:
            self._files[key] = _File(os.dup(descriptor), os.fstat(descriptor).st_size)
        return self._files[key]

    def _remember(self, descriptor: int, file: _File, start: int, end: int) -> None:
        for sector in range(start // SECTOR, -(-end // SECTOR)):
            if sector not in file.durable_sectors and sector * SECTOR < file.durable_size:
                length = min(SECTOR, file.durable_size - sector * SECTOR)
                file.durable_sectors[sector] = os.pread(descriptor, length, sector * SECTOR)

    def _forget(self, key: tuple[int, int]) -> None:
        os.close(self._files.pop(key).descriptor)

    def _hide(self, path: Path) -> Path | None:
        if not path.exists():
            return None
        kept = self._hidden_path(path.parent)
        os.link(path, kept)
        return kept

    def _hidden_path(self, near: Path) -> Path:
        if self._hidden is None:
            # Beside the folder and not in it, where the code under test might see it.
            self._hidden = Path(tempfile.mkdtemp(prefix=".crash-disk-", dir=near.parent))
        self._hidden_count += 1
        return self._hidden / str(self._hidden_count)

    def _settle(self, name: _Name) -> None:
        self._names.remove(name)
        if name.kept is not None:
            name.kept.unlink()

    def _lose_names(self, chance: random.Random) -> None:
        # A file system that keeps a journal of names keeps those of a folder up to some moment.
        kept = {folder: chance.random() for folder in sorted({name.path.parent for name in self._names})}
        place = dict.fromkeys(kept, 0)
        total = {folder: sum(name.path.parent == folder for name in self._names) for folder in kept}
        lost = []
        for name in self._names:
            folder = name.path.parent
            if place[folder] >= round(kept[folder] * total[folder]):
                lost.append(name)
            place[folder] += 1
        for name in reversed(lost):
            _undo(name)


class FsyncLiar:
    """A disk that says *durable* and does nothing, to show that a crash test can fail.

    ``lies_about`` names the files of which it does so; all of them when left out.
    """

    def __init__(self, disk: Disk, lies_about: Callable[[Path], bool] = lambda _: True) -> None:
        self._disk = disk
        self._lies_about = lies_about
        self.create = disk.create
        self.open = disk.open
        self.open_direct = disk.open_direct
        self.write = disk.write
        self.allocate = disk.allocate
        self.truncate = disk.truncate
        self.rename = disk.rename
        self.sync_directory = disk.sync_directory
        self.remove = disk.remove
        self.close = disk.close

    def sync(self, descriptor: int) -> None:
        """Return at once, or sync where it does not lie."""
        if not self._lies_about(Path(f"/proc/self/fd/{descriptor}").readlink()):
            self._disk.sync(descriptor)


def _key(descriptor: int) -> tuple[int, int]:
    facts = os.fstat(descriptor)
    return facts.st_dev, facts.st_ino


def _undo(name: _Name) -> None:
    if name.call is Call.RENAME and name.source is not None and _is(name.path, name.inode):
        name.path.rename(name.source)
    elif name.call is Call.CREATE and _is(name.path, name.inode):
        name.path.unlink()
    if name.kept is not None:
        name.kept.replace(name.path)


def _is(path: Path, inode: int) -> bool:
    return path.exists() and path.stat().st_ino == inode


def _decide(file: _File, chance: random.Random) -> None:
    with os.fdopen(file.descriptor, "r+b") as handle:
        for sector, data in file.durable_sectors.items():
            handle.seek(sector * SECTOR)
            handle.write(data)
        handle.truncate(file.durable_size)
        # What lay past the durable end comes from the writes that survive, and from nothing else.
        for write in file.writes:
            if isinstance(write, int):
                if chance.random() < 0.5:
                    handle.truncate(write)
                continue
            fate = chance.choice(list(Fate))
            if fate is Fate.GARBAGE:
                _put(handle, write.offset, chance.randbytes(len(write.data)))
            elif fate is Fate.THERE:
                _put(handle, write.offset, write.data)
            elif fate is Fate.TORN:
                for start, piece in _sectors(write):
                    if chance.random() < 0.5:
                        _put(handle, start, piece)


def _put(handle: BinaryIO, offset: int, data: bytes) -> None:
    handle.seek(offset)
    handle.write(data)


def _sectors(write: _Write) -> Iterator[tuple[int, bytes]]:
    end = write.offset + len(write.data)
    position = write.offset
    while position < end:
        stop = min(end, (position // SECTOR + 1) * SECTOR)
        yield position, write.data[position - write.offset : stop - write.offset]
        position = stop
