"""A hospital whose rates are known: weeks of work by the simulation, told as devices, the RIS and the archive tell it.

What went wrong in between is put in as well: devices that are set to another time, exams that end before they begin,
reports that come months later or before their images, steps that nobody ended.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from safelight.catalog.rows import StudyRow
from safelight.core.names import Personal
from safelight.gateway.dicom.procedure_step_service import StepStatus
from safelight.impact.department import Department, Modality
from safelight.impact.document import read_department
from safelight.impact.draws import Exams, draw
from safelight.impact.simulation import Passage, run
from safelight.journal.entry import Entry
from safelight.journal.kinds import FactKind
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.uids import IMPLICIT_LITTLE_ENDIAN

WEEKS = 8
WARM_UP = 1
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
RIS_IS_AHEAD = timedelta(hours=2, seconds=7)
"""The RIS tells local time, by a clock of its own."""
TOLD: Mapping[str, Any] = {
    "name": "Known Hospital",
    "classes": [
        {"name": "urgent", "rank": 0, "priorities": ["stat", "high"]},
        {"name": "planned", "rank": 1, "priorities": ["routine"]},
    ],
    "hours": {"office": {"day": [0] * 8 + [1] * 9 + [0] * 7, "days": [1, 1, 1, 1, 1, 0, 0]}},
    "modalities": [
        {
            "name": "CT",
            "devices": 4,
            "exam_minutes": {"mean": 14, "variation": 0.5},
            "reading_minutes": {"mean": 11, "variation": 0.6},
            "exams": [{"class": "urgent", "per_week": 300}, {"class": "planned", "per_week": 200, "hours": "office"}],
            "disk": {"free_gb": 500, "exam_gb": 0.4},
        },
        {
            "name": "CR",
            "devices": 4,
            "exam_minutes": {"mean": 7, "variation": 0.4},
            "reading_minutes": {"mean": 3, "variation": 0.7},
            "exams": [{"class": "urgent", "per_week": 400}, {"class": "planned", "per_week": 350, "hours": "office"}],
        },
    ],
    "readers": [{"name": "general", "count": [1] * 8 + [3] * 10 + [1] * 6}],
    "services": [],
}
PRIORITIES = {"urgent": ("stat", "high"), "planned": ("routine",)}


@dataclass
class Wrong:
    """How much of what went wrong there is."""

    clock_jumped: int = 0
    ended_before: int = 0
    discontinued: int = 0
    never_ended: int = 0
    reported_before: int = 0
    months_later: int = 0


@dataclass
class WorkedHospital:
    """What a home would hold of these weeks."""

    department: Department
    studies: list[StudyRow] = field(default_factory=list)
    priorities: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    wrong: Wrong = field(default_factory=Wrong)

    @property
    def stored(self) -> set[str]:
        """All were sent as they were made."""
        return {one.study for one in self.studies}


def worked_hospital(seed: int) -> WorkedHospital:
    """Let the hospital work."""
    department = read_department(TOLD)
    exams = draw(department, (0.0, 0.0), WEEKS + WARM_UP, seed)
    passages = run(department, exams, None, (WEEKS + WARM_UP) * 168.0)
    told = WorkedHospital(department)
    random = np.random.default_rng([seed, 99])
    readers = _who_reads(passages)
    facts: list[tuple[datetime, str, dict[str, Any]]] = []
    for modality, drawn, passage, who in zip(department.modalities, exams, passages, readers, strict=True):
        for number in np.flatnonzero(np.isfinite(passage.result)):
            facts += _exam(told, modality, drawn, passage, int(number), str(who[number]), random)
    facts.sort(key=lambda fact: fact[0])
    told.entries = [Entry(at, when, kind, content, b"") for at, (when, kind, content) in enumerate(facts, 1)]
    return told


def _who_reads(passages: list[Passage]) -> list[np.ndarray[Any, Any]]:
    """Give each reading to a reader who is free then."""
    begins = np.concatenate([one.read_start for one in passages])
    ends = np.concatenate([one.read for one in passages])
    who = np.full(len(begins), -1)
    free: list[float] = []
    for at in np.argsort(begins):
        if not np.isfinite(begins[at]):
            break
        one = next((number for number, until in enumerate(free) if until <= begins[at] + 1e-9), len(free))
        if one == len(free):
            free.append(0.0)
        free[one], who[at] = float(ends[at]), one
    return np.split(who, np.cumsum([len(one.read) for one in passages])[:-1])


def _at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours - WARM_UP * 168.0)


def _exam(
    told: WorkedHospital,
    modality: Modality,
    drawn: Exams,
    passage: Passage,
    number: int,
    reader: str,
    random: np.random.Generator,
) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    start, end, read = (_at(float(moments[number])) for moments in (passage.start, passage.acquired, passage.read))
    if not MONDAY <= start < MONDAY + timedelta(weeks=WEEKS):
        return
    accession, uid = f"{modality.name}{number}", f"2.25.{number + 1}{ord(modality.name[1])}"
    chosen = PRIORITIES[told.department.classes[drawn.classes[number]].name]
    if random.random() < 0.9:
        told.priorities[accession] = chosen[int(random.integers(len(chosen)))]
    told.studies.append(_study(uid, accession, modality.name, start, end))
    yield from _step(told.wrong, uid, modality.name, start, end, random)
    report = read
    if random.random() < 0.002:
        told.wrong.months_later += 1
        report = read + timedelta(days=70)
    elif random.random() < 0.002:
        told.wrong.reported_before += 1
        report = end - timedelta(minutes=2)
    # A message takes its time to come.
    arrives = report + timedelta(seconds=float(random.uniform(0.2, 1.0)))
    yield arrives, FactKind.HL7_RECEIVED, _report(accession, report, reader)


def _step(
    wrong: Wrong, uid: str, modality: str, start: datetime, end: datetime, random: np.random.Generator
) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    chance, told_end, status = random.random(), end, StepStatus.COMPLETED
    if chance < 0.01:
        wrong.clock_jumped += 1
        told_end = end + timedelta(hours=1)
    elif chance < 0.02:
        wrong.ended_before += 1
        told_end = start - timedelta(minutes=5)
    elif chance < 0.03:
        wrong.discontinued += 1
        status = StepStatus.DISCONTINUED
    yield start, FactKind.PROCEDURE_STEP_BEGUN, step_fact(uid, StepStatus.IN_PROGRESS, modality, start, None)
    if 0.03 <= chance < 0.04:
        wrong.never_ended += 1
    else:
        yield end, FactKind.PROCEDURE_STEP_CHANGED, step_fact(uid, status, "", None, told_end)


def step_fact(
    uid: str, status: StepStatus, modality: str, start: datetime | None, end: datetime | None
) -> dict[str, Any]:
    """Return what the journal keeps of a modality's notice."""
    told = Dataset()
    if modality:
        told.Modality = modality
    for name, moment in (("Start", start), ("End", end)):
        if moment is not None:
            setattr(told, f"PerformedProcedureStep{name}Date", f"{moment:%Y%m%d}")
            setattr(told, f"PerformedProcedureStep{name}Time", f"{moment:%H%M%S}")
    attributes = encode_identifier(told, IMPLICIT_LITTLE_ENDIAN).decode("latin-1")
    return {
        "instance": uid,
        "status": str(status),
        "transfer_syntax": IMPLICIT_LITTLE_ENDIAN,
        "attributes": attributes,
    }


