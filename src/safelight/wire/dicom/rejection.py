"""Read the rejection notes by which one archive tells another that instances must not be used."""

from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from safelight.core.instance import ByteSource
from safelight.wire.dicom.decoded import decoded

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"

REJECTION_REASONS: Final = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "incorrect modality worklist entry",
    "113039": "data retention policy expired",
}
"""Document titles of a rejection note, coding scheme DCM. Source: IHE RAD TF-3, Imaging Object Change Management."""


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """An instance that a note rejects."""

    study: str
    series: str
    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a rejection note says: why (a code of `REJECTION_REASONS`) and what."""

    code: str
    instances: tuple[RejectedInstance, ...]


def read_rejection(source: ByteSource, transfer_syntax: str, start: int = 0) -> Rejection | None:
    """Read the data set at ``start`` as a rejection note; None for any other key object selection.

    Raises:
        BadDataSet: it cannot be decoded, or is too long for such an object.

    Source: PS3.3 section A.35.4 and C.17.2; IHE RAD TF-3, Imaging Object Change Management.
    """
    return decoded(source, transfer_syntax, start, _rejection)


def _rejection(note: Dataset) -> Rejection | None:
    titles = note.get("ConceptNameCodeSequence") or []
    codes = [str(title.CodeValue) for title in titles if title.get("CodingSchemeDesignator") == "DCM"]
    code = codes[0] if codes else ""
    if code not in REJECTION_REASONS:
        return None
    return Rejection(
        code,
        tuple(
            RejectedInstance(
                str(study.StudyInstanceUID),
                str(series.SeriesInstanceUID),
                str(instance.ReferencedSOPClassUID),
                str(instance.ReferencedSOPInstanceUID),
            )
            for study in note.get("CurrentRequestedProcedureEvidenceSequence") or []
            for series in study.get("ReferencedSeriesSequence") or []
            for instance in series.get("ReferencedSOPSequence") or []
        ),
    )
