"""The days that a command about a PACS speaks of."""

from datetime import UTC, date, datetime

import pytest

from safelight.core.clock import SetClock
from safelight.site.sources import EARLIEST, BadRange, days_told

CLOCK = SetClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


def test_no_dates_mean_everything_and_one_date_leaves_the_other_end_open() -> None:
    assert days_told({}, CLOCK) == []
    assert days_told({"date_to": "20250101"}, CLOCK) == [(EARLIEST, date(2025, 1, 1))]
    assert days_told({"date_from": "20250101"}, CLOCK) == [(date(2025, 1, 1), date(2026, 3, 2))]


@pytest.mark.parametrize(("first", "last"), [("20250102", "20250101"), ("2025", ""), ("", "yesterday")])
def test_days_that_cannot_be_are_refused_instead_of_found_empty(first: str, last: str) -> None:
    with pytest.raises(BadRange):
        days_told({"date_from": first, "date_to": last}, CLOCK)
