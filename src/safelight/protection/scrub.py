"""Deciding which copies are read back next, so that every copy is seen within so many days.

The schedule remembers through the catalog: the copies seen longest ago come first, whatever was interrupted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from safelight.core.errors import FactValue
from safelight.protection.finding import Finding, FindingCode


@dataclass(frozen=True, slots=True)
class ScrubSettings:
    """Within how many days every copy is read back."""

    days: int = 30


@dataclass(frozen=True, slots=True)
class CopySeen:
    """One copy and when it was last read back whole; None when never since it was made."""

    pack: str
    placement: str
    size_bytes: int
    seen_at: datetime | None
    made_at: datetime


def due_bytes(held_bytes: int, since_last: timedelta, settings: ScrubSettings) -> int:
    """Return how much of a placement must be read for the time that has passed since the last scrub."""
    return -(-held_bytes * min(since_last, timedelta(days=settings.days)) // timedelta(days=settings.days))


def choose(longest_unseen_first: Iterable[CopySeen], budget_bytes: int) -> Iterator[CopySeen]:
    """Give copies until the budget is used; the last one may pass it, so that a large copy is never starved."""
    left = budget_bytes
    for copy in longest_unseen_first:
        if left <= 0:
            return
        yield copy
        left -= copy.size_bytes


def overdue(longest_unseen: CopySeen | None, now: datetime, settings: ScrubSettings) -> Finding | None:
    """Tell when the copy that was seen longest ago is later than the schedule promises."""
    if longest_unseen is None:
        return None
    seen_at = longest_unseen.seen_at or longest_unseen.made_at
    if now - seen_at <= timedelta(days=settings.days):
        return None
    facts: dict[str, FactValue] = {
        "placement": longest_unseen.placement,
        "seen_at": seen_at.isoformat(),
        "days": settings.days,
    }
    return Finding(FindingCode.SCRUB_BEHIND, longest_unseen.pack, facts)
