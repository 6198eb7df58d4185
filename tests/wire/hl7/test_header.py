"""Headers: read from bytes, whatever version and delimiters, or refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.wire.hl7.header import Delimiters, UnreadableHeader, read_header

USUAL = b"MSH|^~\\&|RIS|ST E|PACS|RAD|20260301120000||ORM^O01|MSG1|P|2.3.1|||AL|NE||8859/1\rPID|1\r"


def test_a_usual_header_is_read_field_by_field() -> None:
    header = read_header(USUAL)
    assert (header.event, header.control_id, header.sender, header.version) == ("ORM^O01", b"MSG1", "RIS|ST E", (2, 3))
    assert header.enhanced
    assert header[18] == b"8859/1"
    assert header[99] == b""


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"])
def test_every_version_is_read(version: str) -> None:
    header = read_header(USUAL.replace(b"2.3.1", version.encode()))
    assert header.version == (2, int(version.split(".")[1]))


@pytest.mark.parametrize("version", [b"", b"3.0", b"abc", b"2.5.1^USA^x"])
def test_a_version_that_is_missing_or_odd_does_not_make_a_header_unreadable(version: bytes) -> None:
    assert read_header(USUAL.replace(b"2.3.1", version)).control_id == b"MSG1"


@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\r\n", b" \n", b"\0"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b""])
def test_what_stands_before_it_and_how_the_segment_ends_do_not_matter(lead: bytes, end: bytes) -> None:
    raw = lead + USUAL.split(b"\r")[0] + end + b"PID|1"
    expected = USUAL.split(b"\r")[0].split(b"|")[-1] + (b"" if end else b"PID")
    assert read_header(raw)[18] == expected


def test_other_delimiters_are_taken_from_the_header() -> None:
    header = read_header(b"MSH$%*?!$A$B$C$D$2026$$ADT%A40%ADT_A39$9$P$2.5\r")
    assert header.delimiters == Delimiters(b"$", b"%", b"*", b"?", b"!")
    assert header.event == "ADT^A40"


def test_a_truncation_character_and_a_short_encoding_are_accepted() -> None:
    assert read_header(USUAL.replace(b"^~\\&", b"^~\\&#")).delimiters.truncation == b"#"
    assert read_header(USUAL.replace(b"^~\\&", b"^~")).delimiters == Delimiters(escape=b"", subcomponent=b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"MSH",
        b"MSH|",
        b"MSH|^~\\&",
        b"MSH||A|B",
        b"PID|1||7\r",
        b"MSHAAAAAA",
        b"MSH|^^^^|A|B|C|D|2026||ADT^A08|1|P|2.5",
        b"MSH|^~\\&#@!|A|B|C|D|2026||ADT^A08|1|P|2.5",
        b"MSH|abcd|A|B|C|D|2026||ADT^A08|1|P|2.5",
        b"MSH|^~\\&|A|B|C|D|2026||||P|2.5",
        b"MSH\r|^~\\&|A",
        b"\xff\xfeM\0S\0H\0|\0",
        bytes(range(256)),
    ],
)
def test_a_header_that_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableHeader):
        read_header(raw)


def test_a_missing_control_id_or_event_alone_is_no_reason_to_refuse() -> None:
    assert read_header(b"MSH|^~\\&|A|B|C|D|2026||ADT^A08||P|2.5\r").control_id == b""
    assert read_header(b"MSH|^~\\&|A|B|C|D|2026|||7|P|2.5\r").event == ""


@given(st.binary(max_size=300))
def test_no_bytes_whatever_do_worse_than_being_refused(raw: bytes) -> None:
    for bytes_ in (raw, b"MSH" + raw, b"MSH|^~\\&|" + raw):
        try:
            header = read_header(bytes_)
        except UnreadableHeader:
            continue
        assert header.event is not None and header.sender is not None and header.version


def test_a_header_without_end_is_read_no_further_than_its_limit() -> None:
    assert len(read_header(USUAL.split(b"\r")[0] + b"A" * 2**20)[18]) < 70_000
