"""Writing the answers to a query from text, many of one shape, without building a data set for each.

Source: PS3.5 sections 6.1, 7.1 and Annex A; PS3.4 section C.4.1.1.3.2 (the character set of an answer).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from safelight.wire.dicom.query import CHARACTER_SET
from safelight.wire.dicom.uids import EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN

UNICODE: Final = "ISO_IR 192"
_ITEM_GROUP: Final = 0xFFFE
_ITEM_ELEMENT: Final = 0xE000
_LONG: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_SHORT_BYTES_MAX: Final = 0xFFFE
_LONG_BYTES_MAX: Final = 0xFFFFFFFE
CHARACTER_SETS: Final = {
    "ISO_IR 100": "iso8859-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 166": "tis-620",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}


@dataclass(frozen=True, slots=True)
class AnswerAttribute:
    """One attribute of every answer; a sequence has the attributes of its one item."""

    tag: int
    vr: str
    nested: tuple["AnswerAttribute", ...] = ()
    text: str | None = None
    """Its value where that is the same in every answer, in ASCII; it is then written once and given with none."""


Value = str | Sequence["Value"] | None
"""Text; the values of the one item of a sequence; None for a sequence without items."""


class AnswerShape:
    """Writes answers that all have the same attributes."""

    def __init__(self, attributes: Sequence[AnswerAttribute], transfer_syntax: str, character_set: str = "") -> None:
        """Take attributes ascending by tag; ``character_set`` is one that the asker can read."""
        self._item = _Item(attributes, transfer_syntax)
        self._character_set = character_set if character_set in CHARACTER_SETS else UNICODE
        self._charset = _Head(CHARACTER_SET, "CS", transfer_syntax)

    def encode(self, values: Sequence[Value]) -> bytes:
        """Write one answer, with a value for each attribute that has no text of its own.

        Text beyond ASCII goes out in the asker's own character set where that has all its letters, else in Unicode.
        """
        try:
            return self._item.written(values, "ascii")
        except UnicodeEncodeError:
            pass
        if self._character_set != UNICODE:
            try:
                body = self._item.written(values, CHARACTER_SETS[self._character_set])
                return self._charset.written(self._character_set.encode()) + body
            except UnicodeEncodeError:
                pass
        return self._charset.written(UNICODE.encode()) + self._item.written(values, "utf-8")


class _Item:
    """The attributes of an answer, or of an item in it."""

    def __init__(self, attributes: Sequence[AnswerAttribute], transfer_syntax: str) -> None:
        self._parts: list[tuple[_Head, _Item | None]] = []
        fixed = b""
        for one in attributes:
            head = _Head(one.tag, one.vr, transfer_syntax, fixed)
            if one.text is not None:
                fixed = head.written(one.text.encode())
                continue
            self._parts.append((head, _Item(one.nested, transfer_syntax) if one.vr == "SQ" else None))
            fixed = b""
        self._end = fixed
        self._item_head = _item_head(transfer_syntax)

    def written(self, values: Sequence[Value], encoding: str) -> bytes:
        parts: list[bytes] = []
        for (head, nested), value in zip(self._parts, values, strict=True):
            if value is None:
                parts.append(head[0])
            elif isinstance(value, str):
                raw = value.encode(encoding)
                size = len(raw)
                if size > head.bytes_max:
                    raw, size = raw[: head.bytes_max], head.bytes_max
                parts += (head[size], raw, head.pad) if size & 1 else (head[size], raw)
            else:
                assert nested is not None, "only sequences have items"
                item = nested.written(value, encoding)
                parts.append(head.written(self._item_head.pack(_ITEM_GROUP, _ITEM_ELEMENT, len(item)) + item))
        parts.append(self._end)
        return b"".join(parts)


def _item_head(transfer_syntax: str) -> Struct:
    return Struct((">" if transfer_syntax == EXPLICIT_BIG_ENDIAN else "<") + "HHL")


class _Head(dict[int, bytes]):
    """What stands in front of the values of one attribute, by their length: few lengths occur, each very often."""

    def __init__(self, tag: int, vr: str, transfer_syntax: str, before: bytes = b"") -> None:
        order = ">" if transfer_syntax == EXPLICIT_BIG_ENDIAN else "<"
        is_explicit = transfer_syntax != IMPLICIT_LITTLE_ENDIAN
        is_short = is_explicit and vr not in _LONG
        self._start = before + Struct(f"{order}HH").pack(tag >> 16, tag & 0xFFFF)
        if is_explicit:
            # A tag of two possible representations is never anything but empty here.
            self._start += vr[:2].encode() + (b"" if is_short else b"\0\0")
        self._length = Struct(f"{order}{'H' if is_short else 'L'}")
        self.bytes_max = _SHORT_BYTES_MAX if is_short else _LONG_BYTES_MAX
        self.pad = b"\0" if vr in ("UI", "OB", "UN") else b" "

    def __missing__(self, size: int) -> bytes:
        head = self[size] = self._start + self._length.pack(size + (size & 1))
        return head

    def written(self, value: bytes) -> bytes:
        size = len(value)
        return self[size] + value + self.pad * (size & 1)
