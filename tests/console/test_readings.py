"""Who opened which study is noted once a viewing."""

from datetime import timedelta

from safelight.console.readings import KEPT_MAX, VIEWING_LASTS, Readings
from safelight.core.notebook import UNWRITTEN_MAX
from support.console_house import ShiftedClock


def test_a_viewing_is_one_reading_until_it_rested_long_enough() -> None:
    clock = ShiftedClock()
    readings = Readings(clock)
    for _ in range(1000):
        readings.opened("vview", "1.2.3")
    readings.opened("ttech", "1.2.3")
    readings.opened("vview", "1.2.4")
    noted = readings.unwritten()
    assert [(one.account, one.study) for one in noted.notes] == [
        ("vview", "1.2.3"),
        ("ttech", "1.2.3"),
        ("vview", "1.2.4"),
    ]
    readings.written(noted)
    # As long as somebody pages through it, it is the same viewing.
    for _ in range(3):
        clock.shift += VIEWING_LASTS - timedelta(minutes=1)
        readings.opened("vview", "1.2.3")
    assert _studies(readings) == []
    clock.shift += VIEWING_LASTS + timedelta(minutes=1)
    readings.opened("vview", "1.2.3")
    assert _studies(readings) == ["1.2.3"]


def test_what_could_not_be_written_is_not_lost_and_memory_has_an_end() -> None:
    readings = Readings(ShiftedClock())
    readings.opened("vview", "1.1")
    taken = readings.unwritten()
    readings.opened("vview", "1.2")
    # It was not written down: nothing says so, and it is there the next time.
    assert _studies(readings) == ["1.1", "1.2"]
    readings.written(taken)
    assert _studies(readings) == ["1.2"]
    for number in range(KEPT_MAX + 10):
        readings.opened("vview", f"2.{number}")
    assert len(readings._viewings) == KEPT_MAX


def test_while_nothing_can_be_written_a_gap_is_noted_and_no_viewing_without_end() -> None:
    clock = ShiftedClock()
    readings = Readings(clock)
    for number in range(UNWRITTEN_MAX):
        readings.opened("vview", f"1.{number}")
    assert readings.unwritten().gap is None
    for number in range(UNWRITTEN_MAX, UNWRITTEN_MAX + 10):
        clock.shift += timedelta(seconds=1)
        readings.opened("vview", f"1.{number}")
    full = readings.unwritten()
    assert len(full.notes) == UNWRITTEN_MAX
    assert full.gap is not None and full.gap.until - full.gap.since >= timedelta(seconds=9)
    # What is missed while it is being written down is told as well.
    readings.opened("vview", "2.1")
    readings.written(full)
    late = readings.unwritten()
    assert late.notes == () and late.gap is not None and late.gap.until > full.gap.until
    readings.written(late)
    # A viewing that goes on is noted as soon as there is room.
    readings.opened("vview", "2.1")
    assert _studies(readings) == ["2.1"] and readings.unwritten().gap is None


def _studies(readings: Readings) -> list[str]:
    return [one.study for one in readings.unwritten().notes]
