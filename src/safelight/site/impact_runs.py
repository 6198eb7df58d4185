"""Runs the simulation over many seeds on all processors; the rooms compute, this counts and reports."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Final, Self, TypeVar

from safelight.core.progress import Progress, Report, silent
from safelight.impact.department import HOURS_A_WEEK, Department
from safelight.impact.draws import check_size
from safelight.impact.errors import BadModel
from safelight.impact.measures import Plan, outcome
from safelight.impact.scenario import Scenario
from safelight.impact.summary import Summary, summarise
from safelight.impact.tolerance import Counts, add, count_late, derive, tolerance_plan

SEEDS_MAX: Final = 10_000
WEEKS_USUAL: Final = 4
FEW_SEEDS: Final = 8
"""Below this a pool of processes costs more than it saves."""

T = TypeVar("T")


def fitting_plan(scenario: Scenario, weeks: int | None) -> Plan:
    """Return a plan whose weeks hold a week of warm-up, the outage and a week after it; as long as needed unless told.

    Raises:
        BadModel: the weeks that were told do not.
    """
    needed = 1 + -(-int(scenario.start_hour + scenario.hours + 1) // HOURS_A_WEEK) + 1
    if weeks is None:
        return Plan(max(WEEKS_USUAL, needed), 1)
    if weeks < needed:
        raise BadModel(where="weeks", problem="too short for this outage", weeks=weeks, weeks_min=needed)
    return Plan(weeks, 1)


class Runs:
    """Runs seeds on all processors; the processes are started once, when there is enough to do."""

    def __init__(self, report: Report = silent, workers: int = 0) -> None:
        self._report = report
        self._count = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Begin; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def simulate(self, department: Department, scenario: Scenario, plan: Plan, seeds: int) -> Summary:
        """Simulate a scenario over seeds 0, 1, 2 ... and summarise."""
        if not 1 <= seeds <= SEEDS_MAX:
            raise BadModel(where="seeds", problem="out of range", low=1, high=SEEDS_MAX)
        check_size(department, plan.weeks)
        return summarise(list(self._over(partial(outcome, department, scenario, plan), range(seeds), "simulating")))

    def late_by_length(self, department: Department, scenario: Scenario, seeds: int, confidence: float) -> Counts:
        """Count who is late for outages of several lengths, as far as it takes to say what each service stands."""
        plan = tolerance_plan(department, scenario)
        check_size(department, plan.weeks)

        def count(lengths: Sequence[float], which: range) -> Counts:
            one = partial(count_late, department, scenario, plan, tuple(lengths))
            return add(self._over(one, which, "tolerance"))

        return derive(count, [one.name for one in department.services], confidence, seeds)

    def _over(self, one: Callable[[int], T], seeds: range, stage: str) -> Iterator[T]:
        if self._count == 1 or (len(seeds) < FEW_SEEDS and self._pool is None):
            results: Iterator[T] = map(one, seeds)
        else:
            if self._pool is None:
                # Spawned, since whoever calls may run threads, which a forked child would find locked.
                self._pool = ProcessPoolExecutor(self._count, get_context("spawn"))
            results = self._pool.map(one, seeds, chunksize=max(1, min(10, len(seeds) // (4 * self._count))))
        for done, result in enumerate(results, 1):
            self._report(Progress(stage, done, len(seeds), "seeds"))
            yield result
