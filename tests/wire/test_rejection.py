import contextlib

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.rejection import REJECTION_REASONS, RejectedInstance, read_rejection
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
