"""Multipart bodies, media types and the JSON model, without a socket."""

import json
import math
import warnings
from io import BytesIO
from itertools import pairwise

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.attributes import read_set
from safelight.wire.dicom.elements import BadDataSet
from safelight.wire.dicom.part10 import NotDicom, read_prefix
from safelight.wire.dicomweb.faults import BadMultipart, BadWebRequest
from safelight.wire.dicomweb.json_model import data_set_json, find_value
from safelight.wire.dicomweb.media import read_accept, read_media_type
from safelight.wire.dicomweb.multipart import MultipartReader, PartBegan, PartData, PartEnded, closing, part_head
from support.real_files import all_files


def parts_of(pieces: list[bytes], boundary: str = "b") -> tuple[list[tuple[dict[str, str], bytes]], bool]:
    reader = MultipartReader(boundary)
    parts: list[tuple[dict[str, str], bytearray]] = []
    ended = 0
    for piece in pieces:
        for event in reader.receive(piece):
            if isinstance(event, PartBegan):
                parts.append((dict(event.headers), bytearray()))
            elif isinstance(event, PartData):
                parts[-1][1].extend(event.data)
            else:
                assert isinstance(event, PartEnded)
                ended += 1
    return [(headers, bytes(data)) for headers, data in parts[:ended]], reader.is_whole


BODY = (
    b"before\r\n--b\r\nContent-Type: x/y\r\nA:  1\r\n\r\none\r\n--b  \r\n\r\n\r\n--b\r\n\r\n\r\n-\r\n--\r\n--b--after"
)
PARTS = [({"content-type": "x/y", "a": "1"}, b"one"), ({}, b""), ({}, b"\r\n-\r\n--")]


def test_a_message_is_cut_alike_wherever_it_is_torn() -> None:
    assert parts_of([BODY]) == (PARTS, True)
    assert parts_of([bytes([byte]) for byte in BODY]) == (PARTS, True)
    for place in range(len(BODY)):
        assert parts_of([BODY[:place], BODY[place:]]) == (PARTS, True), place


@given(st.lists(st.binary(max_size=60).filter(lambda part: b"\r\n--b" not in part)), st.data())
def test_what_is_written_is_read_again(parts: list[bytes], data: st.DataObject) -> None:
    heads = (part_head("b", {"Content-Type": "x/y"}, is_first=number == 0) for number in range(len(parts)))
    body = b"".join(head + part for head, part in zip(heads, parts, strict=True)) + closing("b")
    cuts = sorted({0, len(body), *data.draw(st.lists(st.integers(0, len(body)), max_size=5))})
    found, is_whole = parts_of([body[start:end] for start, end in pairwise(cuts)])
    assert [part for _, part in found] == parts and is_whole


def test_a_header_cannot_begin_another_line() -> None:
    assert part_head("b", {"Content-Type": "x/y; transfer-syntax=1\r\nEvil: 1"}).count(b"\r\n") == 4


@pytest.mark.parametrize("body", [b"--bogus\r\n\r\n", b"--b" + b" " * 20_000, b"--b\r\nA: " + b"x" * 20_000])
def test_a_border_or_head_that_does_not_end_is_malformed(body: bytes) -> None:
    with pytest.raises(BadMultipart):
        parts_of([body])


def test_the_best_liked_form_comes_first_and_a_refused_one_not_at_all() -> None:
    ranges = read_accept(
        'image/png;q=0.5, multipart/related; type="application/dicom"; transfer-syntax=*, text/html;q=0'
    )
    assert [(one.name, one.transfer_syntax, one.is_multipart) for one in ranges] == [
        ("application/dicom", "*", True),
        ("image/png", "", False),
    ]
    assert [one.name for one in read_accept("")] == ["*/*"]
    assert read_accept("image/*")[0].takes("image/jp2") and not read_accept("image/*")[0].takes("video/mp4")


@pytest.mark.parametrize("text", ["nonsense", "a" * 9000, "x/y,;;;,z"])
def test_an_accept_header_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadWebRequest):
        read_accept(text)


def test_a_quoted_parameter_may_hold_anything() -> None:
    assert read_media_type('A/B; Boundary="x;y\\"z"').parameters == {"boundary": 'x;y"z'}


def data_sets() -> list[tuple[str, bytes]]:
    found = []
    for path in all_files():
        raw = path.read_bytes()
        if len(raw) < 2_000_000:
            found.append((path.name, raw))
    return found


@pytest.mark.parametrize(("name", "raw"), data_sets(), ids=lambda one: one if isinstance(one, str) else "")
def test_every_real_file_becomes_json_that_another_reader_takes(name: str, raw: bytes) -> None:
    try:
        prefix = read_prefix(MemorySource(raw))
        side = read_set(MemorySource(raw), prefix.transfer_syntax, prefix.prefix_size)
    except (NotDicom, BadDataSet):
        return
    document = data_set_json(side, lambda path: f"http://localhost/{path}")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False).encode(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = Dataset.from_json(json.loads(text), bulk_data_uri_handler=lambda tag, vr, uri: None)
        stored = pydicom.dcmread(BytesIO(raw), force=True)
        assert {element.tag for element in got} == {int(tag, 16) for tag in document}
        assert {tag for tag in list(stored.keys()) if tag.element} == {element.tag for element in got}
        if stored.get("PatientName") and "SpecificCharacterSet" in stored:
            assert got.PatientName == stored.PatientName
    for tag, element in document.items():
        if "BulkDataURI" in element:
            found = find_value(side, tag)
            assert found is not None and found is side.tree[int(tag, 16)]


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"FD", b"\0\0\0\0\0\0\xf8\x7f", ["NaN"]),
        (b"DS", b"1.5\\x\\", [1.5, None, None]),
        (b"IS", b"9" * 12, [int("9" * 12)]),
        (b"UV", b"\xff" * 8, [str(2**64 - 1)]),
        (b"AT", b"\x10\0\x20\0", ["00100020"]),
        (b"LO", "Ä".encode("latin-1"), ["Ä"]),
    ],
)
def test_values_that_json_has_no_numbers_for_are_told_as_text(vr: bytes, value: bytes, expected: list[object]) -> None:
    length = len(value) + len(value) % 2
    raw = (
        b"\x09\0\x10\0" + vr + (b"\0\0" + length.to_bytes(4, "little") if vr == b"UV" else length.to_bytes(2, "little"))
    )
    side = read_set(MemorySource(raw + value.ljust(length)), "1.2.840.10008.1.2.1")
    told = data_set_json(side, str)["00090010"]["Value"]
    assert told == expected and not any(isinstance(one, float) and math.isnan(one) for one in told)
