"""The rate of arrivals, second by second."""

from datetime import UTC, datetime, timedelta

from safelight.core.clock import SetClock
from safelight.site.inflow import HIGH_BYTES, HIGH_INSTANCES, WINDOW_SECONDS, Inflow

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def test_a_few_instances_are_no_load() -> None:
    inflow = Inflow(SetClock(START))
    for _ in range(HIGH_INSTANCES - 1):
        inflow.count(1000)
    assert not inflow.is_high


def test_many_small_instances_are_a_load_until_they_have_stopped_for_a_while() -> None:
    clock = SetClock(START)
    inflow = Inflow(clock)
    for _ in range(HIGH_INSTANCES):
        inflow.count(1)
    assert inflow.is_high
    clock.advance(timedelta(seconds=WINDOW_SECONDS - 1))
    assert inflow.is_high
    clock.advance(timedelta(seconds=1))
    assert not inflow.is_high


def test_one_large_instance_is_a_load() -> None:
    inflow = Inflow(SetClock(START))
    inflow.count(HIGH_BYTES)
    assert inflow.is_high
