import contextlib
from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.rejection import REJECTION_REASONS, RejectedInstance, read_rejection
from safelight.wire.dicom.rejection_note import (
    MEANINGS,
    RejectionNote,
    write_rejection_note,
)
from support.encoded import element, sequence, uids

EXPLICIT = "1.2.840.10008.1.2.1"


def note(code: str, scheme: str = "DCM") -> bytes:
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = code, scheme, "a reason"
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.9"
    data_set.ConceptNameCodeSequence = [title]
    study = Dataset()
    study.StudyInstanceUID = "1.2.3"
    study.ReferencedSeriesSequence = []
    for number in (1, 2):
        series = Dataset()
        series.SeriesInstanceUID = f"1.2.3.{number}"
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.2",
            f"1.2.4.{number}",
        )
        series.ReferencedSOPSequence = [reference]
        study.ReferencedSeriesSequence.append(series)
    data_set.CurrentRequestedProcedureEvidenceSequence = [study]
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_dataset(stream, data_set)
    return stream.getvalue()


@pytest.mark.parametrize("code", list(REJECTION_REASONS))
def test_a_rejection_note_says_why_and_what(code):
    rejection = read_rejection(MemorySource(b"prefix" + note(code)), EXPLICIT, 6)
    assert rejection is not None
    assert rejection.code == code
    assert rejection.instances == tuple(
        RejectedInstance("1.2.3", f"1.2.3.{number}", "1.2.840.10008.5.1.4.1.1.2", f"1.2.4.{number}")
        for number in (1, 2)
    )


@pytest.mark.parametrize("data", [note("113000"), note("113001", "99LOCAL"), uids()])
def test_another_key_object_selection_rejects_nothing(data):
    assert read_rejection(MemorySource(data), EXPLICIT) is None


def test_a_note_that_cannot_be_decoded_is_a_typed_error():
    data = note("113001")
    for length in range(0, len(data), 3):
        with contextlib.suppress(BadDataSet):
            read_rejection(MemorySource(data[:length]), EXPLICIT)
    with pytest.raises(BadDataSet):
        read_rejection(MemorySource(sequence(0x0040A043, element(0x00080102, "SH", b"DCM "))), EXPLICIT)


@pytest.mark.parametrize("code", MEANINGS)
@pytest.mark.parametrize("name", ["Real^Rita", "Grün^Änne"])
def test_a_note_that_we_write_says_what_it_rejects_and_lies_in_its_study(code: str, name: str) -> None:
    classes = {"2": "IMAGE", "88.11": "COMPOSITE", "11.1": "COMPOSITE", "9.1.1": "WAVEFORM", "481.3": "COMPOSITE"}
    rejected = tuple(
        RejectedInstance("1.2.3", f"1.2.3.{number % 2}", f"1.2.840.10008.5.1.4.1.1.{ending}", f"1.2.3.9.{number}")
        for number, ending in enumerate(classes)
    )
    at = datetime(2026, 3, 1, tzinfo=UTC)
    note = RejectionNote(code, "2.25.9", "2.25.8", at, rejected, "made under another patient")
    data = write_rejection_note(note, {"StudyInstanceUID": "1.2.3", "PatientName": name, "PatientID": "P"})
    found = read_rejection(MemorySource(data), EXPLICIT)
    assert found is not None and found.code == code and set(found.instances) == set(rejected)
    read = read_dataset(DicomBytesIO(data), False, True)
    assert (str(read.PatientName), read.StudyInstanceUID, read.AccessionNumber) == (name, "1.2.3", "")
    assert [one.ValueType for one in read.ContentSequence] == ["TEXT", *classes.values()]
