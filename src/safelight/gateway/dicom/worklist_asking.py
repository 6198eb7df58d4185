"""Asking a RIS for its worklist (C-FIND as SCU), day by day, and reading what it answers.

A limit on the number of answers shows as a failure, or not at all but by a round number: the day is then asked for
again in halves. Source: PS3.4 Annex K.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from safelight.catalog.listed_step import ListedStep, keyed
from safelight.catalog.order_changes import FILLER, PLACER, PatientName
from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.gateway.dicom.client import ClientAssociation
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.wire.dicom.uids import WORKLIST_FIND

OF_PATIENT: Final = (
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientWeight",
    "PatientSize",
    "PregnancyStatus",
    "AdmissionID",
    "CurrentPatientLocation",
)
OF_ORDER: Final = (
    "AccessionNumber",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedurePriority",
    "RequestedProcedureComments",
    "ReasonForTheRequestedProcedure",
    "PatientTransportArrangements",
    "RequestingPhysician",
    "ReferringPhysicianName",
    "InstitutionName",
    "PatientState",
    "MedicalAlerts",
    "Allergies",
    "SpecialNeeds",
    PLACER,
    FILLER,
)
OF_STEP: Final = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledStationName",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepLocation",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepStatus",
    "PreMedication",
)
_CODES: Final = {
    "RequestedProcedureCodeSequence": ("RequestedProcedureCodeValue", "RequestedProcedureCodingScheme"),
    "ScheduledProtocolCodeSequence": ("ScheduledProtocolCodeValue", "ScheduledProtocolCodingScheme"),
}
CHARACTERS_MAX: Final = 1024
"""Of one value."""
STEPS_MAX: Final = 100
"""Of one answer."""
ROUND: Final = 50
"""Limits on answers are round numbers."""
HALVED_MAX: Final = 6
"""A day in pieces of 22 minutes."""
ALTOGETHER: Final = timedelta(minutes=10)
OUT_OF_RESOURCES: Final = "A7"
"""How a status begins that says so. Source: PS3.4 Table C.4-1."""
_DAY_SECONDS: Final = 86_400


class WorklistTooLong(PeerError):
    """A RIS answers with more steps than we take, or goes on for too long."""

    code: ClassVar[str] = "gateway.worklist-too-long"
    hint: ClassVar[str] = "Ask for fewer days (days_ahead under [gateway.worklist]), or raise rows_max."


@dataclass(slots=True)
class Answered:
    """What a RIS answered."""

    steps: list[ListedStep] = field(default_factory=list)
    not_understood: int = 0
    """Answers that cannot be read, or do not say which step of whom."""
    may_be_cut: bool = False
    """The number of answers looks like a limit that asking for pieces of a day does not get round."""


class WorklistAsker:
    """Asks over one association."""

    def __init__(
        self, association: ClientAssociation, clock: Clock, rows_max: int, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        self._association = association
        self._clock = clock
        self._rows_max = rows_max
        self._go_on = go_on
        self._began = clock.elapsed()
        self._rows = 0
        self._answered = Answered()

    def ask(self, days: Iterable[date]) -> Answered:
        """Ask for the steps of some days.

        Raises:
            QueryFailed, WorklistTooLong and others: what came is not all.
        """
        steps: list[ListedStep] = []
        for day in days:
            found = self._ask(f"{day:%Y%m%d}", 0, _DAY_SECONDS, 0)
            steps += found
            dates = {step.attributes.get("ScheduledProcedureStepStartDate", "") for step in found}
            if dates - {"", f"{day:%Y%m%d}"}:
                # It does not look at dates: one answer has them all.
                break
        self._answered.steps = list(keyed(steps).values())
        return self._answered

    def _ask(self, day: str, first: int, end: int, halved: int) -> list[ListedStep]:
        times = "" if halved == 0 else f"{_time(first)}-{_time(end - 1)}"
        found: list[ListedStep] = []
        refused: QueryFailed | None = None
        try:
            found.extend(self._find(_query(day, times)))
        except QueryFailed as error:
            if not str(error.facts.get("status", "")).startswith(OUT_OF_RESOURCES):
                raise
            refused = error
        is_limited = refused is not None or (len(found) >= ROUND and len(found) % ROUND == 0)
        if not is_limited:
            return found
        looks_at_times = not times or all(_is_within(step, first, end) for step in found)
        if halved == HALVED_MAX or not looks_at_times:
            if refused is not None:
                raise refused
            self._answered.may_be_cut = True
            return found
        middle = (first + end) // 2
        later = self._ask(day, middle, end, halved + 1)
        if self._answered.may_be_cut:
            # It cannot be got round.
            return list(keyed([*found, *later]).values())
        return list(keyed([*found, *later, *self._ask(day, first, middle, halved + 1)]).values())

    def _find(self, query: Dataset) -> Iterator[ListedStep]:
        for answer in self._association.find(WORKLIST_FIND, query, self._count_unreadable):
            self._rows += 1
            late = self._clock.elapsed() - self._began > ALTOGETHER
            if self._rows > self._rows_max or late or not self._go_on():
                raise WorklistTooLong(rows=self._rows, rows_max=self._rows_max, late=late)
            for step in read_steps(answer):
                if step.names_itself:
                    yield step
                else:
                    self._answered.not_understood += 1

    def _count_unreadable(self, error: Exception) -> None:
        del error
        self._rows += 1
        self._answered.not_understood += 1
        if self._rows > self._rows_max:
            raise WorklistTooLong(rows=self._rows, rows_max=self._rows_max)


def read_steps(answer: Dataset) -> list[ListedStep]:
    """Read one answer, which has one step by the standard, and several from some; what is odd in it is left out."""
    items = list(answer.get("ScheduledProcedureStepSequence") or [Dataset()])
    return [_read_step(answer, step) for step in items[:STEPS_MAX]]


def _read_step(answer: Dataset, step: Dataset) -> ListedStep:
    attributes = {name: _text(answer, name) for name in OF_ORDER} | {name: _text(step, name) for name in OF_STEP}
    for within in (answer, step):
        for sequence, (value, scheme) in _CODES.items():
            codes = within.get(sequence) or []
            if codes:
                attributes |= {value: _text(codes[0], "CodeValue"), scheme: _text(codes[0], "CodingSchemeDesignator")}
    patient = PatientName(_text(answer, "PatientID"), _text(answer, "IssuerOfPatientID"))
    of_patient = {name: _text(answer, name) for name in OF_PATIENT}
    return ListedStep(patient, _told(of_patient), _told(attributes))


def _is_within(step: ListedStep, first: int, end: int) -> bool:
    time = step.attributes.get("ScheduledProcedureStepStartTime", "").partition(".")[0].ljust(6, "0")
    return not time.strip("0") or _time(first) <= time <= _time(end - 1)


def _told(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _text(within: Dataset, keyword: str) -> str:
    value = within.get(keyword)
    if value is None or isinstance(value, bytes):
        return ""
    text = "\\".join(map(str, value)) if isinstance(value, (MultiValue, list)) else str(value)
    return "".join(one for one in text.strip(" \0")[:CHARACTERS_MAX] if one.isprintable())


def _query(day: str, times: str) -> Dataset:
    query = Dataset()
    for keyword in ("PatientID", "IssuerOfPatientID", *OF_PATIENT, *OF_ORDER):
        setattr(query, keyword, None if keyword in ("PatientWeight", "PatientSize", "PregnancyStatus") else "")
    step = Dataset()
    for keyword in OF_STEP:
        setattr(step, keyword, "")
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = times
    for within, sequence in ((query, "RequestedProcedureCodeSequence"), (step, "ScheduledProtocolCodeSequence")):
        code = Dataset()
        code.CodeValue = code.CodingSchemeDesignator = code.CodeMeaning = ""
        setattr(within, sequence, [code])
    query.ScheduledProcedureStepSequence = [step]
    return query


def _time(seconds: int) -> str:
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
