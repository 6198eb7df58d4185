"""What a home knows of a department's own work: arrivals by modality, priority and hour of week, durations, sizes.

Honest about what it is: a study's date and time is when it was acquired, not when it was ordered, as the device said
it. How long an exam takes is what devices say in performed procedure steps, else what lies between first and last
image. How long a reading takes is what lies between two reports of one radiologist while studies were waiting.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydicom.dataset import Dataset

from safelight.catalog.catalog import Catalog
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import StepRow, StepSearch
from safelight.catalog.rows import StudyRow
from safelight.catalog.search import LIMIT_MAX, StudySearch
from safelight.core.errors import SafelightError
from safelight.core.progress import Progress, Report, silent
from safelight.gateway.dicom.procedure_step_service import StepStatus
from safelight.gateway.hl7.mapping import Mappings
from safelight.gateway.hl7.report_signing import Signing, signings
from safelight.impact.calibration import NOTHING, UNKNOWN, Arrivals, Counted, CountedModality
from safelight.impact.counted import EXAM, Rate, Reported, Sample, reading_samples, turnaround_sample
from safelight.impact.department import HOURS_A_WEEK
from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.hl7_folding import READ_BYTES, read_mappings
from safelight.site.hl7_records import RAW_CODEC
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home
from safelight.site.performed_steps import ATTRIBUTES_BYTES_MAX
from safelight.site.reconciliation_sides import FINAL_STATUSES
from safelight.site.status import looked_at
from safelight.wire.dicom.identifier import decode_identifier
from safelight.wire.hl7.header import UnreadableHeader
from safelight.wire.hl7.message import Message

NOT_IMAGES: Final = frozenset({"SR", "PR", "KO", "DOC", "REG", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "OT", "AU"})
REPORT_EVENTS: Final = ("ORU", "MDM")
REPORTS_AFTER: Final = timedelta(days=7)
"""So long after the last week a report of it is waited for, or the slow ones would be missing."""
CLOCKS_DIFFER_MINUTES: Final = 15.0
KINDS: Final = (
    FactKind.PROCEDURE_STEP_BEGUN,
    FactKind.PROCEDURE_STEP_CHANGED,
    FactKind.HL7_RECEIVED,
    FactKind.DOWNTIME_DECLARED,
)


@dataclass(slots=True)
class PerformedStep:
    """A procedure step as its modality told it, and when it told us."""

    modality: str
    begun_at: datetime
    start: datetime | None
    status: StepStatus = StepStatus.IN_PROGRESS
    ended_at: datetime | None = None
    end: datetime | None = None

    def minutes(self) -> float | str:
        """Return how long it took, or why that is not known."""
        if self.status is StepStatus.DISCONTINUED:
            return "discontinued"
        if self.ended_at is None:
            return "its end was never told"
        if self.start is None or self.end is None:
            return "start or end without a time"
        by_device = (self.end - self.start).total_seconds() / 60.0
        by_us = (self.ended_at - self.begun_at).total_seconds() / 60.0
        # A device that is set to another time within an exam; or one that told us of both when all was done.
        return by_device if abs(by_device - by_us) <= CLOCKS_DIFFER_MINUTES else "the device's clock and ours differ"


@dataclass(slots=True)
class Told:
    """What the journal tells of some weeks."""

    steps: dict[str, PerformedStep] = field(default_factory=dict)
    reports: dict[str, tuple[Signing, datetime]] = field(default_factory=dict)
    """The first final report by accession number, with when it was received."""
    outages: int = 0


class JournalReading:
    """Reads the facts of some weeks that tell how long work takes."""

    def __init__(self, mappings: Mappings, since: datetime, until: datetime) -> None:
        self._mappings = mappings
        self._since = since
        self._until = until
        self.told = Told()

    def read(self, journal: Journal, report: Report) -> Told:
        """Read them."""
        after = journal.position_before(self._since)
        last = journal.position_before(self._until + REPORTS_AFTER)
        for entry in journal.entries(after=after, kinds=KINDS, until=last):
            self.take(entry)
            report(Progress("journal", entry.position - after, last - after, "facts"))
        return self.told

    def take(self, entry: Entry) -> None:
        """Take in one fact."""
        if entry.kind == FactKind.HL7_RECEIVED:
            self._message(entry)
        elif entry.kind == FactKind.DOWNTIME_DECLARED:
            self.told.outages += self._since <= entry.at < self._until
        else:
            self._step(entry)

    def _step(self, entry: Entry) -> None:
        facts = entry.facts
        try:
            raw = str(facts["attributes"]).encode(RAW_CODEC)
            told = decode_identifier(raw, str(facts["transfer_syntax"]), ATTRIBUTES_BYTES_MAX)
        except SafelightError:
            return
        instance, status = str(facts["instance"]), str(facts["status"])
        if entry.kind == FactKind.PROCEDURE_STEP_BEGUN:
            if self._since <= entry.at < self._until:
                start = _told_moment(told, "PerformedProcedureStepStart")
                self.told.steps[instance] = PerformedStep(str(told.get("Modality") or ""), entry.at, start)
            return
        step = self.told.steps.get(instance)
        if step is not None and status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED):
            step.status, step.ended_at = StepStatus(status), entry.at
            step.end = _told_moment(told, "PerformedProcedureStepEnd")

    def _message(self, entry: Entry) -> None:
        facts = entry.facts
        # A repetition has no bytes of its own; what was too long for the journal has its report in an attachment.
        if "raw" not in facts or str(facts.get("event", "")).partition("^")[0] not in REPORT_EVENTS:
            return
        mapping = self._mappings.of(str(facts.get("sender", "")))
        try:
            message = Message(str(facts["raw"]).encode(RAW_CODEC)[:READ_BYTES], assumed_charset=mapping.charset)
        except UnreadableHeader:
            return
        for one in signings(message, mapping):
            if one.accession and one.status in FINAL_STATUSES:
                # What comes later is an addendum or a correction.
                self.told.reports.setdefault(one.accession, (one, entry.at))


def _told_moment(told: Dataset, name: str) -> datetime | None:
    return moment(str(told.get(f"{name}Date") or ""), str(told.get(f"{name}Time") or ""))


def moment(day: str, time: str) -> datetime | None:
    """Read a DICOM date and time; without an hour nothing is known of the hour of the week."""
    try:
        return datetime.strptime(day[:8] + time[:6].ljust(6, "0") if len(time) >= 4 else "", "%Y%m%d%H%M%S")
    except ValueError:
        return None


@dataclass(slots=True)
class _Gathered:
    """What is being counted of one modality."""

    by_priority: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    bytes: list[int] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    steps_left_out: Counter[str] = field(default_factory=Counter)
    spans: list[float] = field(default_factory=list)
    spans_left_out: Counter[str] = field(default_factory=Counter)
    reports: list[Reported] = field(default_factory=list)


def count(
    studies: Iterable[StudyRow],
    priorities: Mapping[str, str],
    stored: set[str],
    told: Told,
    since: datetime,
    until: datetime,
) -> Counted:
    """Count studies acquired between two moments, given as local time without a zone, as devices tell it.

    Args:
        studies: any studies; those outside are left out.
        priorities: of orders, by accession number, in small letters.
        stored: studies that were sent here as they were made.
        told: what the journal says of steps and reports.
        since: the first moment.
        until: the moment after the last.
    """
    gathered: dict[str, _Gathered] = defaultdict(_Gathered)
    left_out: Counter[str] = Counter()
    for study in studies:
        kinds = [kind for kind in study.modalities if kind not in NOT_IMAGES]
        at = moment(study.study_date, study.study_time)
        if at is None:
            left_out["study without date or time"] += 1
        elif kinds and since <= at < until:
            # A study of several modalities is one exam of the first; a PET-CT counts once.
            _study(gathered[kinds[0]], kinds[0], study, at, priorities, stored, told)
    for step in told.steps.values():
        minutes = step.minutes()
        of = gathered.get(step.modality)
        if of is None:
            left_out["procedure step of a modality without studies"] += 1
        elif isinstance(minutes, str):
            of.steps_left_out[minutes] += 1
        else:
            of.steps.append(minutes)
    weeks = (until - since) / timedelta(weeks=1)
    # Whoever reads one modality reads another in between, so that reports of all are looked at together.
    readings = reading_samples(report for one in gathered.values() for report in one.reports)
    modalities = tuple(
        _modality(name, one, readings.get(name, NOTHING), since, weeks) for name, one in sorted(gathered.items())
    )
    unknown = sum(one.rate.exams for of in modalities for one in of.arrivals if one.priority == UNKNOWN)
    if unknown:
        left_out["study without an order that tells its priority"] = unknown
    return Counted(since.date(), weeks, modalities, dict(left_out), told.outages)


def _study(
    of: _Gathered,
    modality: str,
    study: StudyRow,
    at: datetime,
    priorities: Mapping[str, str],
    stored: set[str],
    told: Told,
) -> None:
    of.by_priority[priorities.get(study.accession) or UNKNOWN].append(at)
    of.bytes.append(study.bytes)
    if study.study not in stored:
        of.spans_left_out["not sent by the modality as it was made"] += 1
        return
    if study.instances < 2:
        of.spans_left_out["a single image"] += 1
    else:
        of.spans.append((study.last_received_at - study.first_received_at).total_seconds() / 60.0)
    if study.accession in told.reports:
        signing, received_at = told.reports[study.accession]
        of.reports.append(Reported(modality, signing.reader, study.last_received_at, received_at, signing.signed))


def _modality(name: str, of: _Gathered, readings: Sample, since: datetime, weeks: float) -> CountedModality:
    return CountedModality(
        name,
        tuple(_arrivals(priority, moments, since, weeks) for priority, moments in sorted(of.by_priority.items())),
        Sample.of(of.steps, EXAM, of.steps_left_out),
        Sample.of(of.spans, EXAM, of.spans_left_out),
        readings,
        turnaround_sample(of.reports),
        sum(of.bytes) / len(of.bytes) / 1e9,
    )


def _arrivals(priority: str, moments: list[datetime], since: datetime, weeks: float) -> Arrivals:
    hours = Counter(at.weekday() * 24 + at.hour for at in moments)
    by_week = Counter((at - since) // timedelta(weeks=1) for at in moments)
    rate = Rate(tuple(by_week[at] for at in range(max(1, round(weeks)))), weeks)
    return Arrivals(priority, rate, tuple(hours[at] for at in range(HOURS_A_WEEK)))


def counted_of(home: Home, until: date, weeks: int, report: Report = silent) -> Counted:
    """Count what a home holds of the weeks before a day; it looks at these days alone, however large the archive."""
    first = until - timedelta(weeks=weeks)
    days = [first + timedelta(days=at) for at in range(weeks * 7)]
    since, end = (datetime.combine(day, datetime.min.time()) for day in (first, until))
    with messages_looked_at(home) as index:
        priorities = _priorities(index, days)
    with looked_at(home) as (catalog, journal):
        studies = list(_studies(catalog, days, report))
        stored = catalog.stored_studies(one.study for one in studies)
        reading = JournalReading(
            read_mappings(home.order_mapping), since.astimezone().astimezone(UTC), end.astimezone().astimezone(UTC)
        )
        return count(studies, priorities, stored, reading.read(journal, report), since, end)


def _priorities(index: MessageIndex | None, days: list[date]) -> dict[str, str]:
    if index is None:
        return {}
    steps: list[StepRow] = []
    for day in days:
        words = f"{day:%Y%m%d}"
        steps += index.steps(StepSearch(words, words, states=list(StepState), limit=LIMIT_MAX))
    told = {
        one.attributes.get("AccessionNumber", ""): one.attributes.get("RequestedProcedurePriority", "").lower()
        for one in steps
    }
    return {accession: priority for accession, priority in told.items() if accession and priority}


def _studies(catalog: Catalog, days: list[date], report: Report) -> Iterator[StudyRow]:
    for at, day in enumerate(days, 1):
        words = f"{day:%Y%m%d}"
        yield from catalog.find(StudySearch(date_from=words, date_to=words, limit=LIMIT_MAX))
        report(Progress("studies", at, len(days), "days"))
