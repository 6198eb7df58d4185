"""What may be sent next, and what becomes of a message after an answer: pure decisions of store and forward."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

ACCEPTED: Final = ("AA", "CA")
UNREADABLE: Final = "?"
"""Stands in a policy for an answer that cannot be read."""
BACK_OFF_SECONDS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits for a destination."""

    queued: int
    message: int
    patients: frozenset[str] | None
    """Whose order it must keep; None where nobody can tell, so that it keeps everybody's."""


def next_to_send(waiting: Sequence[Waiting], busy: Collection[Waiting]) -> Waiting | None:
    """Return the first message that overtakes none of the same patient, or None while all must wait.

    ``waiting`` is in order, and ``busy`` is what is being sent now. Identifiers of both patients of a merge
    count, so a merge neither overtakes an order nor is overtaken by one. Source: IHE RAD TF, patient merge.
    """
    blocked: set[str] = set()
    for one in busy:
        if one.patients is None:
            return None
        blocked |= one.patients
    held_up = bool(busy)
    for one in waiting:
        if one in busy:
            continue
        if one.patients is None:
            # It waits for all before it, and all behind it wait for it.
            return None if held_up else one
        if not one.patients & blocked:
            return one
        blocked |= one.patients
        held_up = True
    return None


class Fate(StrEnum):
    """What becomes of a message."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    """Set aside for a person; the messages behind it go on."""


@dataclass(frozen=True, slots=True)
class RefusalPolicy:
    """How often a message is tried that a destination refuses, by the code of its answer."""

    attempts_max: Mapping[str, int] = field(default_factory=lambda: {"AE": 3, "CE": 3, "AR": 1, "CR": 1, UNREADABLE: 3})
    """0: for ever. An error may pass; a rejection says that this message will never do."""

    def fate(self, code: str, attempts: int) -> Fate:
        """Return what becomes of a message whose ``attempts``-th attempt was answered with a code."""
        if code in ACCEPTED:
            return Fate.DELIVERED
        limit = self.attempts_max.get(code, self.attempts_max.get(UNREADABLE, 3))
        return Fate.DEAD if limit and attempts >= limit else Fate.RETRY


def back_off(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row: one second, doubled each time, a minute at most."""
    return timedelta(seconds=min(BACK_OFF_SECONDS_MAX, 2 ** max(0, min(failures, 10) - 1)))


def is_for(events: Sequence[str], event: str) -> bool:
    """Say whether a destination takes an event; patterns as ``ORM^*``, none for every event."""
    return not events or any(fnmatchcase(event, pattern) for pattern in events)
