"""What a drill begins with: its parts by type, what the plan says to it, and where it may write."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.core.errors import StateError, UsageError
from safelight.drill.facts import Inject, Present, Started
from safelight.drill.phone_book import calls_of
from safelight.drill.shift import shift_steps
from safelight.drill.state import Phase
from safelight.drill.tabletop import read_script, shipped_script
from safelight.drill.target import NoRehearsalTarget, refuse_production
from safelight.plan.model import Plan
from safelight.plan.practice import Rehearsal
from safelight.plan.words import Disruption, DrillKind
from safelight.site.drill_plan import (
    MEASURE_TIMES,
    Told,
    left_out,
    place_of,
    production_places,
    rehearsal_named,
    script_text,
    told_by,
)
from safelight.site.drill_records import drills_of
from safelight.site.opened import Site
from safelight.site.peers import find_peer
from safelight.site.plan_folder import PlanFolder
from safelight.site.status import because_of, exposure_of

SAMPLE_STUDIES: Final = 10
"""So many studies are restored as a sample when nobody says how many."""


class Part(StrEnum):
    """What drills are made of."""

    NOTIFICATION = "notification"
    ESCROW_KEY = "escrow-key"
    RESTORE = "restore"
    SHIFT = "shift"
    TABLE_TOP = "table-top"


PARTS: Final[Mapping[DrillKind, frozenset[Part]]] = {
    DrillKind.TABLE_TOP: frozenset({Part.TABLE_TOP}),
    DrillKind.NOTIFICATION: frozenset({Part.NOTIFICATION}),
    DrillKind.RESTORE_SAMPLE: frozenset({Part.RESTORE}),
    DrillKind.RESTORE_TIER: frozenset({Part.RESTORE}),
    DrillKind.ESCROW_KEY: frozenset({Part.ESCROW_KEY}),
    DrillKind.DOWNTIME_SHIFT: frozenset({Part.SHIFT}),
    DrillKind.FULL: frozenset({Part.NOTIFICATION, Part.ESCROW_KEY, Part.RESTORE, Part.TABLE_TOP}),
}


class DrillRuns(StateError):
    """Another drill is not over yet."""

    code: ClassVar[str] = "drill.runs"
    hint: ClassVar[str] = "Go on with it (safelight drill run --resume NUMBER), or give it up (--abandon NUMBER)."


class NobodyToCall(UsageError):
    """Nobody is named whom a notification drill could call."""

    code: ClassVar[str] = "drill.nobody-to-call"
    hint: ClassVar[str] = "Give --plan FOLDER of a plan that names roles, with the people who have them, or vendors."


def started_of(site: Site, told: Mapping[str, Any], reason: str, by: str) -> Started:
    """Return what a drill begins with; nothing is recorded.

    Raises:
        DrillRuns: there is one that is not over.
        NoRehearsal, NobodyToCall, NoRehearsalTarget, ProductionTarget, BadScript: it cannot begin so.
    """
    drills = drills_of(site.records.journal)
    if running := [number for number, one in drills.items() if one.phase is Phase.RUNNING]:
        raise DrillRuns(drill=running[0])
    plan = plan_told(told)
    planned = rehearsal_named(plan, str(told["rehearsal"])) if plan and told.get("rehearsal") else None
    kind = planned.kind if planned else DrillKind(told["type"])
    disruption = planned.disruption if planned else Disruption(told.get("disruption") or "hardware")
    systems = planned.systems if planned else ()
    says = told_by(plan, kind, disruption, systems) if plan else Told((), "", (), left_out(kind))
    started = Started(
        drill=str(len(drills) + 1),
        at=site.clock.now(),
        type=kind.value,
        rehearsal=planned.id if planned else "",
        disruption=disruption.value,
        covers=says.systems,
        covered_digest=says.digest,
        target="",
        limit=None,
        exposure_seconds=None,
        reason=reason,
        by=by,
        objectives=says.objectives if kind in MEASURE_TIMES else (),
        not_executed=says.not_executed,
    )
    return _with_parts(site, started, told, plan, planned)


def judged(site: Site, text: str, plan: Plan | None) -> str:
    """Return the address of a target that a drill may write to.

    Raises:
        ProductionTarget: it is, or may be, a system that the hospital works with.
    """
    peer = find_peer(site.home.peers, text)
    refuse_production(place_of(peer), production_places(site.home, site.settings, site.records.journal, plan))
    return str(peer)


def plan_told(told: Mapping[str, Any]) -> Plan | None:
    """Return the plan whose folder was named, if one was."""
    return PlanFolder(Path(told["plan"])).read().plan if told.get("plan") else None


def _with_parts(
    site: Site, started: Started, told: Mapping[str, Any], plan: Plan | None, planned: Rehearsal | None
) -> Started:
    kind, disruption = DrillKind(started.type), Disruption(started.disruption)
    parts = PARTS[kind]
    if Part.NOTIFICATION in parts:
        started = replace(started, calls=calls_of(plan) if plan else ())
        if not started.calls:
            raise NobodyToCall
    if Part.ESCROW_KEY in parts:
        started = replace(started, placements=tuple(one.name for one in site.placements))
    if Part.SHIFT in parts:
        started = replace(started, steps=shift_steps(plan.procedures if plan else (), disruption))
    if Part.TABLE_TOP in parts:
        title, injects = _script(told, planned, disruption)
        present = tuple(Present(str(role), str(name)) for role, name in told.get("present", {}).items())
        started = replace(started, script=title, injects=injects, present=present)
    if Part.RESTORE in parts:
        usual = SAMPLE_STUDIES if kind is DrillKind.RESTORE_SAMPLE else None
        limit = told.get("limit") or (planned.limit if planned else None) or usual
        started = _with_restore(site, replace(started, limit=limit), _target(site, told, plan, planned))
    return started


def _with_restore(site: Site, started: Started, target: str) -> Started:
    site.arrivals.settle()
    exposure = exposure_of(site.home, site.settings, site.catalog, site.records.journal, images_only=True)
    because = tuple(because_of(exposure))
    return replace(started, target=target, exposure_seconds=exposure.seconds, exposure_because=because)


def _script(
    told: Mapping[str, Any], planned: Rehearsal | None, disruption: Disruption
) -> tuple[str, tuple[Inject, ...]]:
    if told.get("script"):
        return read_script("script", str(told["script"]))
    if planned and planned.script:
        return read_script(planned.script, script_text(Path(told["plan"]), planned.script))
    return read_script(f"tabletop_{disruption}.yaml", shipped_script(disruption))


def _target(site: Site, told: Mapping[str, Any], plan: Plan | None, planned: Rehearsal | None) -> str:
    text = str(told.get("rehearsal_target") or (planned.target if planned else "") or "")
    if not text:
        raise NoRehearsalTarget
    return judged(site, text, plan)
