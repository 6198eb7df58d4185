"""What one HL7 message says of patients, orders and reports, read at the door and folded here.

Attributes are named by their DICOM keywords. One that is absent was not spoken of; an empty one is to be deleted.
Dates and times are local time: those with an offset were brought to this machine's, others stay as they came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

PLACER: Final = "PlacerOrderNumberImagingServiceRequest"
FILLER: Final = "FillerOrderNumberImagingServiceRequest"
START: Final = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")


class StepState(StrEnum):
    """How far a scheduled procedure step is."""

    SCHEDULED = "scheduled"
    ARRIVED = "arrived"
    STARTED = "started"
    COMPLETED = "completed"
    CANCELED = "canceled"
    DISCONTINUED = "discontinued"


FINAL = frozenset({StepState.COMPLETED, StepState.CANCELED, StepState.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class PatientName:
    """By what a patient is known: an identifier and who issued it."""

    patient_id: str
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class PatientChange:
    """What a message says of a patient."""

    patient: PatientName
    attributes: Mapping[str, str]
    others: tuple[PatientName, ...] = ()
    in_house: bool | None = None
    """Whether the patient is in the hospital from now on; None where the event does not say."""


@dataclass(frozen=True, slots=True)
class Merge:
    """One patient turned out to be another, or is known by another identifier from now on."""

    patient: PatientName
    prior: PatientName


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What a message says of one scheduled procedure step."""

    patient: PatientName
    names: tuple[tuple[str, str], ...]
    """By what it is recognised, the surest first: kind (filler, placer, accession, study) and value."""
    also: tuple[tuple[str, str], ...]
    """By what later messages may name it that know no better."""
    state: StepState | None
    """None: the message does not say, or says what nobody here knows."""
    is_new: bool
    """Whether the message places the order, which never brings a settled one back by itself."""
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReportNotice:
    """That a message carries a report, and of what; the text stays in the message."""

    patient: PatientName
    accession: str
    study: str
    filler: str
    status: str
    observed: str
    title: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one message says."""

    told_at: str
    """MSH-7 in local time, fourteen digits, or the time of receipt where MSH-7 cannot be right."""
    patients: tuple[PatientChange, ...] = ()
    merges: tuple[Merge, ...] = ()
    orders: tuple[OrderChange, ...] = ()
    reports: tuple[ReportNotice, ...] = ()
    not_understood: tuple[str, ...] = field(default=())
    """What could not be made sense of, in words without values."""
    unfit: tuple[str, ...] = ()
    """Attributes whose value DICOM cannot carry as it is written, and why, in words without values."""
    clock: str = ""
    """How far MSH-7 is from the time of receipt, where it cannot be right."""
