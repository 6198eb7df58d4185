"""Messages of our own: patients that are one (A40) or known better (A08), and preliminary reads (ORU R01).

The same decision always gives the same bytes under the same control id, so that a receiver that got them before a
crash can tell the repeat. Source: IHE RAD TF-2 4.12 (RAD-12), RAD TF-2 4.28; HL7 v2.5.1 chapters 3 and 7.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from safelight.reconciliation.decision import Merge, Report, Update
from safelight.reconciliation.facts import Identity
from safelight.reconciliation.sides import Read
from safelight.wire.hl7.writing import FieldValue, write_message

VERSION: Final = "2.5.1"
CONTROL_CHARACTERS: Final = 20
"""Source: HL7 v2.5.1 2.14.9.10, MSH-10."""
Segment = tuple[str, Sequence[FieldValue]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who we are to receivers, and which decision speaks."""

    application: str
    facility: str
    node: str
    decision: int
    at: datetime


def control_id(sender: Sender, name: str) -> str:
    """Return the control id of a command's message."""
    text = f"{sender.node}\0{sender.decision}\0{name}"
    return ("SLR" + hashlib.sha256(text.encode()).hexdigest().upper())[:CONTROL_CHARACTERS]


def merge_message(sender: Sender, command: Merge) -> bytes:
    """Write ADT A40: the prior number is this patient's."""
    prior = [command.prior.text, "", "", command.identity.patient.issuer]
    segments: list[Segment] = [
        ("EVN", ["", _moment(sender.at)]),
        _patient(command.identity),
        ("MRG", [prior]),
    ]
    return write_message(_header(sender, command.name, ["ADT", "A40", "ADT_A39"]), segments)


def update_message(sender: Sender, command: Update) -> bytes:
    """Write ADT A08: this is right about the patient."""
    segments: list[Segment] = [
        ("EVN", ["", _moment(sender.at)]),
        _patient(command.identity),
        ("PV1", ["", "U"]),
    ]
    return write_message(_header(sender, command.name, ["ADT", "A08", "ADT_A01"]), segments)


def report_message(sender: Sender, command: Report) -> bytes:
    """Write ORU R01 with a preliminary read: author, time, and who was told of it."""
    identity, read, exam = command.identity, command.read, command.case.exam
    assert exam is not None, "reads belong to exams"
    study = next((one.study for one in command.case.studies), exam.study)
    value, scheme = identity.procedure_code
    service: FieldValue = [value or exam.modality, identity.procedure or exam.procedure or exam.modality, scheme or "L"]
    accession = identity.accession or exam.accession
    request: list[FieldValue] = [""] * 32
    request[0:4] = ["1", identity.placer, identity.filler or accession, service]
    request[6] = _moment(exam.at)
    request[17], request[18] = accession, identity.requested_procedure
    request[21], request[23], request[24] = _moment(read.at), exam.modality, "P"
    # OBR-32, principal result interpreter: a name as it was written down.
    request[31] = [["", read.by]]
    segments: list[Segment] = [
        _patient(identity),
        ("PV1", ["", "U"]),
        ("ORC", ["RE", identity.placer, identity.filler or accession]),
        ("OBR", request),
        *_findings(read, service, study),
    ]
    return write_message(_header(sender, command.name, ["ORU", "R01", "ORU_R01"]), segments)


def _findings(read: Read, service: FieldValue, study: str) -> list[Segment]:
    texts = [
        f"PRELIMINARY READ DURING A DOWNTIME, by {read.by} at {_moment(read.at)}: no final report.",
        *(["URGENT RESULT."] if read.urgent else []),
        *read.text.splitlines(),
        *(
            f"Told to {call.to} by {call.by} at {_moment(call.at)}" + (", read back." if call.read_back else ".")
            for call in read.calls
        ),
        *(["Not told to anybody as far as was written down."] if read.urgent and not read.calls else []),
    ]
    abnormal = "AA" if read.urgent else ""
    rows: list[tuple[str, FieldValue, str]] = [("TX", service, text) for text in texts]
    rows.append(("ST", ["113014", "DICOM Study", "DCM"], study))
    found: list[Segment] = []
    for number, (form, of, text) in enumerate(rows, 1):
        fields: list[FieldValue] = [f"{number}", form, of, "", text, "", "", abnormal if form == "TX" else "", "", ""]
        found.append(("OBX", [*fields, "P", "", "", _moment(read.at)]))
    return found


def _header(sender: Sender, name: str, event: Sequence[str]) -> list[FieldValue]:
    return [
        sender.application,
        sender.facility,
        "",
        "",
        _moment(sender.at),
        "",
        list(event),
        control_id(sender, name),
        "P",
        VERSION,
    ]


def _patient(identity: Identity) -> Segment:
    patient = identity.patient
    name = patient.name.text.partition("=")[0].split("^")
    # PN is family, given, middle, prefix, suffix; XPN has suffix before prefix.
    family, given, middle, prefix, suffix = [*name, "", "", "", ""][:5]
    number = [patient.patient_id.text, "", "", patient.issuer]
    return ("PID", ["1", "", number, "", [family, given, middle, suffix, prefix], "", patient.birth_date, patient.sex])


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}+0000"
