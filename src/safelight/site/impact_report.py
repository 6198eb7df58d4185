"""One question to the simulation, answered whole: figures, tolerances, pictures, and where the figures come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

from safelight.core import progress
from safelight.impact import picture
from safelight.impact.department import HOURS_A_WEEK, Department
from safelight.impact.document import HOURS_MAX, read_department, read_scenario, utilisation
from safelight.impact.errors import BadModel, NoScenario
from safelight.impact.measures import Plan
from safelight.impact.scenario import Scenario
from safelight.impact.summary import Summary
from safelight.impact.tolerance import LENGTHS_HOURS, Counts, Tolerance, tolerance_of
from safelight.site.impact_runs import fitting_plan, late_by_length, simulate

TOLERANCE_PLAN: Final = Plan(4, 1)
HALVINGS: Final = 2


@dataclass(frozen=True, slots=True)
class ServiceTolerance:
    """What a service stands by simulation, beside what it declared."""

    service: str
    derived: Tolerance | None
    declared_hours: float | None

    @property
    def is_rift(self) -> bool:
        """Return whether the service declared more than it stands."""
        derived, declared = self.derived, self.declared_hours
        return bool(derived and declared is not None and derived.breached_hours and declared >= derived.breached_hours)

    @property
    def words(self) -> str:
        """Say what it stands."""
        if self.derived is None:
            return "too few exams to say"
        if self.derived.breached_hours is None:
            return f"stands {self.derived.stands_hours:g} h, the longest that was tried"
        if not self.derived.stands_hours:
            return f"does not stand {self.derived.breached_hours:g} h, the shortest with enough exams to judge"
        return f"stands {self.derived.stands_hours:g} h, not {self.derived.breached_hours:g} h"

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "service": self.service,
            "stands_hours": self.derived.stands_hours if self.derived else None,
            "breached_hours": self.derived.breached_hours if self.derived else None,
            "known": self.derived is not None,
            "declared_mtd_hours": self.declared_hours,
            "rift": self.is_rift,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was asked for."""

    department: Department
    scenario: Scenario
    plan: Plan
    summary: Summary
    counts: Counts
    tolerances: Sequence[ServiceTolerance]
    confidence: float

    @property
    def currency(self) -> str | None:
        """Return what `cost` is counted in; None where the site gave no values."""
        values = self.department.unit_values
        return None if values is None else values.currency

    def document(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "department": self.department.name,
            "scenario": self.scenario.name,
            "scope": str(self.scenario.scope),
            "hours": self.scenario.hours,
            "weeks": self.plan.weeks,
            "seeds": self.summary.seeds,
            "confidence": self.confidence,
            "utilisation": utilisation(self.department),
            "currency": self.currency,
            "figures": self.summary.document(),
            "tolerance": [one.document() for one in self.tolerances],
            "late_by_length": [
                {
                    "service": service,
                    "hours": hours,
                    "late": late.late,
                    "exams": late.exams,
                    "share": late.share,
                    "interval": late.interval,
                }
                for (service, hours), late in sorted(self.counts.items())
            ],
            "sources": self.sources(),
        }

    def sources(self) -> list[str]:
        """Say of each duration where it comes from."""
        told = []
        for modality in self.department.modalities:
            for what, one in (("exam", modality.exam), ("reading", modality.reading)):
                source = one.source or "as the file says, no source given"
                told.append(f"{modality.name} {what}: {one.mean_minutes:g} min, {source}")
        return told

    def pictures(self) -> dict[str, str]:
        """Draw the pictures, by file name without its ending."""
        begins, drawn = self.plan.outage(self.scenario).begins, {}
        for name, band in self.summary.bands.items():
            series = [one.tolist() for one in (band.low, band.median, band.high, band.usual)]
            key = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
            title = f"{name[0].upper()}{name[1:]}: {self.scenario.name}"
            drawn[key] = picture.backlog(title, series[0], series[1], series[2], series[3], begins, self.scenario.hours)
        arrivals = [
            sum(demand.hourly()[hour] for modality in self.department.modalities for demand in modality.demands)
            for hour in range(HOURS_A_WEEK)
        ]
        drawn["arrivals"] = picture.heat_map(f"Arrivals in a usual week: {self.department.name}", arrivals)
        rows = self._bars()
        if rows:
            drawn["waits"] = picture.bars(f"Waits (95th percentile) against limits: {self.scenario.name}", rows)
        curves = [(one.name, self._curve(one.name)) for one in self.department.services]
        curves = [(name, points) for name, points in curves if points]
        if curves:
            drawn["tolerance"] = picture.shares("How long an outage each service stands", curves, 1 - self.confidence)
        return drawn

    def _curve(self, service: str) -> list[tuple[float, float]]:
        own = [(hours, late.share) for (name, hours), late in sorted(self.counts.items()) if name == service]
        return [(hours, share) for hours, share in own if share is not None]

    def _bars(self) -> list[picture.Bar]:
        rows, figures, longest = [], self.summary.figures, self.plan.weeks * HOURS_A_WEEK * 60.0
        for service in self.department.services:
            for what, limit in (("start", service.start_minutes), ("result", service.result_minutes)):
                one = figures.get((f"{what}_minutes_p95", service.name))
                usual = figures.get((f"{what}_minutes_p95_usual", service.name))
                if limit is None or one is None or usual is None:
                    continue
                values = [longest if value is None else value for value in (usual.median, one.median, one.high)]
                rows.append(picture.Bar(f"{service.name}, {what}", values[0], values[1], values[2], limit))
        return rows


