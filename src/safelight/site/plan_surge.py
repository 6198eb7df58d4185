"""What a neighbour's outage does to a plan's own department: a quick simulation, handed to the rules as a plain fact.

A hospital next to one under ransomware saw 15.1 % more patients in its emergency department and 35.2 % more
ambulances (Dameff 2023, JAMA Netw Open). These stand in unless a scenario of the department says its own surge.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from safelight.core.errors import UsageError
from safelight.findings.facts import Surge, SurgeImpact
from safelight.impact.department import Department
from safelight.impact.document import read_department, read_scenario, utilisation
from safelight.impact.draws import check_size
from safelight.impact.measures import Plan as Runs
from safelight.impact.scenario import Scenario, Scope
from safelight.impact.tolerance import EXAMS_MIN, add, count_late
from safelight.plan.model import Plan
from safelight.plan.words import ServiceKind
from safelight.site.impact_file import department_document
from safelight.site.plan_department import DEPARTMENT, services_of

PUBLISHED: Final = {ServiceKind.STROKE: 0.352, ServiceKind.TRAUMA: 0.352, ServiceKind.ED: 0.151}
SEEDS: Final = 10
HOURS: Final = 168.0
RUNS: Final = Runs(weeks=3, outage_week=1)


def surge_of(folder: Path, plan: Plan) -> Surge | None:
    """Simulate a week of a neighbour's outage, in about half a second; None where the plan has no department."""
    file = folder / DEPARTMENT
    if not file.is_file():
        return None
    try:
        document = department_document(file)
        department = read_department(document.get("department"))
        surge = _told(document, department) or _published(department, plan)
        return _simulated(department, plan, surge)
    except UsageError as error:
        # One file that cannot be used must not keep the other rules from being asked.
        facts = ", ".join(f"{name} {value}" for name, value in error.facts.items())
        return Surge(trouble=f"{DEPARTMENT}: {type(error).code}, {facts}")


def _simulated(department: Department, plan: Plan, surge: Mapping[str, float]) -> Surge:
    if not surge:
        return Surge(trouble=f"{DEPARTMENT} has no service of the plan that a neighbour's patients would come to")
    loads = utilisation(_busier(department, surge))
    overloaded = {name: load for name, load in loads.items() if load >= 1.0}
    as_usual = ((0.0, 1.0),)
    # Nothing of ours is away: whoever is late is late because of those who come in addition.
    away = Scenario(
        "a neighbour is away",
        Scope.PACS,
        0.0,
        HOURS,
        exam_shares={"*": as_usual},
        reading_shares=as_usual,
        delivery_factor=1.0,
        surge=surge,
    )
    check_size(department, RUNS.weeks)
    counts = add(count_late(department, away, RUNS, (HOURS,), seed) for seed in range(SEEDS))
    ours = services_of(department, plan)
    return Surge(
        {
            ours[name].id: SurgeImpact(late.late, late.exams)
            for (name, _), late in counts.items()
            if name in ours and late.exams >= EXAMS_MIN
        },
        overloaded,
    )


def _told(document: Mapping[str, object], department: Department) -> Mapping[str, float]:
    scenarios = document.get("scenarios")
    for at, one in enumerate(scenarios if isinstance(scenarios, list) else ()):
        surge = read_scenario(one, department, f"scenarios[{at}]").surge
        if surge:
            return surge
    return {}


def _published(department: Department, plan: Plan) -> dict[str, float]:
    """Return the published surge of each class that serves one of the services where it was counted."""
    ours, found = services_of(department, plan), dict[str, float]()
    for one in department.services:
        share = PUBLISHED.get(ours[one.name].kind, 0.0) if one.name in ours else 0.0
        if share:
            found[one.class_name] = max(share, found.get(one.class_name, 0.0))
    return found


def _busier(department: Department, surge: Mapping[str, float]) -> Department:
    return replace(
        department,
        modalities=tuple(
            replace(
                modality,
                demands=tuple(
                    replace(one, per_week=one.per_week * (1 + surge.get(one.class_name, 0.0)))
                    for one in modality.demands
                ),
            )
            for modality in department.modalities
        ),
    )
