"""Walk the top level of a data set by its element headers: nothing is decoded, values are skipped by length."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Literal

from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource
from safelight.wire.dicom.element_table import (
    DEFLATED,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITATION,
    PIXEL_GROUP,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    VR_LONG,
    VR_SHORT,
)
from safelight.wire.dicom.uids import EXPLICIT_BIG_ENDIAN

_WINDOW_FIRST: Final = 16 * 1024
_WINDOW: Final = 64 * 1024


class BadDataSet(PeerError):
    """The bytes cannot be followed as a data set up to what was looked for."""

    code: ClassVar[str] = "wire.bad-data-set"
    hint: ClassVar[str] = (
        "The sender's data set is damaged. What was received is kept as it is; ask the sender for it again."
    )


class DataSetCutShort(BadDataSet):
    """The bytes end before the data set does: a file or transfer that stopped on the way."""

    code: ClassVar[str] = "wire.cut-short"
    hint: ClassVar[str] = (
        "Find the whole file, or ask the sender for it again; what is there is kept, and a recovery does not send it."
    )


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """How much a data set may cost to walk."""

    elements_max: int = 2_000_000
    depth_max: int = 64
    """Nested sequences of undefined length."""
    value_bytes_max: int = 16 * 1024
    """A longer value is passed over instead of kept."""
    head_inflated_bytes_max: int = 1024 * 1024
    """How much of a deflated data set is inflated to find its head."""
    fragments_max: int = 200_000


LIMITS: Final = WalkLimits()


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a data set are written."""

    explicit: bool
    big_endian: bool = False
    deflated: bool = False

    @property
    def order(self) -> Literal["<", ">"]:
        """The byte order as `struct` writes it."""
        return ">" if self.big_endian else "<"


def encoding_of(transfer_syntax: str) -> Encoding:
    """Tell the encoding of a transfer syntax; one we do not know is explicit little endian.

    Source: PS3.5 section 10 and annex A.
    """
    if transfer_syntax in IMPLICIT:
        return Encoding(explicit=False)
    return Encoding(True, transfer_syntax == EXPLICIT_BIG_ENDIAN, transfer_syntax in DEFLATED)


def settle_explicit(declared: Encoding, opening: bytes | memoryview) -> Encoding:
    """Correct what was declared by the first element: some writers name one syntax and write the other."""
    found = bytes(opening[4:6])
    if declared.big_endian or len(found) < 2:
        return declared
    if declared.explicit and not _looks_like_vr(found):
        return Encoding(explicit=False)
    if not declared.explicit and (found in VR_SHORT or found in VR_LONG):
        return Encoding(explicit=True)
    return declared


def _looks_like_vr(two: bytes) -> bool:
    return two in VR_SHORT or two in VR_LONG or (two.isalpha() and two.isupper())


_HEADERS: Final = {order: (Struct(order + "HH2sH"), Struct(order + "HHL"), Struct(order + "L")) for order in ("<", ">")}

Element = tuple[int, bytes, int, int, bytes | None]
"""Tag, VR (empty where none is written), offset of the value, its length, and the value where it was wanted."""


def walk(
    source: ByteSource,
    start: int,
    encoding: Encoding,
    wanted: frozenset[int],
    last: int,
    *,
    limits: WalkLimits = LIMITS,
) -> Iterator[Element]:
    """Yield the wanted elements with their values, and every element past tag ``last`` without.

    The walk ends with the bytes, or at pixel data of undefined length, which is yielded.

    Raises:
        BadDataSet: the bytes end within an element, or a limit is reached.
    """
    size = source.size
    reader = HeaderReader(source, encoding.order, limits)
    short, implicit, long = _HEADERS[encoding.order]
    unpack_short, unpack_implicit, unpack_long = short.unpack_from, implicit.unpack_from, long.unpack_from
    explicit, value_bytes_max, vr_short = encoding.explicit, limits.value_bytes_max, VR_SHORT
    # Places are relative to the window, so that the usual element costs one comparison and no addition for it.
    base, at = start, 0
    window = source.read(start, _WINDOW_FIRST)
    safe_end = len(window) - 12
    for _ in range(limits.elements_max):
        if at > safe_end:
            if base + len(window) < size:
                base, at, window = base + at, 0, source.read(base + at, _WINDOW)
                safe_end = len(window) - 12
            if base + at >= size:
                return
            if at + 8 > len(window):
                raise DataSetCutShort(offset=base + at, why="the bytes end within an element")
        if explicit:
            group, element, vr, length = unpack_short(window, at)
            value = at + 8
            if vr in vr_short:
                pass
            elif vr in VR_LONG:
                if at + 12 > len(window):
                    raise DataSetCutShort(offset=base + at, why="the bytes end within an element")
                length = unpack_long(window, at + 8)[0]
                value = at + 12
            elif not _looks_like_vr(vr):
                # Some writers drop into implicit elements in the middle of an explicit data set.
                vr, length = b"", unpack_long(window, at + 4)[0]
        else:
            group, element, length = unpack_implicit(window, at)
            vr, value = b"", at + 8
        tag = group << 16 | element
        if length == UNDEFINED_LENGTH:
            if tag in wanted or tag > last:
                yield tag, vr, base + value, length, None
            if group == PIXEL_GROUP:
                return
            at = reader.skip_items(base + value, explicit and vr != b"UN") - base
            continue
        at = value + length
        if base + at > size:
            raise DataSetCutShort(offset=base + value, why="a value is longer than the bytes that are left")
        if tag in wanted:
            if length > value_bytes_max:
                yield tag, vr, base + value, length, None
            elif at <= len(window):
                yield tag, vr, base + value, length, bytes(window[value:at])
            else:
                yield tag, vr, base + value, length, bytes(source.read(base + value, length))
        elif tag > last:
            yield tag, vr, base + value, length, None
    raise BadDataSet(offset=base + at, why="more elements than the limit")


