"""Messages taken apart: repetitions, components, escapes, character sets, hostile shapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.wire.hl7.charset import Doubt
from safelight.wire.hl7.header import UnreadableHeader, read_header
from safelight.wire.hl7.message import REPETITIONS_MAX, Message
from safelight.wire.hl7.writing import write_message, write_segment


def _message(*segments: str, charset: str = "", codec: str = "ascii", ending: str = "\r") -> Message:
    head = f"MSH|^~\\&|RIS|H|PACS|H|20260301||ADT^A08|1|P|2.5||||||{charset}"
    return Message(ending.join([head, *segments, ""]).encode(codec))


def test_repetitions_components_and_subcomponents_are_found_by_number() -> None:
    message = _message("PID|1||77^^^HOSP&1.2.3&ISO^MR~88^^^NAT||van der Berg&van der&Berg^Jo")
    ids = message.field("PID", 3).repetitions()
    assert [one.component(1) for one in ids] == ["77", "88"]
    assert (ids[0].component(4), ids[0].component(4, 2), ids[0].component(4, 3)) == ("HOSP", "1.2.3", "ISO")
    assert message.field("PID", 5).components() == ["van der Berg&van der&Berg", "Jo"]
    assert message.field("PID", 5).component(9) == "" and message.field("PID", 99).component() == ""
    assert message.field("ZZZ", 1).text == "" and not message.field("ZZZ", 1)


def test_msh_fields_are_numbered_with_the_separator_as_the_first() -> None:
    message = _message()
    assert (message.field("MSH", 1).raw, message.field("MSH", 2).raw) == ("|", "^~\\&")
    assert message.field("MSH", 10).text == "1"


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_segments_end_with_cr_lf_or_both(ending: str) -> None:
    message = _message("PID|1", "ZDS|1.2.3^x^Application^DICOM", "ZXX|any thing", ending=ending)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "ZDS", "ZXX"]
    assert message.field("ZDS", 1).component() == "1.2.3"


def test_a_lone_line_feed_inside_a_message_that_uses_cr_is_part_of_the_text() -> None:
    message = _message("OBX|1|TX|||first\nsecond", "OBX|2|TX|||third")
    assert [segment.field(5).text for segment in message.all("OBX")] == ["first\nsecond", "third"]


def test_lines_that_are_no_segments_do_no_harm() -> None:
    message = _message("pid|1", "??", "", "PID|1||7")
    assert message.field("PID", 3).component() == "7"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"one\.br\two\.sp\three", "one\ntwo\nthree"),
        (r"\H\loud\N\ quiet", "loud quiet"),
        (r"caf\XE9\ ", "café "),
        (r"\X4D6d\ ", "Mm "),
        (r"M\fcller", r"M\fcller"),
        (r"back\slash", r"back\slash"),
        (r"\\", r"\\"),
        (r"\Xzz\ \C2842\ end", r"\Xzz\ \C2842\ end"),
        ("trailing\\", "trailing\\"),
    ],
)
def test_escapes_are_replaced_and_unknown_ones_stay(written: str, meant: str) -> None:
    message = _message(f"PID|1||7||{written}", charset="8859/1", codec="latin-1")
    assert message.field("PID", 5).component() == meant


NAMES = [
    ("8859/1", "latin-1", "Grüße"),
    ("8859/2", "iso8859-2", "Łódź"),
    ("8859/5", "iso8859-5", "Иванов"),
    ("UNICODE UTF-8", "utf-8", "山田^太郎"),
    ("ISO IR87", "iso2022_jp", "山田^太郎"),
    ("GB 18030-2000", "gb18030", "王小东"),
    ("BIG-5", "big5", "許功蓋"),
    ("KS X 1001", "euc_kr", "김희중"),
]


@pytest.mark.parametrize(("charset", "codec", "name"), NAMES)
def test_a_character_set_is_read_as_named_even_where_its_bytes_look_like_delimiters(
    charset: str, codec: str, name: str
) -> None:
    message = _message(f"PID|1||7||{name}|next", charset=charset, codec=codec)
    assert message.decoded.doubt is Doubt.NONE
    assert message.field("PID", 5).raw == name
    assert message.field("PID", 6).text == "next"


def test_a_wrong_a_missing_and_an_unknown_character_set_are_told_and_guessed() -> None:
    raw = "PID|1||7||Grüße"
    assert _message(raw, charset="ASCII", codec="utf-8").decoded.doubt is Doubt.WRONG
    assert _message(raw, charset="", codec="utf-8").decoded.doubt is Doubt.MISSING
    assert _message(raw, charset="KLINGON", codec="utf-8").decoded.doubt is Doubt.UNKNOWN
    for codec in ("utf-8", "latin-1"):
        assert _message(raw, codec=codec).field("PID", 5).text == "Grüße"
    cyrillic = Message(_message("PID|1||7||Иванов", codec="cp1251").raw, assumed_charset="8859/5")
    assert cyrillic.decoded.codec == "iso8859-5" and cyrillic.decoded.doubt is Doubt.MISSING


def test_a_thousand_repetitions_are_read_and_a_million_are_bounded() -> None:
    assert len(_message("PID|1||" + "~".join(map(str, range(1000)))).field("PID", 3).repetitions()) == 1000
    assert len(_message("PID|1||" + "~" * 1_000_000).field("PID", 3).repetitions()) == REPETITIONS_MAX


def test_null_is_not_the_same_as_empty() -> None:
    message = _message('PID|1||7||""|')
    assert message.field("PID", 5).is_null and not message.field("PID", 5)
    assert not message.field("PID", 6).is_null


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail_but_for_the_header(tail: bytes) -> None:
    raw = b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5||||||" + tail
    try:
        read_header(raw)
    except UnreadableHeader:
        return
    message = Message(raw)
    for segment in message.segments:
        for number in range(4):
            field = segment.field(number)
            assert isinstance(field.text, str)
            assert all(isinstance(one, str) for one in field.components())


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029")), max_size=5))
def test_what_we_write_is_read_back_as_it_was_meant(texts: list[str]) -> None:
    raw = write_message(
        ["SAFELIGHT", "H", "RIS", "H", "20260301", "", ["ORU", "R01"], "9", "P", "2.5"], [("PID", ["1", "", texts])]
    )
    field = Message(raw).field("PID", 3)
    for number, text in enumerate(texts, start=1):
        assert field.component(number) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_what_we_write_leaves_empty_fields_at_the_end_out() -> None:
    assert write_segment("PV1", ["1", "I", "", ["", "", ""], ""]) == "PV1|1|I"
