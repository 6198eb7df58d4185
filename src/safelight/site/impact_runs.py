"""Runs the simulation over many seeds on all processors; the rooms compute, this counts and reports."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeVar

from safelight.core.progress import Progress, Report, silent
from safelight.impact.department import HOURS_A_WEEK, Department
from safelight.impact.draws import check_size
from safelight.impact.errors import BadModel
from safelight.impact.measures import Plan, outcome
from safelight.impact.scenario import Scenario
from safelight.impact.summary import Summary, summarise
from safelight.impact.tolerance import Counts, add, count_late

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


def simulate(
    department: Department, scenario: Scenario, plan: Plan, seeds: int, report: Report = silent, workers: int = 0
) -> Summary:
    """Simulate a scenario over seeds 0, 1, 2 ... and summarise."""
    check_size(department, plan.weeks)
    one = partial(outcome, department, scenario, plan)
    return summarise(list(_over_seeds(one, seeds, "simulating", report, workers)))


def late_by_length(
    department: Department,
    scenario: Scenario,
    plan: Plan,
    lengths: Sequence[float],
    seeds: int,
    report: Report = silent,
    workers: int = 0,
) -> Counts:
    """Count who is late for outages of several lengths, over seeds."""
    check_size(department, plan.weeks)
    one = partial(count_late, department, scenario, plan, tuple(lengths))
    return add(_over_seeds(one, seeds, "tolerance", report, workers))


def _over_seeds(one: Callable[[int], T], seeds: int, stage: str, report: Report, workers: int) -> Iterator[T]:
    if not 1 <= seeds <= SEEDS_MAX:
        raise BadModel(where="seeds", problem="out of range", low=1, high=SEEDS_MAX)
    count = workers or len(os.sched_getaffinity(0))
    if seeds < FEW_SEEDS or count == 1:
        yield from _told(map(one, range(seeds)), seeds, stage, report)
        return
    # Spawned, since whoever calls may run threads, which a forked child would find locked.
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        chunk = max(1, min(10, seeds // (4 * count)))
        yield from _told(pool.map(one, range(seeds), chunksize=chunk), seeds, stage, report)


def _told(results: Iterator[T], seeds: int, stage: str, report: Report) -> Iterator[T]:
    for done, result in enumerate(results, 1):
        report(Progress(stage, done, seeds, "seeds"))
        yield result
