"""Telling a system that was away what modalities did meanwhile: in order, once, and again where it has forgotten.

Every step is begun before it is changed. One that was refused does not keep others waiting; if its beginning was
refused, what follows of it waits for a person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from safelight.journal.kinds import FactKind


class Outcome(StrEnum):
    """What came of telling."""

    TAKEN = "taken"
    KNOWN = "known"
    """It has the step already: told before, or by the modality itself."""
    SETTLED = "settled"
    """The step is completed or discontinued there, and cannot be changed any more."""
    FORGOTTEN = "forgotten"
    """It does not know a step that it took: it was put back to before that."""
    REFUSED = "refused"


DONE: Final = frozenset({Outcome.TAKEN, Outcome.KNOWN, Outcome.SETTLED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that a modality said of a step."""

    position: int
    """Of its fact in the journal."""
    instance: str
    is_new: bool
    status: str


@dataclass(frozen=True, slots=True)
class Told:
    """A notice was told to a system."""

    kind = FactKind.PROCEDURE_STEP_FORWARDED.value
    to: str
    notice: int
    instance: str
    outcome: Outcome
    status: int
    reason: str
    by: str

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        what = {"to": self.to, "notice": self.notice, "instance": self.instance}
        return {**what, "outcome": self.outcome.value, "status": self.status, "reason": self.reason, "by": self.by}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, ValueError: it was not written by `to_body`.
        """
        outcome = Outcome(body["outcome"])
        return cls(body["to"], body["notice"], body["instance"], outcome, body["status"], body["reason"], body["by"])


@dataclass(slots=True)
class Forwarding:
    """How far one system is told. Only `fold` and `retried` change it."""

    notices: Mapping[int, Notice]
    """By position, in order."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    open: dict[int, Notice] = field(default_factory=dict)
    """Without an outcome, in order."""
    begun: dict[str, int] = field(default_factory=dict)
    """By step: the notice with which it began here."""
    again: set[str] = field(default_factory=set)
    """Steps that were told from the beginning once more."""

    def is_blocked(self, notice: Notice) -> bool:
        """Say whether the beginning of its step was refused."""
        begun = self.begun.get(notice.instance)
        return begun is not None and self.outcomes.get(begun) is Outcome.REFUSED

    @property
    def waiting(self) -> list[Notice]:
        """What is still to be told and can be."""
        return [one for one in self.open.values() if not self.is_blocked(one)]

    @property
    def refused(self) -> list[Notice]:
        """What was refused, and what waits behind it."""
        positions = [place for place, outcome in self.outcomes.items() if outcome is Outcome.REFUSED]
        positions += [one.position for one in self.open.values() if self.is_blocked(one)]
        return [self.notices[position] for position in sorted(positions)]


def fold(state: Forwarding, told: Told) -> Forwarding:
    """Take one fact in; the state given is used up and returned."""
    if told.notice not in state.notices:
        return state
    outcome = told.outcome
    if outcome is Outcome.FORGOTTEN and (told.instance in state.again or told.instance not in state.begun):
        outcome = Outcome.REFUSED
    if outcome is Outcome.FORGOTTEN:
        state.again.add(told.instance)
        return _reopened(state, [one.position for one in state.notices.values() if one.instance == told.instance])
    state.outcomes[told.notice] = outcome
    state.open.pop(told.notice, None)
    return state


def forwarding(notices: Iterable[Notice], told: Iterable[Told]) -> Forwarding:
    """Return how far a system is told of notices, which come in order."""
    known = {one.position: one for one in notices}
    begun = {one.instance: one.position for one in known.values() if one.is_new}
    state = Forwarding(known, open=dict(known), begun=begun)
    for one in told:
        state = fold(state, one)
    return state


def retried(state: Forwarding) -> Forwarding:
    """Have what was refused told again; the state given is used up and returned."""
    state.again.clear()
    return _reopened(state, [place for place, outcome in state.outcomes.items() if outcome is Outcome.REFUSED])


def decide(state: Forwarding) -> Notice | None:
    """Return what is to be told next; None when nothing waits."""
    return next((one for one in state.open.values() if not state.is_blocked(one)), None)


def _reopened(state: Forwarding, positions: Iterable[int]) -> Forwarding:
    for position in positions:
        state.outcomes.pop(position, None)
        state.open[position] = state.notices[position]
    state.open = dict(sorted(state.open.items()))
    return state
