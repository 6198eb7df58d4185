"""A department's figures replaced by what its own records say, as far as they say it; each with what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from safelight.impact.counted import SAMPLE_MIN, Rate, Sample
from safelight.impact.department import HOURS_A_WEEK, Demand, Department, Duration, Modality, PriorityClass
from safelight.impact.document import check_load
from safelight.impact.published_table import READING

STUDIES_MIN: Final = 200
"""Fewer of a modality and class say nothing of 168 hours."""
WEEKS_MIN: Final = 4.0
SENT_AT_END_MINUTES: Final = 1.0
"""A device whose images come within a minute sends them when all is done: their span is no exam."""
UNKNOWN: Final = "unknown"
NOTHING: Final = Sample()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Studies of one modality and priority."""

    priority: str
    rate: Rate
    hours: tuple[int, ...]
    """By hour of the week, from Monday 00:00."""


@dataclass(frozen=True, slots=True)
class CountedModality:
    """What was counted of one modality."""

    name: str
    arrivals: tuple[Arrivals, ...] = ()
    steps: Sample = NOTHING
    """Exams from start to end, as the device said in its performed procedure steps."""
    spans: Sample = NOTHING
    """From a study's first image to its last, by our clock: what an exam takes at least."""
    readings: Sample = NOTHING
    turnaround: Sample = NOTHING
    study_gb: float | None = None

    @property
    def studies(self) -> int:
        """Return how many there are."""
        return sum(one.rate.exams for one in self.arrivals)

    @property
    def exam(self) -> Duration | None:
        """Return how long an exam takes, as far as anything says it."""
        if self.steps.is_enough:
            return self.steps.duration("performed procedure steps")
        if self.spans.is_enough and self.spans.median >= SENT_AT_END_MINUTES:
            return self.spans.duration("studies from first to last image, which is the least it can be")
        return None

    @property
    def exam_sample(self) -> Sample:
        """Return what tells how long an exam takes, or fails to: steps, and spans where these are too few."""
        return self.steps if self.steps.is_enough else self.spans

    @property
    def reading(self) -> Duration | None:
        """Return how long a reading takes."""
        return self.readings.duration("readings between reports of one reader") if self.readings.is_enough else None


