import threading
from datetime import UTC, datetime, timedelta

import pytest

from safelight.core.clock import SetClock
from safelight.recovery.facts import StudySent
from safelight.recovery.pace import ANSWERS_A_LOOK, FLOOR_BYTES, Pace
from support.recovery_journal import Rehearsal
from support.recovery_target import MemoryHoldings, held

START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
MB = 1_000_000


class Target:
    """Answers after so many seconds a megabyte; one instance at a time."""

    def __init__(self, limit: float | None = None) -> None:
        self.clock = SetClock(START)
        self.pace = Pace(limit, self.clock, self.wait)
        self.lane = self.pace.lane()
        self.seconds_a_megabyte = 0.1

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def take(self, count: int, size_bytes: int = MB) -> float:
        begun = self.clock.elapsed()
        for _ in range(count):
            self.lane.begin(size_bytes)
            gone_at = self.lane.moment()
            self.wait(self.seconds_a_megabyte * size_bytes / MB)
            self.lane.answered(size_bytes, gone_at)
        return (self.clock.elapsed() - begun).total_seconds()


def test_bytes_leave_no_faster_than_the_limit() -> None:
    target = Target(500_000.0)
    assert target.take(4) == pytest.approx(6.1)


def test_the_limit_is_one_for_all_associations() -> None:
    clock = SetClock(START)
    pace = Pace(1000.0, clock, lambda seconds: clock.advance(timedelta(seconds=seconds)))
    lanes = [pace.lane() for _ in range(4)]
    for lane in lanes:
        lane.begin(1000)
    assert clock.elapsed() == timedelta(seconds=3)


def test_without_a_limit_a_target_that_keeps_up_is_never_slowed() -> None:
    target = Target()
    assert target.take(100) == pytest.approx(10.0)
    assert target.pace.slowed_to is None


def test_slow_answers_cut_the_rate_to_a_floor_and_quick_ones_bring_it_back() -> None:
    target = Target()
    target.take(10 * ANSWERS_A_LOOK)
    target.seconds_a_megabyte = 0.8
    target.take(3 * ANSWERS_A_LOOK)
    slowed = target.pace.slowed_to
    assert slowed is not None and slowed < 1.25 * MB
    target.take(30 * ANSWERS_A_LOOK)
    assert target.pace.slowed_to is not None and target.pace.slowed_to >= MB
    target.seconds_a_megabyte = 0.1
    target.take(40 * ANSWERS_A_LOOK)
    assert target.pace.slowed_to is None


def test_our_own_waiting_is_not_taken_for_slowness_of_the_target() -> None:
    target = Target(100_000.0)
    target.take(20 * ANSWERS_A_LOOK)
    assert target.pace.slowed_to is None


def test_large_instances_after_small_ones_are_no_slowness() -> None:
    target = Target()
    target.take(10 * ANSWERS_A_LOOK, 2 * MB)
    target.take(10 * ANSWERS_A_LOOK, 60 * MB)
    assert target.pace.slowed_to is None


def test_answers_quick_in_themselves_are_never_called_slow() -> None:
    target = Target()
    target.seconds_a_megabyte = 0.001
    target.take(10 * ANSWERS_A_LOOK)
    target.seconds_a_megabyte = 0.03
    target.take(10 * ANSWERS_A_LOOK)
    assert target.pace.slowed_to is None


def test_a_target_that_stands_still_is_still_sent_something() -> None:
    target = Target()
    target.take(10 * ANSWERS_A_LOOK)
    target.seconds_a_megabyte = 60.0
    target.take(4 * ANSWERS_A_LOOK)
    assert target.pace.slowed_to is not None and target.pace.slowed_to >= FLOOR_BYTES


def test_many_associations_may_use_one_pace() -> None:
    target = Target(10 * MB)
    target.pace._wait = lambda _: None
    lanes = [target.pace.lane() for _ in range(8)]

    def use(lane: object) -> None:
        for _ in range(200):
            lane.begin(1000)  # type: ignore[attr-defined]
            lane.answered(1000, lane.moment())  # type: ignore[attr-defined]

    threads = [threading.Thread(target=use, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Every byte was counted: the next may go when 1.6 MB had their time at this rate.
    assert target.pace.take(0) == pytest.approx(0.16)


def test_the_record_says_that_the_target_was_slow() -> None:
    instances = [held(f"1.{number}", b"x" * MB) for number in range(80)]
    it = Rehearsal(MemoryHoldings({"A": instances[:40], "B": instances[40:]}))
    refill = it.refill()
    pace = refill.pace
    lane = pace.lane()
    for number in range(80):
        gone_at = lane.moment()
        it.wait(0.1 if number < 40 else 5.0)
        lane.answered(MB, gone_at)
    assert pace.slowed_to is not None
    it.refill = lambda: refill  # type: ignore[method-assign]
    state = it.run()
    told = [fact.slowed_to for fact in it.recorder.facts() if isinstance(fact, StudySent)]
    assert told == [int(pace.slowed_to)] * 2
    assert state.slowed_to == told[-1]
