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
    Called,
    Fact,
    Finished,
    ItemAssigned,
    ItemClosed,
    KeyAsked,
    KeyTried,
    Measured,
    OpenItem,
    Restored,
    Restoring,
    Resumed,
    Sealed,
    Started,
    StepNoted,
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
    """Resumed, shown, answered, called, tried, noted, restored, measured or sealed."""
    FINISHED = "finished"
    ABANDONED = "abandoned"
    ITEM_FOLLOWED = "item-followed"
    """What it left open was given to somebody, or closed."""


NEXT: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.PLANNED, Event.STARTED): Phase.RUNNING,
    (Phase.RUNNING, Event.GOES_ON): Phase.RUNNING,
    (Phase.RUNNING, Event.FINISHED): Phase.DONE,
    (Phase.RUNNING, Event.ABANDONED): Phase.ABANDONED,
    # What stayed open is mostly seen to long after the drill.
    (Phase.RUNNING, Event.ITEM_FOLLOWED): Phase.RUNNING,
    (Phase.DONE, Event.ITEM_FOLLOWED): Phase.DONE,
    (Phase.ABANDONED, Event.ITEM_FOLLOWED): Phase.ABANDONED,
}

_EVENTS: Final[Mapping[type, Event]] = {
    Started: Event.STARTED,
    Finished: Event.FINISHED,
    Abandoned: Event.ABANDONED,
    ItemAssigned: Event.ITEM_FOLLOWED,
    ItemClosed: Event.ITEM_FOLLOWED,
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
    calls: tuple[Called, ...] = ()
    key_asked_at: datetime | None = None
    key_tried: KeyTried | None = None
    steps: tuple[StepNoted, ...] = ()
    items: tuple[tuple[str, OpenItem], ...] = ()
    """What stayed open, with the inject or step that left it so, in the order of the journal: it numbers them."""
    assigned: tuple[ItemAssigned, ...] = ()
    closed: tuple[ItemClosed, ...] = ()
    recovery: str = ""
    restored_at: datetime | None = None
    measured: Measured | None = None
    evidence: str = ""
    """Digest of the first sealed bundle that tells of everything so far."""
    ended_at: datetime | None = None

    @property
    def clock_from(self) -> datetime | None:
        """When the time that a restore takes began to run: with the first call, also one that was entered later."""
        if self.started is None:
            return None
        return min((self.started.at, *(one.called_at for one in self.calls)))

    @property
    def can_be_told(self) -> bool:
        """Say whether a bundle made now tells of the drill: one that restores, not before that was measured."""
        return self.started is not None and (not self.started.target or self.measured is not None)

    @property
    def unopened(self) -> tuple[str, ...]:
        """Placements of the drill where the recovery key opened nothing, or was not tried."""
        if self.started is None:
            return ()
        copies = self.key_tried.copies if self.key_tried else ()
        opened = {one.placement for one in copies if one.opened_at is not None}
        return tuple(one for one in self.started.placements if one not in opened)


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
    _refuse_strangers(state, fact)
    state = replace(state, phase=next_phase(state.phase, _EVENTS.get(type(fact), Event.GOES_ON)))
    if isinstance(fact, Answered | Called | KeyTried | StepNoted | Measured):
        # A bundle that was exported before this does not tell of it: the drill is sealed anew.
        state = replace(state, evidence="")
    match fact:
        case Started():
            return replace(state, started=fact)
        case Asked():
            return replace(state, asked={fact.inject: fact.at, **(state.asked or {})})
        case Answered():
            return replace(state, answers=(*state.answers, fact), items=_with(state, fact.inject, fact.open_items))
        case Called():
            return replace(state, calls=(*state.calls, fact))
        case KeyAsked():
            return replace(state, key_asked_at=state.key_asked_at or fact.at)
        case KeyTried():
            return replace(state, key_tried=fact)
        case StepNoted():
            return replace(state, steps=(*state.steps, fact), items=_with(state, fact.step, fact.open_items))
        case ItemAssigned():
            return replace(state, assigned=(*state.assigned, fact))
        case ItemClosed():
            return replace(state, closed=(*state.closed, fact))
        case Restoring():
            return replace(state, recovery=fact.recovery)
        case Restored():
            return replace(state, restored_at=fact.at)
        case Measured():
            return replace(state, measured=fact)
        case Sealed():
            return replace(state, evidence=state.evidence or fact.digest) if state.can_be_told else state
        case Finished() | Abandoned():
            return replace(state, ended_at=fact.at)
        case Resumed():
            return state


def _with(state: DrillState, of: str, left: tuple[OpenItem, ...]) -> tuple[tuple[str, OpenItem], ...]:
    return (*state.items, *((of, one) for one in left))


def _refuse_strangers(state: DrillState, fact: Fact) -> None:
    """Return unless the fact is about something that this drill does not have, or has already."""
    match fact:
        case Asked() | Answered():
            asked, known = fact.inject, [one.id for one in (state.started.injects if state.started else ())]
            had = [one.inject for one in state.answers] if isinstance(fact, Answered) else []
        case Called():
            roles = state.started.calls if state.started else ()
            asked, known = fact.person, [name for one in roles for name in (one.person, one.deputy)]
            had = [one.person for one in state.calls]
        case StepNoted():
            asked, known = fact.step, [one.id for one in (state.started.steps if state.started else ())]
            had = [one.step for one in state.steps]
        case KeyTried():
            asked, known = fact.kind, [fact.kind] if state.key_asked_at else []
            had = [fact.kind] if state.key_tried else []
        case ItemAssigned() | ItemClosed():
            asked, known = str(fact.item), [str(number) for number in range(1, len(state.items) + 1)]
            had = [str(one.item) for one in state.closed]
        case _:
            return
    if asked not in known:
        raise OutOfTurn(about=asked, event="not of this drill")
    if asked in had:
        raise OutOfTurn(about=asked, event="said already")