@dataclass(frozen=True, slots=True)
class Counted:
    """Everything that was counted, over which weeks, and what was left out."""

    since: date
    weeks: float
    modalities: tuple[CountedModality, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    outages: int = 0
    """Outages declared in these weeks: then they are not usual weeks."""

    def lines(self) -> list["Line"]:
        """Say what is known of each modality, whatever a department's file may say."""
        told = []
        for one in self.modalities:
            for arrivals in one.arrivals:
                told.append(_rate_line(f"{one.name} {arrivals.priority}", arrivals.rate))
            told += [
                _duration_line(one.name, "exam", one.exam, None, one.exam_sample),
                _duration_line(one.name, "reading", one.reading, READING.get(one.name), one.readings),
                _turnaround_line(one),
            ]
        return told

    def document(self) -> dict[str, Any]:
        """Return it for programs, in the words of a department's file where it has such."""
        return {
            "since": self.since.isoformat(),
            "weeks": round(self.weeks, 1),
            "enough_weeks": self.weeks >= WEEKS_MIN,
            "outages_declared": self.outages,
            "hours": {
                f"{one.name} {arrivals.priority}": list(arrivals.hours)
                for one in self.modalities
                for arrivals in one.arrivals
                if self.says_hours(arrivals)
            },
            "modalities": [self._modality(one) for one in self.modalities],
            "left_out": dict(self.left_out),
            "lines": [line.document() for line in self.lines()],
        }

    def says_hours(self, arrivals: Arrivals) -> bool:
        """Return whether there are enough studies to tell the hours of a week apart."""
        return arrivals.rate.exams >= STUDIES_MIN and self.weeks >= WEEKS_MIN

    def _modality(self, one: CountedModality) -> dict[str, Any]:
        told: dict[str, Any] = {"name": one.name}
        for key, duration in (("exam_minutes", one.exam), ("reading_minutes", one.reading or READING.get(one.name))):
            if duration is not None:
                words = {"mean": duration.mean_minutes, "variation": duration.variation, "source": duration.source}
                told[key] = words
        told["exams"] = [
            {"class": arrivals.priority, "per_week": round(arrivals.rate.per_week, 2)}
            | ({"hours": f"{one.name} {arrivals.priority}"} if self.says_hours(arrivals) else {})
            for arrivals in one.arrivals
        ]
        if one.study_gb is not None:
            told["exam_gb"] = round(one.study_gb, 4)
        return told


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, and where it comes from."""

    subject: str
    what: str
    value: float | None
    interval: tuple[float, float] | None
    rests_on: int
    """How many exams."""
    source: str
    left_out: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "subject": self.subject,
            "what": self.what,
            "value": self.value,
            "interval": self.interval,
            "rests_on": self.rests_on,
            "source": self.source,
            "left_out": dict(self.left_out),
        }


def _rate_line(subject: str, rate: Rate, share: float = 1.0, source: str = "counted: studies") -> Line:
    low, high = rate.interval
    return Line(subject, "exams a week", rate.per_week * share, (low * share, high * share), rate.exams, source)


def _duration_line(subject: str, what: str, counted: Duration | None, other: Duration | None, of: Sample) -> Line:
    if counted is not None:
        name = f"{what} minutes"
        return Line(subject, name, counted.mean_minutes, of.interval, len(of.minutes), counted.source, of.left_out)
    if other is not None:
        source = other.source or "as the file says, no source given"
        return Line(subject, f"{what} minutes", other.mean_minutes, None, len(of.minutes), source, of.left_out)
    source = f"not known: {len(of.minutes)} counted, no published figure"
    return Line(subject, f"{what} minutes", None, None, len(of.minutes), source, of.left_out)


def _turnaround_line(one: CountedModality) -> Line:
    sample = one.turnaround
    source = "counted: median from last image to report, waiting included; to compare, not used"
    value = sample.median if sample.is_enough else None
    return Line(one.name, "report minutes", value, None, len(sample.minutes), source, sample.left_out)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A department with the figures of its own records, and where every figure comes from."""

    department: Department
    lines: tuple[Line, ...]


def calibrated(department: Department, counted: Counted) -> Calibrated:
    """Put what was counted in place of what the file says, where enough was counted; the rest stays.

    Raises:
        Overloaded: by the figures that were counted more arrives than the file's devices and readers can do.
    """
    lines: list[Line] = []
    modalities = []
    for modality in department.modalities:
        names = modality.counted_as or (modality.name,)
        mine = [one for one in counted.modalities if one.name in names]
        modalities.append(_modality(department, modality, _together(modality.name, mine), counted, lines))
    told = replace(department, modalities=tuple(modalities))
    check_load(told)
    return Calibrated(told, tuple(lines))


def _modality(
    department: Department, modality: Modality, mine: CountedModality, counted: Counted, lines: list[Line]
) -> Modality:
    demands = modality.demands
    if mine.studies >= SAMPLE_MIN and counted.weeks >= WEEKS_MIN:
        classes = {one.name: one for one in department.classes}
        demands = tuple(_demands(modality, mine, counted, classes, lines))
    else:
        source = f"as the file says: {mine.studies} studies in {counted.weeks:g} weeks are too few"
        lines += [
            Line(f"{modality.name} {one.class_name}", "exams a week", one.per_week, None, mine.studies, source)
            for one in demands
        ]
    lines += [
        _duration_line(modality.name, "exam", mine.exam, modality.exam, mine.exam_sample),
        _duration_line(modality.name, "reading", mine.reading, modality.reading, mine.readings),
        _turnaround_line(mine),
    ]
    disk = modality.disk
    if disk is not None and mine.study_gb and mine.studies >= SAMPLE_MIN:
        disk = replace(disk, exam_gb=mine.study_gb)
        lines.append(Line(modality.name, "gigabytes an exam", mine.study_gb, None, mine.studies, "counted: studies"))
    return replace(
        modality,
        exam=mine.exam or modality.exam,
        reading=mine.reading or modality.reading,
        demands=demands,
        disk=disk,
    )


def _demands(
    modality: Modality,
    mine: CountedModality,
    counted: Counted,
    classes: Mapping[str, PriorityClass],
    lines: list[Line],
) -> list[Demand]:
    """Give each class of the file its arrivals.

    Studies whose priority nobody told, or that fits no class of the file, are taken to be of the same mixture as the
    others; where too few are told apart for that, the file's mixture holds.
    """
    by_class = {
        demand.class_name: _sum(
            [one for one in mine.arrivals if one.priority in _words(classes[demand.class_name])], counted
        )
        for demand in modality.demands
    }
    whole = _sum(mine.arrivals, counted)
    told_apart = sum(one.rate.exams for one in by_class.values())
    in_file = sum(demand.per_week for demand in modality.demands)
    demands = []
    for demand in modality.demands:
        own, subject = by_class[demand.class_name], f"{modality.name} {demand.class_name}"
        if told_apart < SAMPLE_MIN:
            share = demand.per_week / in_file
            line = _rate_line(subject, whole.rate, share, f"counted: studies; {share:.0%} of them as the file says")
            own = whole
        elif not own.rate.exams:
            source = "as the file says: no order has a priority of this class"
            line = Line(subject, "exams a week", demand.per_week, None, 0, source)
        else:
            grown = whole.rate.exams / told_apart
            line = _rate_line(subject, own.rate, grown, f"counted: studies, priority told for {1 / grown:.0%}")
        hours = own.hours if own is not whole and counted.says_hours(own) else demand.hours
        lines.append(line)
        demands.append(Demand(demand.class_name, line.value or demand.per_week, tuple(map(float, hours))))
    return demands


def _words(one: PriorityClass) -> tuple[str, ...]:
    return one.priorities or (one.name.lower(),)


def _sum(parts: Sequence[Arrivals], counted: Counted) -> Arrivals:
    weeks = max((len(one.rate.by_week) for one in parts), default=1)
    by_week = tuple(sum(one.rate.by_week[at] for one in parts) for at in range(weeks)) if parts else (0,)
    hours = tuple(sum(one.hours[at] for one in parts) for at in range(HOURS_A_WEEK))
    return Arrivals("", Rate(by_week, counted.weeks), hours)


def _together(name: str, parts: Sequence[CountedModality]) -> CountedModality:
    """Put the modalities of DICOM that a file calls one together."""
    if len(parts) == 1:
        return parts[0]
    studies = sum(one.studies for one in parts)
    sizes = [(one.study_gb, one.studies) for one in parts if one.study_gb is not None]
    return CountedModality(
        name,
        tuple(arrivals for one in parts for arrivals in one.arrivals),
        _joined([one.steps for one in parts]),
        _joined([one.spans for one in parts]),
        _joined([one.readings for one in parts]),
        _joined([one.turnaround for one in parts]),
        sum(gb * count for gb, count in sizes) / studies if sizes and studies else None,
    )


def _joined(samples: Sequence[Sample]) -> Sample:
    left_out: dict[str, int] = {}
    for one in samples:
        for why, count in one.left_out.items():
            left_out[why] = left_out.get(why, 0) + count
    return Sample(tuple(minutes for one in samples for minutes in one.minutes), left_out)
