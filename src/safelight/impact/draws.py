"""What chance decides, drawn once a seed: both runs, with and without the outage, get the same exams and durations."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from safelight.impact.department import HOURS_A_WEEK, Demand, Department, Duration, Modality
from safelight.impact.errors import TooLarge

Numbers = NDArray[np.float64]
EXAMS_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Exams:
    """The exams that could come to one modality, by moment of order; all times in hours from the first Monday."""

    ordered: Numbers
    ranks: NDArray[np.int64]
    classes: NDArray[np.int64]
    exam_hours: Numbers
    reading_hours: Numbers
    delivery_hours: Numbers
    fate: Numbers
    """Uniform marks that decide on postponing and diverting."""
    return_mark: Numbers
    surge: NDArray[np.bool_]
    """Whether it comes only because a neighbour is away."""


def check_size(department: Department, weeks: int) -> None:
    """Refuse more exams than a run may hold.

    Raises:
        TooLarge: there are more.
    """
    exams = department.exams_per_week * weeks
    if exams > EXAMS_MAX:
        raise TooLarge(exams=exams, exams_max=EXAMS_MAX, weeks=weeks)


def draw(department: Department, surge: tuple[float, ...], weeks: int, seed: int) -> list[Exams]:
    """Draw the exams of each modality.

    Args:
        department: whose arrivals and durations.
        surge: additional arrivals by class, as shares; which of them come is decided by the outage.
        weeks: how long the run is.
        seed: which run.
    """
    return [
        _exams(department, modality, surge, weeks, np.random.default_rng([seed, number]))
        for number, modality in enumerate(department.modalities)
    ]


def _exams(
    department: Department, modality: Modality, surge: tuple[float, ...], weeks: int, random: Generator
) -> Exams:
    names = [one.name for one in department.classes]
    ranks = sorted({one.rank for one in department.classes})
    of_name = department.ranks()
    # The surge has a stream of its own, so that a scenario with one shares all other draws with a scenario without.
    aside = random.spawn(1)[0]
    parts: list[tuple[Numbers, int, bool]] = []
    for demand in modality.demands:
        number = names.index(demand.class_name)
        parts.append((_arrivals(demand, 1.0, weeks, random), number, False))
        if surge[number] > 0:
            parts.append((_arrivals(demand, surge[number], weeks, aside), number, True))
    parts.sort(key=lambda part: part[2])
    ordered = np.concatenate([part[0] for part in parts])
    classes = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    surging = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    usual = int((~surging).sum())

    def drawn(duration: Duration) -> Numbers:
        own = durations(duration, usual, random)
        return np.concatenate([own, durations(duration, len(ordered) - usual, aside)])

    exam, reading, delivery = drawn(modality.exam), drawn(modality.reading), drawn(department.delivery)
    marks = [np.concatenate([random.random(usual), aside.random(len(ordered) - usual)]) for _ in range(2)]
    place = np.array([ranks.index(of_name[name]) for name in names])
    order = np.argsort(ordered, kind="stable")
    return Exams(
        ordered[order],
        place[classes][order],
        classes[order],
        exam[order],
        reading[order],
        delivery[order],
        marks[0][order],
        marks[1][order],
        surging[order],
    )


def _arrivals(demand: Demand, factor: float, weeks: int, random: Generator) -> Numbers:
    """Draw a Poisson process whose rate is constant within each hour of the week."""
    reached, edges = _expected(demand, factor, weeks)
    count = int(random.poisson(reached[-1]))
    moments = np.interp(random.random(count) * reached[-1], reached, edges)
    return np.sort(moments)


@lru_cache(maxsize=256)
def _expected(demand: Demand, factor: float, weeks: int) -> tuple[Numbers, Numbers]:
    """Return how many are expected up to each full hour, and those hours: the same for every seed."""
    expected = np.tile(np.asarray(demand.hourly()) * factor, weeks)
    return np.concatenate([[0.0], np.cumsum(expected)]), np.arange(weeks * HOURS_A_WEEK + 1.0)


def durations(duration: Duration, count: int, random: Generator) -> Numbers:
    """Draw durations in hours."""
    mean, variation = duration.mean_minutes / 60.0, duration.variation
    if mean == 0 or variation == 0:
        return np.full(count, mean)
    if variation == 1:
        return random.exponential(mean, count)
    spread = np.log1p(variation**2)
    return random.lognormal(np.log(mean) - spread / 2, np.sqrt(spread), count)
