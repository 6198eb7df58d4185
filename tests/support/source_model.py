"""A PACS in memory that misbehaves as real ones do, and the book of what has been claimed and held.

`tests/protection/test_source_contract.py` runs one suite against this model directly and against the same
model behind a real association (`support.hostile_source`).
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from safelight.core.errors import PeerError
from safelight.core.names import Personal
from safelight.protection.census import ClaimRow, Days, Listed
from safelight.protection.source import (
    HeldCount,
    InstanceClaim,
    QueryKey,
    RetrieveOutcome,
    RetrieveWay,
    SeriesClaim,
    SourceUnreachable,
    StudyClaim,
    StudyQuery,
    StudyRows,
    read_date,
)

INSTANCE_BYTES = 1000


class QueryRefused(PeerError):
    code = "test.query-refused"


@dataclass(slots=True)
class ModelStudy:
    uid: str
    date: str = ""
    time: str = ""
    patient: str = ""
    modality: str = "OT"
    series: dict[str, list[str]] = field(default_factory=dict)

    @property
    def instance_count(self) -> int:
        return sum(len(instances) for instances in self.series.values())


@dataclass(slots=True)
class Misbehaviour:
    row_limit: int | None = None
    says_truncated: bool = False
    duplicate_rows: bool = False
    counts: bool = True
    ignores: frozenset[QueryKey] = frozenset()
    early_move: bool = False
    never_sends: frozenset[str] = frozenset()
    """Instances that the source claims and does not send."""


def make_study(
    number: int, day: str, *, time: str = "120000", patient: str | None = None, series: int = 1, instances: int = 2
) -> ModelStudy:
    uid = f"2.25.{1000 + number}"
    patient = f"P{number:06}" if patient is None else patient
    parts = {f"{uid}.{s}": [f"{uid}.{s}.{n}" for n in range(1, instances + 1)] for s in range(1, series + 1)}
    return ModelStudy(uid, day, time, patient, "CT" if number % 2 else "MR", parts)


@dataclass(slots=True)
class SourceModel:
    """What the source holds, and DICOM matching on it."""

    studies: list[ModelStudy]
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)

    def match(self, day: str, time: str, patient: str, modality: str) -> tuple[list[ModelStudy], bool]:
        """Match as PS3.4 C.2.2.2 says, then misbehave. Rows, and whether some were left out and it says so."""
        ignores = self.misbehaviour.ignores
        rows = [
            study
            for study in self.studies
            if (QueryKey.DATE in ignores or _in_range(study.date, day))
            and (QueryKey.TIME in ignores or _in_range(study.time, time))
            and (QueryKey.PATIENT in ignores or not patient or fnmatch.fnmatchcase(study.patient, _pattern(patient)))
            and (QueryKey.MODALITY in ignores or not modality or study.modality == modality)
        ]
        if self.misbehaviour.duplicate_rows:
            rows = [row for study in rows for row in ([study, study] if study.uid.endswith("7") else [study])]
        limit = self.misbehaviour.row_limit
        if limit is not None and len(rows) > limit:
            return rows[:limit], self.misbehaviour.says_truncated
        return rows, False

    def study(self, uid: str) -> ModelStudy | None:
        return next((study for study in self.studies if study.uid == uid), None)

    def instances(self, study: str, series: str | None) -> list[tuple[str, str]]:
        found = self.study(study)
        if found is None:
            return []
        return [(s, i) for s, instances in found.series.items() if series in (None, s) for i in instances]


def _pattern(patient: str) -> str:
    return patient.replace("[", "[[]")


def _in_range(value: str, wanted: str) -> bool:
    if not wanted:
        return True
    if not value:
        return False
    if "-" not in wanted:
        return value == wanted
    first, last = wanted.split("-")
    return (not first or value >= first) and (not last or value <= last)


class MemoryBook:
    """Claims, and what has arrived."""

    def __init__(self) -> None:
        self.arrived: dict[str, dict[str, set[str]]] = {}
        self.dates: dict[str, str] = {}
        self.kept: dict[tuple[str, str], ClaimRow] = {}
        self.first: dict[tuple[str, str], datetime] = {}

    def arrive(self, study: str, series: str, instance: str, day: str = "") -> None:
        self.arrived.setdefault(study, {}).setdefault(series, set()).add(instance)
        self.dates[study] = day

    def counts(self, studies: Sequence[str]) -> Mapping[str, HeldCount]:
        return {
            study: HeldCount(len(held), instances, instances * INSTANCE_BYTES)
            for study in studies
            if (held := self.arrived.get(study)) and (instances := sum(len(part) for part in held.values()))
        }

    def instances(self, study: str) -> Mapping[str, AbstractSet[str]]:
        return {series: frozenset(instances) for series, instances in self.arrived.get(study, {}).items()}

    def claims(self, source: str, studies: Sequence[str]) -> Mapping[str, ClaimRow]:
        return {study: row for study in studies if (row := self.kept.get((source, study)))}

    def record_claims(self, source: str, rows: Sequence[ClaimRow]) -> None:
        for row in rows:
            self.kept[source, row.claim.study] = row
            self.first.setdefault((source, row.claim.study), row.at)

    def claimed_before(self, source: str, since: datetime, days: Days) -> int:
        return sum(self.first[key] < since for key, row in self.kept.items() if key[0] == source and _dated(row, days))

    def vanished(self, source: str, since: datetime, days: Days) -> Listed:
        gone = sorted(
            study for (of, study), row in self.kept.items() if of == source and row.at < since and _dated(row, days)
        )
        return Listed(len(gone), tuple(gone))

    def unclaimed(self, source: str, since: datetime, days: Days) -> Listed:
        found = []
        for study in self.arrived:
            row = self.kept.get((source, study))
            day = read_date(self.dates[study])
            in_scope = days is None or (day is not None and any(first <= day <= last for first, last in days))
            if in_scope and (row is None or row.at < since):
                found.append(study)
        return Listed(len(found), tuple(sorted(found)))


def _dated(row: ClaimRow, days: Days) -> bool:
    day = row.claim.date
    return days is None or (day is not None and any(first <= day <= last for first, last in days))


class ModelSource:
    """The model as a `SourceArchive`, without a network."""

    name = "PACS"

    def __init__(self, model: SourceModel, book: MemoryBook) -> None:
        self.model = model
        self.book = book
        self.queries: list[StudyQuery] = []
        self.series_queries = 0
        self.instance_queries = 0
        self.retrieves: list[tuple[str, str | None, RetrieveWay]] = []
        self.late: list[Callable[[], None]] = []
        self.unreachable = False
        self.refuses: Callable[[StudyQuery], bool] = lambda query: False

    def find_studies(self, query: StudyQuery) -> StudyRows:
        self._reach()
        self.queries.append(query)
        if self.refuses(query):
            raise QueryRefused
        rows, truncated = self.model.match(query.date_text, query.time_text, query.patient or "", query.modality or "")
        return StudyRows(tuple(self._claim(study) for study in rows), truncated)

    def find_series(self, study: str) -> Sequence[SeriesClaim]:
        self._reach()
        self.series_queries += 1
        found = self.model.study(study)
        parts = found.series.items() if found else ()
        counts = self.model.misbehaviour.counts
        return [SeriesClaim(series, "", len(part) if counts else None) for series, part in parts]

    def find_instances(self, study: str, series: str) -> Sequence[InstanceClaim]:
        self._reach()
        self.instance_queries += 1
        limit = self.model.misbehaviour.row_limit
        return [InstanceClaim(instance) for _, instance in self.model.instances(study, series)][:limit]

    def retrieve(self, study: str, series: str | None, way: RetrieveWay) -> RetrieveOutcome:
        self._reach()
        self.retrieves.append((study, series, way))
        found = self.model.study(study)
        assert found is not None
        sent = [
            pair for pair in self.model.instances(study, series) if pair[1] not in self.model.misbehaviour.never_sends
        ]

        def deliver() -> None:
            for part, instance in sent:
                self.book.arrive(study, part, instance, found.date)

        if way is RetrieveWay.MOVE and self.model.misbehaviour.early_move:
            self.late.append(deliver)
        else:
            deliver()
        return RetrieveOutcome(True, len(sent), 0, 0, 0)

    def _claim(self, study: ModelStudy) -> StudyClaim:
        counts = self.model.misbehaviour.counts
        return StudyClaim(
            study=study.uid,
            date_text=study.date,
            time_text=study.time,
            patient=Personal(study.patient),
            modalities=(study.modality,) if study.series else (),
            series_count=len(study.series) if counts else None,
            instance_count=study.instance_count if counts else None,
        )

    def _reach(self) -> None:
        if self.unreachable:
            raise SourceUnreachable
