"""The phases of a scope's life as one table, and of a hospital's as their fold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from safelight.core.errors import StateError, UsageError
from safelight.downtime.outage import Event, Said, Scope


class Phase(StrEnum):
    """Where a scope is."""

    NORMAL = "normal"
    PLANNED = "planned"
    """It works, and will be taken away at a moment that was said."""
    DOWNTIME = "downtime"
    SECOND_OUTAGE = "second-outage"
    """Away again before the outage before it was recovered from and reconciled."""
    RECOVERY = "recovery"
    RECONCILIATION = "reconciliation"
    """Back in service; what was done meanwhile is still to meet its orders and patients."""
    CANCELLED = "cancelled"
    """It works: the last outage was declared by mistake or its plan given up."""


NEXT: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.NORMAL, Event.PLANNED): Phase.PLANNED,
    (Phase.NORMAL, Event.DECLARED): Phase.DOWNTIME,
    (Phase.CANCELLED, Event.PLANNED): Phase.PLANNED,
    (Phase.CANCELLED, Event.DECLARED): Phase.DOWNTIME,
    (Phase.PLANNED, Event.PLANNED): Phase.PLANNED,
    (Phase.PLANNED, Event.DECLARED): Phase.DOWNTIME,
    (Phase.PLANNED, Event.CANCELLED): Phase.CANCELLED,
    (Phase.PLANNED, Event.START_CAME): Phase.DOWNTIME,
    (Phase.DOWNTIME, Event.CANCELLED): Phase.CANCELLED,
    (Phase.DOWNTIME, Event.RECOVERY_STARTED): Phase.RECOVERY,
    (Phase.DOWNTIME, Event.ENDED): Phase.RECONCILIATION,
    (Phase.RECOVERY, Event.DECLARED): Phase.SECOND_OUTAGE,
    (Phase.RECOVERY, Event.RECOVERY_STARTED): Phase.RECOVERY,
    (Phase.RECOVERY, Event.ENDED): Phase.RECONCILIATION,
    (Phase.RECONCILIATION, Event.DECLARED): Phase.SECOND_OUTAGE,
    (Phase.RECONCILIATION, Event.RECOVERY_STARTED): Phase.RECOVERY,
    (Phase.RECONCILIATION, Event.CLOSED): Phase.NORMAL,
    # Back into the recovery and not into what was before: what was found right may not be so any more.
    (Phase.SECOND_OUTAGE, Event.CANCELLED): Phase.RECOVERY,
    (Phase.SECOND_OUTAGE, Event.RECOVERY_STARTED): Phase.RECOVERY,
    (Phase.SECOND_OUTAGE, Event.ENDED): Phase.RECONCILIATION,
}

AWAY: Final = frozenset({Phase.DOWNTIME, Phase.SECOND_OUTAGE})
IN_SERVICE: Final = frozenset({Phase.NORMAL, Phase.PLANNED, Phase.CANCELLED, Phase.RECONCILIATION})
QUIET: Final = frozenset({Phase.NORMAL, Phase.PLANNED, Phase.CANCELLED})
REFILLED: Final = frozenset({Scope.PACS, Scope.EVERYTHING})
"""What a refill of a PACS is part of the recovery of."""


class NoOutage(StateError):
    """Nothing was declared for this scope."""

    code: ClassVar[str] = "downtime.no-outage"
    hint: ClassVar[str] = "See what is away: safelight downtime status; say what is: safelight downtime declare"


class OutageOpen(StateError):
    """This scope is away already, or its last outage is not closed, and can only be declared away again."""

    code: ClassVar[str] = "downtime.outage-open"
    hint: ClassVar[str] = "Nothing needs to be said again. See: safelight downtime status"


class NotBegun(StateError):
    """The downtime of this scope is planned and has not begun."""

    code: ClassVar[str] = "downtime.not-begun"
    hint: ClassVar[str] = (
        "Cancel the plan (safelight downtime cancel), or let it begin now (safelight downtime declare)."
    )


class NotBack(StateError):
    """The scope is not back in service, so that its outage cannot be closed."""

    code: ClassVar[str] = "downtime.not-back"
    hint: ClassVar[str] = "When it works again: safelight downtime end; then reconcile, then close."


class TooLateToCancel(StateError):
    """What was recovered or ended was no mistake, and cannot be cancelled."""

    code: ClassVar[str] = "downtime.too-late-to-cancel"
    hint: ClassVar[str] = "When it works again: safelight downtime end; when nothing is open: safelight downtime close"


class BackAlready(StateError):
    """The scope is back in service already."""

    code: ClassVar[str] = "downtime.back-already"
    hint: ClassVar[str] = "Away again: safelight downtime declare. Nothing open any more: safelight downtime close"


class TimesDisagree(UsageError):
    """The moments given do not follow each other."""

    code: ClassVar[str] = "downtime.times-disagree"
    hint: ClassVar[str] = (
        "--since lies in the past and not before what was last said of this scope; --planned-start lies ahead."
    )


@dataclass(frozen=True, slots=True)
class ScopeState:
    """One scope as its facts tell it."""

    phase: Phase = Phase.NORMAL
    outages: tuple[int, ...] = ()
    """The outages that are not closed; more than one after a second outage."""
    since: datetime | None = None
    """When it entered the present phase, or is planned to go away."""
    said: Said | None = None
    """What was said last."""
    not_before: datetime | None = None
    """Nothing that is said from now on can have happened before this moment."""

    def at(self, moment: datetime) -> "ScopeState":
        """Return the state when ``moment`` has come: what was planned for it has begun."""
        if self.phase is not Phase.PLANNED or self.since is None or moment < self.since:
            return self
        phase = NEXT[self.phase, Event.START_CAME]
        return ScopeState(phase, self.outages, self.since, self.said, self.since)


@dataclass(slots=True)
class DowntimeState:
    """All scopes as their facts tell it. Only `fold` changes it."""

    scopes: dict[Scope, ScopeState] = field(default_factory=lambda: dict.fromkeys(Scope, ScopeState()))
    outages: int = 0
    """How many there were."""

    def scope(self, scope: Scope, moment: datetime) -> ScopeState:
        """Return a scope as it is when ``moment`` has come."""
        return self.scopes[scope].at(moment)


def judge(
    state: DowntimeState, event: Event, scope: Scope, now: datetime, since: datetime | None, *, reason: str, by: str
) -> Said:
    """Say whether an event may be recorded of a scope now, and return it as a fact.

    Without ``since`` it happened now; a clock that was set back keeps nobody from saying so.

    Raises:
        NoOutage, OutageOpen, NotBegun, NotBack, TooLateToCancel, BackAlready: it does not fit the phase.
        TimesDisagree: ``since`` lies where it cannot.
    """
    known = state.scope(scope, now)
    _next_phase(known.phase, event, scope)
    if event is Event.PLANNED:
        if since is None or since <= now:
            raise TimesDisagree(scope=scope, planned_start=str(since), now=str(now))
    elif since is None:
        since = max(now, known.not_before or now)
    elif since > now or (known.not_before is not None and since < known.not_before):
        raise TimesDisagree(scope=scope, since=str(since), not_before=str(known.not_before), now=str(now))
    opens = event in (Event.PLANNED, Event.DECLARED) and known.phase is not Phase.PLANNED
    outage = state.outages + 1 if opens else known.outages[-1]
    return Said(event, scope, outage, now, since, reason, by)


def fold(state: DowntimeState, said: Said) -> DowntimeState:
    """Take one fact in; the state given is used up and returned.

    Raises:
        StateError: the fact does not fit the table, which `judge` would have said before it was recorded.
    """
    known = state.scope(said.scope, said.said_at)
    phase = _next_phase(known.phase, said.event, said.scope)
    outages = known.outages
    not_before: datetime | None = said.since
    match said.event:
        case Event.CANCELLED:
            outages = outages[:-1]
            not_before = known.not_before if phase is Phase.RECOVERY else None
        case Event.CLOSED:
            outages = ()
        case Event.PLANNED:
            not_before = None
        case _:
            pass
    if said.outage > state.outages:
        outages = (*outages, said.outage)
    state.outages = max(state.outages, said.outage)
    state.scopes[said.scope] = ScopeState(phase, outages, said.since, said, not_before)
    return state


def fold_refill(state: DowntimeState, at: datetime) -> DowntimeState:
    """Take in that a refill of a PACS began: what it belongs to and is away is being recovered."""
    for scope in REFILLED:
        known = state.scope(scope, at)
        phase = NEXT.get((known.phase, Event.RECOVERY_STARTED))
        if phase is not None:
            state.scopes[scope] = ScopeState(phase, known.outages, at, known.said, known.not_before)
    return state


def hospital_phase(state: DowntimeState, now: datetime, *, refilling: bool) -> Phase:
    """Return the phase of the hospital: that of the scope which is worst off."""
    phases = {state.scope(scope, now).phase for scope in Scope}
    if phases & AWAY:
        return Phase.DOWNTIME
    if refilling or Phase.RECOVERY in phases:
        return Phase.RECOVERY
    return Phase.RECONCILIATION if Phase.RECONCILIATION in phases else Phase.NORMAL


def _next_phase(phase: Phase, event: Event, scope: Scope) -> Phase:
    found = NEXT.get((phase, event))
    if found is None:
        raise _refusal(phase, event)(scope=scope, phase=phase, event=event)
    return found


def _refusal(phase: Phase, event: Event) -> type[StateError]:
    if phase is Phase.PLANNED:
        return NotBegun
    if event in (Event.PLANNED, Event.DECLARED):
        return OutageOpen
    if phase in QUIET:
        return NoOutage
    if event is Event.CANCELLED:
        return TooLateToCancel
    return NotBack if event is Event.CLOSED else BackAlready
