import struct
from io import BytesIO

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.errors import SafelightError
from safelight.core.instance import MemorySource
from safelight.wire.dicom.part10 import NotDicom, read_prefix, write_prefix
from support.encoded import element, image, implicit, uids
from support.real_files import all_files, real_file

MAGIC = bytes(128) + b"DICM"
SYNTAX = element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0")


def prefix_of(data: bytes):
    return read_prefix(MemorySource(data))


@pytest.mark.parametrize(
    ("name", "prefix_size", "transfer_syntax"),
    [
        ("CT_small.dcm", 336, "1.2.840.10008.1.2.1"),
        ("image_dfl.dcm", 334, "1.2.840.10008.1.2.1.99"),
        ("OT-PAL-8-face.dcm", 0, "1.2.840.10008.1.2"),
        ("rtstruct.dcm", 0, "1.2.840.10008.1.2"),
        ("ExplVR_LitEndNoMeta.dcm", 0, "1.2.840.10008.1.2.1"),
        ("ExplVR_BigEndNoMeta.dcm", 0, "1.2.840.10008.1.2.2"),
        ("no_meta_group_length.dcm", 338, "1.2.840.10008.1.2"),
    ],
)
def test_the_prefix_of_real_files_ends_where_the_data_set_begins(name, prefix_size, transfer_syntax):
    found = prefix_of(real_file(name).read_bytes())
    assert (found.prefix_size, found.transfer_syntax) == (prefix_size, transfer_syntax)


def test_prefix_and_pydicom_agree_on_every_file_that_has_file_meta():
    agreed = 0
    for path in all_files():
        data = path.read_bytes()
        if data[128:132] != b"DICM":
            continue
        stream = BytesIO(data)
        meta = pydicom.filereader.read_file_meta_info(path)
        if "TransferSyntaxUID" not in meta:
            continue
        pydicom.filereader.read_partial(stream, stop_when=lambda *_: True)
        found = prefix_of(data)
        assert found.transfer_syntax == meta.TransferSyntaxUID
        assert found.sop_instance == meta.get("MediaStorageSOPInstanceUID", "")
        assert data[found.prefix_size : found.prefix_size + 2] != b"\x02\x00"
        agreed += 1
    assert agreed > 150


@pytest.mark.parametrize("told", [0, 4, 28, 30, 4000, 0xFFFFFFFF])
def test_a_group_length_that_lies_is_not_believed(told):
    length = element(0x00020000, "UL", struct.pack("<L", told))
    found = prefix_of(MAGIC + length + SYNTAX + uids())
    assert found.prefix_size == 132 + len(length) + len(SYNTAX)


def test_a_file_that_begins_with_its_meta_or_with_the_magic_is_read():
    assert prefix_of(SYNTAX + uids()).prefix_size == len(SYNTAX)
    assert prefix_of(b"DICM" + SYNTAX + uids()).prefix_size == 4 + len(SYNTAX)


@pytest.mark.parametrize("filled", [4000, *range(4060, 4100), 70_000, 1_040_000])
def test_file_meta_of_any_length_ends_where_the_data_set_begins(filled):
    private = element(0x00020102, "OB", bytes(filled))
    found = prefix_of(MAGIC + private + SYNTAX + uids())
    assert (found.prefix_size, found.transfer_syntax) == (132 + len(private + SYNTAX), "1.2.840.10008.1.2.1")
    found = prefix_of(MAGIC + SYNTAX + private + uids())
    assert found.prefix_size == 132 + len(SYNTAX + private)


def test_file_meta_longer_than_a_megabyte_is_refused():
    with pytest.raises(NotDicom):
        prefix_of(MAGIC + SYNTAX + element(0x00020102, "OB", bytes(1_060_000)) + uids())


def test_a_missing_transfer_syntax_is_found_by_trial():
    media = element(0x00020003, "UI", b"1.2.3.4\0")
    assert prefix_of(MAGIC + media + uids()).transfer_syntax == "1.2.840.10008.1.2.1"
    bare = implicit(0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0") + implicit(0x00080018, b"1.2.3.4\0")
    found = prefix_of(MAGIC + media + bare)
    assert (found.transfer_syntax, found.prefix_size) == ("1.2.840.10008.1.2", 132 + len(media))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DICM",
        MAGIC,
        b"\x89PNG\r\n\x1a\n" + bytes(4000),
        b"{'json': 1}" * 100,
        MAGIC + element(0x00020001, "OB", b"", length=0xFFFFFFFF),
        MAGIC + element(0x00020010, "UI", b"", length=60000),
        (MAGIC + element(0x00020102, "OB", bytes(10)))[:-12],
    ],
)
def test_what_is_no_dicom_is_refused_with_a_typed_error(data):
    with pytest.raises(NotDicom):
        prefix_of(data)


def test_a_file_cut_anywhere_has_a_prefix_or_a_typed_error():
    data = real_file("CT_small.dcm").read_bytes()[:2000]
    for length in range(len(data)):
        try:
            assert prefix_of(data[:length]).prefix_size <= length
        except NotDicom:
            assert length < 336


@given(st.binary(max_size=300), st.sampled_from([b"", MAGIC, b"DICM", MAGIC + SYNTAX[:6]]))
def test_any_bytes_have_a_prefix_or_a_typed_error(data, opening):
    try:
        prefix_of(opening + data)
    except SafelightError as error:
        assert error.code == "wire.not-dicom"


@pytest.mark.parametrize("title", [None, "CT1", "STORESCU"])
def test_pydicom_and_we_read_back_the_prefix_we_write(title):
    prefix = write_prefix("1.2.840.10008.5.1.4.1.1.7", "1.2.3.4", "1.2.840.10008.1.2.1", title)
    data = prefix + image(bytes(8), rows=2, columns=2)
    found = prefix_of(data)
    assert (found.prefix_size, found.sop_instance) == (len(prefix), "1.2.3.4")
    meta = pydicom.dcmread(BytesIO(data)).file_meta
    assert meta.FileMetaInformationGroupLength == len(prefix) - 144
    assert meta.get("SourceApplicationEntityTitle") == title
    assert meta.ImplementationClassUID.is_valid
