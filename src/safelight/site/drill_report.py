"""What a drill tells people: the list with its ages, and the report of one."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from safelight.core.clock import to_text
from safelight.drill.after_action import Item, by_urgency, items
from safelight.drill.age import Held, standing
from safelight.drill.decision import Ask, CallPerson, FetchKey, Note, decide
from safelight.drill.facts import Started
from safelight.drill.measurement import Verdict, compare
from safelight.drill.state import DrillState, Phase
from safelight.findings.assessment import Finding
from safelight.findings.rule import Rule
from safelight.plan.model import Plan
from safelight.plan.practice import Rehearsal
from safelight.plan.words import Disruption, DrillKind
from safelight.site.drill_choice import Choice, Supposed, rank, supposed_by
from safelight.site.drill_measured import HOLD_IMAGES
from safelight.site.drill_plan import MEASURE_TIMES, covered_digest
from safelight.site.drill_records import drill_of, drills_of, measures_document, not_executed, roles_document
from safelight.site.home import Home
from safelight.site.plan_folder import PlanFolder
from safelight.site.status import looked_at


def report_document(home: Home, number: str | None) -> dict[str, Any]:
    """Return what `safelight drill report --json` prints."""
    with looked_at(home) as (_, journal):
        return document_of(drill_of(journal, number))


def list_document(home: Home, folder: Path | None, today: date) -> dict[str, Any]:
    """Return what `safelight drill list --json` prints."""
    on_disk = PlanFolder(folder) if folder else None
    plan = on_disk.read().plan if on_disk else None
    with looked_at(home) as (_, journal):
        drills = drills_of(journal)
    choice = Choice(plan, drills, today, on_disk.rules().usable) if plan and on_disk else None
    planned = _ranked(choice, plan, drills, today) if choice and plan else []
    held = [
        {"id": one.id, "held_on": one.held_on.isoformat(), "type": one.kind.value, "disruption": one.disruption.value}
        for one in (plan.drills if plan else ())
    ]
    return {
        "planned": planned,
        "red": sum(one["colour"] == "red" for one in planned),
        "not_rehearsed": _not_rehearsed(choice, plan) if choice and plan else [],
        "drills": [_row(one) for one in drills.values()],
        "written_in_the_plan": held,
    }


def planned_drills(
    plan: Plan, drills: Mapping[str, DrillState], today: date, rules: Sequence[Rule]
) -> list[dict[str, Any]]:
    """Return the rehearsals of a plan, what is due first; the site's rules are asked beside ours."""
    return _ranked(Choice(plan, drills, today, rules), plan, drills, today)


def _ranked(choice: Choice, plan: Plan, drills: Mapping[str, DrillState], today: date) -> list[dict[str, Any]]:
    """Return the rehearsals, what is due first, and among these what would close the gravest findings."""
    ranked = []
    for one in plan.rehearsals:
        told, closes = _standing(plan, one, drills, today), choice.closed_by(supposed_by(one))
        order = (told["colour"] != "red", rank(closes), told["due_on"] or "")
        ranked.append((order, {**told, "closes": _closes(closes)}))
    return [told for _, told in sorted(ranked, key=lambda pair: pair[0])]


def _not_rehearsed(choice: Choice, plan: Plan) -> list[dict[str, Any]]:
    """Return the types that the plan has no rehearsal of and that would close something."""
    found = []
    archives = tuple(one.id for one in plan.systems if one.kind in HOLD_IMAGES)
    for kind in DrillKind:
        if all(one.kind is not kind for one in plan.rehearsals):
            closes = choice.closed_by(Supposed(kind, Disruption.HARDWARE, archives))
            found += [(rank(closes), {"type": kind.value, "closes": _closes(closes)})] if closes else []
    return [told for _, told in sorted(found, key=lambda pair: pair[0])]


def _closes(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {"rule": one.rule.id, "severity": one.rule.severity.value, "subject": one.subject, "what": one.what}
        for one in findings
    ]


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
        "present": [{"role": one.role, "name": one.name} for one in started.present],
        "injects": [
            {
                "id": one.id,
                "tells": one.tells,
                "asks_it": one.it,
                "asks_radiology": one.radiology,
                "roles": roles_document(started, one),
                "shown_after_seconds": _since(started, asked.get(one.id)),
                "answered_after_seconds": _since(started, answers[one.id].at if one.id in answers else None),
                "it": answers[one.id].it if one.id in answers else None,
                "radiology": answers[one.id].radiology if one.id in answers else None,
            }
            for one in started.injects
        ],
        "open_items": [_item(one) for one in items(state)],
        "not_executed": not_executed(state),
        "waits_for": waits_for(state),
    }


def items_document(home: Home, today: date, *, everything: bool) -> dict[str, Any]:
    """Return what `safelight drill item list --json` prints, what is overdue first."""
    with looked_at(home) as (_, journal):
        found = by_urgency(one for state in drills_of(journal).values() for one in items(state))
    waiting = [one for one in found if one.closed is None]
    return {
        "items": [{**_item(one), "overdue": one.is_overdue(today)} for one in (found if everything else waiting)],
        "open": len(waiting),
        "overdue": sum(one.is_overdue(today) for one in waiting),
    }


def _item(one: Item) -> dict[str, Any]:
    return {
        "item": one.name,
        "what": one.what,
        "owner": one.owner or None,
        "due_on": one.due_on.isoformat() if one.due_on else None,
        "inject": one.of,
        "closed_at": to_text(one.closed.at) if one.closed else None,
        "closed_by": one.closed.by if one.closed else None,
        "closed_because": one.closed.reason if one.closed else None,
    }


def waits_for(state: DrillState) -> dict[str, Any] | None:
    """Return what a person has to do next, as JSON; ``itself`` when Safelight goes on alone; None when it is over."""
    match decide(state):
        case None:
            return None
        case CallPerson(call, person):
            return {"what": "call", "role": call.role, "side": call.side, "person": person}
        case FetchKey(placements):
            return {"what": "key", "placements": list(placements)}
        case Note(step, number, of):
            told = {"step": step.id, "do": step.do, "side": step.side, "who": step.who or None}
            return {"what": "step", **told, "number": number, "of": of}
        case Ask(inject):
            return {"what": "inject", "inject": inject.id}
        case _:
            return {"what": "itself"}


def succeeded(state: DrillState) -> bool:
    """Say whether a drill is done, whole, and within what was claimed and asked for, if anything was."""
    if state.phase is not Phase.DONE or state.started is None:
        return False
    told = measures_document(state)
    notification = told["notification"]
    return (
        all(one.owner or one.closed for one in items(state))
        and (notification is None or notification["seconds_until_all"] is not None)
        and not state.unopened
        and all(one["executed"] for one in told["shift"])
        and _restored_within(state, state.started)
    )


def _restored_within(state: DrillState, started: Started) -> bool:
    if not started.target:
        return True
    tiers = state.measured.tiers if state.measured else ()
    good = {Verdict.MET, Verdict.NO_OBJECTIVE}
    told = [verdict for one in compare(tiers, started.objectives) for verdict in (one.rto, one.rpo)]
    return bool(tiers) and all(one.confirmed == one.studies for one in tiers) and good.issuperset(told)


def _proves(state: DrillState) -> bool:
    """Say whether a drill makes its rehearsal green: a restore that nothing was held against proves nothing."""
    assert state.started is not None
    return succeeded(state) and (state.started.type not in MEASURE_TIMES or bool(state.started.objectives))


def _standing(plan: Plan, one: Rehearsal, drills: Mapping[str, DrillState], today: date) -> dict[str, Any]:
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
