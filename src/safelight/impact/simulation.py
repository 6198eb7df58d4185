"""One run: every exam from its order through acquisition and reading to the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safelight.impact.department import HOURS_A_WEEK, Department
from safelight.impact.draws import Exams, Numbers
from safelight.impact.scenario import Scenario, Steps
from safelight.impact.station import WorkingTime, serve

DONE: Final = 0
DEFERRED: Final = 1
DIVERTED: Final = 2
LOST: Final = 3
ABSENT: Final = 4
"""An exam of a neighbour's surge, outside the outage."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How the exams of one modality went: hours from the first Monday, ``inf`` for what was not reached."""

    come: Numbers
    """When it waits from: its order, or its new appointment."""
    start: Numbers
    acquired: Numbers
    read_start: Numbers
    read: Numbers
    result: Numbers
    fate: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outage:
    """A scenario placed on the hours of a run; without one, the run of comparison."""

    scenario: Scenario
    begins: float

    @property
    def ends(self) -> float:
        """Return the hour of the restore."""
        return self.begins + self.scenario.hours

    def changes(self, steps: Steps) -> list[tuple[float, float]]:
        """Return the speeds of a station through the outage and the catch-up."""
        told = [(self.begins + hour, share) for hour, share in steps if hour < self.scenario.hours]
        told.append((self.ends, self.scenario.catch_up_share if self.scenario.catch_up_hours else 1.0))
        if self.scenario.catch_up_hours:
            told.append((self.ends + self.scenario.catch_up_hours, 1.0))
        return told


@dataclass(frozen=True, slots=True)
class Before:
    """What had begun when the outage began, by the run of comparison; ``inf`` for all else."""

    usual: Sequence[Passage]
    begins: float

    def starts(self, modality: int) -> Numbers:
        """Return the exams of a modality that had begun."""
        return self._until(self.usual[modality].start)

    def read_starts(self, modalities: Sequence[int]) -> Numbers:
        """Return the readings of some modalities that had begun."""
        return self._until(np.concatenate([self.usual[at].read_start for at in modalities]))

    def _until(self, moments: Numbers) -> Numbers:
        return np.where(moments < self.begins, moments, inf)


def run(
    department: Department,
    exams: Sequence[Exams],
    outage: Outage | None,
    until: float,
    usual: Sequence[Passage] | None = None,
) -> list[Passage]:
    """Return how the exams of each modality went until an hour.

    Args:
        department: who works.
        exams: what may come.
        outage: what happens; None for the run of comparison.
        until: where to stop.
        usual: the run of comparison on the same exams, if there is one: what had begun before the outage is taken
            from it and not simulated again, and comes out the same.
    """
    names = [one.name for one in department.classes]
    acquired = []
    before = Before(usual, outage.begins) if usual is not None and outage is not None else None
    for number, (modality, drawn) in enumerate(zip(department.modalities, exams, strict=True)):
        come, fate = _fates(names, drawn, outage)
        steps = outage.changes(outage.scenario.exam_steps(modality.name)) if outage else []
        begun = before.starts(number) if before else None
        start, end = _station(come, drawn.exam_hours, drawn.ranks, modality.devices, steps, until, begun)
        acquired.append((come, fate, start, end))
    passages: list[Passage | None] = [None] * len(exams)
    steps = outage.changes(outage.scenario.reading_steps()) if outage else []
    for readers in department.readers:
        mine = [at for at, one in enumerate(department.modalities) if one.name in readers.modalities]
        ends = np.concatenate([acquired[at][3] for at in mine])
        works = np.concatenate([exams[at].reading_hours for at in mine])
        ranks = np.concatenate([exams[at].ranks for at in mine])
        begun = before.read_starts(mine) if before else None
        read_start, read = _station(ends, works, ranks, readers.count, steps, until, begun)
        cuts = np.cumsum([len(exams[at].ordered) for at in mine])[:-1]
        for at, began, done in zip(mine, np.split(read_start, cuts), np.split(read, cuts), strict=True):
            come, fate, start, end = acquired[at]
            result = done + exams[at].delivery_hours * _delivery_factor(done, outage)
            passages[at] = Passage(come, start, end, began, done, result, fate)
    return [one for one in passages if one is not None]


