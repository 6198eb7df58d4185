"""What a site's own records say of its work, with what it rests on: rates, durations, and how sure they are.

What cannot be true (an exam that ends before it begins, a reading of months) is left out and counted, never mended.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, stdev, variance
from typing import Final

from safelight.impact.department import Duration

DEVIATIONS: Final = 1.96
SAMPLE_MIN: Final = 30
"""Fewer durations say nothing of a mean."""


@dataclass(frozen=True, slots=True)
class Believed:
    """Between which bounds a duration in minutes is taken for what it claims to be."""

    low: float
    high: float
    too_short: str
    too_long: str


EXAM: Final = Believed(0.5, 480.0, "shorter than half a minute", "longer than 8 h")
READING: Final = Believed(0.1, 120.0, "signed together with another", "longer than 2 h: a break")
REPORT: Final = Believed(0.0, 30 * 1440.0, "reported before it was complete", "reported after more than 30 days")


@dataclass(frozen=True, slots=True)
class Sample:
    """Durations in minutes that can be believed, and why others were left out."""

    minutes: tuple[float, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, minutes: Iterable[float], believed: Believed, left_out: Mapping[str, int] | None = None) -> "Sample":
        """Sort out what cannot be believed; ``left_out`` is what was before."""
        kept, out = [], Counter(left_out or {})
        for one in minutes:
            if one < 0:
                out["ends before it begins" if believed.low else believed.too_short] += 1
            elif one < believed.low:
                out[believed.too_short] += 1
            elif one > believed.high:
                out[believed.too_long] += 1
            else:
                kept.append(one)
        return cls(tuple(kept), dict(out))

    @property
    def is_enough(self) -> bool:
        """Return whether there are enough to say anything."""
        return len(self.minutes) >= SAMPLE_MIN

    @property
    def mean(self) -> float:
        """Return the mean."""
        return fmean(self.minutes)

    @property
    def median(self) -> float:
        """Return the median."""
        return median(self.minutes)

    @property
    def variation(self) -> float:
        """Return the coefficient of variation."""
        return stdev(self.minutes) / self.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the mean lies at 95 % confidence."""
        half = DEVIATIONS * stdev(self.minutes) / sqrt(len(self.minutes))
        return self.mean - half, self.mean + half

    def duration(self, what: str) -> Duration:
        """Return it as a duration of the model."""
        low, high = self.interval
        source = f"counted: {len(self.minutes)} {what}, mean {low:.1f} to {high:.1f} min"
        return Duration(round(self.mean, 2), round(self.variation, 2), source)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many come in a week."""

    by_week: tuple[int, ...]
    weeks: float

    @property
    def exams(self) -> int:
        """Return how many came in all."""
        return sum(self.by_week)

    @property
    def per_week(self) -> float:
        """Return how many come in a week."""
        return self.exams / self.weeks

    @property
    def interval(self) -> tuple[float, float]:
        """Return where the rate lies at 95 % confidence: by chance alone, or as weeks differ if that is more."""
        clustering = 1.0
        if len(self.by_week) > 1 and self.exams:
            clustering = max(1.0, variance(self.by_week) / fmean(self.by_week))
        # After Byar, which holds for few as well; the one added keeps a rate of nothing from being certain.
        count = self.exams / clustering
        low = count * (1 - 1 / (9 * count) - DEVIATIONS / (3 * sqrt(count))) ** 3 if count else 0.0
        high = (count + 1) * (1 - 1 / (9 * (count + 1)) + DEVIATIONS / (3 * sqrt(count + 1))) ** 3
        return low * clustering / self.weeks, high * clustering / self.weeks


@dataclass(frozen=True, slots=True)
class Reported:
    """A final report: of what, who signed it, when it reached us, when its study was complete here."""

    modality: str
    reader: str
    complete_at: datetime
    received_at: datetime
    signed: datetime | None
    """By the clock of whoever wrote the report, without a zone."""


def reading_samples(reports: Iterable[Reported]) -> dict[str, Sample]:
    """Return how long readings of each modality take, by those for which nobody had to wait.

    Between two reports that one radiologist signs lies the reading of the second, if that study was complete when the
    first was signed. Where it was not, the radiologist may have waited for it, and nothing is known.
    """
    by_reader: dict[str, list[Reported]] = defaultdict(list)
    minutes: dict[str, list[float]] = defaultdict(list)
    left_out: dict[str, Counter[str]] = defaultdict(Counter)
    for one in reports:
        if one.reader:
            by_reader[one.reader].append(one)
        else:
            left_out[one.modality]["report without a reader"] += 1
    for own in by_reader.values():
        own.sort(key=lambda one: one.received_at)
        for before, one in pairwise(own):
            if one.complete_at > before.received_at:
                left_out[one.modality]["the reader may have waited for images"] += 1
                continue
            signed = one.received_at, before.received_at
            if one.signed is not None and before.signed is not None:
                signed = one.signed, before.signed
            minutes[one.modality].append((signed[0] - signed[1]).total_seconds() / 60.0)
    return {modality: Sample.of(minutes[modality], READING, left_out[modality]) for modality in {*minutes, *left_out}}


def turnaround_sample(reports: Iterable[Reported]) -> Sample:
    """Return how long it takes from the study's last image to its report, waiting included, by our own clock."""
    return Sample.of(((one.received_at - one.complete_at).total_seconds() / 60.0 for one in reports), REPORT)
