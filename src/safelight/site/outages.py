"""Which of this hospital's systems are away, read back from the journal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from safelight.core.clock import SystemClock, to_text
from safelight.downtime.outage import OUTAGE_KINDS, Said, Scope
from safelight.downtime.phase import IN_SERVICE, DowntimeState, ScopeState, fold, fold_refill, hospital_phase
from safelight.journal.entry import Entry
from safelight.journal.kinds import FactKind

if TYPE_CHECKING:
    from safelight.journal.journal import Journal

REFILL_KINDS: Final = (FactKind.RECOVERY_STARTED, FactKind.RECOVERY_FINISHED)


def downtime_state(journal: "Journal") -> DowntimeState:
    """Return all scopes as the journal tells it."""
    state = DowntimeState()
    for entry in journal.entries(kinds=(*OUTAGE_KINDS, FactKind.RECOVERY_STARTED)):
        if entry.kind != FactKind.RECOVERY_STARTED:
            state = fold(state, Said.from_entry(entry.kind, entry.facts))
        elif _goes_to_an_archive(entry):
            state = fold_refill(state, entry.at)
    return state


def is_refilling(journal: "Journal") -> bool:
    """Say whether the last refill that began is not finished."""
    last, drills = "", set[Any]()
    for entry in journal.entries(kinds=REFILL_KINDS):
        if entry.kind == FactKind.RECOVERY_STARTED and rehearsed_by(entry):
            drills.add(entry.facts["recovery"])
        if entry.facts["recovery"] not in drills:
            last = entry.kind
    return last == FactKind.RECOVERY_STARTED


def phase_of(journal: "Journal") -> str:
    """Return the phase of the hospital's life."""
    return hospital_phase(downtime_state(journal), SystemClock().now(), refilling=is_refilling(journal)).value


def outages_document(journal: "Journal") -> list[dict[str, Any]]:
    """Return every scope that is not simply working."""
    now, state = SystemClock().now(), downtime_state(journal)
    told = [scope_document(scope, state.scope(scope, now)) for scope in Scope]
    return [one for one in told if one["outage"] is not None]


def scope_document(scope: Scope, known: ScopeState) -> dict[str, Any]:
    """Return a scope as JSON."""
    said = known.said
    return {
        "scope": scope.value,
        "phase": known.phase.value,
        "outage": known.outages[-1] if known.outages else None,
        "open_outages": list(known.outages),
        "since": to_text(known.since) if known.since else None,
        "said_at": to_text(said.said_at) if said else None,
        "reason": said.reason if said else None,
        "by": said.by if said else None,
        "in_service": known.phase in IN_SERVICE,
    }


def rehearsed_by(entry: Entry) -> str:
    """Return the drill that a recovery which began belongs to; empty when the hospital needs it."""
    settings = entry.facts.get("settings")
    return str(settings.get("drill") or "") if isinstance(settings, Mapping) else ""


def _goes_to_an_archive(entry: Entry) -> bool:
    settings = entry.facts.get("settings")
    is_archive = isinstance(settings, Mapping) and "@" in str(settings.get("target", ""))
    return is_archive and not rehearsed_by(entry)
