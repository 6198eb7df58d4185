"""One question to the simulation, answered whole: figures, tolerances, pictures, and where the figures come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, Self

from safelight.core import progress
from safelight.impact import picture
from safelight.impact.calibration import Counted, Line, calibrated
from safelight.impact.department import HOURS_A_WEEK, Department, Service
from safelight.impact.document import HOURS_MAX, read_department, read_scenario, utilisation
from safelight.impact.errors import BadModel, NoScenario
from safelight.impact.measures import Plan
from safelight.impact.scenario import Scenario
from safelight.impact.summary import Summary
from safelight.impact.tolerance import LENGTHS_HOURS, Counts, Tolerance, tolerance_of
from safelight.site.impact_runs import Runs, fitting_plan


@dataclass(frozen=True, slots=True)
class Length:
    """How long the outage lasts, and who says so."""

    hours: float
    origin: Literal["scenario", "asked", "estimate"]
    words: str
    """Whose figure it is, in words."""
    path: Sequence[Mapping[str, str]] = ()
    """The parts that an estimate adds up, each with where its numbers come from."""

    @classmethod
    def asked(cls, hours: float) -> Self:
        """Return a length that whoever asks has chosen."""
        return cls(hours, "asked", "as asked")

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"hours": self.hours, "from": self.origin, "source": self.words, "path": [*self.path]}


@dataclass(frozen=True, slots=True)
class DeclaredMtd:
    """The MTD that a service declares, and where it does."""

    hours: float
    source: str


@dataclass(frozen=True, slots=True)
class ServiceTolerance:
    """What a service stands by simulation, beside what it declared."""

    service: str
    derived: Tolerance | None
    declared: DeclaredMtd | None

    @property
    def declared_hours(self) -> float | None:
        """Return the declared MTD; None where none was."""
        return None if self.declared is None else self.declared.hours

    @property
    def is_rift(self) -> bool:
        """Return whether the service declared more than it stands."""
        derived, declared = self.derived, self.declared_hours
        return bool(derived and declared is not None and derived.breached_hours and declared >= derived.breached_hours)

    @property
    def words(self) -> str:
        """Say what it stands."""
        derived = self.derived
        if derived is None:
            return "too few exams to say"
        if derived.breached_hours is None:
            told = f"stands {picture.length(derived.stands_hours)}, the longest that was tried"
        elif not derived.stands_hours:
            told = f"does not stand {picture.length(derived.breached_hours)}, the shortest with enough exams to judge"
        else:
            told = f"stands {picture.length(derived.stands_hours)}, not {picture.length(derived.breached_hours)}"
        return told + self._sure(derived)

    @staticmethod
    def _sure(derived: Tolerance) -> str:
        """Say which lengths are beyond chance, where these are others than those told."""
        sure = []
        if derived.surely_stands_hours != derived.stands_hours:
            sure.append(
                f"sure up to {picture.length(derived.surely_stands_hours)}"
                if derived.surely_stands_hours
                else "not sure"
            )
        if derived.surely_breached_hours != derived.breached_hours:
            no = derived.surely_breached_hours
            sure.append("no length surely too long" if no is None else f"surely not {picture.length(no)}")
        return f" ({', '.join(sure)})" if sure else ""

    @property
    def standing(self) -> picture.Standing:
        """Return it as a row of the picture."""
        derived = self.derived
        return picture.Standing(
            self.service,
            derived.stands_hours if derived else None,
            derived.breached_hours if derived else None,
            self.declared_hours,
        )

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "service": self.service,
            "stands_hours": self.derived.stands_hours if self.derived else None,
            "breached_hours": self.derived.breached_hours if self.derived else None,
            "surely_stands_hours": self.derived.surely_stands_hours if self.derived else None,
            "surely_breached_hours": self.derived.surely_breached_hours if self.derived else None,
            "known": self.derived is not None,
            "declared_mtd_hours": self.declared_hours,
            "declared_mtd_from": None if self.declared is None else self.declared.source,
            "rift": self.is_rift,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was asked for."""

    department: Department
    scenario: Scenario
    length: Length
    plan: Plan
    summary: Summary
    counts: Counts
    tolerances: Sequence[ServiceTolerance]
    confidence: float
    lines: Sequence[Line] = ()
    """Where figures come from, if the site's own work was counted."""

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
            "length": self.length.document(),
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
            "calibration": [one.document() for one in self.lines],
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
            drawn["late-by-length"] = picture.shares(
                "How many exams are late by the length of the outage", curves, 1 - self.confidence
            )
        if self.tolerances:
            drawn["tolerance"] = picture.standings(
                f"How long an outage each service stands: {self.scenario.name}",
                [one.standing for one in self.tolerances],
                LENGTHS_HOURS[0],
                LENGTHS_HOURS[-1],
            )
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
    length: Length | None,
    seeds: int,
    weeks: int | None,
    confidence: float,
    with_tolerance: bool,
    told: progress.Report = progress.silent,
    workers: int = 0,
    counted: Counted | None = None,
    declared: Mapping[str, DeclaredMtd] | None = None,
) -> Report:
    """Read a document, simulate one of its scenarios and derive what services stand.

    A length takes the place of the scenario's, the site's own work, where it was counted, that of the figures, and what
    services declare elsewhere, by their names, that of what the file declares for them.

    Raises:
        BadModel: the document holds what cannot be.
        NoScenario: it has none of this name.
    """
    for key in document:
        if key not in ("department", "scenarios"):
            raise BadModel(where=str(key), problem="unknown key", known="department, scenarios")
    department = read_department(document.get("department"))
    lines: Sequence[Line] = ()
    if counted is not None:
        found = calibrated(department, counted)
        department, lines = found.department, found.lines
    scenario = _scenario(document.get("scenarios"), scenario_name, department)
    if length is None:
        length = Length(scenario.hours, "scenario", "as the scenario says")
    elif not isfinite(length.hours) or not 0 < length.hours <= HOURS_MAX:
        raise BadModel(where="hours", problem="out of range", low=0, high=HOURS_MAX, low_is_allowed=False)
    scenario = replace(scenario, hours=length.hours)
    plan = fitting_plan(scenario, weeks)
    counts: Counts = {}
    with Runs(told, workers) as runs:
        summary = runs.simulate(department, scenario, plan, seeds)
        if with_tolerance and department.services:
            counts = runs.late_by_length(department, scenario, seeds, confidence)
    tolerances = [
        ServiceTolerance(
            one.name,
            tolerance_of(counts, one.name, confidence),
            (declared or {}).get(one.name) or _declared_in_file(one),
        )
        for one in department.services
        if counts
    ]
    return Report(department, scenario, length, plan, summary, counts, tolerances, confidence, lines)


def _declared_in_file(service: Service) -> DeclaredMtd | None:
    minutes = service.declared_mtd_minutes
    return None if minutes is None else DeclaredMtd(minutes / 60.0, "the department's file")


def _scenario(value: object, name: str | None, department: Department) -> Scenario:
    if not isinstance(value, list) or not value:
        raise BadModel(where="scenarios", problem="expected a list with at least one")
    read = [read_scenario(one, department, f"scenarios[{at}]") for at, one in enumerate(value)]
    for one in read:
        if name is None or one.name == name:
            return one
    raise NoScenario(name=name, known=", ".join(one.name for one in read))
