"""Exams that are done while a system is away, from registration until nothing of them is open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from safelight.core.clock import from_text, to_text
from safelight.core.errors import StateError
from safelight.core.names import Personal
from safelight.journal.kinds import FactKind


class Way(StrEnum):
    """How an exam came to be."""

    ORDERED = "ordered"
    """There is an order, with numbers of its own."""
    WALK_IN = "walk-in"
    """Nobody ordered it in a system; the patient says who they are."""
    UNIDENTIFIED = "unidentified"
    """Nobody knows who the patient is."""


class Stage(StrEnum):
    """How far an exam is."""

    REGISTERED = "registered"
    ARRIVED = "arrived"
    ACQUIRED = "acquired"
    READ = "read"
    """At least one preliminary read is written down."""
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What happens to an exam."""

    ARRIVED = "arrived"
    ACQUIRED = "acquired"
    READ = "read"
    CALLED = "called"
    IDENTIFIED = "identified"
    CANCELLED = "cancelled"


NEXT: Final[Mapping[tuple[Stage, Step], Stage]] = {
    (Stage.REGISTERED, Step.ARRIVED): Stage.ARRIVED,
    # In a hurry nobody notes that the patient came.
    (Stage.REGISTERED, Step.ACQUIRED): Stage.ACQUIRED,
    (Stage.REGISTERED, Step.IDENTIFIED): Stage.REGISTERED,
    (Stage.REGISTERED, Step.CANCELLED): Stage.CANCELLED,
    (Stage.ARRIVED, Step.ACQUIRED): Stage.ACQUIRED,
    (Stage.ARRIVED, Step.IDENTIFIED): Stage.ARRIVED,
    (Stage.ARRIVED, Step.CANCELLED): Stage.CANCELLED,
    (Stage.ACQUIRED, Step.READ): Stage.READ,
    (Stage.ACQUIRED, Step.IDENTIFIED): Stage.ACQUIRED,
    (Stage.READ, Step.READ): Stage.READ,
    (Stage.READ, Step.CALLED): Stage.READ,
    (Stage.READ, Step.IDENTIFIED): Stage.READ,
}

KIND_OF: Final[Mapping[Step, FactKind]] = {
    Step.ARRIVED: FactKind.DOWNTIME_EXAM_ARRIVED,
    Step.ACQUIRED: FactKind.DOWNTIME_EXAM_ACQUIRED,
    Step.READ: FactKind.DOWNTIME_EXAM_READ,
    Step.CALLED: FactKind.DOWNTIME_EXAM_CALLED,
    Step.IDENTIFIED: FactKind.DOWNTIME_EXAM_IDENTIFIED,
    Step.CANCELLED: FactKind.DOWNTIME_EXAM_CANCELLED,
}
_STEP_OF: Final = {kind: step for step, kind in KIND_OF.items()}
EXAM_KINDS: Final = (FactKind.DOWNTIME_EXAM_REGISTERED, *_STEP_OF)


class ExamOutOfTurn(StateError):
    """This cannot happen to the exam at the stage where it is."""

    code: ClassVar[str] = "downtime.exam-out-of-turn"
    hint: ClassVar[str] = "See how far it is: safelight downtime exam list. A call follows a read, a read the images."


class UnknownExam(StateError):
    """No downtime exam has this accession number."""

    code: ClassVar[str] = "downtime.unknown-exam"
    hint: ClassVar[str] = "See: safelight downtime exam list; register it first: safelight downtime exam register"


class NoUrgentRead(StateError):
    """There is no read of this number that could have been told to anybody."""

    code: ClassVar[str] = "downtime.no-such-read"
    hint: ClassVar[str] = "See the reads of the exam: safelight downtime exam list --json; reads are counted from 1."


