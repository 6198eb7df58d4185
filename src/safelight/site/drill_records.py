"""Drills as the journal tells them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.clock import to_text
from safelight.core.errors import UsageError
from safelight.drill.facts import KINDS, Fact, Inject, Restored, Restoring, Sealed, Started, from_entry
from safelight.drill.measurement import compare
from safelight.drill.notification import reached, seconds_until_all
from safelight.drill.state import DrillState, fold
from safelight.journal.kinds import FactKind
from safelight.site.outages import rehearsed_by

if TYPE_CHECKING:
    from safelight.journal.journal import Journal

READ: Final = (*KINDS, FactKind.RECOVERY_STARTED, FactKind.RECOVERY_FINISHED, FactKind.EVIDENCE_SEALED)


class NoDrill(UsageError):
    """There is no drill of this number."""

    code: ClassVar[str] = "drill.none"
    hint: ClassVar[str] = "List them with: safelight drill list"


def drills_of(journal: "Journal") -> dict[str, DrillState]:
    """Return every drill by its number, in the order in which they began."""
    states: dict[str, DrillState] = {}
    for fact in _facts(journal):
        states[fact.drill] = fold(states.get(fact.drill, DrillState()), fact)
    return states


def drill_of(journal: "Journal", number: str | None) -> DrillState:
    """Return one drill; the last one when no number is given.

    Raises:
        NoDrill: there is none.
    """
    states = drills_of(journal)
    chosen = number or next(reversed(states), "")
    if chosen not in states:
        raise NoDrill(number=chosen)
    return states[chosen]


def drill_measures(state: DrillState) -> dict[str, Any] | None:
    """Return what the evidence tells of a drill; nothing before its restore was measured."""
    if state.started is None or not state.can_be_told:
        return None
    return {
        "drill": state.started.drill,
        "type": state.started.type,
        "disruption": state.started.disruption,
        "reason": state.started.reason,
        "by": state.started.by,
        "started_at": to_text(state.started.at),
        **measures_document(state),
        "not_executed": not_executed(state),
    }


def not_executed(state: DrillState) -> list[str]:
    """Return what a recovery needs and this drill did not do: by its type, and by what came of it."""
    started = state.started
    assert started is not None
    told = measures_document(state)
    left = list(started.not_executed)
    if (notification := told["notification"]) is not None:
        left += [f"Nobody was reached for {one['role']}" for one in notification["roles"] if not one["by"]]
    left += [f"The recovery key opened nothing at {one}" for one in state.unopened]
    return left + [one["do"] for one in told["shift"] if not one["executed"]]


def measures_document(state: DrillState) -> dict[str, Any]:
    """Return what was measured and how it compares, as JSON."""
    assert state.started is not None
    return {
        **_restore_document(state),
        "notification": _notification_document(state) if state.started.calls else None,
        "escrow_key": _key_document(state) if state.started.placements else None,
        "shift": _shift_document(state),
        "table_top": _table_document(state),
    }


def _notification_document(state: DrillState) -> dict[str, Any]:
    assert state.started is not None
    roles = reached(state.started.calls, state.calls)
    return {
        "seconds_until_all": seconds_until_all(roles),
        "roles": [
            {"role": one.role, "side": one.side, "by": one.by or None, "after_seconds": one.after_seconds}
            for one in roles
        ],
        "calls": [
            {
                "person": one.person,
                "number": one.number or None,
                "called_at": to_text(one.called_at),
                "answered_at": to_text(one.answered_at) if one.answered_at else None,
            }
            for one in state.calls
        ],
    }


def _key_document(state: DrillState) -> dict[str, Any]:
    asked_at = state.key_asked_at
    copies = state.key_tried.copies if state.key_tried else ()
    return {
        "asked_at": to_text(asked_at) if asked_at else None,
        "copies": [
            {
                "placement": one.placement,
                "pack": one.pack or None,
                "opened": one.opened_at is not None,
                "after_seconds": (one.opened_at - asked_at).total_seconds() if one.opened_at and asked_at else None,
                "trouble": one.trouble or None,
            }
            for one in copies
        ],
    }


def _shift_document(state: DrillState) -> list[dict[str, Any]]:
    assert state.started is not None
    noted = {one.step: one for one in state.steps}
    return [
        {
            "step": one.id,
            "do": one.do,
            "side": one.side,
            "who": one.who or None,
            "looked_at_by_safelight": bool(one.check),
            "executed": noted[one.id].executed if one.id in noted else False,
            "note": noted[one.id].note if one.id in noted else None,
        }
        for one in state.started.steps
    ]


def roles_document(started: Started, inject: Inject) -> list[dict[str, Any]]:
    """Return who must speak to an inject, and who sits there as that."""
    names = {one.role: one.name for one in started.present}
    return [{"role": one, "name": names.get(one)} for one in inject.roles]


def _table_document(state: DrillState) -> list[dict[str, Any]]:
    assert state.started is not None
    answers = {one.inject: one for one in state.answers}
    return [
        {
            "inject": one.id,
            "tells": one.tells,
            "roles": roles_document(state.started, one),
            "it": answers[one.id].it if one.id in answers else None,
            "radiology": answers[one.id].radiology if one.id in answers else None,
            "open": [item.what for item in answers[one.id].open_items] if one.id in answers else [],
        }
        for one in state.started.injects
    ]


def _restore_document(state: DrillState) -> dict[str, Any]:
    if state.started is None or state.measured is None:
        return {"tiers": [], "objectives": []}
    tiers = state.measured.tiers
    return {
        "tiers": [
            {
                "tier": one.tier,
                "studies": one.studies,
                "confirmed": one.confirmed,
                "rto_seconds": one.rto_seconds,
                "rpo_seconds": one.rpo_seconds,
            }
            for one in tiers
        ],
        "objectives": [
            {
                "side": one.objective.side,
                "of": one.objective.of,
                "rto_seconds": one.objective.rto_seconds,
                "rpo_seconds": one.objective.rpo_seconds,
                "rto": one.rto.value,
                "rpo": one.rpo.value,
            }
            for one in compare(tiers, state.started.objectives)
        ],
    }


def _facts(journal: "Journal") -> Iterator[Fact]:
    of_recovery: dict[str, str] = {}
    for entry in journal.entries(kinds=READ):
        facts = entry.facts
        if entry.kind in KINDS:
            yield from_entry(entry.kind, facts)
            continue
        recovery = str(facts.get("recovery", ""))
        drill = facts.get("drill") or of_recovery.get(recovery)
        if entry.kind == FactKind.RECOVERY_STARTED and (rehearsed := rehearsed_by(entry)):
            of_recovery[recovery] = rehearsed
            yield Restoring(rehearsed, entry.at, recovery)
        elif entry.kind == FactKind.RECOVERY_FINISHED and drill:
            yield Restored(str(drill), entry.at)
        elif entry.kind == FactKind.EVIDENCE_SEALED and drill:
            yield Sealed(str(drill), entry.at, str(facts["sha256"]))
