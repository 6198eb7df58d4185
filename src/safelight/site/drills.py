"""Drills: begin, go on, restore into a rehearsal target, note the answers of a table-top, give up."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.clock import from_text
from safelight.core.disk import make_directory
from safelight.core.errors import StateError
from safelight.core.progress import Report
from safelight.drill.after_action import items, judge_assignment
from safelight.drill.answers import ToInject, left_open
from safelight.drill.decision import ByItself, GoOn, Look, Measure, Restore, Seal, decide
from safelight.drill.facts import (
    Abandoned,
    Answered,
    Asked,
    Called,
    CopyTried,
    Finished,
    ItemAssigned,
    ItemClosed,
    KeyAsked,
    KeyTried,
    Measured,
    OpenItem,
    Recorded,
    Resumed,
    Started,
    StepNoted,
    to_body,
)
from safelight.drill.measurement import StudyTried, measure
from safelight.drill.notification import judge_times
from safelight.drill.state import DrillState, Phase, fold
from safelight.recovery.state import Stage
from safelight.site import evidence, recoveries
from safelight.site.drill_readiness import look
from safelight.site.drill_records import drill_of
from safelight.site.drill_report import document_of
from safelight.site.drill_start import DrillRuns, judged, plan_told, started_of
from safelight.site.opened import Site
from safelight.site.outages import phase_of
from safelight.site.saying import deciding, signed

_driven: set[str] = set()
"""The drills that this program is busy with: two that go on with one would restore twice."""
QUIET_PHASES = ("normal", "reconciliation")


class HospitalAway(StateError):
    """A system of the hospital is away, or is being brought back: this is no time to rehearse."""

    code: ClassVar[str] = "drill.hospital-away"
    hint: ClassVar[str] = "See: safelight downtime status. Rehearse when the outage is over."


def run(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Begin a drill, or go on with one, and do everything that needs no person.

    Raises:
        NoRehearsalTarget, ProductionTarget: it has no target that it may write to.
        HospitalAway, DrillRuns: not now.
    """
    with deciding:
        state, begins = _resumed(site, told) if told.get("resume") else (DrillState(), _begun(site, told))
        if told.get("dry_run"):
            return {**document_of(fold(state, begins)), "dry_run": True}
        if begins.drill in _driven:
            raise DrillRuns(drill=begins.drill)
        if not told.get("same_sitting"):
            state = _record(site, state, begins)
        _driven.add(begins.drill)
    try:
        return document_of(_driven_on(site, state, told, report))
    finally:
        _driven.discard(begins.drill)


def _begun(site: Site, told: Mapping[str, Any]) -> Started:
    reason, by = signed(told)
    _look_for_outages(site)
    return started_of(site, told, reason, by)


def _resumed(site: Site, told: Mapping[str, Any]) -> tuple[DrillState, Resumed]:
    reason, by = signed(told)
    state = drill_of(site.records.journal, str(told["resume"]))
    assert state.started is not None
    _look_for_outages(site)
    if state.started.target:
        # What was a scratch PACS last week may be in service now.
        judged(site, state.started.target, plan_told(told))
    return state, Resumed(state.started.drill, site.clock.now(), reason, by)


def _driven_on(site: Site, state: DrillState, told: Mapping[str, Any], report: Report) -> DrillState:
    while isinstance(command := decide(state), ByItself):
        assert state.started is not None
        # What a door must not do twice is asked for again only after its fact was read back from the journal.
        _do(site, state, command, told, report)
        state = drill_of(site.records.journal, state.started.drill)
        if isinstance(command, Restore | GoOn) and state.restored_at is None:
            break
    return state


