"""The header of a message, read from its bytes alone: enough to answer, keep and route it.

Source: HL7 v2.1 to v2.8, chapter 2, segment MSH.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from safelight.core.errors import PeerError

SEGMENT_END: Final = re.compile(rb"[\r\n]")
_LEAD: Final = re.compile(rb"(?:\xef\xbb\xbf|[\r\n\t \0])*")
HEADER_BYTES_MAX: Final = 64 * 1024


class UnreadableHeader(PeerError):
    """The header of a message cannot be read, so that nobody can tell what it is."""

    code: ClassVar[str] = "wire.hl7-unreadable-header"
    hint: ClassVar[str] = "The bytes are kept. Ask the sender's owner why its messages do not begin with a whole MSH."


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters that a message is cut at; an empty one is not in use."""

    field: bytes = b"|"
    component: bytes = b"^"
    repetition: bytes = b"~"
    escape: bytes = b"\\"
    subcomponent: bytes = b"&"
    truncation: bytes = b""

    @property
    def encoding(self) -> bytes:
        """The content of MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD: Final = Delimiters()


@dataclass(frozen=True, slots=True)
class Header:
    """What MSH says, as the bytes that came; empty where it says nothing."""

    delimiters: Delimiters
    fields: tuple[bytes, ...]
    """By number: ``fields[10]`` is MSH-10."""

    def __getitem__(self, number: int) -> bytes:
        """Return a field as it came; a field that is not there is empty."""
        return self.fields[number] if number < len(self.fields) else b""

    def component(self, number: int, place: int = 1) -> bytes:
        """Return one component of the first repetition of a field."""
        delimiters = self.delimiters
        first = self[number].split(delimiters.repetition)[0] if delimiters.repetition else self[number]
        parts = first.split(delimiters.component) if delimiters.component else [first]
        return parts[place - 1].strip() if place <= len(parts) else b""

    @property
    def control_id(self) -> bytes:
        """MSH-10."""
        return self[10]

    @property
    def names_message(self) -> bool:
        """Whether it says enough to know the message by: an event or a control id."""
        return bool(self.component(9) or self.control_id)

    @property
    def event(self) -> str:
        """Message code and trigger event, as ``ORM^O01``; ``ACK`` alone where there is no event."""
        code, trigger = self.component(9), self.component(9, 2)
        return (code + (b"^" + trigger if trigger else b"")).decode("latin-1")

    @property
    def sender(self) -> str:
        """Sending application and facility: who made the message."""
        return "|".join(self.component(number).decode("latin-1") for number in (3, 4))

    @property
    def version(self) -> tuple[int, int]:
        """The version, as (2, 5); (2, 3) where it is missing or unreadable."""
        found = re.match(rb"2\.(\d)", self.component(12))
        return (2, int(found[1])) if found else (2, 3)

    @property
    def enhanced(self) -> bool:
        """Whether the sender asks for enhanced acknowledgment: MSH-15 or MSH-16 is valued."""
        return bool(self[15].strip() or self[16].strip())


def read_header(raw: bytes) -> Header:
    """Read the header of a message, whatever follows it.

    Raises:
        UnreadableHeader: no MSH, no usable delimiters, or neither an event nor a control id.
    """
    header = read_fields(raw)
    if not header.names_message:
        raise UnreadableHeader(why="neither an event nor a control id", size_bytes=len(raw))
    return header


def read_fields(raw: bytes) -> Header:
    """Read the fields of a header, even if they say too little to know the message by: enough to answer in its mode.

    Raises:
        UnreadableHeader: no MSH, or no usable delimiters.
    """
    lead = _LEAD.match(raw)
    at = lead.end() if lead else 0
    if raw[at : at + 3] != b"MSH":
        raise UnreadableHeader(why="does not begin with MSH", size_bytes=len(raw))
    end = SEGMENT_END.search(raw, at, at + HEADER_BYTES_MAX)
    line = raw[at : end.start() if end else at + HEADER_BYTES_MAX]
    separator = line[3:4]
    parts = line.split(separator) if _may_delimit(separator) else []
    if len(parts) < 3:
        raise UnreadableHeader(why="no field separator", size_bytes=len(raw))
    return Header(_delimiters(separator, parts[1], len(raw)), (b"", separator, *parts[1:]))


def _delimiters(field: bytes, encoding: bytes, size: int) -> Delimiters:
    singles = [encoding[index : index + 1] for index in range(len(encoding))]
    distinct = len({field, *singles}) == len(singles) + 1
    if not 1 <= len(singles) <= 5 or not distinct or not all(map(_may_delimit, singles)):
        raise UnreadableHeader(why="no usable encoding characters", size_bytes=size)
    singles += [b""] * (5 - len(singles))
    return Delimiters(field, *singles)


def _may_delimit(character: bytes) -> bool:
    return len(character) == 1 and 0x20 < character[0] < 0x7F and not character.isalnum()
