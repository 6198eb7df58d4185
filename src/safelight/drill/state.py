"""The state of one drill: the fold of its facts; what happens to it is one table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.drill.facts import (
    Abandoned,
    Answered,
    Asked,
    Fact,
    Finished,
    Measured,
    Restored,
    Restoring,
    Resumed,
    Sealed,
    Started,
)


class Phase(StrEnum):
    """Where a drill is."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    ABANDONED = "abandoned"


class Event(StrEnum):
    """What a fact means for its drill."""

    STARTED = "started"
    GOES_ON = "goes-on"
    """Resumed, shown, answered, restored, measured or sealed."""
    FINISHED = "finished"
    ABANDONED = "abandoned"


NEXT: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.PLANNED, Event.STARTED): Phase.RUNNING,
    (Phase.RUNNING, Event.GOES_ON): Phase.RUNNING,
    (Phase.RUNNING, Event.FINISHED): Phase.DONE,
    (Phase.RUNNING, Event.ABANDONED): Phase.ABANDONED,
}

_EVENTS: Final[Mapping[type, Event]] = {
    Started: Event.STARTED,
    Finished: Event.FINISHED,
    Abandoned: Event.ABANDONED,
}


class OutOfTurn(StateError):
    """This does not fit where the drill is."""

    code: ClassVar[str] = "drill.out-of-turn"
    hint: ClassVar[str] = "See where it is: safelight drill list"


@dataclass(frozen=True, slots=True)
class DrillState:
    """One drill as its facts tell it."""

    phase: Phase = Phase.PLANNED
    started: Started | None = None
    asked: Mapping[str, datetime] | None = None
    """When each inject was shown first."""
    answers: tuple[Answered, ...] = ()
    recovery: str = ""
    restored_at: datetime | None = None
    measured: Measured | None = None
    evidence: str = ""
    """Digest of the sealed bundle."""
    ended_at: datetime | None = None


def next_phase(phase: Phase, event: Event) -> Phase:
    """Return where an event leads.

    Raises:
        OutOfTurn: the table has no row for it.
    """
    found = NEXT.get((phase, event))
    if found is None:
        raise OutOfTurn(phase=phase, event=event)
    return found


def fold(state: DrillState, fact: Fact) -> DrillState:
    """Take one fact in.

    What the facts of a recovery or of a bundle tell is taken as it comes: they are nobody's word about the drill, and
    may be recorded when the drill is over.

    Raises:
        OutOfTurn: it does not fit.
    """
    if isinstance(fact, Restoring | Restored | Sealed) and state.phase is not Phase.RUNNING:
        return state
    if isinstance(fact, Asked | Answered) and not _is_played(state, fact.inject):
        raise OutOfTurn(inject=fact.inject, event="not of this drill")
    state = replace(state, phase=next_phase(state.phase, _EVENTS.get(type(fact), Event.GOES_ON)))
    match fact:
        case Started():
            return replace(state, started=fact)
        case Asked():
            return replace(state, asked={fact.inject: fact.at, **(state.asked or {})})
        case Answered():
            if any(one.inject == fact.inject for one in state.answers):
                raise OutOfTurn(inject=fact.inject, event="answered twice")
            return replace(state, answers=(*state.answers, fact))
        case Restoring():
            return replace(state, recovery=fact.recovery)
        case Restored():
            return replace(state, restored_at=fact.at)
        case Measured():
            return replace(state, measured=fact)
        case Sealed():
            return replace(state, evidence=fact.digest)
        case Finished() | Abandoned():
            return replace(state, ended_at=fact.at)
        case Resumed():
            return state


def _is_played(state: DrillState, inject: str) -> bool:
    return state.started is not None and any(one.id == inject for one in state.started.injects)
