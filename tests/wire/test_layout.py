import struct

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.instance import LayoutKind, MemorySource
from safelight.wire.dicom.elements import WalkLimits
from safelight.wire.dicom.layout import NO_LAYOUT, find_layout
from safelight.wire.dicom.part10 import NotDicom, read_prefix
from support.encoded import SEQUENCE_END, UNDEFINED, CountedSource, element, image, item, sequence
from support.real_files import all_files, real_file

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"


def layout_of(data: bytes, transfer_syntax: str = EXPLICIT, **limits: int):
    return find_layout(MemorySource(data), 0, transfer_syntax, WalkLimits(**limits))


@pytest.mark.filterwarnings("ignore")
def test_layouts_of_real_files_cut_out_the_pixels_that_pydicom_reads():
    kinds = dict.fromkeys(LayoutKind, 0)
    for path in all_files():
        data = path.read_bytes()
        try:
            prefix = read_prefix(MemorySource(data))
        except NotDicom:
            continue
        layout = find_layout(MemorySource(data), prefix.prefix_size, prefix.transfer_syntax)
        kinds[layout.kind] += 1
        if layout.kind is LayoutKind.NONE:
            continue
        theirs = pydicom.dcmread(path, force=True)
        if layout.kind is LayoutKind.NATIVE:
            pixels = data[layout.start : layout.end]
            assert pixels == theirs.PixelData[: len(pixels)]
            assert len(theirs.PixelData) - len(pixels) in (0, 1)
            assert theirs.PixelData[len(pixels) :] in (b"", b"\0")
        else:
            encoded = theirs.PixelData
            offset = 8 + struct.unpack("<L", encoded[4:8])[0]
            for start, end in layout.fragments:
                assert encoded[offset + 8 : offset + 8 + end - start] == data[start:end], path.name
                offset += 8 + end - start
        assert (layout.rows, layout.columns) == (theirs.Rows, theirs.Columns)
        assert layout.photometric == theirs.PhotometricInterpretation
        assert layout.bits_allocated == theirs.BitsAllocated
    assert min(kinds.values()) > 30


def test_native_pixels_are_described():
    data = image(bytes(range(24)), rows=2, columns=2, samples=3, bits=8, frames=b"2 ", extra=b"")
    layout = layout_of(data)
    assert data[layout.start : layout.end] == bytes(range(24))
    assert (layout.frames, layout.samples, layout.photometric, layout.planar) == (2, 3, "RGB", False)


def test_one_pad_byte_is_left_to_the_header():
    layout = layout_of(image(bytes(10), rows=3, columns=3, bits=8, vr="OB"))
    assert (layout.kind, layout.end - layout.start) == (LayoutKind.NATIVE, 9)
    assert layout_of(image(bytes(9), rows=3, columns=3, bits=8, vr="OB")).kind is LayoutKind.NATIVE


@pytest.mark.parametrize(
    "lie",
    [
        {"rows": 3},
        {"columns": 0},
        {"columns": 65535},
        {"bits": 32},
        {"bits": 1},
        {"bits": 0x4000 - 1},
        {"samples": 2},
        {"frames": b"1A"},
        {"frames": b"-1"},
        {"frames": b"2 "},
        {"frames": b"999999999 "},
        {"frames": b"0 "},
        {"frames": b"1\\2 "},
        {"pixels": bytes(6)},
        {"pixels": bytes(10)},
        {"pixels": bytes(12)},
        {"length": 1 << 30},
        {"length": 6},
    ],
)
def test_pixels_that_do_not_bear_out_their_attributes_are_left_alone(lie):
    honest = {"pixels": bytes(8), "rows": 2, "columns": 2}
    assert layout_of(image(**honest)).kind is LayoutKind.NATIVE
    assert layout_of(image(**(honest | lie))) == NO_LAYOUT


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.113619.5.2"])
def test_big_endian_and_deflated_pixels_are_left_alone(syntax):
    assert layout_of(image(bytes(8), rows=2, columns=2), syntax) == NO_LAYOUT


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009])
def test_float_pixels_are_left_alone(tag):
    assert layout_of(image(bytes(8), rows=2, columns=2)[:-20] + element(tag, "OF", bytes(8))) == NO_LAYOUT


def test_odd_bits_stored_are_taken_as_all_of_the_allocated_ones():
    data = image(bytes(8), rows=2, columns=2)
    assert (
        layout_of(data.replace(element(0x00280101, "US", b"\x10\0"), element(0x00280101, "US", b"\x11\0"))).bits_stored
        == 16
    )
    assert (
        layout_of(data.replace(element(0x00280101, "US", b"\x10\0"), element(0x00280101, "US", b"\x0c\0"))).bits_stored
        == 12
    )


def fragments(*values: bytes, end: bytes = SEQUENCE_END) -> bytes:
    pixels = item(b"") + b"".join(map(item, values)) + end
    return image(pixels, rows=2, columns=2, bits=8, vr="OB", length=UNDEFINED)


def test_fragments_are_found_and_empty_ones_left_out():
    data = fragments(b"abcd", b"", b"ef") + element(0xFFFCFFFC, "OB", bytes(4))
    layout = layout_of(data, JPEG)
    assert [data[start:end] for start, end in layout.fragments] == [b"abcd", b"ef"]
    assert layout.kind is LayoutKind.ENCAPSULATED


@pytest.mark.parametrize(
    "data",
    [
        fragments(b"abcd", end=b""),
        fragments(b"abcd", end=b"\xfe\xff"),
        fragments(b"abcd", end=item(b"xy", length=1 << 31)),
        fragments(b"abcd", end=element(0x00080018, "UI", b"1.2\0")),
    ],
)
def test_fragments_without_an_end_are_left_alone(data):
    assert layout_of(data, JPEG) == NO_LAYOUT


def test_fragments_past_the_limit_are_left_alone():
    assert len(layout_of(fragments(*[b"ab"] * 30), JPEG).fragments) == 30
    assert layout_of(fragments(*[b"ab"] * 30), JPEG, fragments_max=20) == NO_LAYOUT


def test_a_gigabyte_is_not_read_to_find_its_layout():
    size = 16384 * 32768 * 2
    per_frame = sequence(0x52009230, *[sequence(0x00209111, element(0x00209056, "SH", b"1 "))] * 3000)
    opening = image(b"", rows=16384, columns=32768, length=size, extra=per_frame)
    source = CountedSource(opening, len(opening) + size)
    layout = find_layout(source, 0, EXPLICIT)
    assert (layout.kind, layout.end) == (LayoutKind.NATIVE, source.size)
    assert source.bytes_read < len(opening) + 500_000


@settings(max_examples=200)
@given(data=st.data())
def test_any_layout_lies_within_the_bytes(data):
    name = data.draw(st.sampled_from(["CT_small.dcm", "SC_rgb_rle_2frame.dcm", "MR2_J2KR.dcm"]))
    whole = real_file(name).read_bytes()
    prefix = read_prefix(MemorySource(whole))
    place = data.draw(st.integers(prefix.prefix_size, min(len(whole), 8000)))
    damaged = bytearray(whole)
    if data.draw(st.booleans()):
        damaged = damaged[:place]
    else:
        damaged[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    layout = find_layout(MemorySource(bytes(damaged)), prefix.prefix_size, prefix.transfer_syntax)
    previous = prefix.prefix_size
    for start, end in [*layout.fragments, *([(layout.start, layout.end)] if layout.kind is LayoutKind.NATIVE else [])]:
        assert previous <= start < end <= len(damaged)
        previous = end
