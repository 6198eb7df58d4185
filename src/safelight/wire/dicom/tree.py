"""Read all attributes of a data set as places in its bytes, sequences taken apart, values left where they are."""

from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR

from safelight.core.instance import ByteSource
from safelight.wire.dicom.element_table import (
    ITEM,
    ITEM_DELIMITATION,
    PIXEL_DATA,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
)
from safelight.wire.dicom.elements import LIMITS, BadDataSet, Encoding, HeaderReader, WalkLimits

_UNKNOWN: Final = (b"", b"UN")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its VR (the dictionary's where none is written), and its place or its items."""

    vr: bytes
    start: int
    end: int
    """Where the value ends, delimiter included when its length is undefined."""
    items: tuple["Tree", ...] | None = None
    encapsulated: bool = False
    """Whether the value is a row of fragments."""


Tree = dict[int, Attribute]


def read_tree(source: ByteSource, start: int, encoding: Encoding, limits: WalkLimits = LIMITS) -> Tree:
    """Read the attributes of the data set from ``start`` to the end of the source.

    Raises:
        BadDataSet: an element or sequence does not end where it should, or a limit is reached.
    """
    return _TreeReader(source, encoding, limits).elements(start, source.size, encoding.explicit, 0)[0]


def read_items(source: ByteSource, attribute: Attribute) -> tuple[Tree, ...] | None:
    """Read the value of an attribute of unknown VR as a sequence, which is implicit little endian; None if it is none.

    Source: PS3.5 section 6.2.2, note on VR UN.
    """
    try:
        reader = _TreeReader(source, Encoding(explicit=False), LIMITS)
        return reader.items(attribute.start, attribute.end, False, 1)[0]
    except BadDataSet:
        return None


class _TreeReader:
    """One reading of one data set; recursion goes no deeper than the limit on nesting."""

    def __init__(self, source: ByteSource, encoding: Encoding, limits: WalkLimits) -> None:
        self._headers = HeaderReader(source, encoding.order, limits)
        self._depth_max = limits.depth_max

    def elements(self, offset: int, end: int | None, explicit: bool, depth: int) -> tuple[Tree, int]:
        """Read elements up to ``end``, or up to a delimiter; return them and where they ended."""
        if depth > self._depth_max:
            raise BadDataSet(offset=offset, why="sequences nest deeper than the limit")
        found: Tree = {}
        while end is None or offset < end:
            tag, vr, value, length = self._headers.header(offset, explicit)
            if tag == ITEM_DELIMITATION:
                return found, value + length
            if tag == SEQUENCE_DELIMITATION and end is None:
                # An item that lacks its own delimiter ends with its sequence.
                return found, offset
            found[tag], offset = self._attribute((tag, vr, value, length), explicit, depth)
        return found, offset

    def _attribute(self, header: tuple[int, bytes, int, int], explicit: bool, depth: int) -> tuple[Attribute, int]:
        tag, written_vr, value, length = header
        vr = _known_vr(tag) if written_vr in _UNKNOWN else written_vr
        if length == UNDEFINED_LENGTH and (tag == PIXEL_DATA or vr in (b"OB", b"OW")):
            end = self._headers.skip_items(value, explicit)
            return Attribute(vr, value, end, encapsulated=True), end
        if length == UNDEFINED_LENGTH or vr == b"SQ":
            end_known = None if length == UNDEFINED_LENGTH else value + length
            inner = explicit and written_vr != b"UN"
            items, end = self.items(value, end_known, inner, depth + 1)
            return Attribute(b"SQ", value, end, items), end
        return Attribute(vr, value, value + length), value + length

    def items(self, offset: int, end: int | None, explicit: bool, depth: int) -> tuple[tuple[Tree, ...], int]:
        """Read items up to ``end``, or up to the delimiter of their sequence."""
        found: list[Tree] = []
        while end is None or offset < end:
            tag, _, value, length = self._headers.header(offset, explicit)
            if tag == SEQUENCE_DELIMITATION:
                return tuple(found), value + length
            if tag != ITEM:
                raise BadDataSet(offset=offset, why="something else than an item in a sequence")
            item_end = None if length == UNDEFINED_LENGTH else value + length
            attributes, offset = self.elements(value, item_end, explicit, depth)
            found.append(attributes)
        return tuple(found), offset


def _known_vr(tag: int) -> bytes:
    """Return the dictionary's VR; where it leaves a choice (``US or SS``), the first."""
    try:
        return str(dictionary_VR(tag))[:2].encode()
    except KeyError:
        return b"LO" if (tag >> 16) % 2 and 0x10 <= tag & 0xFFFF <= 0xFF else b""