def report_message(accession: str, signed: datetime, reader: str, status: str = "F") -> str:
    """Return a report as HL7."""
    local = signed + RIS_IS_AHEAD
    obr = [""] * 33
    obr[18], obr[22], obr[25], obr[32] = accession, f"{local:%Y%m%d%H%M%S}+0200", status, f"{reader}&Invented&Reader"
    return (
        f"MSH|^~\\&|RIS|H|PACS|H|{local:%Y%m%d%H%M%S}||ORU^R01|{accession}{status}|P|2.5.1\r"
        f"PID|1||77^^^H||Invented^Person\rOBR|{'|'.join(obr[1:])}\rOBX|1|TX|||nothing\r"
    )


def _report(accession: str, signed: datetime, reader: str) -> dict[str, Any]:
    return {"event": "ORU^R01", "sender": "RIS", "raw": report_message(accession, signed, reader)}


def _study(uid: str, accession: str, modality: str, start: datetime, end: datetime) -> StudyRow:
    nobody = Personal("")
    return StudyRow(
        uid, nobody, "", nobody, nobody, "", f"{start:%Y%m%d}", f"{start:%H%M%S}", accession, "", "", nobody,
        (modality,), 1, 300 if modality == "CT" else 2, 300, 300, 400_000_000,
        start + (end - start) / 4, end,
    )  # fmt: skip
