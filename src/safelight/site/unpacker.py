"""The unpacker: writes instances out of packs into files, in a worker process.

It knows the node key, opens no database, and tries one placement. What it cannot do, for whatever reason, is left to
the process that ordered it, which tries every placement and records what is wrong.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from safelight.core.errors import ResourceError, SafelightError
from safelight.core.instance import ByteSource
from safelight.site.workers import Worker, Workers
from safelight.vault.age import Identity
from safelight.vault.pack_reader import PackReader, ReferenceMissing
from safelight.vault.placement import Placement

PIECES_AT_ONCE: Final = 64
BYTES_AT_ONCE: Final = 4 * 2**20
ORDERS_EACH: Final = 2
"""So many orders lie with each worker, so that it never waits for the next."""


@dataclass(frozen=True, slots=True)
class UnpackerSettings:
    """What an unpacker is told once, at its start."""

    placements: tuple[Placement, ...]
    identities: tuple[Identity, ...]
    folder: str


@dataclass(frozen=True, slots=True)
class UnpackTask:
    """One file to write: ``prefix``, then the stored bytes of an entry of the pack."""

    position: int
    name: str
    prefix: bytes


@dataclass(frozen=True, slots=True)
class UnpackOrder:
    """Files to write from one pack."""

    number: int
    pack: str
    tasks: tuple[UnpackTask, ...]


@dataclass(frozen=True, slots=True)
class UnpackOutcome:
    """How many bytes each file of an order has; None for those that were not written."""

    sizes: tuple[int | None, ...]


def write_whole(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file that appears whole or not at all; return its size.

    It is not synced: an export is a copy, and the vault remains the promise.
    """
    draft = path.with_name(path.name + ".part")
    size = 0
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            for some in _several(pieces):
                size += _write_all(descriptor, some)
            # The kernel begins to write now, while the next file is decoded, and not when all are there.
            with suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size


class Unpacker:
    """Does one order after another."""

    def __init__(self, settings: UnpackerSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._folder = Path(settings.folder)
        self._pack = ""
        self._reader: PackReader | None = None

    def work(self) -> None:
        """Take orders until the other end closes."""
        with suppress(EOFError):
            while True:
                order = self._connection.recv()
                self._connection.send(UnpackOutcome(tuple(self._do(order.pack, task) for task in order.tasks)))

    def _do(self, pack: str, task: UnpackTask) -> int | None:
        try:
            pieces = self._reader_of(pack).read(task.position)
            return write_whole(self._folder / task.name, _preceded(task.prefix, pieces))
        except (SafelightError, OSError):
            return None

    def _reader_of(self, pack: str) -> PackReader:
        if self._reader is None or self._pack != pack:
            self._reader = PackReader(self._open(pack), self._settings.identities, self._open)
            self._pack = pack
        return self._reader

    def _open(self, pack: str) -> ByteSource:
        for placement in self._settings.placements:
            with suppress(ResourceError):
                return placement.open(pack)
        raise ReferenceMissing(pack=pack)


class Unpackers:
    """Several unpackers that share the orders of one export. For one thread."""

    def __init__(self, workers: Workers, settings: UnpackerSettings, count: int) -> None:
        self._given: dict[Worker, deque[UnpackOrder]] = {workers.take(): deque() for _ in range(count)}
        for worker in self._given:
            with suppress(OSError):
                worker.send(settings)

    def unpack(self, orders: Iterator[UnpackOrder]) -> Iterator[tuple[UnpackOrder, UnpackOutcome]]:
        """Have orders done and give each with its outcome as it comes; undone are those of a worker that died."""
        while True:
            self._feed(orders)
            busy: dict[Any, Worker] = {worker.connection: worker for worker, given in self._given.items() if given}
            if not busy:
                break
            for connection in wait(list(busy)):
                yield from self._heard(busy[connection])
        for order in orders:
            yield order, _undone(order)

    def stop(self) -> None:
        """End the workers."""
        for worker in self._given:
            worker.stop()

    def _feed(self, orders: Iterator[UnpackOrder]) -> None:
        for few in range(ORDERS_EACH):
            for worker, given in self._given.items():
                if len(given) > few:
                    continue
                order = next(orders, None)
                if order is None:
                    return
                given.append(order)
                # One that died is noticed when its answer is waited for.
                with suppress(OSError):
                    worker.send(order)

    def _heard(self, worker: Worker) -> Iterator[tuple[UnpackOrder, UnpackOutcome]]:
        try:
            outcome = worker.recv()
        except (EOFError, OSError):
            lost = self._given.pop(worker)
            worker.stop()
            for order in lost:
                yield order, _undone(order)
        else:
            yield self._given[worker].popleft(), outcome


def _undone(order: UnpackOrder) -> UnpackOutcome:
    return UnpackOutcome((None,) * len(order.tasks))


def _preceded(prefix: bytes, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    if prefix:
        yield prefix
    yield from pieces


def _several(pieces: Iterable[bytes | memoryview]) -> Iterator[list[bytes | memoryview]]:
    """Gather pieces, so that a header and a frame cost one call; what a reader gives stays valid that long."""
    some: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if len(some) == PIECES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _write_all(descriptor: int, pieces: list[bytes | memoryview]) -> int:
    whole = sum(len(piece) for piece in pieces)
    written = os.writev(descriptor, pieces)
    for piece in pieces if written < whole else ():
        # A disk that takes less than it was given: go on behind what it took.
        left = memoryview(piece)[written:]
        written = max(0, written - len(piece))
        while left:
            left = left[os.write(descriptor, left) :]
    return whole
