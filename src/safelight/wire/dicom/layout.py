"""Find where the pixels of an instance lie, by ranged reads, believing no attribute that the bytes do not bear out."""

import re
from collections.abc import Iterator
from struct import Struct
from typing import Final

from safelight.core.instance import ByteSource, LayoutKind, PixelLayout
from safelight.wire.dicom.element_table import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    EXTENDED_OFFSETS,
    GE_PRIVATE_SWAPPED,
    ITEM,
    NUMBER_OF_FRAMES,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    PLANAR_CONFIGURATION,
    ROWS,
    SAMPLES_PER_PIXEL,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
)
from safelight.wire.dicom.elements import LIMITS, BadDataSet, WalkLimits, encoding_of, settle_explicit, walk

NO_LAYOUT: Final = PixelLayout(LayoutKind.NONE)

_DESCRIPTION: Final = frozenset(
    {
        SAMPLES_PER_PIXEL,
        PHOTOMETRIC_INTERPRETATION,
        PLANAR_CONFIGURATION,
        NUMBER_OF_FRAMES,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        BITS_STORED,
        PIXEL_REPRESENTATION,
    }
)
_FRAMES: Final = re.compile(rb"[ \0]*([0-9]{1,9})[ \0]*")
_UNSIGNED_SHORT: Final = Struct("<H")
_ITEM: Final = Struct("<HHL")


def find_layout(source: ByteSource, prefix_size: int, transfer_syntax: str, limits: WalkLimits = LIMITS) -> PixelLayout:
    """Tell how the pixels lie within the stored bytes; NONE for anything that cannot be taken apart safely.

    NONE too for float, 1-bit and 32-bit pixels, big endian and deflated syntaxes, and lengths that do not
    fit the attributes. Empty fragments are left out of ``fragments``.

    Source: PS3.5 section 8 and annex A.4.
    """
    encoding = encoding_of(transfer_syntax)
    if encoding.big_endian or encoding.deflated or transfer_syntax == GE_PRIVATE_SWAPPED:
        return NO_LAYOUT
    encoding = settle_explicit(encoding, source.read(prefix_size, 8))
    described: dict[int, bytes] = {}
    try:
        for tag, _, offset, length, value in walk(
            source, prefix_size, encoding, _DESCRIPTION, EXTENDED_OFFSETS - 1, limits=limits
        ):
            if value is not None:
                described[tag] = value
            elif tag == PIXEL_DATA:
                return _placed(source, described, offset, length, limits)
            elif tag > PIXEL_DATA:
                return NO_LAYOUT
    except BadDataSet:
        return NO_LAYOUT
    return NO_LAYOUT


def _placed(
    source: ByteSource, described: dict[int, bytes], offset: int, length: int, limits: WalkLimits
) -> PixelLayout:
    """Describe pixel data whose value begins at ``offset``."""
    frames = _frames(described.get(NUMBER_OF_FRAMES, b""))
    rows, columns = _number(described, ROWS), _number(described, COLUMNS)
    samples, bits = _number(described, SAMPLES_PER_PIXEL) or 1, _number(described, BITS_ALLOCATED)
    stored = _number(described, BITS_STORED)
    start, end = 0, 0
    kind = LayoutKind.ENCAPSULATED
    fragments: tuple[tuple[int, int], ...] = ()
    if length == UNDEFINED_LENGTH:
        fragments = tuple(_fragments(source, offset, limits))
    else:
        kind, start = LayoutKind.NATIVE, offset
        end = offset + rows * columns * samples * (bits // 8) * frames
        if bits not in (8, 16) or samples not in (1, 3) or end == start or length - (end - start) not in (0, end & 1):
            return NO_LAYOUT
    return PixelLayout(
        kind=kind,
        start=start,
        end=end,
        frames=frames,
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=bits,
        bits_stored=stored if 0 < stored <= bits else bits,
        signed=_number(described, PIXEL_REPRESENTATION) == 1,
        planar=samples > 1 and _number(described, PLANAR_CONFIGURATION) == 1,
        photometric=described.get(PHOTOMETRIC_INTERPRETATION, b"")
        .rstrip(b"\0 ")
        .decode("ascii", errors="backslashreplace"),
        fragments=fragments,
    )


def _number(described: dict[int, bytes], tag: int) -> int:
    """Read one US value; 0 where there is none or several."""
    value = described.get(tag, b"")
    return int(_UNSIGNED_SHORT.unpack(value)[0]) if len(value) == 2 else 0


def _frames(value: bytes) -> int:
    """Read Number of Frames; 1 where it is absent or empty, 0 (which fits no length) where it is no number."""
    if not value.strip(b"\0 "):
        return 1
    match = _FRAMES.fullmatch(value)
    return int(match.group(1)) if match else 0


def _fragments(source: ByteSource, offset: int, limits: WalkLimits) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the item values after the basic offset table.

    Raises:
        BadDataSet: the items do not follow each other to a delimiter.
    """
    size = source.size
    for number in range(limits.fragments_max):
        header = source.read(offset, 8)
        if len(header) < 8:
            break
        group, element, length = _ITEM.unpack(header)
        tag = group << 16 | element
        if tag == SEQUENCE_DELIMITATION:
            return
        if tag != ITEM or offset + 8 + length > size:
            break
        if number and length:
            yield offset + 8, offset + 8 + length
        offset += 8 + length
    raise BadDataSet(offset=offset, why="fragments without end, or more than the limit")
