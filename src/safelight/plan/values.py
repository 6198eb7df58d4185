"""Days and moments as a plan writes them, and how to mend what is none."""

import re
from datetime import UTC, date, datetime
from typing import Final

DAY_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}$"
MOMENT_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$"
SPAN_MEND: Final = "Write a number and its unit, as `30 min`, `4 h` or `28 d`; none at all is `0 min`."
DAY_MEND: Final = "Write the day as 2026-11-24."
MOMENT_MEND: Final = "Write the time with its zone, as 2026-11-24T09:00:00+01:00."


def read_day(text: str) -> date:
    """Read a calendar day.

    Raises:
        ValueError: it is none.
    """
    if not re.match(DAY_PATTERN, text):
        raise ValueError(text)
    return date.fromisoformat(text)


def read_moment(text: str) -> datetime:
    """Read an instant, which has a zone.

    Raises:
        ValueError: it is none, or has no zone.
    """
    if not re.match(MOMENT_PATTERN, text):
        raise ValueError(text)
    return datetime.fromisoformat(text).astimezone(UTC)
