"""Packer processes and the threads that keep them busy."""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.site.packer import PackerSettings, PackOrder, PackOutcome, PixelAnswer, PixelQuestion

ORDERS_WAITING_MAX: Final = 2
DIED: Final = "vault.packer-died"

Answer = Callable[[PixelQuestion], PixelAnswer]
Tell = Callable[[PackOrder, PackOutcome], None]


class PackingStopped(StateError):
    """No more packs are made: we are stopping."""

    code: ClassVar[str] = "vault.packing-stopped"
    hint: ClassVar[str] = "Nothing is lost: what waits in the landing log is packed after the next start."


class _PackerProcess:
    """One packer, started when it is first needed and again after it died."""

    def __init__(self, settings: PackerSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def do(self, order: PackOrder, answer: Answer) -> PackOutcome | None:
        """Have an order done; None when the packer died over it."""
        try:
            connection = self._started()
            connection.send(order)
            while True:
                said = connection.recv()
                if isinstance(said, PackOutcome):
                    return said
                connection.send(answer(said))
        except (EOFError, ConnectionError, BrokenPipeError):
            self.stop()
            return None

    def stop(self) -> None:
        """Let the packer end; one that hangs is killed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End the packer at once; whoever waits for it sees it die."""
        if self._process is not None:
            self._process.kill()

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from safelight.site.packer import main; main()", str(number)],
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=dict(os.environ, MALLOC_ARENA_MAX="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._connection.send(self._settings)
        return self._connection


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: PackOrder
    tell: Tell


class Packing:
    """Makes packs, several at a time. Used by many threads."""

    def __init__(self, settings: PackerSettings, answer: Answer, packers: int) -> None:
        self._answer = answer
        self._orders: queue.Queue[_Waiting | None] = queue.Queue(ORDERS_WAITING_MAX)
        self._idle = threading.Condition()
        self._under_way = 0
        self._stopping = False
        self._packers = [_PackerProcess(settings) for _ in range(packers)]
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

    def _work(self, packer: _PackerProcess) -> None:
        while (waiting := self._orders.get()) is not None:
            try:
                waiting.tell(waiting.order, self._do(packer, waiting.order))
            finally:
                with self._idle:
                    self._under_way -= 1
                    self._idle.notify_all()

    def _do(self, packer: _PackerProcess, order: PackOrder) -> PackOutcome:
        outcome = packer.do(order, self._answer)
        if outcome is None and not self._stopping:
            # A codec may have crashed on hostile pixels: once more, without image codecs.
            outcome = packer.do(replace(order, plain=True), self._answer)
        return PackOutcome(None, error=DIED) if outcome is None else outcome
