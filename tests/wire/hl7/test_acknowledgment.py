"""Answers: in the mode, delimiters and version of whoever asked."""

from datetime import UTC, datetime

import pytest

from safelight.wire.hl7.acknowledgment import (
    ErrorCode,
    Identity,
    Verdict,
    answer,
    read_acknowledgment,
    refusal_without_header,
)
from safelight.wire.hl7.header import UnreadableHeader, read_header

WE = Identity(b"SAFELIGHT", b"ST E", b"SL42", datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


def _asked(version: str = "2.3.1", accept: str = "", application: str = "", charset: str = "") -> bytes:
    return (
        f"MSH|^~\\&|RIS|H|PACS|R|20260301||ORM^O01^ORM_O01|MSG\\T\\1|P|{version}|||{accept}|{application}||{charset}\r"
    ).encode()


def test_an_original_mode_answer_names_the_message_byte_by_byte() -> None:
    told = answer(read_header(_asked(charset="8859/1")), Verdict.ACCEPT, WE)
    assert told == (
        b"MSH|^~\\&|SAFELIGHT|ST E|RIS|H|20260301120000+0000||ACK^O01|SL42|P|2.3.1||||||8859/1\rMSA|AA|MSG\\T\\1\r"
    )


@pytest.mark.parametrize(
    ("accept", "application", "verdict", "code"),
    [
        ("", "", Verdict.ACCEPT, "AA"),
        ("AL", "", Verdict.ACCEPT, "CA"),
        ("AL", "NE", Verdict.ACCEPT, "CA"),
        ("AL", "AL", Verdict.ACCEPT, "CA"),
        ("SU", "", Verdict.ACCEPT, "CA"),
        ("ER", "", Verdict.ACCEPT, None),
        ("NE", "NE", Verdict.ACCEPT, None),
        ("NE", "AL", Verdict.ACCEPT, "AA"),
        ("", "AL", Verdict.ACCEPT, "AA"),
        ("", "ER", Verdict.ACCEPT, None),
        ("AL", "", Verdict.REJECT, "CR"),
        ("ER", "", Verdict.REJECT, "CR"),
        ("SU", "", Verdict.REJECT, None),
        ("NE", "ER", Verdict.ERROR, "AE"),
        ("AL", "AL", Verdict.ERROR, "CE"),
    ],
)
def test_the_mode_and_the_conditions_are_those_of_the_header(
    accept: str, application: str, verdict: Verdict, code: str | None
) -> None:
    told = answer(read_header(_asked("2.5", accept, application)), verdict, WE)
    assert (None if told is None else read_acknowledgment(told).code) == code


@pytest.mark.parametrize(
    ("version", "event"),
    [("2.1", b"ACK"), ("2.2", b"ACK"), ("2.3", b"ACK^O01"), ("2.4", b"ACK^O01^ACK"), ("2.8", b"ACK^O01^ACK")],
)
def test_the_event_of_an_answer_is_written_as_its_version_has_it(version: str, event: bytes) -> None:
    told = answer(read_header(_asked(version)), Verdict.ACCEPT, WE)
    assert told is not None and told.split(b"|")[8] == event


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.4", "2.5", "2.5.1", "2.8"])
@pytest.mark.parametrize("error", list(ErrorCode))
def test_an_error_is_found_again_in_every_version(version: str, error: ErrorCode) -> None:
    told = answer(read_header(_asked(version)), Verdict.REJECT, WE, error)
    assert told is not None
    read = read_acknowledgment(told)
    assert (read.code, read.control_id, read.error) == ("AR", b"MSG\\T\\1", error.value)


def test_an_answer_uses_the_delimiters_of_the_question() -> None:
    header = read_header(b"MSH$%*?!$A$B$C$D$2026$$ADT%A08$7$P$2.5\r")
    told = answer(header, Verdict.ACCEPT, WE)
    assert told is not None and told.startswith(b"MSH$%*?!$SAFELIGHT$ST E$A$B$")
    assert read_acknowledgment(told).control_id == b"7"


def test_bytes_without_a_header_are_rejected_with_an_error_and_no_name() -> None:
    told = refusal_without_header(WE)
    read = read_acknowledgment(told)
    assert (read.code, read.control_id, read.error) == ("AR", b"", "100")


@pytest.mark.parametrize("raw", [b"", b"MSH|^~\\&|A", b"MSH|^~\\&|A|B|C|D|2026||ACK|7|P|2.5\rERR|x\r"])
def test_an_answer_that_says_nothing_is_none(raw: bytes) -> None:
    with pytest.raises(UnreadableHeader):
        read_acknowledgment(raw)