class HeaderReader:
    """Reads element headers anywhere in a data set, with one budget of headers for all of it."""

    def __init__(self, source: ByteSource, order: Literal["<", ">"], limits: WalkLimits = LIMITS) -> None:
        self._source = source
        self._size = source.size
        self._short, self._implicit, self._long = _HEADERS[order]
        self._left = limits.elements_max
        self._depth_max = limits.depth_max
        self._base = 0
        self._window: bytes | memoryview = b""

    def header(self, offset: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Return tag, VR (empty where none is written), offset of the value and its length.

        Raises:
            BadDataSet: the bytes end within the header or before the end of the value, or the budget is spent.
        """
        self._left -= 1
        if self._left < 0:
            raise BadDataSet(offset=offset, why="more elements than the limit")
        at = self._seek(offset)
        group, element, length = self._implicit.unpack_from(self._window, at)
        vr, value = b"", offset + 8
        if explicit and group != 0xFFFE:
            _, _, vr, short_length = self._short.unpack_from(self._window, at)
            if vr in VR_LONG:
                if at + 12 > len(self._window):
                    raise DataSetCutShort(offset=offset, why="the bytes end within an element")
                value, length = offset + 12, self._long.unpack_from(self._window, at + 8)[0]
            elif _looks_like_vr(vr):
                length = short_length
            else:
                vr = b""
        if length != UNDEFINED_LENGTH and value + length > self._size:
            raise DataSetCutShort(offset=value, why="a value is longer than the bytes that are left")
        return group << 16 | element, vr, value, length

    def _seek(self, offset: int) -> int:
        """Have twelve bytes (or all that are left, at least eight) in the window; return their place in it."""
        end = self._base + len(self._window)
        if offset < self._base or (offset + 12 > end and end < self._size) or offset + 8 > end:
            self._window = self._source.read(offset, _WINDOW) if offset < self._size else b""
            self._base = offset
            if len(self._window) < 8:
                raise DataSetCutShort(offset=offset, why="the bytes end within an element")
        return offset - self._base

    def skip_items(self, offset: int, explicit: bool) -> int:
        """Return the offset after the delimiter of the sequence whose first item is at ``offset``.

        Raises:
            BadDataSet: the items do not follow each other to a delimiter, or nest deeper than the limit.

        Source: PS3.5 section 7.5. In UN of undefined length the items are implicit little endian (section 6.2.2).
        """
        # One entry a nested undefined length: whether its elements are explicit, and whether we are within an item.
        stack: list[tuple[bool, bool]] = [(explicit, False)]
        while stack:
            if len(stack) > 2 * self._depth_max:
                raise BadDataSet(offset=offset, why="sequences nest deeper than the limit")
            explicit, in_item = stack[-1]
            tag, vr, value, length = self.header(offset, explicit)
            offset = value if length == UNDEFINED_LENGTH else value + length
            if tag == SEQUENCE_DELIMITATION:
                # An item that lacks its own delimiter ends with its sequence.
                del stack[-2 if in_item else -1 :]
            elif in_item and tag == ITEM_DELIMITATION:
                stack.pop()
            elif not in_item and tag != ITEM:
                raise BadDataSet(offset=offset, why="something else than an item in a sequence")
            elif length == UNDEFINED_LENGTH:
                stack.append((explicit and vr != b"UN", not in_item))
        return offset
