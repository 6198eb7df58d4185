"""Writing a rejection note: a key object selection that says of instances of one study that they are not to be used.

Source: PS3.3 section A.35.4, PS3.16 TID 2010 and CID 7011; IHE RAD TF-3, Imaging Object Change Management.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.wire.dicom.rejection import KEY_OBJECT_SELECTION, RejectedInstance

MEANINGS: Final = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
}
UNICODE: Final = "ISO_IR 192"
STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
NO_IMAGE: Final = re.compile(r"(11|66|68|78|79|88|104)(\.|$)|481\.[3-9]$")
"""Presentation states, raw data and spatial objects, measurements, reports, documents, plans and structures."""
STUDY_ATTRIBUTES: Final = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
)
"""What the note has in common with the instances that it rejects: it lies in their study."""


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """What a note says."""

    code: str
    """A code of `MEANINGS`."""
    sop_instance: str
    series: str
    at: datetime
    rejected: tuple[RejectedInstance, ...]
    because: str


def write_rejection_note(note: RejectionNote, study: Mapping[str, str]) -> bytes:
    """Return the data set of a note in explicit VR little endian; ``study`` is told by keyword."""
    made = Dataset()
    if not all(text.isascii() for text in (*study.values(), note.because)):
        made.SpecificCharacterSet = UNICODE
    for keyword in STUDY_ATTRIBUTES:
        if study.get(keyword) or keyword != "IssuerOfPatientID":
            setattr(made, keyword, study.get(keyword, ""))
    made.SOPClassUID, made.SOPInstanceUID = KEY_OBJECT_SELECTION, note.sop_instance
    made.Modality, made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = "KO", note.series, 9999, 1
    made.Manufacturer = "Safelight"
    made.ReferencedPerformedProcedureStepSequence = []
    at = note.at.astimezone(UTC)
    made.ContentDate, made.ContentTime, made.TimezoneOffsetFromUTC = f"{at:%Y%m%d}", f"{at:%H%M%S.%f}", "+0000"
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(note.rejected)]
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = [_code(note.code, MEANINGS[note.code])]
    made.ContentTemplateSequence = [_item(MappingResource="DCMR", TemplateIdentifier="2010")]
    made.ContentSequence = [_text(note.because), *(_reference(one) for one in note.rejected)]
    written = DicomBytesIO()
    written.is_implicit_VR, written.is_little_endian = False, True
    write_dataset(written, made)
    return bytes(written.getvalue())


def _evidence(rejected: Iterable[RejectedInstance]) -> Dataset:
    by_series: dict[str, list[RejectedInstance]] = {}
    study = ""
    for one in rejected:
        study = one.study
        by_series.setdefault(one.series, []).append(one)
    series = [
        _item(
            SeriesInstanceUID=name,
            ReferencedSOPSequence=[
                _item(ReferencedSOPClassUID=one.sop_class, ReferencedSOPInstanceUID=one.sop_instance) for one in several
            ],
        )
        for name, several in by_series.items()
    ]
    return _item(StudyInstanceUID=study, ReferencedSeriesSequence=series)


def _text(because: str) -> Dataset:
    return _item(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=[_code("113012", "Key Object Description")],
        TextValue=because,
    )


def _reference(one: RejectedInstance) -> Dataset:
    return _item(
        RelationshipType="CONTAINS",
        ValueType=_value_type(one.sop_class),
        ReferencedSOPSequence=[
            _item(ReferencedSOPClassUID=one.sop_class, ReferencedSOPInstanceUID=one.sop_instance),
        ],
    )


def _value_type(sop_class: str) -> str:
    """Return by what kind of content item an instance is referred to. Source: PS3.16 TID 2010."""
    ending = sop_class.removeprefix(STORAGE)
    if ending.startswith("9."):
        return "WAVEFORM"
    return "COMPOSITE" if ending == sop_class or NO_IMAGE.match(ending) else "IMAGE"


def _code(value: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)


def _item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made
