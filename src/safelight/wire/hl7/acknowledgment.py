"""Acknowledgments: what we answer, and what an answer to us says.

Source: HL7 v2 chapter 2, message acknowledgment, original and enhanced mode; segments MSA and ERR.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from safelight.wire.hl7.header import STANDARD, Delimiters, Header, UnreadableHeader, read_header

_ALWAYS: Final = (b"AL", b"SU")
_ON_ERROR: Final = (b"AL", b"ER")


class Verdict(StrEnum):
    """What becomes of a message."""

    ACCEPT = "A"
    ERROR = "E"
    REJECT = "R"


class ErrorCode(StrEnum):
    """Source: HL7 table 0357."""

    SEGMENT_SEQUENCE = "100"
    REQUIRED_FIELD = "101"
    APPLICATION = "207"


_TEXTS: Final = {
    ErrorCode.SEGMENT_SEQUENCE: b"Segment sequence error",
    ErrorCode.REQUIRED_FIELD: b"Required field missing",
    ErrorCode.APPLICATION: b"Application internal error",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers, and how this answer is called."""

    application: bytes
    facility: bytes
    control_id: bytes
    at: datetime


def answer(header: Header, verdict: Verdict, we: Identity, error: ErrorCode | None = None) -> bytes | None:
    """Return the answer that a sender asks for, in its own delimiters; None where it asks for none.

    In enhanced mode the accept acknowledgment (CA, CE, CR) is what we owe; where the sender asks for an
    application acknowledgment alone, it gets that one.
    """
    mode = "A"
    if header.enhanced:
        wanted = _ALWAYS if verdict is Verdict.ACCEPT else _ON_ERROR
        if header[15].strip().upper() in wanted:
            mode = "C"
        elif header[16].strip().upper() not in wanted:
            return None
    return _write(header, mode + verdict, we, error)


def refusal_without_header(we: Identity) -> bytes:
    """Return the answer to bytes whose header nobody can read: rejected, in the standard's own delimiters."""
    header = Header(STANDARD, ())
    return _write(header, "A" + Verdict.REJECT, we, ErrorCode.SEGMENT_SEQUENCE)


def _write(header: Header, code: str, we: Identity, error: ErrorCode | None) -> bytes:
    marks = header.delimiters
    version = header.component(12) or b"2.5.1"
    field = marks.field
    msh = field.join(
        (
            b"MSH" + field + marks.encoding,
            we.application,
            we.facility,
            header[3],
            header[4],
            we.at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000").encode(),
            b"",
            _event(header, marks),
            we.control_id,
            header[11] or b"P",
            version,
        )
    )
    if header[18]:
        msh += field * 6 + header[18]
    segments = [msh, field.join((b"MSA", code.encode(), header.control_id))]
    if error is not None:
        if header.version < (2, 5):
            segments[1] += field + _TEXTS[error]
        segments.append(_error(error, marks, header.version))
    return b"\r".join(segments) + b"\r"


def _event(header: Header, marks: Delimiters) -> bytes:
    trigger = header.component(9, 2)
    if not trigger or header.version < (2, 3) or not marks.component:
        return b"ACK"
    parts = [b"ACK", trigger] + ([b"ACK"] if header.version >= (2, 4) else [])
    return marks.component.join(parts)


def _error(error: ErrorCode, marks: Delimiters, version: tuple[int, int]) -> bytes:
    code = error.encode()
    if version < (2, 5):
        # ERR-1: segment, sequence and field are unknown; the code stands in the fourth component.
        told = (marks.subcomponent or b" ").join((code, _TEXTS[error], b"HL70357"))
        return b"ERR" + marks.field + marks.component * 3 + told
    told = marks.component.join((code, _TEXTS[error], b"HL70357"))
    return marks.field.join((b"ERR", b"", b"", told, b"E"))


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a receiver says to a message of ours."""

    code: str
    """MSA-1: AA, AE, AR, CA, CE or CR."""
    control_id: bytes
    """MSA-2: whose answer it is."""
    error: str
    """The first error code that it gives, or nothing."""


def read_acknowledgment(raw: bytes) -> Acknowledged:
    """Read the answer to a message of ours.

    Raises:
        UnreadableHeader: it is no message, or has no MSA.
    """
    header = read_header(raw)
    mark = header.delimiters.field
    found: Acknowledged | None = None
    error = ""
    for line in raw.replace(b"\n", b"\r").split(b"\r"):
        parts = line.split(mark)
        if parts[0] == b"MSA" and len(parts) > 1 and found is None:
            found = Acknowledged(_ascii(parts[1]), parts[2] if len(parts) > 2 else b"", "")
        if parts[0] == b"ERR" and not error:
            error = _error_of(parts, header.delimiters)
    if found is None:
        raise UnreadableHeader(why="an answer without MSA", size_bytes=len(raw))
    return Acknowledged(found.code, found.control_id, error)


def _error_of(parts: list[bytes], marks: Delimiters) -> str:
    if len(parts) > 3 and parts[3]:
        return _ascii(parts[3].split(marks.component)[0] if marks.component else parts[3])
    if len(parts) > 1 and marks.component:
        pieces = parts[1].split(marks.component)
        if len(pieces) > 3:
            return _ascii(pieces[3].split(marks.subcomponent)[0] if marks.subcomponent else pieces[3])
    return ""


def _ascii(raw: bytes) -> str:
    return raw.strip()[:20].decode("ascii", "replace").upper()
