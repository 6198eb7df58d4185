import contextlib
import struct
import zlib

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.instance import MemorySource
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import BadDataSet, WalkLimits
from safelight.wire.dicom.part10 import NotDicom, read_prefix
from support.encoded import (
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    CountedSource,
    element,
    image,
    implicit,
    item,
    sequence,
    uids,
)
from support.real_files import all_files, real_file

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
STUDY = element(0x0020000D, "UI", b"1.2.3\0")


def head_of(data: bytes, transfer_syntax: str = EXPLICIT, **limits: int):
    return scan_head(MemorySource(data), transfer_syntax, limits=WalkLimits(**limits))


@pytest.mark.filterwarnings("ignore")
def test_the_head_and_pydicom_agree_on_every_file_that_names_its_instance():
    agreed = 0
    for path in all_files():
        source = MemorySource(path.read_bytes())
        try:
            prefix = read_prefix(source)
            head = scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
        except (NotDicom, BadDataSet):
            continue
        if path.name == "emri_small_jpeg_2k_lossless_too_short.dcm":  # pydicom reads nothing of it
            continue
        theirs = pydicom.dcmread(path, force=True)
        told = [str(theirs.get(name) or "") for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")]
        assert [head.sop_class, head.sop_instance, head.study] == told, path.name
        assert [head.series, head.modality] == [
            str(theirs.get("SeriesInstanceUID") or ""),
            theirs.get("Modality") or "",
        ]
        assert (
            head.values.get(0x00280010, b"") == b""
            or struct.pack(">H" if prefix.transfer_syntax == BIG else "<H", theirs.Rows) == head.values[0x00280010]
        )
        agreed += 1
    assert agreed > 200


@pytest.mark.filterwarnings("ignore")
def test_files_without_uids_are_told_from_files_that_have_them():
    for path in all_files():
        source = MemorySource(path.read_bytes())
        try:
            prefix = read_prefix(source)
            scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
        except BadDataSet as error:
            assert error.facts["why"]
            assert not pydicom.dcmread(path, force=True).get("SOPInstanceUID"), path.name
        except NotDicom:
            pass


def test_values_are_kept_as_they_came():
    name = "Prüfer^Jürgen ".encode("latin-1")
    head = head_of(element(0x00080005, "CS", b"ISO_IR 100") + uids() + element(0x00100010, "PN", name) + STUDY)
    assert head.values[0x00100010] == name
    assert head.values[0x00080005] == b"ISO_IR 100"
    assert head.values[0x00080018] == b"1.2.3.4\0"
    assert (head.sop_instance, head.study, head.series) == ("1.2.3.4", "1.2.3", "")


def test_a_sequence_of_undefined_length_is_passed_over_with_the_uids_within_it():
    inner = element(0x00080018, "UI", b"9.9.9\0") + sequence(0x00081115, element(0x0020000D, "UI", b"8.8\0"), b"")
    head = head_of(uids() + sequence(0x00081140, inner, inner) + STUDY)
    assert (head.sop_instance, head.study) == ("1.2.3.4", "1.2.3")


def test_a_sequence_of_unknown_representation_is_implicit_within():
    inside = item(implicit(0x00080018, b"9.9\0"), length=UNDEFINED) + ITEM_END + SEQUENCE_END
    head = head_of(uids() + element(0x00091001, "UN", inside, length=UNDEFINED) + STUDY)
    assert head.study == "1.2.3"


def test_an_icon_with_fragments_of_its_own_does_not_end_the_head():
    icon = element(0x7FE00010, "OB", item(b"") + item(b"abcd") + SEQUENCE_END, length=UNDEFINED)
    assert head_of(uids() + sequence(0x00181200, icon) + STUDY).study == "1.2.3"


def test_an_item_without_its_delimiter_ends_with_its_sequence():
    open_item = item(element(0x00080050, "SH", b"A "), length=UNDEFINED)
    broken = element(0x00081140, "SQ", open_item + SEQUENCE_END, length=UNDEFINED)
    assert head_of(uids() + broken + STUDY).study == "1.2.3"


@pytest.mark.parametrize("declared", [EXPLICIT, IMPLICIT, "1.3.46.670589.33.1.4.1", ""])
def test_the_first_element_corrects_a_wrong_declaration(declared):
    explicit = uids() + STUDY
    bare = implicit(0x00080016, b"1.2\0") + implicit(0x00080018, b"1.2.3.4\0") + implicit(0x0020000D, b"1.2.3\0")
    assert head_of(explicit, declared).study == head_of(bare, declared).study == "1.2.3"


def test_big_endian_is_followed():
    data = b"".join(
        element(tag, "UI", value, order=">") for tag, value in ((0x00080018, b"1.2.3.4\0"), (0x0020000D, b"1.2.3\0"))
    )
    assert head_of(data, BIG).study == "1.2.3"


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def test_a_deflated_data_set_is_inflated_no_further_than_its_limit():
    bomb = deflated(uids() + STUDY + element(0x00280010, "OB", bytes(1 << 23), length=1 << 23))
    assert len(bomb) < 100_000
    assert head_of(bomb, DEFLATED).study == "1.2.3"
    assert head_of(bomb, DEFLATED, head_inflated_bytes_max=1000).study == "1.2.3"
    with pytest.raises(BadDataSet):
        head_of(bomb, DEFLATED, head_inflated_bytes_max=20)


@pytest.mark.parametrize("cut", [1, 10, 50])
def test_damaged_deflated_bytes_are_a_typed_error_or_what_came_before_the_damage(cut):
    data = deflated(uids() + STUDY)
    with pytest.raises(BadDataSet):
        head_of(b"\xff" + data, DEFLATED)
    with contextlib.suppress(BadDataSet):
        assert head_of(data[:-cut], DEFLATED).sop_instance == "1.2.3.4"


def test_elements_out_of_order_are_still_found_up_to_the_pixels():
    late = element(0x00280100, "US", b"\x10\0") + uids() + STUDY
    assert (head_of(late).sop_instance, head_of(late).study) == ("1.2.3.4", "1.2.3")
    with pytest.raises(BadDataSet):
        head_of(element(0x7FE00010, "OW", bytes(8)) + uids())


def test_limits_are_reached_as_typed_errors():
    deep = element(0x00080018, "UI", b"")
    for _ in range(200):
        deep = element(0x00081140, "SQ", item(deep, length=UNDEFINED), length=UNDEFINED)
    with pytest.raises(BadDataSet) as caught:
        head_of(deep)
    assert "limit" in str(caught.value.facts["why"])
    many = element(0x00080000, "UL", bytes(4)) * 50
    with pytest.raises(BadDataSet):
        head_of(many + uids(), elements_max=40)
    wide = element(0x00081140, "SQ", item(b"") * 50 + SEQUENCE_END, length=UNDEFINED)
    with pytest.raises(BadDataSet):
        head_of(wide + uids(), elements_max=40)
    assert 0x00100010 not in head_of(uids() + element(0x00100010, "PN", bytes(400)), value_bytes_max=100).values


def test_a_head_is_found_without_reading_the_pixels_or_long_private_values():
    opening = uids() + element(0x00091010, "OB", b"", length=200 << 20)
    source = CountedSource(opening, len(opening) + (200 << 20) + len(STUDY), STUDY)
    assert scan_head(source, EXPLICIT).study == "1.2.3"
    assert source.bytes_read < 200_000


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "reportsi.dcm", "SC_rgb_rle.dcm", "image_dfl.dcm"]
)
def test_a_data_set_cut_anywhere_has_the_same_instance_or_a_typed_error(name):
    data = real_file(name).read_bytes()
    prefix = read_prefix(MemorySource(data))
    whole = scan_head(MemorySource(data), prefix.transfer_syntax, prefix.prefix_size)
    found = 0
    for length in range(prefix.prefix_size, min(len(data), 4000)):
        try:
            head = scan_head(MemorySource(data[:length]), prefix.transfer_syntax, prefix.prefix_size)
        except BadDataSet:
            continue
        assert head.sop_instance == whole.sop_instance
        assert set(head.values.items()) <= set(whole.values.items())
        found += 1
    assert found > 100


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=24),
            st.sampled_from(
                [uids(), STUDY, ITEM_END, SEQUENCE_END, item(b"", length=UNDEFINED), sequence(0x00081140, b"")]
            ),
            st.builds(
                lambda tag, vr, value, length: element(tag, vr, value, length=length),
                st.sampled_from([0x00080005, 0x00080018, 0x00081140, 0x00091001, 0x0020000D, 0x7FE00010, 0xFFFEE000]),
                st.sampled_from(["UI", "SQ", "UN", "OB", "ZZ", "UT", "??"]),
                st.binary(max_size=12),
                st.sampled_from([0, 2, 7, 12, 0xFFFE]),
            ),
        ),
        max_size=12,
    ),
    st.sampled_from([EXPLICIT, IMPLICIT, BIG, DEFLATED, "1.2.3"]),
)
def test_any_bytes_have_a_head_or_a_typed_error(pieces, transfer_syntax):
    try:
        assert head_of(b"".join(pieces), transfer_syntax).sop_instance
    except BadDataSet as error:
        assert error.facts["why"]


@pytest.mark.parametrize("name", ["CT_small.dcm", "reportsi.dcm", "JPEG2000.dcm"])
@settings(max_examples=100)
@given(data=st.data())
def test_a_real_file_with_flipped_bytes_has_a_head_or_a_typed_error(name, data):
    original = bytearray(real_file(name).read_bytes()[:3000])
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), max_size=8)
    ):
        original[place] = value
    source = MemorySource(bytes(original))
    try:
        prefix = read_prefix(source)
        scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
    except (NotDicom, BadDataSet):
        pass


def test_an_image_has_its_rows_and_columns():
    head = head_of(image(bytes(12), rows=2, columns=3))
    assert head.values[0x00280010] + head.values[0x00280011] == b"\x02\0\x03\0"


@pytest.mark.parametrize("shift", range(-45, 20))
def test_an_element_on_the_border_of_what_was_read_is_found(shift):
    filler = element(0x00080001, "OB", b"", length=16384 - 12 + shift)
    data = filler + bytes(16384 - 12 + shift) + uids() + sequence(0x00081140, uids(), uids()) + STUDY
    source = CountedSource(data, len(data))
    head = scan_head(source, EXPLICIT)
    assert (head.sop_instance, head.study) == ("1.2.3.4", "1.2.3")
