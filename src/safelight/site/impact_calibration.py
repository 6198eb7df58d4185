"""What the catalog knows of a department's own work: arrivals by modality, priority and hour of the week, and sizes.

Honest about what it is: a study's date and time is when it was acquired, not when it was ordered, as the device said
it. The catalog does not hold how long an exam or a reading takes: durations stay what the file says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import StepRow, StepSearch
from safelight.catalog.rows import StudyRow
from safelight.catalog.search import LIMIT_MAX, StudySearch
from safelight.impact.department import HOURS_A_WEEK
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home

STUDIES_MIN: Final = 200
"""Fewer of a modality and class say nothing of 168 hours: then every hour is alike, and it says so."""
WEEKS_MIN: Final = 4.0
NOT_IMAGES: Final = frozenset({"SR", "PR", "KO", "DOC", "REG", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "OT", "AU"})
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Observed:
    """What was counted for one modality and priority."""

    modality: str
    priority: str
    studies: int
    per_week: float
    hours: tuple[int, ...]
    """Studies by hour of the week, from Monday 00:00."""
    enough: bool

    @property
    def source(self) -> str:
        """Say what the figure is worth."""
        if self.enough:
            return f"counted: {self.studies} studies"
        return f"counted: {self.studies} studies, too few for the hours of a week; all hours alike"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything that was counted, and what was not."""

    weeks: float
    observed: tuple[Observed, ...]
    exam_gb: Mapping[str, float]
    without_time: int
    """Studies whose date or time is missing or none."""
    without_priority: int

    def document(self) -> dict[str, Any]:
        """Return it in the words of a department's file, with counts beside."""
        patterns, modalities = {}, defaultdict(list)
        for one in self.observed:
            name = f"{one.modality} {one.priority}"
            demand: dict[str, Any] = {"class": one.priority, "per_week": round(one.per_week, 2)}
            if one.enough:
                patterns[name] = list(one.hours)
                demand["hours"] = name
            modalities[one.modality].append(demand)
        return {
            "weeks": round(self.weeks, 1),
            "enough_weeks": self.weeks >= WEEKS_MIN,
            "hours": patterns,
            "exams": dict(modalities),
            "exam_gb": {name: round(size, 4) for name, size in self.exam_gb.items()},
            "sources": {f"{one.modality} {one.priority}": one.source for one in self.observed},
            "not_known": {
                "studies_without_time": self.without_time,
                "studies_without_priority": self.without_priority,
                "exam_minutes": "not in the catalog: fallback or the site's own figure",
                "reading_minutes": "not in the catalog: fallback or the site's own figure",
            },
        }


def calibrate(studies: Iterable[StudyRow], steps: Iterable[StepRow], since: datetime, until: datetime) -> Calibration:
    """Count studies acquired between two moments, given as local time without a zone, as devices tell it.

    Args:
        studies: any studies; those outside are left out.
        steps: scheduled steps, for the priority by accession number.
        since: the first moment.
        until: the moment after the last.
    """
    priorities = {
        step.attributes.get("AccessionNumber", ""): step.attributes.get("RequestedProcedurePriority", "").lower()
        for step in steps
    }
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    sizes: dict[str, list[int]] = defaultdict(list)
    without_time = without_priority = 0
    for study in studies:
        kinds = [kind for kind in study.modalities if kind not in NOT_IMAGES]
        moment = _moment(study.study_date, study.study_time)
        if moment is None:
            without_time += 1
            continue
        if not kinds or not since <= moment < until:
            continue
        priority = (priorities.get(study.accession) if study.accession else None) or UNKNOWN
        without_priority += priority == UNKNOWN
        # A study of several modalities is one exam of the first; a PET-CT counts once.
        counts[kinds[0], priority][moment.weekday() * 24 + moment.hour] += 1
        sizes[kinds[0]].append(study.bytes)
    weeks = (until - since) / timedelta(weeks=1)
    observed = [_observed(*key, hours, weeks) for key, hours in sorted(counts.items())]
    exam_gb = {kind: sum(held) / len(held) / 1e9 for kind, held in sorted(sizes.items())}
    return Calibration(weeks, tuple(observed), exam_gb, without_time, without_priority)


def _observed(modality: str, priority: str, hours: Counter[int], weeks: float) -> Observed:
    studies = hours.total()
    spread = tuple(hours[hour] for hour in range(HOURS_A_WEEK))
    enough = studies >= STUDIES_MIN and weeks >= WEEKS_MIN
    return Observed(modality, priority, studies, studies / weeks, spread, enough)


def _moment(date: str, time: str) -> datetime | None:
    """Read a DICOM date and time; without an hour nothing is known of the hour of the week."""
    try:
        return datetime.strptime(date[:8] + time[:4], "%Y%m%d%H%M")
    except ValueError:
        return None


def calibration_of(home: Home, until: date, weeks: int) -> Calibration:
    """Count what a home holds of the weeks before a day; it looks at these days alone, however large the archive."""
    first = until - timedelta(weeks=weeks)
    days = [first + timedelta(days=at) for at in range(weeks * 7)]
    steps: list[StepRow] = []
    with messages_looked_at(home) as index:
        if index is not None:
            for day in days:
                words = f"{day:%Y%m%d}"
                steps += index.steps(StepSearch(words, words, states=list(StepState), limit=LIMIT_MAX))
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        studies = (
            study
            for day in days
            for study in catalog.find(StudySearch(date_from=f"{day:%Y%m%d}", date_to=f"{day:%Y%m%d}", limit=LIMIT_MAX))
        )
        midnight = datetime.min.time()
        return calibrate(studies, steps, datetime.combine(first, midnight), datetime.combine(until, midnight))
    finally:
        catalog.close()
