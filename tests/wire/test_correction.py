"""Correcting data sets: what is meant changes, everything else stays, in every encoding and character set."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.correction import Correction, corrected, mentions
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.part10 import read_prefix
from support.encoded import whole

AT: Final = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
IDENTITY: Final = {"PatientID": "NEW1", "PatientName": "Grün^Änne=漢^字", "AccessionNumber": "RA1"}
EXPLICIT: Final = "1.2.840.10008.1.2.1"
FILES: Final = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "rtplan.dcm",
    "image_dfl.dcm",
    "JPEG2000.dcm",
    "test-SR.dcm",
    "color-pl.dcm",
    "reportsi.dcm",
)


def _apply(raw: bytes, correction: Correction) -> tuple[Dataset, Dataset]:
    prefix = read_prefix(MemorySource(raw))
    data = whole(corrected(MemorySource(raw), prefix.transfer_syntax, correction, prefix.prefix_size))
    assert data == whole(corrected(MemorySource(raw), prefix.transfer_syntax, correction, prefix.prefix_size))
    return dcmread(BytesIO(raw)), dcmread(BytesIO(raw[: prefix.prefix_size] + data))


@pytest.mark.parametrize("name", FILES)
def test_only_what_is_meant_changes(name: str) -> None:
    raw = Path(str(get_testdata_file(name))).read_bytes()
    before = dcmread(BytesIO(raw))
    uids = {str(before.SOPInstanceUID): "2.25.1", str(before.StudyInstanceUID): "2.25.2"}
    before, after = _apply(raw, Correction(IDENTITY, AT, "SAFELIGHT", uids))
    assert {keyword: str(after[keyword].value) for keyword in IDENTITY} == IDENTITY
    assert (after.SOPInstanceUID, after.StudyInstanceUID) == ("2.25.1", "2.25.2")
    meant = {"SpecificCharacterSet", "OriginalAttributesSequence", "SOPInstanceUID", "StudyInstanceUID", *IDENTITY}
    for element in before:
        if element.keyword not in meant and element.VR != "SQ" and element.tag.element:
            assert after[element.tag].value == element.value, element.keyword
    # Lengths of groups would be wrong now; nobody has needed them since 2008.
    assert {one.tag for one in before if one.tag.element} <= {one.tag for one in after}
    (original,) = after.OriginalAttributesSequence
    (modified,) = original.ModifiedAttributesSequence
    assert modified.get("PatientID") == before.get("PatientID")
    assert (modified.SOPInstanceUID, modified.StudyInstanceUID) == (before.SOPInstanceUID, before.StudyInstanceUID)
    assert original.AttributeModificationDateTime == "20260301103000.000000+0000"
    assert original.ReasonForTheAttributeModification == "CORRECT"


def _encoded(data_set: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, data_set)
    return bytes(buffer.getvalue())


def _item(**told: object) -> Dataset:
    made = Dataset()
    for keyword, value in told.items():
        setattr(made, keyword, value)
    return made


def _corrected(data_set: Dataset, correction: Correction) -> Dataset:
    data = whole(corrected(MemorySource(_encoded(data_set)), EXPLICIT, correction))
    return read_dataset(DicomBytesIO(data), False, True)


@pytest.mark.parametrize("name", FILES)
def test_a_uid_is_seen_wherever_it_stands_and_however_it_is_encoded(name: str) -> None:
    raw = Path(str(get_testdata_file(name))).read_bytes()
    prefix = read_prefix(MemorySource(raw))
    data = MemorySource(raw[prefix.prefix_size :])
    study = str(dcmread(BytesIO(raw)).StudyInstanceUID)
    assert mentions(data, prefix.transfer_syntax, ["2.25.77", study])
    assert not mentions(data, prefix.transfer_syntax, ["2.25.77"])


@pytest.mark.parametrize("place", [0, 1, 2**20 - 4, 2**20, 2**20 + 1])
def test_a_uid_is_seen_where_one_piece_that_is_read_ends_and_the_next_begins(place: int) -> None:
    data = MemorySource(bytes(place) + b"1.2.3.4" + bytes(2**20))
    assert mentions(data, EXPLICIT, ["9.9", "1.2.3.4"])
    assert not mentions(data, EXPLICIT, ["1.2.3.5"])


def test_what_is_corrected_can_be_read_from_anywhere() -> None:
    made = _item(SOPInstanceUID="1.2", PatientID="A")
    made.add_new(0x7FE00010, "OW", bytes(range(250)))
    source = corrected(MemorySource(_encoded(made)), EXPLICIT, Correction({"PatientID": "B"}, AT, "S"))
    everything = whole(source)
    assert everything.endswith(bytes(range(250)))
    for offset in range(source.size + 1):
        assert bytes(source.read(offset, 7)) == everything[offset : offset + 7]


def test_references_change_at_any_depth_and_others_stay() -> None:
    reference = _item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3")
    series = _item(SeriesInstanceUID="1.2.4", ReferencedSOPSequence=[reference, _item(ReferencedSOPInstanceUID="9.9")])
    made = _item(
        SOPInstanceUID="1.2.5", CurrentRequestedProcedureEvidenceSequence=[_item(ReferencedSeriesSequence=[series])]
    )
    after = _corrected(made, Correction({}, AT, "SAFELIGHT", {"1.2.3": "2.25.3", "1.2.4": "2.25.4"}))
    found = after.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert found.SeriesInstanceUID == "2.25.4"
    assert [one.ReferencedSOPInstanceUID for one in found.ReferencedSOPSequence] == ["2.25.3", "9.9"]
    assert "OriginalAttributesSequence" not in after


def test_what_belongs_to_another_person_goes_and_request_attributes_follow_where_they_are() -> None:
    requests = [_item(RequestedProcedureID="OLD", AccessionNumber="DT01"), _item(ScheduledProcedureStepID="S1")]
    made = _item(SOPInstanceUID="1.2", PatientID="A", PatientAddress="Street 1", RequestAttributesSequence=requests)
    told = {"RequestedProcedureID": "RP1", "AccessionNumber": "RA1"}
    after = _corrected(made, Correction({"PatientID": "B"}, AT, "S", {}, told, ("PatientAddress", "OtherPatientIDs")))
    assert "PatientAddress" not in after
    (modified,) = after.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert (modified.PatientID, modified.PatientAddress) == ("A", "Street 1")
    first, second = after.RequestAttributesSequence
    assert (first.RequestedProcedureID, first.AccessionNumber) == ("RP1", "RA1")
    assert "AccessionNumber" not in second


def test_a_second_correction_keeps_the_first_ones_note() -> None:
    once = _corrected(_item(SOPInstanceUID="1.2", PatientID="A"), Correction({"PatientID": "B"}, AT, "S"))
    twice = _corrected(once, Correction({"PatientID": "C"}, AT, "S"))
    notes = [one.ModifiedAttributesSequence[0].PatientID for one in twice.OriginalAttributesSequence]
    assert (twice.PatientID, notes) == ("C", ["A", "B"])


def test_texts_in_a_character_set_of_before_are_still_the_same_texts() -> None:
    made = _item(SpecificCharacterSet="ISO_IR 100", SOPInstanceUID="1.2", PatientID="A", StudyDescription="Schädel")
    made.RequestAttributesSequence = [_item(RequestedProcedureDescription="Größe")]
    after = _corrected(made, Correction(IDENTITY, AT, "S"))
    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert after.StudyDescription == "Schädel"
    assert after.RequestAttributesSequence[0].RequestedProcedureDescription == "Größe"
    plain = _corrected(made, Correction({"PatientID": "B"}, AT, "S"))
    assert (plain.SpecificCharacterSet, plain.StudyDescription) == ("ISO_IR 100", "Schädel")


@pytest.mark.parametrize("data", [b"\x08\x00", b"\x08\x00\x05\x00CS\xff\xff", b"\x10\x00\x10\x00PN\x04\x00"])
def test_bytes_that_are_no_data_set_are_refused(data: bytes) -> None:
    with pytest.raises(BadDataSet):
        corrected(MemorySource(data), EXPLICIT, Correction({"PatientID": "B"}, AT, "S"))
