"""Tolerance derived: how long an outage a clinical service really stands.

A service stands an outage of some length when an exam of it that is ordered during the outage stays within its limits
with the asked-for confidence. Exams that would have been late anyway do not count as the outage's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Self

from safelight.impact.department import HOURS_A_WEEK, Department
from safelight.impact.draws import draw
from safelight.impact.measures import Plan, service_waits
from safelight.impact.scenario import Scenario
from safelight.impact.simulation import run
from safelight.impact.summary import wilson

LENGTHS_HOURS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 96.0, 168.0)
EXAMS_MIN: Final = 20
SEEDS_FIRST: Final = 40
"""So many runs find where a service's limit lies; the rest are spent where they leave it open."""
HALVINGS: Final = 2


@dataclass(frozen=True, slots=True)
class Late:
    """Of the exams of a service ordered during an outage, how many are late because of it."""

    late: int
    exams: int
    runs: int = 0
    late_late: int = 0
    late_exams: int = 0
    exams_exams: int = 0
    """Sums over runs of products, for how much runs differ."""

    @classmethod
    def of_run(cls, late: int, exams: int) -> Self:
        """Count one run."""
        return cls(late, exams, 1, late * late, late * exams, exams * exams)

    def __add__(self, other: "Late") -> "Late":
        """Put two counts together."""
        return Late(
            self.late + other.late,
            self.exams + other.exams,
            self.runs + other.runs,
            self.late_late + other.late_late,
            self.late_exams + other.late_exams,
            self.exams_exams + other.exams_exams,
        )

    @property
    def share(self) -> float | None:
        """Return the share that is late, unless there are too few exams to say."""
        return self.late / self.exams if self.exams >= EXAMS_MIN else None

    def says(self, accepted: float) -> bool:
        """Say whether there are enough exams to judge by: a few may show too many late ones, never that all is well."""
        return self.share is not None or self.interval[0] > accepted

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the share lies at 95 % confidence."""
        return wilson(self.late / self.clustering, self.exams / self.clustering)

    @property
    def clustering(self) -> float:
        """Return how many exams of one run are worth one that is independent: exams of one queue are late together."""
        if self.runs < 2 or not 0 < self.late < self.exams:
            return 1.0
        share = self.late / self.exams
        squares = self.late_late - 2 * share * self.late_exams + share * share * self.exams_exams
        # Variance of a ratio over runs, beside that of as many independent exams.
        return max(1.0, squares * self.runs / (self.runs - 1) / self.exams / (share * (1 - share)))


Counts = dict[tuple[str, float], Late]
"""By service and length of the outage in hours."""


def tolerance_plan(department: Department, scenario: Scenario) -> Plan:
    """Return a plan that holds a week of warm-up, the longest outage tried, and the longest limit after it."""
    hours = scenario.start_hour + LENGTHS_HOURS[-1] + _longest_limit(department) + 1.0
    return Plan(1 + ceil(hours / HOURS_A_WEEK), 1)


def _longest_limit(department: Department) -> float:
    limits = [limit for one in department.services for limit in (one.start_minutes, one.result_minutes) if limit]
    return max(limits, default=0.0) / 60.0


def count_late(department: Department, scenario: Scenario, plan: Plan, lengths: Sequence[float], seed: int) -> Counts:
    """Run one seed with outages of several lengths, on the same exams, and count who is late."""
    surge = tuple(scenario.surge.get(one.name, 0.0) for one in department.classes)
    exams = draw(department, surge, plan.weeks, seed)
    outages = [plan.outage(replace(scenario, hours=hours)) for hours in lengths]
    # Whoever is ordered before the restore is in time or late by then, and nobody else is asked about.
    asked = _longest_limit(department) + 1.0
    usual_until = min(plan.weeks * float(HOURS_A_WEEK), max(one.ends for one in outages) + asked)
    without = run(department, exams, None, usual_until)
    usual = [service_waits(department, one, exams, without, usual_until) for one in department.services]
    counts: Counts = {}
    for hours, outage in zip(lengths, outages, strict=True):
        until = min(usual_until, outage.ends + asked)
        with_it = run(department, exams, outage, until, without)
        for service, other in zip(department.services, usual, strict=True):
            one = service_waits(department, service, exams, with_it, until)
            during = one.done & (one.come >= outage.begins) & (one.come < outage.ends)
            late = int((one.beyond & ~other.beyond & during).sum())
            counts[service.name, hours] = Late.of_run(late, int(during.sum()))
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
    surely_stands_hours: float = 0.0
    """The longest of which that is sure at 95 % confidence."""
    surely_breached_hours: float | None = None
    """The shortest of which it is sure that the service does not stand it."""


def tolerance_of(counts: Counts, service: str, confidence: float) -> Tolerance | None:
    """Return what a service stands by counts of several lengths; None where too few exams say anything."""
    accepted = 1.0 - confidence + 1e-12
    known = sorted((hours, late) for (name, hours), late in counts.items() if name == service and late.says(accepted))
    if not known:
        return None
    # Once late, a service counts as late for all that is longer: postponing may make the share fall again.
    stands, breached = _split(known, lambda late: late.late > accepted * late.exams)
    # Of short outages too few exams may come to be sure; one that is longer and sure covers them.
    sure = [hours for hours, late in known if hours <= stands and late.interval[1] <= accepted]
    _, surely_breached = _split(known, lambda late: late.interval[0] > accepted)
    return Tolerance(stands, breached, max(sure, default=0.0), surely_breached)


def _split(known: Sequence[tuple[float, Late]], is_late: Callable[[Late], bool]) -> tuple[float, float | None]:
    """Return the last length before the first that is late, and that one."""
    before = 0.0
    for hours, late in known:
        if is_late(late):
            return before, hours
        before = hours
    return before, None


def derive(
    count: Callable[[Sequence[float], range], Counts], services: Sequence[str], confidence: float, seeds: int
) -> Counts:
    """Count who is late, at the lengths and over the seeds that it takes to say what each service stands.

    Args:
        count: counts the runs of some seeds, with outages of some lengths.
        services: their names.
        confidence: with which probability an exam must stay within its limits.
        seeds: how many there are to spend.
    """
    first, rest = range(min(seeds, SEEDS_FIRST)), range(min(seeds, SEEDS_FIRST), seeds)
    counts = count(LENGTHS_HOURS, first)
    for _ in range(HALVINGS):
        between = {
            (one.stands_hours + one.breached_hours) / 2
            for one in _found(counts, services, confidence)
            if one.stands_hours and one.breached_hours
        }
        if between:
            counts |= count(sorted(between), first)
    looked_at: set[float] = set()
    while rest:
        # A length that the further seeds decide the other way shows a neighbour that is open too.
        unsure = _unsure(counts, services, confidence) - looked_at
        if not unsure:
            break
        counts = add([counts, count(sorted(unsure), rest)])
        looked_at |= unsure
    return counts


def _found(counts: Counts, services: Sequence[str], confidence: float) -> list[Tolerance]:
    return [one for name in services if (one := tolerance_of(counts, name, confidence)) is not None]


def _unsure(counts: Counts, services: Sequence[str], confidence: float) -> set[float]:
    """Return the lengths on either side of a service's limit that may as well lie on the other, or have few exams."""
    told = set()
    for name in services:
        one = tolerance_of(counts, name, confidence)
        if one is None or not one.stands_hours:
            # Nothing was found that it stands; shorter outages than the shortest known had too few exams to say.
            told |= {hours for (of, hours), late in counts.items() if of == name and not late.says(1.0 - confidence)}
        if one is not None:
            told |= {
                hours
                for hours in (one.stands_hours, one.breached_hours)
                if hours and _is_open(counts[name, hours], confidence)
            }
    return told


def _is_open(late: Late, confidence: float) -> bool:
    low, high = late.interval
    return low <= 1.0 - confidence < high
