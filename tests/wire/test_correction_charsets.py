"""A data set in any character set is corrected: what is not meant keeps its bytes, new texts can be read."""

from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.correction import Correction, corrected
from safelight.wire.dicom.identifier import decode_identifier
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from support.encoded import whole

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = {
    "": "Plain^Name",
    "ISO_IR 100": "Müßig^Jürgen",
    "ISO_IR 192": "Łukasik^Bożena",
    "ISO_IR 144": "Образцов^Иван",
    "GB18030": "Wang^XiaoDong=王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
}


def encoded(charset: str, name: str, transfer_syntax: str) -> bytes:
    made = Dataset()
    if charset:
        made.SpecificCharacterSet = charset.split("\\") if "\\" in charset else charset
    made.SOPInstanceUID = "1.2.3"
    made.PatientName = made.ReferringPhysicianName = name
    made.PatientID = "DT1"
    item = Dataset()
    item.PersonName = name
    made.AuthorObserverSequence = [item]
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = transfer_syntax == IMPLICIT_LITTLE_ENDIAN, True
    write_dataset(stream, made)
    return bytes(stream.getvalue())


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN])
@pytest.mark.parametrize("new_name", ["New^Name", "Zoë^Šimon"])
@pytest.mark.parametrize("charset", NAMES)
def test_a_name_of_any_script_is_corrected_and_the_others_stay(
    charset: str, new_name: str, transfer_syntax: str
) -> None:
    name = NAMES[charset]
    before = encoded(charset, name, transfer_syntax)
    change = Correction({"PatientID": "77", "PatientName": new_name}, AT, "SAFELIGHT")
    after = decode_identifier(whole(corrected(MemorySource(before), transfer_syntax, change)), transfer_syntax, 10**6)
    assert (str(after.PatientID), str(after.PatientName)) == ("77", new_name)
    assert str(after.ReferringPhysicianName) == name
    assert str(after.AuthorObserverSequence[0].PersonName) == name
    (noted,) = after.OriginalAttributesSequence
    original = noted.ModifiedAttributesSequence[0]
    assert (str(original.PatientID), str(original.PatientName)) == ("DT1", name)


@pytest.mark.parametrize("charset", NAMES)
def test_a_number_alone_leaves_every_other_byte(charset: str) -> None:
    before = encoded(charset, NAMES[charset], EXPLICIT_LITTLE_ENDIAN)
    change = Correction({"PatientID": "DT2"}, AT, "SAFELIGHT")
    after = whole(corrected(MemorySource(before), EXPLICIT_LITTLE_ENDIAN, change))
    start, _, end = before.partition(b"DT1 ")
    assert after.startswith(start)
    assert end in after
