"""Who opened which study is noted once a viewing."""

from datetime import timedelta

from safelight.console.readings import KEPT_MAX, VIEWING_LASTS, Readings
from support.console_house import ShiftedClock


def test_a_viewing_is_one_reading_until_it_rested_long_enough() -> None:
    clock = ShiftedClock()
    readings = Readings(clock)
    for _ in range(1000):
        readings.opened("vview", "1.2.3")
    readings.opened("ttech", "1.2.3")
    readings.opened("vview", "1.2.4")
    assert [(one.account, one.study) for one in readings.taken()] == [
        ("vview", "1.2.3"),
        ("ttech", "1.2.3"),
        ("vview", "1.2.4"),
    ]
    # As long as somebody pages through it, it is the same viewing.
    for _ in range(3):
        clock.shift += VIEWING_LASTS - timedelta(minutes=1)
        readings.opened("vview", "1.2.3")
    assert readings.taken() == []
    clock.shift += VIEWING_LASTS + timedelta(minutes=1)
    readings.opened("vview", "1.2.3")
    assert len(readings.taken()) == 1


def test_what_could_not_be_written_is_not_lost_and_memory_has_an_end() -> None:
    readings = Readings(ShiftedClock())
    readings.opened("vview", "1.1")
    noted = readings.taken()
    readings.opened("vview", "1.2")
    readings.put_back(noted)
    assert [one.study for one in readings.taken()] == ["1.1", "1.2"]
    for number in range(KEPT_MAX + 10):
        readings.opened("vview", f"2.{number}")
    assert len(readings._viewings) == KEPT_MAX


def test_what_can_be_no_study_fills_no_journal() -> None:
    readings = Readings(ShiftedClock())
    for name in ("", "x" * 10, "1" * 65, "../../etc", "1.2/3", "١.٢"):
        readings.opened("vview", name)
    assert readings.taken() == []
