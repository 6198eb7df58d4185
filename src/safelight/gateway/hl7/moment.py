"""Moments as messages write them, brought to the wall clock of this machine: the one that everybody here looks at.

Without an offset a moment is taken for local time already. Source: HL7 v2.5.1, 2.A.22 (DTM) and 2.A.77 (TS).
"""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

_WRITTEN: Final = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2})?)?)?(?:[\d.]*([+-])(\d{2})(\d{2}))?")


def local_moment(text: str) -> datetime | None:
    """Return a moment without its offset, at midnight where only a day is written; None for what is none."""
    found = _WRITTEN.match(text)
    if found is None:
        return None
    day, time, sign, hours, minutes = found.groups()
    try:
        at = datetime.strptime((day + (time or "")).ljust(14, "0"), "%Y%m%d%H%M%S")
        if sign and time:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            at = at.replace(tzinfo=timezone(-offset if sign == "-" else offset)).astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
    return at


def local_day_and_time(text: str) -> tuple[str, str]:
    """Return the day and the time of day as digits, the latter empty where it is not said.

    What is no moment is given as it is written, for others to judge.
    """
    found = _WRITTEN.match(text)
    if found is None:
        return text, ""
    at = local_moment(text)
    if at is None or not found[2]:
        return found[1], found[2].ljust(6, "0") if found[2] else ""
    return f"{at:%Y%m%d}", f"{at:%H%M%S}"
