"""Who packs when: orders are done one after the other, and packers stand back while receiving needs the machine."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from safelight.site.packer import PackerSettings, PackingStopped, PackOrder, PackOutcome, PixelAnswer
from safelight.site.packing import ORDERS_WAITING_MAX, Packing
from safelight.site.workers import Worker, Workers
from safelight.vault.age import Identity

SETTINGS = PackerSettings("packs", (), "default", 1)
ORDERS = 4 * ORDERS_WAITING_MAX


class Echoes:
    """Workers in threads that make nothing of every order."""

    def __init__(self) -> None:
        self.started = 0

    def take(self) -> Worker:
        ours, theirs = Pipe()
        self.started += 1
        threading.Thread(target=_echo, args=(theirs,), daemon=True).start()
        return Worker(ours, None)


def _echo(connection: Connection) -> None:
    connection.send(os.getpid())
    connection.recv()
    try:
        while True:
            connection.recv()
            connection.send(PackOutcome(None))
    except (EOFError, OSError):
        connection.close()


class Tide:
    """A stand-in for the inflow that a test turns."""

    def __init__(self) -> None:
        self.burst = self.high = False

    def stand_back(self, *, second: bool) -> bool:
        return self.high if second else self.burst


@contextmanager
def packing(tide: Tide, packers: int, workers: Echoes | None = None) -> Iterator[Packing]:
    made = Packing(SETTINGS, lambda _: PixelAnswer({}), packers, workers or Echoes(), tide.stand_back)  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        tide.burst = tide.high = False
        made.stop()


@pytest.mark.parametrize("packers", [1, 2, 3])
def test_every_order_is_told_of_once(packers: int) -> None:
    told: list[int] = []
    with packing(Tide(), packers) as made:
        for number in range(ORDERS):
            made.submit(PackOrder(()), lambda _, __, number=number: told.append(number))  # type: ignore[misc]
        made.wait()
        assert sorted(told) == list(range(ORDERS))
        assert made.under_way == 0


def test_in_a_burst_nothing_is_packed_until_it_is_over() -> None:
    tide = Tide()
    tide.burst = tide.high = True
    told = threading.Semaphore(0)
    with packing(tide, 2) as made:
        made.submit(PackOrder(()), lambda _, __: told.release())
        assert not told.acquire(timeout=0.3)
        tide.burst = tide.high = False
        assert told.acquire(timeout=30)


@pytest.mark.parametrize("packers", [1, 2, 3])
def test_in_a_stream_that_goes_on_half_of_the_packers_work(packers: int) -> None:
    tide, workers = Tide(), Echoes()
    tide.high = True
    with packing(tide, packers, workers) as made:
        for _ in range(ORDERS):
            made.submit(PackOrder(()), lambda _, __: None)
        made.wait()
        assert workers.started == 1


def test_what_was_taken_is_done_before_packing_stops_and_nothing_is_taken_after() -> None:
    tide = Tide()
    tide.burst = tide.high = True
    told: list[int] = []
    with packing(tide, 2) as made:
        made.submit(PackOrder(()), lambda _, __: told.append(1))
        made.stop()
        assert told == [1]
        with pytest.raises(PackingStopped):
            made.submit(PackOrder(()), lambda _, __: None)


def test_what_is_given_up_is_told_of_and_no_packer_gets_it() -> None:
    tide, workers = Tide(), Echoes()
    tide.burst = tide.high = True
    told: list[str] = []
    with packing(tide, 2, workers) as made:
        for _ in range(ORDERS_WAITING_MAX):
            made.submit(PackOrder(()), lambda _, outcome: told.append(outcome.error))
        made.give_up()
        with pytest.raises(PackingStopped):
            made.submit(PackOrder(()), lambda _, __: None)
        made.stop()
    assert told == [PackingStopped.code] * ORDERS_WAITING_MAX
    assert workers.started == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_what_becomes_of_packers_to_whoever_started_them(
    number: signal.Signals, tmp_path: Path
) -> None:
    with Workers(niceness=0, ahead=1) as workers:
        worker = workers.take()
        os.kill(worker.connection.recv(), number)
        worker.send(PackerSettings(str(tmp_path), (Identity.generate().recipient.text,), "default", 1))
        worker.send(PackOrder(()))
        assert worker.connection.recv() == PackOutcome(None)
        worker.stop()
