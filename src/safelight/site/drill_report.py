"""What a drill tells people: the list with its ages, and the report of one."""

from datetime import date
from pathlib import Path
from typing import Any

from safelight.core.clock import to_text
from safelight.drill.age import Held, standing
from safelight.drill.facts import Started
from safelight.drill.measurement import Verdict, compare
from safelight.drill.state import DrillState, Phase
from safelight.plan.model import Plan
from safelight.plan.practice import Rehearsal
from safelight.site.drill_plan import covered_digest
from safelight.site.drill_records import drill_of, drills_of, measures_document
from safelight.site.home import Home
from safelight.site.plan_folder import PlanFolder
from safelight.site.status import looked_at


def report_document(home: Home, number: str | None) -> dict[str, Any]:
    """Return what `safelight drill report --json` prints."""
    with looked_at(home) as (_, journal):
        return document_of(drill_of(journal, number))


def list_document(home: Home, folder: Path | None, today: date) -> dict[str, Any]:
    """Return what `safelight drill list --json` prints."""
    plan = PlanFolder(folder).read().plan if folder else None
    with looked_at(home) as (_, journal):
        drills = drills_of(journal)
    planned = [_standing(plan, one, drills, today) for one in plan.rehearsals] if plan else []
    held = [
        {"id": one.id, "held_on": one.held_on.isoformat(), "type": one.kind.value, "disruption": one.disruption.value}
        for one in (plan.drills if plan else ())
    ]
    return {
        "planned": planned,
        "red": sum(one["colour"] == "red" for one in planned),
        "drills": [_row(one) for one in drills.values()],
        "written_in_the_plan": held,
    }


def document_of(state: DrillState) -> dict[str, Any]:
    """Return a drill as JSON."""
    started = state.started
    assert started is not None
    asked = state.asked or {}
    answers = {one.inject: one for one in state.answers}
    return {
        **_row(state),
        "reason": started.reason,
        "by": started.by,
        "covers": list(started.covers),
        "target": started.target,
        "exposure_seconds": started.exposure_seconds,
        "exposure_because": list(started.exposure_because),
        **measures_document(state),
        "recovery": state.recovery,
        "evidence_sha256": state.evidence,
        "script": started.script,
        "injects": [
            {
                "id": one.id,
                "tells": one.tells,
                "asks_it": one.it,
                "asks_radiology": one.radiology,
                "shown_after_seconds": _since(started, asked.get(one.id)),
                "answered_after_seconds": _since(started, answers[one.id].at if one.id in answers else None),
                "it": answers[one.id].it if one.id in answers else None,
                "radiology": answers[one.id].radiology if one.id in answers else None,
            }
            for one in started.injects
        ],
        "open_items": [
            {"what": item.what, "owner": item.owner or None, "inject": one.inject}
            for one in state.answers
            for item in one.open_items
        ],
        "not_executed": list(started.not_executed),
    }


def succeeded(state: DrillState) -> bool:
    """Say whether a drill is done, whole, and within what was claimed and asked for, if anything was."""
    if state.phase is not Phase.DONE or state.started is None:
        return False
    if state.measured is None:
        return all(one.owner for answer in state.answers for one in answer.open_items)
    tiers = state.measured.tiers
    good = {Verdict.MET, Verdict.NO_OBJECTIVE}
    told = [verdict for one in compare(tiers, state.started.objectives) for verdict in (one.rto, one.rpo)]
    return bool(tiers) and all(one.confirmed == one.studies for one in tiers) and good.issuperset(told)


def _proves(state: DrillState) -> bool:
    """Say whether a drill makes its rehearsal green: a restore that nothing was held against proves nothing."""
    return succeeded(state) and (
        state.measured is None or (state.started is not None and bool(state.started.objectives))
    )


def _standing(plan: Plan, one: Rehearsal, drills: dict[str, DrillState], today: date) -> dict[str, Any]:
    held = [
        Held(number, state.ended_at.astimezone().date(), _proves(state), state.started.covered_digest)
        for number, state in drills.items()
        if state.started and state.ended_at and state.phase is Phase.DONE and state.started.rehearsal == one.id
    ]
    running = any(
        state.phase is Phase.RUNNING and state.started and state.started.rehearsal == one.id
        for state in drills.values()
    )
    changed = max(
        (part.changed_on for part in plan.systems if part.id in one.systems and part.changed_on), default=None
    )
    digest = covered_digest(plan, one.systems)
    told = standing(held, every=one.every, changed_on=changed, covered_digest=digest, today=today)
    return {
        "rehearsal": one.id,
        "type": one.kind.value,
        "disruption": one.disruption.value,
        "owner": one.owner,
        "state": "running" if running else "planned",
        "colour": told.colour.value,
        "why": told.why,
        "last_drill": told.last or None,
        "due_on": told.due_on.isoformat() if told.due_on else None,
        "overdue": told.overdue,
    }


def _row(state: DrillState) -> dict[str, Any]:
    started = state.started
    assert started is not None
    return {
        "number": started.drill,
        "type": started.type,
        "rehearsal": started.rehearsal or None,
        "disruption": started.disruption,
        "state": state.phase.value,
        "started_at": to_text(started.at),
        "ended_at": to_text(state.ended_at) if state.ended_at else None,
        "succeeded": succeeded(state),
    }


def _since(started: Started, moment: Any) -> float | None:
    return None if moment is None else float((moment - started.at).total_seconds())
