"""Packer processes and the threads that keep them busy."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from safelight.site.packer import (
    GiveUp,
    PackerSettings,
    PackingStopped,
    PackOrder,
    PackOutcome,
    PixelAnswer,
    PixelQuestion,
)
from safelight.site.workers import Worker, Workers

ORDERS_WAITING_MAX: Final = 2
STAND_BACK_SECONDS: Final = 0.1
DIED: Final = "vault.packer-died"

Answer = Callable[[PixelQuestion], PixelAnswer]
Tell = Callable[[PackOrder, PackOutcome], None]


class StandBack(Protocol):
    """Says whether packers have to wait, because receiving needs the machine."""

    def __call__(self, *, second: bool) -> bool:
        """Say it for the first half of the packers, or for the second half, which waits longer; an odd one is there."""


def _never(*, second: bool) -> bool:
    del second
    return False


class _Packer:
    """One worker that packs, taken when it is first needed and again after it died."""

    def __init__(self, settings: PackerSettings, workers: Workers) -> None:
        self._settings = settings
        self._workers = workers
        self._worker: Worker | None = None
        self._speaking = threading.Lock()
        self._has_order = self._gave_up = False

    def begin(self, order: PackOrder) -> None:
        """Give it an order; after `give_up` it gets none."""
        with self._speaking:
            if self._gave_up:
                return
            self._has_order = True
            # One that has died is noticed when its outcome is waited for.
            with suppress(OSError):
                self._taken().send(order)

    def outcome(self, answer: Answer) -> PackOutcome | None:
        """Return what became of the order that it was to have; None when the packer died over it."""
        if not self._has_order:
            return PackOutcome(None, error=PackingStopped.code)
        worker = self._taken()
        try:
            while True:
                said = worker.recv()
                if isinstance(said, PackOutcome):
                    return said
                self._say(worker, answer(said))
        except (EOFError, OSError):
            self.stop()
            return None
        finally:
            self._has_order = False

    def give_up(self) -> None:
        """Have it leave its order undone, and take no other."""
        with self._speaking:
            self._gave_up = True
            worker = self._worker if self._has_order else None
            if worker is not None:
                with suppress(OSError):
                    worker.send(GiveUp())

    def stop(self) -> None:
        """Let the packer end."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _say(self, worker: Worker, message: object) -> None:
        with self._speaking:
            worker.send(message)

    def _taken(self) -> Worker:
        if self._worker is None:
            self._worker = self._workers.take()
            self._worker.send(self._settings)
        return self._worker


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: PackOrder
    tell: Tell


class Packing:
    """Makes packs, several at a time. Used by many threads."""

    def __init__(
        self,
        settings: PackerSettings,
        answer: Answer,
        packers: int,
        workers: Workers,
        stand_back: StandBack = _never,
    ) -> None:
        self._answer = answer
        self._stand_back = stand_back
        self._changed = threading.Condition()
        self._orders: deque[_Waiting] = deque()
        self._untaken = self._under_way = 0
        self._stopping = False
        self._packers = [_Packer(settings, workers) for _ in range(packers)]
        self._threads = [
            threading.Thread(target=self._work, args=(packer, number), name=f"packing-{number}", daemon=True)
            for number, packer in enumerate(self._packers)
        ]

    def start(self) -> None:
        """Begin to take orders."""
        for thread in self._threads:
            thread.start()

    def submit(self, order: PackOrder, tell: Tell) -> None:
        """Take an order; return when there is room for another.

        ``tell`` is called with the outcome, in a thread of ours.

        Raises:
            PackingStopped: after `stop` or `give_up`.
        """
        with self._changed:
            if self._stopping:
                raise PackingStopped
            self._under_way += 1
            self._untaken += 1
            self._changed.wait_for(lambda: len(self._orders) < ORDERS_WAITING_MAX)
            self._orders.append(_Waiting(order, tell))
            self._changed.notify_all()

    @property
    def under_way(self) -> int:
        """How many orders were taken and not told of yet."""
        return self._under_way

    def wait(self) -> None:
        """Return when every order was told of."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0)

    def give_up(self) -> None:
        """Leave undone what was taken, each packer when it is between two instances; `stop` waits for that."""
        self._take_no_more()
        for packer in self._packers:
            packer.give_up()

    def stop(self) -> None:
        """Finish what was taken, unless it was given up, and end the packers."""
        self._take_no_more()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for packer in self._packers:
            packer.stop()

    def _take_no_more(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _work(self, packer: _Packer, number: int) -> None:
        second = number >= max(1, len(self._packers) // 2)
        waiting = self._begun(packer, self._next(second))
        while waiting is not None:
            outcome = self._outcome(packer, waiting.order)
            # The packer goes on while we record what it made.
            following = self._begun(packer, self._next(second, wait=False))
            try:
                waiting.tell(waiting.order, outcome)
            finally:
                with self._changed:
                    self._under_way -= 1
                    self._changed.notify_all()
            waiting = following or self._begun(packer, self._next(second))

    def _next(self, second: bool, *, wait: bool = True) -> _Waiting | None:
        """Return the next order, once packers of this half may work; None when there is none, or will be none."""
        with self._changed:
            while not (self._orders and self._may_work(second)):
                if not wait or (self._stopping and not self._untaken):
                    return None
                # How much comes in changes by itself, so who stands back looks again.
                self._changed.wait(STAND_BACK_SECONDS if self._orders else None)
            self._untaken -= 1
            self._changed.notify_all()
            return self._orders.popleft()

    def _may_work(self, second: bool) -> bool:
        return self._stopping or not self._stand_back(second=second)

    def _begun(self, packer: _Packer, waiting: _Waiting | None) -> _Waiting | None:
        if waiting is not None:
            packer.begin(waiting.order)
        return waiting

    def _outcome(self, packer: _Packer, order: PackOrder) -> PackOutcome:
        outcome = packer.outcome(self._answer)
        if outcome is None and not self._stopping:
            # A codec may have crashed on hostile pixels: once more, without image codecs.
            packer.begin(replace(order, plain=True))
            outcome = packer.outcome(self._answer)
        return PackOutcome(None, error=DIED) if outcome is None else outcome
