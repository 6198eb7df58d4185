"""Time: one clock for the record, one for timeouts."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every piece of code gets its time from, so that tests may set it."""

    def now(self) -> datetime:
        """Return the aware UTC instant, for the record. It may jump."""

    def elapsed(self) -> timedelta:
        """Return a span since an unknown start that never jumps, for timeouts."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the machine's wall clock in UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> timedelta:
        """Return the machine's monotonic clock."""
        return timedelta(seconds=time.monotonic())


class SetClock:
    """A clock that moves only when told to: for tests, and for replaying a recorded day."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._now = start

    def now(self) -> datetime:
        """Return the instant that was set last."""
        return self._now

    def elapsed(self) -> timedelta:
        """Return how far the clock was advanced."""
        return self._now - self._start

    def advance(self, span: timedelta) -> None:
        """Move forward by ``span``."""
        self._now += span


def to_text(moment: datetime) -> str:
    """Write an aware instant as ISO 8601 in UTC with microseconds and a ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def day_from_text(text: str) -> date | None:
    """Read a day as DICOM writes it, ``YYYYMMDD``; None where the calendar has no such day."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote.

    Raises:
        ValueError: the text is not an instant with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"an instant without an offset: {text}")
    return moment.astimezone(UTC)
