"""The rate of arrivals, and which series senders have done with."""

from datetime import UTC, datetime, timedelta

from safelight.core.clock import SetClock
from safelight.site.inflow import (
    BURST_SPAN,
    ENDED_AFTER,
    FORGOTTEN_AFTER,
    HIGH_BYTES,
    HIGH_INSTANCES,
    MOVED_ON_AFTER,
    WINDOW_SPAN,
    Feeds,
    Inflow,
)

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
SHORT = timedelta(milliseconds=1)


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
    clock.advance(WINDOW_SPAN)
    assert inflow.is_high
    clock.advance(WINDOW_SPAN)
    assert not inflow.is_high


def test_one_large_instance_is_a_load() -> None:
    inflow = Inflow(SetClock(START))
    inflow.count(HIGH_BYTES)
    assert inflow.is_high


def test_a_load_is_a_burst_until_it_has_lasted() -> None:
    clock = SetClock(START)
    inflow = Inflow(clock)
    for _ in range(BURST_SPAN // WINDOW_SPAN):
        inflow.count(HIGH_BYTES)
        assert inflow.is_burst
        clock.advance(WINDOW_SPAN)
    inflow.count(HIGH_BYTES)
    assert inflow.is_high
    assert not inflow.is_burst
    clock.advance(3 * WINDOW_SPAN)
    inflow.count(HIGH_BYTES)
    assert inflow.is_burst


def test_a_series_is_settled_a_while_after_its_association_went_on_to_another() -> None:
    clock = SetClock(START)
    feeds = Feeds(clock)
    feeds.note("one", "1", "1.1")
    clock.advance(MOVED_ON_AFTER)
    assert not feeds.settled()
    feeds.note("one", "1", "1.2")
    assert not feeds.settled()
    clock.advance(MOVED_ON_AFTER)
    assert feeds.settled() == {("1", "1.1")}


def test_a_series_is_settled_a_while_after_its_association_ended() -> None:
    clock = SetClock(START)
    feeds = Feeds(clock)
    feeds.note("one", "1", "1.1")
    feeds.end("one")
    feeds.end("one")
    clock.advance(ENDED_AFTER - SHORT)
    assert not feeds.settled()
    clock.advance(SHORT)
    assert feeds.settled() == {("1", "1.1")}


def test_a_series_that_another_association_brings_or_that_goes_on_is_not_settled() -> None:
    clock = SetClock(START)
    feeds = Feeds(clock)
    feeds.note("one", "1", "1.1")
    feeds.note("other", "1", "1.1")
    feeds.end("one")
    clock.advance(ENDED_AFTER)
    assert not feeds.settled()
    assert feeds.are_open
    feeds.end("other")
    assert not feeds.are_open
    feeds.note("third", "1", "1.1")
    clock.advance(ENDED_AFTER)
    assert not feeds.settled()


def test_settled_series_are_forgotten() -> None:
    clock = SetClock(START)
    feeds = Feeds(clock)
    for number in range(1000):
        feeds.note("one", "1", f"1.{number}")
        clock.advance(MOVED_ON_AFTER)
    assert len(feeds.settled()) <= FORGOTTEN_AFTER / MOVED_ON_AFTER + 2