def _fates(names: list[str], drawn: Exams, outage: Outage | None) -> tuple[Numbers, NDArray[np.int64]]:
    fate = np.full(len(drawn.ordered), DONE)
    come = drawn.ordered.copy()
    if outage is None:
        fate[drawn.surge] = ABSENT
    else:
        scenario = outage.scenario
        during = (drawn.ordered >= outage.begins) & (drawn.ordered < outage.ends)
        diverted, deferred, lost = (
            np.array([shares.get(name, 0.0) for name in names])[drawn.classes]
            for shares in (scenario.diverted, scenario.deferred, scenario.lost)
        )
        fate[drawn.surge & ~during] = ABSENT
        away = during & (drawn.fate < diverted)
        later = during & ~away & (drawn.fate < diverted + deferred)
        fate[away] = DIVERTED
        fate[later] = np.where(drawn.return_mark[later] < lost[later], LOST, DEFERRED)
        moved = fate == DEFERRED
        # The new appointment is at the same hour of the week, in the first weeks after the restore.
        kept = 1.0 - lost[moved]
        evenly = (drawn.return_mark[moved] - lost[moved]) / np.where(kept > 0, kept, 1.0)
        weeks = np.ceil((outage.ends - come[moved]) / HOURS_A_WEEK)
        come[moved] += HOURS_A_WEEK * (weeks + np.floor(evenly * ceil(scenario.rebook_weeks)))
    come[fate >= DIVERTED] = inf
    return come, fate


def _station(
    come: Numbers,
    works: Numbers,
    ranks: NDArray[np.int64],
    shifts: tuple[int, ...],
    changes: list[tuple[float, float]],
    until: float,
    begun: Numbers | None,
) -> tuple[Numbers, Numbers]:
    """Send exams through a station; return when each begins and ends.

    ``begun`` are those that had begun when the speed first changes, which is when the rest queues anew.
    """
    clock = WorkingTime(changes)
    start = np.full(len(come), inf) if begun is None else begun.copy()
    there = np.flatnonzero((come < until) & np.isinf(start))
    order = there[np.argsort(come[there], kind="stable")]
    end = np.full(len(come), inf)
    arrivals, at_work = clock.to_work(come[order]), np.empty(0)
    if begun is not None:
        # Until the speed first changes, working time is that of the wall.
        taken, first = np.flatnonzero(np.isfinite(start)), changes[0][0]
        done = start[taken] + works[taken]
        end[taken] = done
        late = taken[done >= first]
        end[late] = clock.to_wall(end[late])
        arrivals, at_work = np.maximum(arrivals, first), done[done > first]
    began = np.array(
        serve(
            arrivals.tolist(),
            works[order].tolist(),
            ranks[order].tolist(),
            _shifts(shifts, clock, until),
            float(clock.to_work(np.array([until]))[0]),
            at_work.tolist(),
        )
    )
    reached = np.isfinite(began)
    # A map to working time and back rounds; nobody begins before they come.
    start[order[reached]] = np.maximum(clock.to_wall(began[reached]), come[order[reached]])
    end[order[reached]] = clock.to_wall(began[reached] + works[order[reached]])
    return start, end


def _shifts(hours: tuple[int, ...], clock: WorkingTime, until: float) -> list[tuple[float, int]]:
    """Return when how many servers take new work, in working time."""
    walls, counts = _changes_of_staff(hours, ceil(until / HOURS_A_WEEK))
    # Of all shifts that change while work stands still, only the last ever takes any.
    return list(dict(zip(clock.to_work(walls).tolist(), counts, strict=True)).items())


@lru_cache(maxsize=256)
def _changes_of_staff(hours: tuple[int, ...], weeks: int) -> tuple[Numbers, Sequence[int]]:
    """Return the hours at which another number of servers is at work, and how many."""
    whole = hours * weeks
    kept = [(float(at), count) for at, count in enumerate(whole) if at == 0 or whole[at - 1] != count]
    return np.array([at for at, _ in kept]), [count for _, count in kept]


def _delivery_factor(read: Numbers, outage: Outage | None) -> Numbers:
    factor = np.ones(len(read))
    if outage is not None:
        told = outage.scenario.delivery_factor
        during = (read >= outage.begins) & (read < outage.ends)
        factor[during] = outage.scenario.effect.delivery_factor if told is None else told
    return factor
