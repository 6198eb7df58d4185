"""Packer processes and the threads that keep them busy."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.site.packer import PackerSettings, PackOrder, PackOutcome, PixelAnswer, PixelQuestion
from safelight.site.workers import Worker, Workers

ORDERS_WAITING_MAX: Final = 2
DIED: Final = "vault.packer-died"

Answer = Callable[[PixelQuestion], PixelAnswer]
Tell = Callable[[PackOrder, PackOutcome], None]


class PackingStopped(StateError):
    """No more packs are made: we are stopping."""

    code: ClassVar[str] = "vault.packing-stopped"
    hint: ClassVar[str] = "Nothing is lost: what waits in the landing log is packed after the next start."


class _Packer:
    """One worker that packs, taken when it is first needed and again after it died."""

    def __init__(self, settings: PackerSettings, workers: Workers) -> None:
        self._settings = settings
        self._workers = workers
        self._worker: Worker | None = None

    def begin(self, order: PackOrder) -> None:
        """Give it an order."""
        # One that has died is noticed when its outcome is waited for.
        with suppress(OSError):
            self._taken().send(order)

    def outcome(self, answer: Answer) -> PackOutcome | None:
        """Return what became of the order that it has; None when the packer died over it."""
        worker = self._taken()
        try:
            while True:
                said = worker.recv()
                if isinstance(said, PackOutcome):
                    return said
                worker.send(answer(said))
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self) -> None:
        """Let the packer end."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def kill(self) -> None:
        """End the packer at once; whoever waits for it sees it die."""
        if self._worker is not None:
            self._worker.kill()

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

    def __init__(self, settings: PackerSettings, answer: Answer, packers: int, workers: Workers) -> None:
        self._answer = answer
        self._orders: queue.Queue[_Waiting | None] = queue.Queue(ORDERS_WAITING_MAX)
        self._idle = threading.Condition()
        self._under_way = 0
        self._stopping = False
        self._packers = [_Packer(settings, workers) for _ in range(packers)]
        self._threads = [
            threading.Thread(target=self._work, args=(packer,), name=f"packing-{number}", daemon=True)
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
            PackingStopped: after `stop`.
        """
        with self._idle:
            if self._stopping:
                raise PackingStopped
            self._under_way += 1
        self._orders.put(_Waiting(order, tell))

    @property
    def under_way(self) -> int:
        """How many orders were taken and not told of yet."""
        return self._under_way

    def wait(self) -> None:
        """Return when every order was told of."""
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0)

    def stop(self, *, at_once: bool = False) -> None:
        """Finish what was taken (``at_once``: break it off; nothing is lost) and end the packers."""
        with self._idle:
            self._stopping = True
        if at_once:
            for packer in self._packers:
                packer.kill()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for packer in self._packers:
            packer.stop()

    def _work(self, packer: _Packer) -> None:
        waiting = self._begun(packer, self._orders.get())
        while waiting is not None:
            outcome = self._outcome(packer, waiting.order)
            # The packer goes on while we record what it made.
            try:
                following, is_known = self._begun(packer, self._orders.get_nowait()), True
            except queue.Empty:
                following, is_known = None, False
            try:
                waiting.tell(waiting.order, outcome)
            finally:
                with self._idle:
                    self._under_way -= 1
                    self._idle.notify_all()
            waiting = following if is_known else self._begun(packer, self._orders.get())

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
