"""Calling people by the plan's numbers: whom next, and how long it took until every role was reached.

Safelight sends nothing: a person calls, as in an outage, and says who answered. One person who has two roles is called
once; a deputy is called when the person whose role it is did not answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from safelight.core.errors import UsageError
from safelight.drill.facts import Call, Called


class BadCall(UsageError):
    """A call cannot have been so."""

    code: ClassVar[str] = "drill.bad-call"
    hint: ClassVar[str] = "It was answered after it was made, and neither lies in the future. Times have a zone."


@dataclass(frozen=True, slots=True)
class RoleReached:
    """How one role was reached, or was not."""

    role: str
    side: str
    by: str
    """Who answered: the person or the deputy; empty when neither did."""
    after_seconds: float | None
    """From the first call of the drill to the answer."""


def next_call(calls: Sequence[Call], called: Sequence[Called]) -> tuple[Call, str] | None:
    """Return which role comes next and whom to call for it; None when everybody was called who had to be."""
    answered = {one.person: one.answered_at is not None for one in called}
    for call in calls:
        for person in (call.person, call.deputy):
            if not person:
                continue
            if person not in answered:
                return call, person
            if answered[person]:
                break
    return None


def reached(calls: Sequence[Call], called: Sequence[Called]) -> tuple[RoleReached, ...]:
    """Return for each role who answered and when."""
    began_at = min((one.called_at for one in called), default=None)
    answers = {one.person: one.answered_at for one in called if one.answered_at is not None}
    found = []
    for call in calls:
        by = next((one for one in (call.person, call.deputy) if one in answers), "")
        after = (answers[by] - began_at).total_seconds() if by and began_at else None
        found.append(RoleReached(call.role, call.side, by, after))
    return tuple(found)


def seconds_until_all(roles: Sequence[RoleReached]) -> float | None:
    """Return the time from the first call until every role was reached; None when one was not."""
    known = [one.after_seconds for one in roles if one.after_seconds is not None]
    return max(known) if known and len(known) == len(roles) else None


def judge_times(called_at: datetime, answered_at: datetime | None, now: datetime) -> None:
    """Return when a call can have been at these times.

    Raises:
        BadCall: it cannot.
    """
    if max(called_at, answered_at or called_at) > now or (answered_at is not None and answered_at < called_at):
        raise BadCall(called_at=called_at.isoformat(), answered_at=answered_at.isoformat() if answered_at else "")
