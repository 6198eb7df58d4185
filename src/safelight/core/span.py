"""Spans of time as people write them: `30 min`, `4 h`, `2 d 15 h`."""

import re
from datetime import timedelta
from typing import Final

UNITS: Final = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "weeks": timedelta(weeks=1),
    "months": timedelta(days=30),
    "years": timedelta(days=365),
}
SPAN_MAX: Final = timedelta(days=36_525)
"""A century: sums of spans stay far below what a timedelta can hold."""
SPAN_PATTERN: Final = r"^\d{1,6}(\.\d{1,6})? (s|min|h|d|weeks|months|years)( \d{1,6} (s|min|h|d))*$"


def read_span(text: str) -> timedelta:
    """Read a span with its units.

    Raises:
        ValueError: there is no unit, the text is no span, or it is longer than a century.
    """
    if not re.match(SPAN_PATTERN, text):
        raise ValueError(text)
    words = text.split(" ")
    parts = zip(words[::2], words[1::2], strict=True)
    days = sum(float(number) * (UNITS[unit] / timedelta(days=1)) for number, unit in parts)
    if days > SPAN_MAX / timedelta(days=1):
        raise ValueError(text)
    return sum(
        (float(number) * UNITS[unit] for number, unit in zip(words[::2], words[1::2], strict=True)), timedelta(0)
    )


def span_text(span: timedelta) -> str:
    """Write a span exactly, as days, hours, minutes and seconds; zero is `0 min`."""
    if not span:
        return "0 min"
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    counts = ((span.days, "d"), (hours, "h"), (minutes, "min"))
    parts = [f"{count} {unit}" for count, unit in counts if count]
    if seconds or fraction:
        parts.append(f"{seconds}{fraction} s")
    return " ".join(parts)