@dataclass(frozen=True, slots=True)
class Person:
    """The patient of a downtime exam, as they were registered."""

    patient_id: str
    name: Personal
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """An exam that is to be done."""

    kind: ClassVar[str] = FactKind.DOWNTIME_EXAM_REGISTERED.value
    way: Way
    accession: str
    study: str
    """The Study Instance UID under which the worklist offers it."""
    person: Person
    modality: str
    procedure: str
    place: str
    """Where the patient comes from, and who is called back."""
    device: str
    at: datetime
    said_at: datetime
    by: str
    outages: tuple[int, ...]
    """Which outages were open."""

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        person = self.person
        return {
            "way": self.way.value,
            "accession": self.accession,
            "study": self.study,
            "patient_id": person.patient_id,
            "name": person.name.text,
            "birth_date": person.birth_date,
            "sex": person.sex,
            "modality": self.modality,
            "procedure": self.procedure,
            "place": self.place,
            "device": self.device,
            "at": to_text(self.at),
            "said_at": to_text(self.said_at),
            "by": self.by,
            "outages": list(self.outages),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        person = Person(body["patient_id"], Personal(body["name"]), body["birth_date"], body["sex"])
        return cls(
            Way(body["way"]),
            body["accession"],
            body["study"],
            person,
            body["modality"],
            body["procedure"],
            body["place"],
            body["device"],
            from_text(body["at"]),
            from_text(body["said_at"]),
            body["by"],
            tuple(body["outages"]),
        )


@dataclass(frozen=True, slots=True)
class Happened:
    """One step of an exam."""

    step: Step
    accession: str
    at: datetime
    """When it happened; what stood on paper is typed later."""
    said_at: datetime
    by: str
    told: Mapping[str, Any]
    """What belongs to this step: ``text`` and ``urgent`` of a read, ``read``, ``to`` and ``read_back`` of a call ..."""

    @property
    def kind(self) -> str:
        """The kind of the journal's fact."""
        return KIND_OF[self.step].value

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        moments = {"at": to_text(self.at), "said_at": to_text(self.said_at)}
        return {"accession": self.accession, **moments, "by": self.by, "told": dict(self.told)}

    @classmethod
    def from_entry(cls, kind: str, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        at, said_at = from_text(body["at"]), from_text(body["said_at"])
        return cls(_STEP_OF[FactKind(kind)], body["accession"], at, said_at, body["by"], dict(body["told"]))


@dataclass(frozen=True, slots=True)
class Exam:
    """A downtime exam as its facts tell it."""

    registered: Registered
    stage: Stage = Stage.REGISTERED
    steps: tuple[Happened, ...] = ()

    def of(self, step: Step) -> list[Happened]:
        """Return the steps of one kind, in the order in which they were said."""
        return [one for one in self.steps if one.step is step]

    @property
    def identified_as(self) -> str | None:
        """Under which patient ID of the hospital its patient is known, once that was found out."""
        found = self.of(Step.IDENTIFIED)
        return str(found[-1].told["patient_id"]) if found else None

    def waits_for(self) -> list[str]:
        """Return what is still to be done: ``images``, ``read``, ``call``, ``identity``."""
        if self.stage is Stage.CANCELLED:
            return []
        waits = {Stage.REGISTERED: ["images"], Stage.ARRIVED: ["images"], Stage.ACQUIRED: ["read"]}.get(self.stage, [])
        called = {one.told["read"] for one in self.of(Step.CALLED) if one.told["read_back"]}
        reads = self.of(Step.READ)
        if any(one.told["urgent"] and number not in called for number, one in enumerate(reads, 1)):
            waits = [*waits, "call"]
        if self.registered.way is Way.UNIDENTIFIED and self.identified_as is None:
            waits = [*waits, "identity"]
        return waits


def happen(exams: Mapping[str, Exam], happened: Happened) -> Exam:
    """Return an exam after a step.

    Raises:
        UnknownExam: there is none.
        ExamOutOfTurn: it cannot happen at this stage.
        NoUrgentRead: a call tells a read that is not there.
    """
    exam = exams.get(happened.accession)
    if exam is None:
        raise UnknownExam(accession=happened.accession)
    stage = NEXT.get((exam.stage, happened.step))
    if stage is None:
        raise ExamOutOfTurn(accession=happened.accession, stage=exam.stage, step=happened.step)
    if happened.step is Step.CALLED and not 1 <= happened.told["read"] <= len(exam.of(Step.READ)):
        raise NoUrgentRead(accession=happened.accession, read=happened.told["read"])
    return replace(exam, stage=stage, steps=(*exam.steps, happened))


def open_exams(exams: Sequence[Exam], outages: Sequence[int] | None = None) -> list[Exam]:
    """Return the exams of which something is still to be done, of these outages or of all."""
    return [
        one
        for one in exams
        if one.waits_for() and (outages is None or set(outages).intersection(one.registered.outages))
    ]
