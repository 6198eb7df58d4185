import struct
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.attributes import COERCIBLE
from safelight.wire.dicom.comparison import Level, PixelMatch, StoredInstance, compare, pixels_equal
from safelight.wire.dicom.elements import LIMITS
from safelight.wire.dicom.part10 import read_prefix
from support.encoded import SEQUENCE_END, UNDEFINED, element, image, implicit, item, number, sequence, uids
from support.real_files import real_file

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")


def real(name: str) -> StoredInstance:
    source = MemorySource(real_file(name).read_bytes())
    prefix = read_prefix(source)
    return StoredInstance(source, prefix.transfer_syntax, prefix.prefix_size)


def stored(data: bytes, transfer_syntax: str = EXPLICIT) -> StoredInstance:
    return StoredInstance(MemorySource(data), transfer_syntax)


def written(data_set: Dataset, transfer_syntax: str = EXPLICIT) -> StoredInstance:
    """A data set as pydicom writes it."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = transfer_syntax == IMPLICIT, True
    write_dataset(stream, data_set)
    return stored(stream.getvalue(), transfer_syntax)


def ct() -> Dataset:
    data_set = pydicom.dcmread(real_file("CT_small.dcm"))
    del data_set[0xFFFCFFFC]
    return data_set


@pytest.mark.parametrize(
    ("name", "other", "level"),
    [
        ("MR_small.dcm", "MR_small_implicit.dcm", Level.ATTRIBUTES),
        ("MR_small.dcm", "MR_small_bigendian.dcm", Level.ATTRIBUTES),
        ("MR_small.dcm", "MR_small_RLE.dcm", Level.ATTRIBUTES),
        ("MR_small.dcm", "MR_small_jp2klossless.dcm", Level.ATTRIBUTES),
        ("MR_small.dcm", "MR_small_jpeg_ls_lossless.dcm", Level.ATTRIBUTES),
        ("emri_small.dcm", "emri_small_RLE.dcm", Level.ATTRIBUTES),
        ("emri_small.dcm", "emri_small_big_endian.dcm", Level.ATTRIBUTES),
        ("emri_small.dcm", "emri_small_jpeg_2k_lossless.dcm", Level.ATTRIBUTES),
        ("OBXXXX1A.dcm", "OBXXXX1A_rle.dcm", Level.ATTRIBUTES),
        ("OBXXXX1A_2frame.dcm", "OBXXXX1A_expb_2frame.dcm", Level.ATTRIBUTES),
        ("SC_rgb_16bit_2frame.dcm", "SC_rgb_rle_16bit_2frame.dcm", Level.ATTRIBUTES),
        ("SC_rgb_32bit_2frame.dcm", "SC_rgb_rle_32bit_2frame.dcm", Level.ATTRIBUTES),
        ("SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm", Level.ATTRIBUTES),
        ("rtdose.dcm", "rtdose_rle.dcm", Level.ATTRIBUTES),
        ("gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm", Level.ATTRIBUTES),
        ("693_UNCI.dcm", "693_J2KI.dcm", Level.PIXELS),
        ("reportsi.dcm", "reportsi_with_empty_number_tags.dcm", Level.UIDS),
        ("MR_small.dcm", "CT_small.dcm", Level.NONE),
        ("image_dfl.dcm", "image_dfl.dcm", Level.BYTES),
    ],
)
def test_real_pairs_stand_on_their_step_of_the_ladder(name, other, level):
    assert compare(real(name), real(other)).level is level
    assert compare(real(other), real(name)).level is level


@pytest.mark.parametrize(
    "pair",
    [
        ("RG3_UNCR.dcm", "RG3_J2KR.dcm"),
        ("US1_UNCR.dcm", "US1_J2KR.dcm"),
        ("OBXXXX1A_2frame.dcm", "OBXXXX1A_rle_2frame.dcm"),
    ],
)
def test_the_same_pixels_under_other_uids_are_still_the_same_pixels(pair):
    ours, theirs = map(real, pair)
    assert pixels_equal(ours, theirs) is PixelMatch.EQUAL
    assert compare(ours, theirs).level is Level.NONE


def test_the_prefix_does_not_count():
    name = real("CT_small.dcm")
    bare = stored(bytes(name.source.read(name.prefix_size, name.source.size)))
    assert compare(name, bare).level is Level.BYTES


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT, IMPLICIT])
def test_rewriting_by_another_program_leaves_attributes_equal(transfer_syntax):
    data_set = ct()
    result = compare(written(data_set), written(data_set, transfer_syntax))
    assert result.level is (Level.BYTES if transfer_syntax == EXPLICIT else Level.ATTRIBUTES)
    assert result.differing == result.coerced == ()


def changed(keyword: str, value: object) -> Dataset:
    data_set = ct()
    setattr(data_set, keyword, value)
    return data_set


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("PatientName", "Other^Name", "(0010,0010)"),
        ("PatientID", "2", "(0010,0020)"),
        ("StudyInstanceUID", "1.2.3", "(0020,000d)"),
        ("SeriesInstanceUID", "1.2.3", "(0020,000e)"),
        ("AccessionNumber", "77", "(0008,0050)"),
        ("StudyDate", "20200101", "(0008,0020)"),
        ("WindowWidth", "17", "(0028,1051)"),
        ("RescaleSlope", "1.5", "(0028,1053)"),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0, 1], "(0020,0037)"),
    ],
)
def test_an_attribute_that_differs_is_named_and_costs_a_step(keyword, value, tag):
    result = compare(written(ct()), written(changed(keyword, value), IMPLICIT))
    assert (result.level, result.differing, result.coerced) == (Level.PIXELS, (tag,), ())


def test_an_attribute_that_is_missing_or_added_is_named():
    less = ct()
    del less.PatientBirthDate
    for result in (compare(written(ct()), written(less)), compare(written(less), written(ct()))):
        assert (result.level, result.differing) == (Level.PIXELS, ("(0010,0030)",))


def test_other_uids_leave_nothing_in_common():
    assert compare(written(ct()), written(changed("SOPInstanceUID", "1.2.3"))).level is Level.NONE
    assert compare(written(ct()), written(changed("SOPClassUID", "1.2.3"))).level is Level.NONE


def test_what_an_archive_says_of_itself_is_listed_as_coerced():
    theirs = ct()
    theirs.RetrieveAETitle, theirs.InstanceAvailability = "ARCHIVE", "ONLINE"
    original = Dataset()
    original.SourceOfPreviousValues = "us"
    theirs.OriginalAttributesSequence = [original]
    result = compare(written(ct()), written(theirs))
    assert (result.level, result.differing) == (Level.ATTRIBUTES, ())
    assert result.coerced == ("(0008,0054)", "(0008,0056)", "(0400,0561)")


def test_nothing_that_identifies_patient_study_or_image_is_coercible():
    assert not {tag >> 16 for tag in COERCIBLE} & {0x0010, 0x0018, 0x0028, 0x0032, 0x0040}
    assert not COERCIBLE & {0x00080016, 0x00080018, 0x00080020, 0x00080050, 0x0020000D, 0x0020000E, 0x00200010}


@pytest.mark.parametrize("value", [b"\x01\x00", b"\x00\x01"])
def test_one_changed_pixel_leaves_only_the_uids(value):
    honest = image(bytes(8), rows=2, columns=2)
    result = compare(stored(honest), stored(honest[:-2] + value))
    assert (result.level, result.differing, result.undecodable) == (Level.UIDS, ("(7fe0,0010)",), False)


def test_pixels_gone_are_different_pixels():
    whole = image(bytes(8), rows=2, columns=2)
    assert compare(stored(whole), stored(whole[:-20])).level is Level.UIDS


def text_of(*items: bytes) -> bytes:
    return uids() + element(0x00080060, "CS", b"SR") + sequence(0x0040A730, *items)


def test_a_report_with_another_text_has_no_more_than_its_uids_in_common():
    ours, theirs = (text_of(element(0x0040A160, "UT", text)) for text in (b"no finding", b"a  finding"))
    result = compare(stored(ours), stored(theirs))
    assert (result.level, result.differing) == (Level.UIDS, ("(0040,a730)",))
    assert pixels_equal(stored(ours), stored(theirs)) is PixelMatch.ABSENT


def test_how_sequences_lengths_and_padding_are_written_does_not_count():
    inner = element(0x00080050, "SH", b"A ")
    ours = uids() + sequence(0x00081140, inner, inner)
    for theirs in (
        uids() + element(0x00081140, "SQ", item(inner) + item(inner)),
        element(0x00080000, "UL", bytes(4))
        + uids()
        + sequence(0x00081140, inner, element(0x00080000, "UL", b"abcd") + inner),
        uids() + sequence(0x00081140, element(0x00080050, "SH", b"A\0"), element(0x00080050, "SH", b"A")),
        uids() + sequence(0x00081140, inner, inner) + element(0xFFFCFFFC, "OB", bytes(20)),
    ):
        assert compare(stored(ours), stored(theirs)).level is Level.ATTRIBUTES
    assert compare(stored(ours), stored(uids() + sequence(0x00081140, inner))).level is Level.UIDS


def test_a_known_value_written_as_unknown_is_the_same_value():
    ours = uids() + element(0x00100010, "PN", b"A^B ") + number(0x00280010, 5)
    theirs = uids() + element(0x00100010, "UN", b"A^B ") + element(0x00280010, "UN", b"\x05\0")
    assert compare(stored(ours), stored(theirs)).level is Level.ATTRIBUTES


def test_a_private_sequence_written_as_unknown_is_the_same_sequence():
    creator = element(0x00090010, "LO", b"ACME")
    ours = uids() + creator + sequence(0x00091001, element(0x00091002, "SH", b"A "))
    inside = item(implicit(0x00091002, b"A "))
    for theirs in (
        element(0x00091001, "UN", inside),
        element(0x00091001, "UN", inside + SEQUENCE_END, length=UNDEFINED),
    ):
        assert compare(stored(ours), stored(uids() + creator + theirs)).level is Level.ATTRIBUTES
    other = element(0x00091001, "UN", item(implicit(0x00091002, b"B ")))
    assert compare(stored(ours), stored(uids() + creator + other)).differing == ("(0009,1001)",)


NAMES = [
    ("ISO_IR 100", "Prüfer^Jürgen"),
    ("ISO_IR 144", "Тестов^Иван"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
]


@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_the_same_text_in_another_character_set_is_the_same_text(charset, name):
    ours, theirs = Dataset(), Dataset()
    for data_set, own in ((ours, charset.split("\\")), (theirs, "ISO_IR 192")):
        data_set.SpecificCharacterSet = own
        data_set.SOPInstanceUID = "1.2.3"
        data_set.PatientName = name
        item_set = Dataset()
        item_set.CodeMeaning = name.split("=")[-1]
        data_set.ProcedureCodeSequence = [item_set]
    result = compare(written(ours), written(theirs))
    assert (result.level, result.differing, result.coerced) == (Level.ATTRIBUTES, (), ("(0008,0005)",))
    theirs.PatientName = name[:-1]
    assert compare(written(ours), written(theirs)).differing == ("(0010,0010)",)


def test_trailing_delimiters_of_a_name_and_spaces_around_values_do_not_count():
    ours = uids() + element(0x00100010, "PN", b"A^B^^^") + element(0x00200037, "DS", b"1.0 \\ 2")
    theirs = uids() + element(0x00100010, "PN", b"A^B ") + element(0x00200037, "DS", b"1.0\\2 ")
    assert compare(stored(ours), stored(theirs)).level is Level.ATTRIBUTES


def compressed(frames: list[bytes], transfer_syntax: str, **described: int) -> StoredInstance:
    data = image(encapsulate(frames) + SEQUENCE_END, vr="OB", length=UNDEFINED, frames=b"%d" % len(frames), **described)
    return stored(data, transfer_syntax)


@pytest.mark.parametrize(
    ("transfer_syntax", "encode"),
    [
        (JPEG_LS, imagecodecs.jpegls_encode),
        (JPEG_2000, lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, codecformat="j2k")),
        (HTJ2K, imagecodecs.htj2k_encode),
    ],
)
@pytest.mark.parametrize("colour", [False, True])
def test_lossless_coding_of_every_frame_keeps_attributes_and_pixels(transfer_syntax, encode, colour):
    rng = np.random.default_rng(7)
    shape, bits = ((2, 40, 32, 3), 8) if colour else ((2, 40, 32), 16)
    pixels = rng.integers(0, 200, shape).astype(np.uint8 if colour else np.uint16)
    described = {"rows": 40, "columns": 32, "samples": 3 if colour else 1, "bits": bits}
    ours = stored(image(pixels.tobytes(), frames=b"2", **described))
    theirs = compressed([encode(frame) for frame in pixels], transfer_syntax, **described)
    assert compare(ours, theirs).level is Level.ATTRIBUTES
    pixels[1, 39, 31] ^= 1
    theirs = compressed([encode(frame) for frame in pixels], transfer_syntax, **described)
    assert compare(ours, theirs).level is Level.UIDS


def test_colour_by_plane_or_by_pixel_is_how_and_not_what():
    pixels = np.random.default_rng(3).integers(0, 255, (20, 16, 3)).astype(np.uint8)
    described = {"rows": 20, "columns": 16, "samples": 3, "bits": 8}
    by_pixel = image(pixels.tobytes(), **described)
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0)).tobytes()
    place = by_pixel.index(number(0x00280010, 20))
    by_plane = image(planes, **described)
    by_plane = by_plane[:place] + number(0x00280006, 1) + by_plane[place:]
    by_pixel = by_pixel[:place] + number(0x00280006, 0) + by_pixel[place:]
    result = compare(stored(by_pixel), stored(by_plane))
    assert (result.level, result.coerced) == (Level.ATTRIBUTES, ("(0028,0006)",))


def test_bits_above_the_stored_ones_may_be_sign_or_zero_but_not_an_overlay():
    def twelve(values: list[int]) -> StoredInstance:
        data = image(struct.pack("<4H", *values), rows=2, columns=2)
        return stored(data.replace(number(0x00280101, 16), number(0x00280101, 12)))

    plain, signed, overlay = [1, 0x800, 0xFFF, 0], [1, 0xF800, 0xFFFF, 0], [1, 0x1800, 0xFFF, 0]
    assert compare(twelve(plain), twelve(signed)).level is Level.ATTRIBUTES
    assert compare(twelve(plain), twelve(overlay)).level is Level.UIDS


def test_pixels_without_a_decoder_are_equal_as_bytes_or_said_to_be_undecodable():
    described = {"rows": 2, "columns": 2, "bits": 8}
    private = "1.3.46.670589.33.1.4.1"
    ours = compressed([b"abcd", b"efgh"], private, **described)
    rewritten = stored(bytes(ours.source.read(0, ours.source.size)) + element(0xFFFCFFFC, "OB", bytes(2)), private)
    assert compare(ours, rewritten).level is Level.ATTRIBUTES
    result = compare(ours, compressed([b"abcd", b"efgx"], private, **described))
    assert (result.level, result.undecodable) == (Level.UIDS, True)


def test_a_codestream_larger_than_described_is_not_decoded():
    bomb = imagecodecs.jpeg2k_encode(np.zeros((4000, 4000), np.uint16), level=0, codecformat="j2k")
    ours = stored(image(bytes(8), rows=2, columns=2))
    result = compare(ours, compressed([bomb], JPEG_2000, rows=2, columns=2))
    assert (result.level, result.undecodable) == (Level.UIDS, True)


def test_a_frame_in_several_fragments_is_found_by_its_offsets():
    pixels = np.random.default_rng(5).integers(0, 4000, (3, 64, 64)).astype(np.uint16)
    frames = [imagecodecs.jpegls_encode(frame) for frame in pixels]
    described = {"rows": 64, "columns": 64}
    ours = stored(image(pixels.tobytes(), frames=b"3", **described))
    cut = encapsulate(frames, fragments_per_frame=2) + SEQUENCE_END
    told = stored(image(cut, vr="OB", length=UNDEFINED, frames=b"3", **described), JPEG_LS)
    assert compare(ours, told).level is Level.ATTRIBUTES
    untold = encapsulate(frames, fragments_per_frame=2, has_bot=False) + SEQUENCE_END
    silent = stored(image(untold, vr="OB", length=UNDEFINED, frames=b"3", **described), JPEG_LS)
    assert compare(ours, silent).undecodable


def test_a_deflated_data_set_is_compared_by_what_it_says():
    data = image(bytes(8), rows=2, columns=2)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = stored(deflater.compress(data) + deflater.flush(), DEFLATED)
    assert compare(stored(data), deflated).level is Level.ATTRIBUTES


@settings(max_examples=150)
@given(data=st.data())
def test_no_bytes_make_the_comparison_fail_or_call_other_bytes_the_same_bytes(data):
    name = data.draw(
        st.sampled_from(["CT_small.dcm", "SC_rgb_rle_2frame.dcm", "MR_small_jpeg_ls_lossless.dcm", "reportsi.dcm"])
    )
    ours = real(name)
    damaged = bytearray(bytes(ours.source.read(0, ours.source.size)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(ours.prefix_size, min(len(damaged), 6000) - 1))
        damaged[place] ^= data.draw(st.integers(1, 255))
    damaged = damaged[: data.draw(st.sampled_from([len(damaged), len(damaged) // 2, ours.prefix_size]))]
    theirs = StoredInstance(MemorySource(bytes(damaged)), ours.transfer_syntax, ours.prefix_size)
    same = bytes(damaged) == bytes(ours.source.read(0, ours.source.size))
    assert (compare(ours, theirs).level is Level.BYTES) == same
    assert (compare(theirs, ours).level is Level.BYTES) == same


def test_sequences_nested_past_the_limit_end_the_comparison_and_not_the_program():
    deep = element(0x00080050, "SH", b"A ")
    for _ in range(LIMITS.depth_max + 10):
        deep = element(0x00081140, "SQ", item(deep, length=UNDEFINED) + SEQUENCE_END, length=UNDEFINED)
    ours, theirs = (stored(uids() + element(0x00080060, "CS", kind) + deep) for kind in (b"MR", b"CT"))
    assert compare(ours, theirs).undecodable