def say(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Record what a person says in a drill: answers, calls, steps; who does what stayed open; that it is given up.

    Raises:
        NoDrill, OutOfTurn, BadCall, BadAssignment: it does not fit.
    """
    with deciding:
        state = drill_of(site.records.journal, str(told["number"]))
        assert state.started is not None
        fact = _said(site, state, told)
        # What does not fit must not hold a restore either.
        then = fold(state, fact)
        if isinstance(fact, ItemAssigned):
            judge_assignment(fact, site.clock.now().astimezone().date())
        if not told.get("dry_run"):
            if isinstance(fact, Abandoned) and state.recovery and state.restored_at is None:
                _hold_restore(site, state.recovery, fact.reason, fact.by)
            _record(site, state, fact)
    return {**document_of(then), "dry_run": bool(told.get("dry_run"))}


def _said(site: Site, state: DrillState, told: Mapping[str, Any]) -> Recorded:
    assert state.started is not None
    number, now = state.started.drill, site.clock.now()
    match told["what"]:
        case "abandon":
            return Abandoned(number, now, *signed(told))
        case "assign-item":
            item, due_on = int(told["item"]), date.fromisoformat(told["due_on"])
            return ItemAssigned(number, now, item, _owner(state, item, told), due_on, *signed(told))
        case "close-item":
            return ItemClosed(number, now, int(told["item"]), *signed(told))
        case "shown":
            return Asked(number, now, str(told["inject"]))
        case "called":
            called_at, answered_at = from_text(told["called_at"]), _moment(told["answered_at"])
            judge_times(called_at, answered_at, now)
            return Called(number, now, str(told["person"]), str(told["by_number"]), called_at, answered_at)
        case "key-asked":
            return KeyAsked(number, now)
        case "key-tried":
            return KeyTried(number, now, tuple(_copy(one) for one in told["copies"]))
        case "step":
            executed, note = bool(told["executed"]), str(told.get("note") or "")
            return StepNoted(number, now, str(told["step"]), executed, note, _items(told))
        case _:
            given = ToInject(str(told.get("it") or ""), str(told.get("radiology") or ""), _items(told))
            return Answered(number, now, str(told["inject"]), given.it, given.radiology, left_open(given))


def _owner(state: DrillState, item: int, told: Mapping[str, Any]) -> str:
    """Return who is named, or who has it already."""
    before = next((one.owner for one in items(state) if one.number == item), "")
    return str(told.get("owner") or before)


def _items(told: Mapping[str, Any]) -> tuple[OpenItem, ...]:
    return tuple(OpenItem(str(one["what"]), str(one["owner"])) for one in told.get("open") or ())


def _copy(told: Mapping[str, Any]) -> CopyTried:
    opened_at = _moment(told["opened_at"])
    return CopyTried(str(told["placement"]), str(told["pack"]), opened_at, str(told["trouble"]))


def _moment(text: str | None) -> datetime | None:
    return from_text(text) if text else None


def conclude(site: Site, fact: Measured | StepNoted | Finished) -> None:
    """Record what a drill came to by itself; one that was given up, or ended, meanwhile is left as it is."""
    with deciding:
        state = drill_of(site.records.journal, fact.drill)
        if state.phase is Phase.RUNNING:
            _record(site, state, fact)


def _record(site: Site, state: DrillState, fact: Recorded) -> DrillState:
    # What does not fit is refused before it is on record.
    state = fold(state, fact)
    site.records.record(fact.kind, to_body(fact))
    return state


def _look_for_outages(site: Site) -> None:
    phase = phase_of(site.records.journal)
    if phase not in QUIET_PHASES:
        raise HospitalAway(phase=phase)


def _hold_restore(site: Site, recovery: str, reason: str, by: str) -> None:
    if not recoveries.state_of(site.records.journal, recovery).paused:
        recoveries.pause(site, {"number": recovery, "reason": reason, "by": by})


def _do(site: Site, state: DrillState, command: ByItself, told: Mapping[str, Any], report: Report) -> None:
    started, clock_from = state.started, state.clock_from
    assert started is not None and clock_from is not None
    match command:
        case Restore():
            recoveries.start(site, _restore_told(site, started, clock_from, told), report)
        case GoOn(recovery):
            again = {"number": recovery, "reason": told["reason"], "by": told["by"], **_lists(told)}
            recoveries.resume(site, again, report)
        case Measure(recovery):
            sample = started.limit is not None
            tiers = measure(clock_from, started.exposure_seconds, _studies(site, recovery), sample=sample)
            conclude(site, Measured(started.drill, site.clock.now(), recovery, tiers))
        case Look(step):
            executed, seen = look(site, step)
            conclude(site, StepNoted(started.drill, site.clock.now(), step.id, executed, seen))
        case Seal():
            file = Path(told["evidence"]) if told.get("evidence") else evidence_file(site, started.drill)
            make_directory(site.disk, file.parent)
            evidence.export_drill(site, {"drill": started.drill, "to": str(file)})
        case _:
            conclude(site, Finished(started.drill, site.clock.now()))


def evidence_file(site: Site, number: str) -> Path:
    """Return where the evidence of a drill lies unless another place was named."""
    return site.home.directory / "evidence" / f"drill-{number}.zip"


def _restore_told(site: Site, started: Started, broke_at: datetime, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target": started.target,
        "limit": started.limit or _first_tier(site, told),
        "broke_at": broke_at.isoformat(),
        "reason": f"drill {started.drill}: {started.reason}",
        "by": started.by,
        # A PACS that nobody works with has no routing, AI or notification that a patient could feel.
        "accept_side_effects": True,
        "drill": started.drill,
        **_lists(told),
    }


def _first_tier(site: Site, told: Mapping[str, Any]) -> int:
    order = recoveries.order_of(site.catalog, told, None)
    return max(sum(one.tier is order[0].tier for one in order), 1)


def _lists(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in recoveries.ORDERING if told.get(name)}


def _studies(site: Site, recovery: str) -> list[StudyTried]:
    state = recoveries.state_of(site.records.journal, recovery)
    assert state.started_at is not None
    tried = []
    for study in state.order:
        one, row = state.studies[study], site.catalog.study(study)
        confirmed_at = one.settled_at if one.stage is Stage.CONFIRMED else None
        tried.append(StudyTried(one.tier, confirmed_at, row.first_received_at if row else state.started_at))
    return tried
