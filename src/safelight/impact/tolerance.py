"""Tolerance derived: how long an outage a clinical service really stands.

A service stands an outage of some length when an exam of it that is ordered during the outage stays within its limits
with the asked-for confidence. Exams that would have been late anyway do not count as the outage's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from safelight.impact.department import Department
from safelight.impact.draws import draw
from safelight.impact.measures import Plan, service_waits
from safelight.impact.scenario import Scenario
from safelight.impact.simulation import run
from safelight.impact.summary import wilson

LENGTHS_HOURS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 96.0, 168.0)
EXAMS_MIN: Final = 20


@dataclass(frozen=True, slots=True)
class Late:
    """Of the exams of a service ordered during an outage, how many are late because of it."""

    late: int
    exams: int

    def __add__(self, other: "Late") -> "Late":
        """Put two counts together."""
        return Late(self.late + other.late, self.exams + other.exams)

    @property
    def share(self) -> float | None:
        """Return the share that is late, unless there are too few exams to say."""
        return self.late / self.exams if self.exams >= EXAMS_MIN else None

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the share lies at 95 % confidence."""
        return wilson(self.late, self.exams)


Counts = dict[tuple[str, float], Late]
"""By service and length of the outage in hours."""


def count_late(department: Department, scenario: Scenario, plan: Plan, lengths: Sequence[float], seed: int) -> Counts:
    """Run one seed with outages of several lengths, on the same exams, and count who is late."""
    surge = tuple(scenario.surge.get(one.name, 0.0) for one in department.classes)
    exams = draw(department, surge, plan.weeks, seed)
    usual_until = plan.weeks * 168.0
    without = run(department, exams, None, usual_until)
    usual = [service_waits(department, one, exams, without, usual_until) for one in department.services]
    limits = [limit for one in department.services for limit in (one.start_minutes, one.result_minutes) if limit]
    longest = max(limits, default=0.0) / 60.0
    counts: Counts = {}
    for hours in lengths:
        outage = plan.outage(replace(scenario, hours=hours))
        # Whoever is ordered before the restore is in time or late by then, and nobody else is asked about.
        until = min(usual_until, outage.ends + longest + 1.0)
        with_it = run(department, exams, outage, until)
        for service, other in zip(department.services, usual, strict=True):
            one = service_waits(department, service, exams, with_it, until)
            during = one.done & (one.come >= outage.begins) & (one.come < outage.ends)
            counts[service.name, hours] = Late(int((one.beyond & ~other.beyond & during).sum()), int(during.sum()))
    return counts


def add(parts: Iterable[Counts]) -> Counts:
    """Put the counts of many seeds together."""
    told: Counts = {}
    for part in parts:
        for key, late in part.items():
            told[key] = told.get(key, Late(0, 0)) + late
    return told


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The longest outage tried that a service stands, and the shortest that it does not."""

    stands_hours: float
    breached_hours: float | None
    """None: it stands every length that was tried."""


def tolerance_of(counts: Counts, service: str, confidence: float) -> Tolerance | None:
    """Return what a service stands by counts of several lengths; None where too few exams say anything."""
    known = sorted(
        (hours, late.share) for (name, hours), late in counts.items() if name == service and late.share is not None
    )
    if not known:
        return None
    stands = 0.0
    for hours, share in known:
        # Once late, a service counts as late for all that is longer: postponing may make the share fall again.
        if share > 1.0 - confidence + 1e-12:
            return Tolerance(stands, hours)
        stands = hours
    return Tolerance(stands, None)
