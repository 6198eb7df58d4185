"""Writing data sets in another transfer syntax: nothing is lost on any real file."""

from itertools import chain
from pathlib import Path
from struct import pack

import pytest

from safelight.core.instance import MemorySource
from safelight.wire.dicom.comparison import Level, StoredInstance, compare
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.frames import Undecodable
from safelight.wire.dicom.part10 import NotDicom, read_prefix
from safelight.wire.dicom.transcoding import NATIVE, alternatives, encapsulated
from support.encoded import transcode
from support.real_files import all_files, real_file

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def stored(path: Path) -> tuple[MemorySource, str]:
    raw = path.read_bytes()
    prefix = read_prefix(MemorySource(raw))
    return MemorySource(raw[prefix.prefix_size :]), prefix.transfer_syntax


def instances() -> list[Path]:
    found = []
    for path in all_files():
        if path.stat().st_size > 3_000_000:
            continue
        try:
            data, syntax = stored(path)
            head = scan_head(data, syntax)
        except (NotDicom, BadDataSet):
            continue
        # Who lacks these is kept by its digest, and cannot be retrieved by name.
        if syntax and head.sop_class and head.study and head.series:
            found.append(path)
    return found


@pytest.mark.parametrize("path", instances(), ids=lambda path: path.name)
def test_a_real_file_written_anew_shows_the_same(path: Path) -> None:
    data, syntax = stored(path)
    for wanted in alternatives(syntax):
        try:
            written = transcode(data, syntax, wanted)
        except (BadDataSet, Undecodable):
            # Refused, not changed: the retrieve counts it as failed.
            continue
        outcome = compare(StoredInstance(data, syntax), StoredInstance(written, wanted))
        assert outcome.level >= Level.PIXELS, (wanted, outcome)
        back = transcode(written, wanted, EXPLICIT)
        assert compare(StoredInstance(written, wanted), StoredInstance(back, EXPLICIT)).level is not Level.UIDS


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "JPEG-LL.dcm"],
)
def test_what_modalities_send_is_written_in_both_plain_syntaxes(name: str) -> None:
    data, syntax = stored(real_file(name))
    for wanted in alternatives(syntax):
        written = transcode(data, syntax, wanted)
        outcome = compare(StoredInstance(data, syntax), StoredInstance(written, wanted))
        assert outcome.level >= Level.PIXELS, (wanted, outcome)


def test_the_better_one_comes_first() -> None:
    assert NATIVE == (EXPLICIT, IMPLICIT)
    assert alternatives(IMPLICIT) == (EXPLICIT,)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    long = vr in (b"OW", b"SQ", b"UN")
    return head + (pack("<HL", 0, len(value)) if long else pack("<H", len(value))) + value


ITEM = pack("<HHL", 0xFFFE, 0xE000, 8)
IMAGE = [
    element(0x00280002, b"US", b"\1\0"),
    element(0x00280010, b"US", b"\1\0"),
    element(0x00280011, b"US", b"\2\0"),
    element(0x00280100, b"US", b"\x10\0"),
    element(0x00280101, b"US", b"\x10\0"),
    element(0x00280103, b"US", b"\0\0"),
]
PIXELS = element(0x7FE00010, b"OW", b"\1\0\2\0")
CODED = (
    pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    + pack("<HHL", 0xFFFE, 0xE000, 0)
    + pack("<HHL", 0xFFFE, 0xE000, 4)
    + b"abc\0"
    + pack("<HHL", 0xFFFE, 0xE0DD, 0)
)
SEQUENCES = element(0x00081140, b"SQ", ITEM + element(0x00081150, b"UN", b"")[:8]) + pack(
    "<HH2sHLHHLHHL", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0, 0xFFFE, 0xE0DD, 0
)


def around(*before: bytes, behind: bytes = b"") -> bytes:
    """Return what is written of these elements, around one coded frame."""
    source = MemorySource(b"prefix" + b"".join(before) + PIXELS + behind)
    return b"".join(encapsulated(source, EXPLICIT, iter([b"abc"]), len(b"prefix")))


def test_around_coded_frames_every_byte_stays_as_it_was_received() -> None:
    behind = element(0xFFFCFFFC, b"OB", b"")[:8] + b"\0" * 4
    before = [element(0x00080005, b"CS", b"ISO_IR 100"), SEQUENCES, *IMAGE]
    assert around(*before, behind=behind) == b"".join(before) + CODED + behind


@pytest.mark.parametrize(
    ("odd", "written"),
    [
        (element(0x00280000, b"UL", b"\1\0\0\0"), b""),
        (pack("<HHL", 0x0010, 0x0010, 4) + b"A^B ", element(0x00100010, b"PN", b"A^B ")),
    ],
    ids=["group length", "implicit within explicit"],
)
def test_what_would_not_hold_around_coded_frames_is_written_anew(odd: bytes, written: bytes) -> None:
    first = element(0x00080060, b"CS", b"CT")
    assert around(first, odd, *IMAGE) == b"".join(chain([first, written], IMAGE)) + CODED


def test_of_colours_their_transform_is_told_around_coded_frames() -> None:
    colours = element(0x00280004, b"CS", b"RGB "), element(0x00280006, b"US", b"\1\0")
    source = MemorySource(
        element(0x00280002, b"US", b"\3\0")
        + b"".join(chain(colours, IMAGE[1:3]))
        + element(0x00280100, b"US", b"\x08\0")
        + element(0x7FE00010, b"OW", bytes(6))
    )
    written = b"".join(encapsulated(source, EXPLICIT, iter([b"abc"]), colours_transformed=True))
    assert element(0x00280004, b"CS", b"YBR_RCT ") + element(0x00280006, b"US", b"\0\0") in written
