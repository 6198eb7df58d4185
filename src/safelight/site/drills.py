"""Drills: begin, go on, restore into a rehearsal target, note the answers of a table-top, give up."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.disk import make_directory
from safelight.core.errors import StateError, UsageError
from safelight.core.progress import Report
from safelight.drill.decision import Command, Finish, GoOn, Measure, Restore, Seal, decide
from safelight.drill.facts import (
    Abandoned,
    Answered,
    Asked,
    Finished,
    Inject,
    Measured,
    OpenItem,
    Recorded,
    Resumed,
    Started,
    to_body,
)
from safelight.drill.measurement import StudyTried, measure
from safelight.drill.state import DrillState, Phase, fold
from safelight.drill.tabletop import left_open, read_script, shipped_script
from safelight.drill.target import NoRehearsalTarget, refuse_production
from safelight.plan.model import Plan
from safelight.plan.practice import Rehearsal
from safelight.plan.words import Disruption, DrillKind
from safelight.recovery.state import Stage
from safelight.site import evidence, recoveries
from safelight.site.drill_plan import (
    Told,
    left_out,
    place_of,
    production_places,
    rehearsal_named,
    script_text,
    told_by,
)
from safelight.site.drill_records import drill_of, drills_of
from safelight.site.drill_report import document_of
from safelight.site.opened import Site
from safelight.site.outages import phase_of
from safelight.site.peers import find_peer
from safelight.site.plan_folder import PlanFolder
from safelight.site.saying import deciding, signed
from safelight.site.status import because_of, exposure_of

RUNNABLE = (DrillKind.RESTORE_TIER, DrillKind.TABLE_TOP)
_driven: set[str] = set()
"""The drills that this program is busy with: two that go on with one would restore twice."""
QUIET_PHASES = ("normal", "reconciliation")


class HospitalAway(StateError):
    """A system of the hospital is away, or is being brought back: this is no time to rehearse."""

    code: ClassVar[str] = "drill.hospital-away"
    hint: ClassVar[str] = "See: safelight downtime status. Rehearse when the outage is over."


class DrillRuns(StateError):
    """Another drill is not over yet."""

    code: ClassVar[str] = "drill.runs"
    hint: ClassVar[str] = "Go on with it (safelight drill run --resume NUMBER), or give it up (--abandon NUMBER)."


class NotRunnable(UsageError):
    """Safelight does not run drills of this type; hold it by hand and write it into the plan."""

    code: ClassVar[str] = "drill.not-runnable"
    hint: ClassVar[str] = "Types that run: restore-tier, table-top. Others stand under `drills` in the plan when held."


def run(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Begin a drill, or go on with one, and do everything that needs no person.

    Raises:
        NoRehearsalTarget, ProductionTarget: it has no target that it may write to.
        HospitalAway, DrillRuns: not now.
    """
    reason, by = signed(told)
    with deciding:
        if told.get("resume"):
            state = drill_of(site.records.journal, str(told["resume"]))
            assert state.started is not None
            _look_for_outages(site)
            if state.started.target:
                # What was a scratch PACS last week may be in service now.
                _judge(site, state.started.target, _plan_told(told))
            state = _record(site, state, Resumed(state.started.drill, site.clock.now(), reason, by))
        else:
            started = _started(site, told, reason, by)
            if told.get("dry_run"):
                return {**document_of(fold(DrillState(), started)), "dry_run": True}
            state = _record(site, DrillState(), started)
    assert state.started is not None
    number = state.started.drill
    with deciding:
        if number in _driven:
            raise DrillRuns(drill=number)
        _driven.add(number)
    try:
        return document_of(_driven_on(site, state, told, report))
    finally:
        _driven.discard(number)


def _driven_on(site: Site, state: DrillState, told: Mapping[str, Any], report: Report) -> DrillState:
    while command := decide(state):
        assert state.started is not None
        if not isinstance(command, Restore | GoOn | Measure | Seal | Finish):
            break
        # What a door must not do twice is asked for again only after its fact was read back from the journal.
        _do(site, state.started, command, told, report)
        state = drill_of(site.records.journal, state.started.drill)
        if isinstance(command, Restore | GoOn) and state.restored_at is None:
            break
    return state


