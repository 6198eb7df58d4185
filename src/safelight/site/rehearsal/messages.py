"""HL7 messages of the rehearsal's hospital: admissions, orders, merges."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from safelight.wire.hl7.writing import FieldValue, write_message

FACILITY = "RGH"
_NUMBERS: Iterator[int] = count(1)
Segment = tuple[str, list[FieldValue]]


@dataclass(frozen=True, slots=True)
class HospitalPatient:
    """Somebody as the hospital's systems know them."""

    patient_id: str
    family: str
    given: str
    birth_date: str
    sex: str
    ward: str = ""

    @property
    def dicom_name(self) -> str:
        """The name as DICOM writes it."""
        return f"{self.family}^{self.given}"


@dataclass(frozen=True, slots=True)
class HospitalOrder:
    """An order of the information system."""

    number: str
    accession: str
    patient: HospitalPatient
    modality: str
    station: str
    procedure: str
    study: str = ""
    """Study Instance UID, where the information system gives one."""


def admission(patient: HospitalPatient, event: str = "A01") -> bytes:
    """Write an ADT message about one patient."""
    return write_message(_header("ADT", event, "ADT_A01"), [("EVN", [event, _now()]), _pid(patient), _pv1(patient)])


def merge(kept: HospitalPatient, prior: HospitalPatient) -> bytes:
    """Write ADT^A40: what was known under ``prior`` belongs to ``kept``."""
    prior_id = [prior.patient_id, "", "", FACILITY]
    name = [prior.family, prior.given]
    return write_message(
        _header("ADT", "A40", "ADT_A39"),
        [("EVN", ["A40", _now()]), _pid(kept), ("MRG", [prior_id, "", "", "", "", "", name])],
    )


def order(of: HospitalOrder, control: str = "NW", status: str = "SC") -> bytes:
    """Write ORM^O01."""
    now = _now()
    orc: list[FieldValue] = [control, of.number, of.number, "", status, "", ["", "", "", now], "", now]
    obr: list[FieldValue] = ["1", of.number, of.number, ["", "", "", of.procedure, of.procedure, "L"], "", now]
    obr += [""] * 11 + [of.accession, of.number, of.number, "", "", "", of.modality]
    segments: list[Segment] = [_pid(of.patient), _pv1(of.patient), ("ORC", [*orc, *[""] * 8, of.station]), ("OBR", obr)]
    if of.study:
        segments.append(("ZDS", [[of.study, "", "Application", "DICOM"]]))
    return write_message(_header("ORM", "O01", "ORM_O01"), segments)


def _header(code: str, event: str, structure: str) -> list[FieldValue]:
    return ["RIS", FACILITY, "SAFELIGHT", FACILITY, _now(), "", [code, event, structure], f"RH{next(_NUMBERS):06d}",
            "P", "2.5.1"]  # fmt: skip


def _pid(patient: HospitalPatient) -> Segment:
    identifier = [patient.patient_id, "", "", FACILITY, "MR"]
    return "PID", ["1", "", identifier, "", [patient.family, patient.given], "", patient.birth_date, patient.sex]


def _pv1(patient: HospitalPatient) -> Segment:
    return "PV1", ["1", "I" if patient.ward else "O", [patient.ward]]


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z")