def report(
    document: Mapping[str, Any],
    scenario_name: str | None,
    hours: float | None,
    seeds: int,
    weeks: int | None,
    confidence: float,
    with_tolerance: bool,
    told: progress.Report = progress.silent,
    workers: int = 0,
) -> Report:
    """Read a document, simulate one of its scenarios and derive what services stand.

    Raises:
        BadModel: the document holds what cannot be.
        NoScenario: it has none of this name.
    """
    for key in document:
        if key not in ("department", "scenarios"):
            raise BadModel(where=str(key), problem="unknown key", known="department, scenarios")
    department = read_department(document.get("department"))
    scenario = _scenario(document.get("scenarios"), scenario_name, department)
    if hours is not None:
        if not isfinite(hours) or not 0 < hours <= HOURS_MAX:
            raise BadModel(where="hours", problem="out of range")
        scenario = replace(scenario, hours=hours)
    plan = fitting_plan(scenario, weeks)
    summary = simulate(department, scenario, plan, seeds, told, workers)
    counts: Counts = {}
    tolerances: list[ServiceTolerance] = []
    if with_tolerance and department.services:
        counts = _counts(department, scenario, seeds, confidence, told, workers)
        for service in department.services:
            declared = service.declared_mtd_minutes
            tolerances.append(
                ServiceTolerance(
                    service.name,
                    tolerance_of(counts, service.name, confidence),
                    None if declared is None else declared / 60.0,
                )
            )
    return Report(department, scenario, plan, summary, counts, tolerances, confidence)


def _counts(
    department: Department, scenario: Scenario, seeds: int, confidence: float, told: progress.Report, workers: int
) -> Counts:
    """Count who is late for the lengths that are always tried, then between those where a service's limit lies."""
    counts = late_by_length(department, scenario, TOLERANCE_PLAN, LENGTHS_HOURS, seeds, told, workers)
    for _ in range(HALVINGS):
        found = [tolerance_of(counts, one.name, confidence) for one in department.services]
        between = {
            (one.stands_hours + one.breached_hours) / 2
            for one in found
            if one and one.stands_hours and one.breached_hours
        }
        if between:
            counts |= late_by_length(department, scenario, TOLERANCE_PLAN, sorted(between), seeds, told, workers)
    return counts


def _scenario(value: object, name: str | None, department: Department) -> Scenario:
    if not isinstance(value, list) or not value:
        raise BadModel(where="scenarios", problem="expected a list with at least one")
    read = [read_scenario(one, department, f"scenarios[{at}]") for at, one in enumerate(value)]
    for one in read:
        if name is None or one.name == name:
            return one
    raise NoScenario(name=name, known=", ".join(one.name for one in read))