def say(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Record what a person does in a drill: an inject was shown, or answered; the drill is given up."""
    now = site.clock.now()
    with deciding:
        state = drill_of(site.records.journal, str(told["number"]))
        assert state.started is not None
        number = state.started.drill
        fact: Recorded
        if told["what"] == "abandon":
            reason, by = signed(told)
            fact = Abandoned(number, now, reason, by)
            if state.phase is Phase.RUNNING and state.recovery and state.restored_at is None:
                _hold_restore(site, state.recovery, reason, by)
        elif told["what"] == "shown":
            fact = Asked(number, now, str(told["inject"]))
        else:
            items = tuple(OpenItem(str(one["what"]), str(one["owner"])) for one in told.get("open") or ())
            it, radiology = str(told.get("it") or ""), str(told.get("radiology") or "")
            fact = Answered(number, now, str(told["inject"]), it, radiology, left_open((it, radiology, items)))
        state = _record(site, state, fact)
        if isinstance(decide(state), Finish):
            state = _record(site, state, Finished(number, site.clock.now()))
    return document_of(state)


def conclude(site: Site, fact: Measured | Finished) -> None:
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


def _started(site: Site, told: Mapping[str, Any], reason: str, by: str) -> Started:
    journal = site.records.journal
    _look_for_outages(site)
    drills = drills_of(journal)
    if running := [number for number, one in drills.items() if one.phase is Phase.RUNNING]:
        raise DrillRuns(drill=running[0])
    folder, plan = Path(told.get("plan") or ""), _plan_told(told)
    planned = rehearsal_named(plan, str(told["rehearsal"])) if plan and told.get("rehearsal") else None
    kind = planned.kind if planned else DrillKind(told["type"])
    if kind not in RUNNABLE:
        raise NotRunnable(type=kind)
    disruption = planned.disruption if planned else Disruption(told.get("disruption") or "hardware")
    says = (
        told_by(plan, kind, disruption, planned.systems if planned else ())
        if plan
        else Told((), "", (), left_out(kind))
    )
    started = Started(
        drill=str(len(drills) + 1),
        at=site.clock.now(),
        type=kind.value,
        rehearsal=planned.id if planned else "",
        disruption=disruption.value,
        covers=says.systems,
        covered_digest=says.digest,
        target="",
        limit=told.get("limit") or (planned.limit if planned else None),
        exposure_seconds=None,
        reason=reason,
        by=by,
        objectives=says.objectives,
        not_executed=says.not_executed,
    )
    if kind is DrillKind.TABLE_TOP:
        title, injects = _script(told, folder, planned, disruption)
        return replace(started, script=title, injects=injects)
    site.arrivals.settle()
    exposure = exposure_of(site.home, site.settings, site.catalog, journal, images_only=True)
    target = _target(site, told, plan, planned)
    return replace(
        started, target=target, exposure_seconds=exposure.seconds, exposure_because=tuple(because_of(exposure))
    )


def _script(
    told: Mapping[str, Any], folder: Path, planned: Rehearsal | None, disruption: Disruption
) -> tuple[str, tuple[Inject, ...]]:
    if told.get("script"):
        return read_script("script", str(told["script"]))
    if planned and planned.script:
        return read_script(planned.script, script_text(folder, planned.script))
    return read_script(f"tabletop_{disruption}.yaml", shipped_script(disruption))


def _target(site: Site, told: Mapping[str, Any], plan: Plan | None, planned: Rehearsal | None) -> str:
    text = str(told.get("rehearsal_target") or (planned.target if planned else "") or "")
    if not text:
        raise NoRehearsalTarget
    return _judge(site, text, plan)


def _judge(site: Site, text: str, plan: Plan | None) -> str:
    peer = find_peer(site.home.peers, text)
    refuse_production(place_of(peer), production_places(site.home, site.settings, site.records.journal, plan))
    return str(peer)


def _plan_told(told: Mapping[str, Any]) -> Plan | None:
    return PlanFolder(Path(told["plan"])).read().plan if told.get("plan") else None


def _look_for_outages(site: Site) -> None:
    phase = phase_of(site.records.journal)
    if phase not in QUIET_PHASES:
        raise HospitalAway(phase=phase)


def _hold_restore(site: Site, recovery: str, reason: str, by: str) -> None:
    if not recoveries.state_of(site.records.journal, recovery).paused:
        recoveries.pause(site, {"number": recovery, "reason": reason, "by": by})


def _do(site: Site, started: Started, command: Command, told: Mapping[str, Any], report: Report) -> None:
    match command:
        case Restore():
            recoveries.start(site, _restore_told(site, started, told), report)
        case GoOn(recovery):
            again = {"number": recovery, "reason": told["reason"], "by": told["by"], **_lists(told)}
            recoveries.resume(site, again, report)
        case Measure(recovery):
            tiers = measure(started.at, started.exposure_seconds, _studies(site, recovery))
            conclude(site, Measured(started.drill, site.clock.now(), recovery, tiers))
        case Seal(recovery):
            file = Path(told["evidence"]) if told.get("evidence") else evidence_file(site, started.drill)
            make_directory(site.disk, file.parent)
            evidence.export_evidence(site, {"number": recovery, "to": str(file)})
        case _:
            conclude(site, Finished(started.drill, site.clock.now()))


def evidence_file(site: Site, number: str) -> Path:
    """Return where the evidence of a drill lies unless another place was named."""
    return site.home.directory / "evidence" / f"drill-{number}.zip"


def _restore_told(site: Site, started: Started, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target": started.target,
        "limit": started.limit or _first_tier(site, told),
        "broke_at": started.at.isoformat(),
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
