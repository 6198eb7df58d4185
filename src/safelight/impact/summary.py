"""Medians with intervals over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np

from safelight.impact.draws import Numbers
from safelight.impact.measures import Outcome


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over seeds: median, and where nine of ten seeds lie. None: later than the run saw, or never."""

    median: float | None
    low: float | None
    high: float | None
    mean: float | None
    seeds: int
    never: float
    """Share of seeds in which it did not come to be."""

    def document(self) -> dict[str, Any]:
        """Return the spread for programs."""
        return {name: getattr(self, name) for name in ("median", "low", "high", "mean", "seeds", "never")}


def spread(values: Sequence[float]) -> Spread:
    """Summarise one figure; what never came to be counts as later than everything else."""
    raw = np.asarray(values, dtype=np.float64)
    known = np.isfinite(raw)
    ordered = np.sort(np.where(known, raw, np.inf))

    def at(share: float) -> float | None:
        value = float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
        return value if isfinite(value) else None

    mean = float(raw.mean()) if known.all() else None
    middle = float(np.median(raw)) if known.all() else at(0.5)
    return Spread(middle, at(0.05), at(0.95), mean, len(raw), float(1.0 - known.mean()))


@dataclass(frozen=True, slots=True)
class Band:
    """A series over seeds, by the hour: low, median and high with the outage, and the median without it."""

    low: Numbers
    median: Numbers
    high: Numbers
    usual: Numbers


@dataclass(frozen=True, slots=True)
class Summary:
    """What all seeds say together."""

    figures: dict[tuple[str, str], Spread]
    bands: dict[str, Band]
    seeds: int

    def document(self) -> dict[str, Any]:
        """Return the figures for programs, by measure and subject."""
        told: dict[str, Any] = {}
        for (measure, subject), one in sorted(self.figures.items()):
            if subject:
                told.setdefault(measure, {})[subject] = one.document()
            else:
                told[measure] = one.document()
        return told


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Put the outcomes of all seeds together."""
    measures = sorted({name for one in outcomes for name in one.figures})
    figures = {name: spread([one.figures[name] for one in outcomes if name in one.figures]) for name in measures}
    bands = {}
    for name in outcomes[0].series:
        with_it = np.stack([one.series[name][0] for one in outcomes])
        low, median, high = np.percentile(with_it, [5, 50, 95], axis=0)
        usual = np.median(np.stack([one.series[name][1] for one in outcomes]), axis=0)
        bands[name] = Band(low, median, high, usual)
    return Summary(figures, bands, len(outcomes))


def wilson(hits: float, trials: float, deviations: float = 1.96) -> tuple[float, float]:
    """Return the interval in which a share lies, after Wilson."""
    if trials == 0:
        return 0.0, 1.0
    share, squared = hits / trials, deviations**2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    half = deviations * sqrt(share * (1 - share) / trials + squared / (4 * trials**2)) / (1 + squared / trials)
    return max(0.0, middle - half), min(1.0, middle + half)
