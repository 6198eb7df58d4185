"""A message taken apart for reading: segments, fields, repetitions, components, subcomponents, texts.

Its bytes are kept by whoever has them and are never written again from what is read here.
Source: HL7 v2.1 to v2.8, chapter 2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from safelight.wire.hl7.charset import Decoded, decode
from safelight.wire.hl7.header import Header, read_header

REPETITIONS_MAX: Final = 10_000
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_FORMATTING: Final = {".BR": "\n", ".SP": "\n", ".CE": "\n", ".FI": "", ".NF": "", "H": "", "N": ""}


@dataclass(frozen=True, slots=True)
class TextDelimiters:
    """The delimiters as characters, and the codec for bytes written in hexadecimal."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str
    codec: str


def unescape(text: str, delimiters: TextDelimiters) -> str:
    """Replace escape sequences by what they stand for; one that nobody knows stays as it is."""
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    parts = text.split(mark)
    told, index = [parts[0]], 1
    while index < len(parts):
        meant = _meaning(parts[index], delimiters) if index + 1 < len(parts) else None
        if meant is None:
            told.append(mark + parts[index])
            index += 1
        else:
            told.append(meant + parts[index + 1])
            index += 2
    return "".join(told)


def _meaning(sequence: str, delimiters: TextDelimiters) -> str | None:
    letter = sequence.upper()
    plain = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "T": delimiters.subcomponent,
        "P": delimiters.truncation,
    }
    if plain.get(letter):
        return plain[letter]
    if letter in _FORMATTING:
        return _FORMATTING[letter]
    if letter.startswith("X") and re.fullmatch(r"X(?:[0-9A-F]{2})+", letter):
        return bytes.fromhex(letter[1:]).decode(delimiters.codec, errors="replace")
    if re.fullmatch(r"\.(?:SP|SK|IN|TI)[+-]?\d+", letter):
        return "\n" if letter.startswith(".SP") else " "
    return None


@dataclass(frozen=True, slots=True)
class Field:
    """One field, not yet taken apart."""

    raw: str
    delimiters: TextDelimiters

    def repetitions(self) -> list["Field"]:
        """Return each repetition as a field of its own; an absent field has none."""
        if not self.raw:
            return []
        mark = self.delimiters.repetition
        parts = self.raw.split(mark, REPETITIONS_MAX)[:REPETITIONS_MAX] if mark else [self.raw]
        return [Field(part, self.delimiters) for part in parts]

    def component(self, number: int = 1, sub: int | None = 1) -> str:
        """Return a component of the first repetition as text; ``sub`` None joins its subcomponents as they came."""
        marks = self.delimiters
        first = self.raw.split(marks.repetition, 1)[0] if marks.repetition else self.raw
        parts = first.split(marks.component) if marks.component else [first]
        if number > len(parts):
            return ""
        part = parts[number - 1]
        if sub is not None and marks.subcomponent:
            pieces = part.split(marks.subcomponent)
            part = pieces[sub - 1] if sub <= len(pieces) else ""
        return unescape(part, marks)

    def components(self) -> list[str]:
        """Return every component of the first repetition, its subcomponents joined as they came."""
        marks = self.delimiters
        count = self.raw.split(marks.repetition, 1)[0].count(marks.component) + 1 if marks.component else 1
        return [self.component(number, None) for number in range(1, count + 1)]

    @property
    def text(self) -> str:
        """The whole field as text, repetitions and components as they came."""
        return unescape(self.raw, self.delimiters)

    @property
    def is_null(self) -> bool:
        """Whether the sender says that the value is to be deleted."""
        return self.raw == '""'

    def __bool__(self) -> bool:
        return bool(self.raw) and not self.is_null


class Segment:
    """One segment; a Z segment is one like any other."""

    __slots__ = ("_fields", "delimiters", "name", "raw")

    def __init__(self, raw: str, delimiters: TextDelimiters) -> None:
        self.raw = raw
        self.delimiters = delimiters
        self.name = raw[:3] if _NAME.match(raw) else ""
        """The three characters that name it; empty for a line that is none."""
        self._fields: list[str] | None = None

    def written(self, number: int) -> str:
        """Return a field as it came; one that is not there is empty. MSH-1 is the separator itself."""
        if self._fields is None:
            mark = self.delimiters.field
            self._fields = self.raw.split(mark)
            if self.name in ("MSH", "FHS", "BHS"):
                self._fields.insert(1, mark)
        return self._fields[number] if number < len(self._fields) else ""

    def field(self, number: int) -> Field:
        """Return a field; one that is not there is empty."""
        return Field(self.written(number), self.delimiters)


class Message:
    """A message that can be asked for its segments and fields."""

    def __init__(self, raw: bytes, header: Header | None = None, assumed_charset: str = "") -> None:
        """Take the bytes; ``assumed_charset`` is what this sender is known to write where MSH-18 is of no use.

        Raises:
            UnreadableHeader: there is none to go by.
        """
        self.raw = raw
        self.header = header or read_header(raw)
        self._assumed = assumed_charset

    @cached_property
    def decoded(self) -> Decoded:
        """The whole message as text."""
        # Decoded first and cut afterwards: in Japanese and Chinese sets the second byte of a character may be
        # that of a delimiter.
        return decode(self.raw, self.header.component(18).decode("latin-1"), self._assumed)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment in order. Lines end with CR, LF or both; where CR is used, a lone LF is part of a text."""
        text = self.decoded.text.lstrip("\ufeff\r\n\t \0")
        ends_with_cr = "\r" in text
        lines = text.split("\r" if ends_with_cr else "\n")
        marks = self.delimiters
        return tuple(Segment(line.lstrip("\n"), marks) for line in lines if line.strip("\r\n"))

    @cached_property
    def delimiters(self) -> TextDelimiters:
        """The delimiters of this message as characters."""
        one = self.header.delimiters
        return TextDelimiters(
            field=one.field.decode("ascii"),
            component=one.component.decode("ascii"),
            repetition=one.repetition.decode("ascii"),
            escape=one.escape.decode("ascii"),
            subcomponent=one.subcomponent.decode("ascii"),
            truncation=one.truncation.decode("ascii"),
            codec=self.decoded.codec,
        )

    def all(self, name: str) -> Iterator[Segment]:
        """Give every segment of a name."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment:
        """Return the first segment of a name; one that is not there has only empty fields."""
        return next(self.all(name), Segment("", self.delimiters))

    def field(self, name: str, number: int) -> Field:
        """Return a field of the first segment of a name."""
        return self.first(name).field(number)
