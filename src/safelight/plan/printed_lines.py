"""The tables of the printed plan: each a list of lines, each line its cells as texts."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from safelight.core.span import span_text
from safelight.plan.model import Plan
from safelight.plan.practice import Procedure, Runbook
from safelight.plan.words import RoleKind, Side

Lines = list[tuple[str, ...]]
SIDES: Final = {Side.IT: "IT", Side.RADIOLOGY: "Radiology"}


def lines(plan: Plan) -> dict[str, Lines]:
    """Return every table by its name."""
    return {**_there_is(plan), **_is_needed(plan), **_is_done(plan)}


def spoken(kind: str) -> str:
    """Write the kind of a role as people say it."""
    first, *rest = kind.split("-")
    return " ".join([first.upper() if first in ("pacs", "ris") else first.capitalize(), *rest])


def _there_is(plan: Plan) -> dict[str, Lines]:
    people: dict[str | None, str] = {None: ""} | {one.id: one.name for one in plan.people}
    systems = {one.id: one.name for one in plan.systems}
    at = {one.id: one.site for one in plan.systems}
    sites: dict[str | None, str] = {None: ""} | {one.id: one.name for one in plan.sites}
    vendors: dict[str | None, str] = {None: ""} | {one.id: one.name for one in plan.vendors}
    return {
        "systems": [
            (
                one.name,
                one.kind,
                sites[one.site],
                people[one.it_owner],
                people[one.radiology_owner],
                _yes(one.in_it_plan),
                SIDES[one.bought_by] if one.bought_by else "",
                SIDES[one.staffed_by] if one.staffed_by else "",
            )
            for one in plan.systems
        ],
        "inventory": [
            (
                one.name,
                str(one.tier or ""),
                one.segment or "",
                vendors[one.vendor],
                sites[one.recovery_site],
                _text(one.local_storage),
            )
            for one in plan.systems
        ],
        "sites": [(one.name, one.power, one.fabric, _yes(one.radiology)) for one in plan.sites],
        "flows": [
            (
                f"{one.kind}, {one.path}",
                systems[one.source],
                systems[one.target],
                one.ae_title or "",
                f"{one.host or ''}:{one.port}" if one.port else one.host or "",
                _listed([people[one.it_owner], people[one.radiology_owner]]),
            )
            for one in plan.flows
        ],
        "copies": [
            (
                systems[one.of],
                sites[one.site],
                one.medium,
                _listed(one.holds),
                _text(one.every),
                _yes(one.offline),
                _yes(one.immutable),
                _text(one.verified_on),
            )
            for one in plan.copies
        ],
        "offsite": [
            (systems[one.of], sites[one.site], one.medium, _text(one.acquire), one.courier or "")
            for one in plan.copies
            if one.site != at[one.of]
        ],
        "couriered": [
            (systems[one.of], sites[one.site], one.medium, _text(one.acquire), one.courier or "")
            for one in plan.copies
            if one.courier or (one.offline and one.site != at[one.of])
        ],
        "roles": [
            (
                spoken(one.kind),
                SIDES[one.side],
                people[one.person],
                people[one.deputy],
                _text(one.deputy_trained_on),
            )
            for one in plan.roles
        ],
        "access": [
            (
                sites[one.site],
                people[one.it_holder],
                people[one.radiology_holder],
                _listed(systems[need] for need in one.needs),
            )
            for one in plan.access
        ],
        "reserved": [(one.of, f"{one.prefix}{one.first}", f"{one.prefix}{one.last}") for one in plan.reserved_numbers],
    }


def _is_needed(plan: Plan) -> dict[str, Lines]:
    systems = {one.id: one.name for one in plan.systems}
    return {
        "assumptions": [
            (one.subject, SIDES[one.side], one.statement, one.evidence or "", _text(one.expires_on))
            for one in plan.assumptions
        ],
        "services": [
            (
                one.name,
                _listed(systems[name] for name in one.systems),
                _text(one.clinical_limit),
                f"{one.exams_per_hour:g}" if one.exams_per_hour else "",
                _text(one.work_recovery),
                one.result_path or "",
            )
            for one in plan.services
        ],
        "tolerances": [
            (service.name, one.disruption, _text(one.mtd), _text(one.rto), _text(one.rpo), one.why or "")
            for service in plan.services
            for one in service.tolerances
        ],
        "other_plans": [
            (one.name, one.owner, _yes(one.covers_imaging), _yes(one.pacs_administrator_contributes))
            for one in plan.other_plans
        ],
    }


def _is_done(plan: Plan) -> dict[str, Lines]:
    people = {one.id: one.name for one in plan.people}
    systems = {one.id: one.name for one in plan.systems}
    vendors = {one.id: one.name for one in plan.vendors}
    written: list[Procedure | Runbook] = [*plan.runbooks, *plan.procedures]
    kinds = {one.kind: people[one.person] for one in reversed(plan.roles)}
    coordinator = kinds.get(RoleKind.RECOVERY_COORDINATOR) or kinds.get(RoleKind.INCIDENT_COMMANDER, "")
    return {
        "fallbacks": [
            (systems[one.instead_of], one.name, _listed(systems[need] for need in one.needs)) for one in plan.fallbacks
        ],
        "priors": [
            (systems[one.system], _text(one.age), _text(one.age_tolerated), _yes(one.marked)) for one in plan.priors
        ],
        "supplies": [(one.what, _text(one.lasts), one.where or "") for one in plan.supplies],
        "escalation": [
            (one.name, step.do, _text(step.takes), coordinator) for one in written for step in one.steps if step.takes
        ],
        "drills": [
            (
                _text(one.held_on),
                one.kind,
                one.disruption,
                _listed(SIDES[side] for side in one.sides),
                _listed(vendors[name] for name in one.vendors),
            )
            for one in plan.drills
        ],
        "proved": [
            (
                one.id,
                _listed(one.proved),
                _listed(f"{systems[it.system]} {_text(it.rto)}" for it in one.measured),
                _listed(one.not_done),
            )
            for one in plan.drills
        ],
        "actions": [(one.what, people[one.owner], _text(one.due_on), _text(one.done_on)) for one in plan.actions],
    }


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return span_text(value)
    return value.isoformat() if isinstance(value, date) else ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)
