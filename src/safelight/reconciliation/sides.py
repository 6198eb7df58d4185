"""What the three sides say: what was done and arrived here, what was ordered, what the restored PACS has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from safelight.core.names import Personal

NOBODY = Personal("")


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as one side knows them."""

    patient_id: Personal = NOBODY
    issuer: str = ""
    name: Personal = NOBODY
    """As DICOM writes it: ``FAMILY^GIVEN``."""
    birth_date: str = ""
    sex: str = ""

    def to_body(self) -> dict[str, str]:
        """Return it as JSON."""
        return {
            "patient_id": self.patient_id.text,
            "issuer": self.issuer,
            "name": self.name.text,
            "birth_date": self.birth_date,
            "sex": self.sex,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read it back from among whatever else is told."""
        return cls(
            Personal(body["patient_id"]), body["issuer"], Personal(body["name"]), body["birth_date"], body["sex"]
        )


@dataclass(frozen=True, slots=True)
class Call:
    """That somebody was told of a read."""

    to: str
    at: datetime
    by: str
    read_back: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A preliminary read of a downtime exam."""

    number: int
    """Counted from 1 within its exam."""
    by: str
    at: datetime
    text: str
    urgent: bool
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam that was registered by hand while a system was away."""

    accession: str
    study: str
    """The Study Instance UID under which the worklist offered it."""
    patient: Patient
    """As registered."""
    modality: str
    procedure: str
    device: str
    at: datetime
    is_unidentified: bool = False
    """Whether nobody knew who it was when it was registered."""
    identified_as: Patient | None = None
    is_cancelled: bool = False
    reads: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldStudy:
    """A study as the vault holds it."""

    study: str
    patient: Patient
    accession: str
    modalities: frozenset[str]
    stations: frozenset[str]
    """Who sent it."""
    started: str
    """Local time as the modality wrote it, up to fourteen digits."""
    instances: frozenset[str]
    disputed: frozenset[str] = frozenset()
    """Instances of which there are several contents, and nobody decided which counts."""
    rejected: frozenset[str] = frozenset()
    """Instances that a rejection note withdrew; they are none of ``instances``."""


@dataclass(frozen=True, slots=True)
class Order:
    """An imaging order as messages told it: the scheduled procedure steps under one accession number."""

    key: int
    """Of its first step; never changes, and never means another one."""
    accession: str
    placer: str
    filler: str
    study: str
    patient: Patient
    modalities: frozenset[str]
    stations: frozenset[str]
    started: str
    """Local time for which it is scheduled, up to fourteen digits."""
    procedure: str
    procedure_code: tuple[str, str] = ("", "")
    """Value and coding scheme."""
    requested_procedure: str = ""
    is_cancelled: bool = False
    """Whether every step of it was."""
    is_during: bool = True
    """Whether it was scheduled for the time of the outage."""

    @property
    def name(self) -> str:
        """By what people call it."""
        return self.accession or self.filler or self.placer or str(self.key)


@dataclass(frozen=True, slots=True)
class TargetStudy:
    """A study as the restored PACS answers a query for it."""

    study: str
    patient: Patient
    accession: str
    instances: frozenset[str] | None = None
    """None where only their number was asked."""
    instance_count: int | None = None
    differing: frozenset[str] = frozenset()
    """Instances that were fetched and have other bytes than here."""


@dataclass(frozen=True, slots=True)
class TargetLook:
    """One look at the restored PACS."""

    target: str
    at: datetime
    studies: Mapping[str, TargetStudy]
    cut_short: tuple[str, ...] = ()
    """Days of which it would not name every study."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Everything that is compared."""

    exams: Sequence[Exam] = ()
    studies: Sequence[HeldStudy] = ()
    orders: Sequence[Order] = ()
    target: TargetLook | None = None
    held: frozenset[str] = frozenset()
    """Other studies of the target that are held here."""
    temporary: frozenset[str] = frozenset()
    """Patient IDs and accession numbers that were given out by us for the time of the outage."""
    in_force: Mapping[str, str] = field(default_factory=dict)
    """Patient IDs that were merged away, and under which the patient goes since."""
    final_reports: frozenset[str] = frozenset()
    """Accession numbers and Study Instance UIDs of which a final report came."""
    deliveries: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """How far messages of ours are, by destination and journal position: ``waiting``, ``delivered``, ``dead`` ..."""
    untold_steps: Mapping[str, int] = field(default_factory=dict)
    """How much of what modalities said of performed procedure steps the system that wants to know was not told."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Studies that hold corrected instances, and of which study these are."""

    def current(self, patient_id: str) -> str:
        """Return under which patient ID a patient goes now."""
        return self.in_force.get(patient_id, patient_id)
