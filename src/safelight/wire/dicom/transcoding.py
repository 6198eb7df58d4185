"""Writing a data set in another transfer syntax so that nothing is lost: for whoever cannot take the stored one.

Values keep their bytes; only headers, byte order and the wrapping of pixels change. Compressed pixels are decoded.
Source: PS3.5 sections 7, 8.2 and Annex A.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from typing import Final

import numpy as np

from safelight.core.instance import ByteSource
from safelight.wire.dicom.attributes import DecodedSet, read_set, settled_vr
from safelight.wire.dicom.element_table import (
    BITS_ALLOCATED,
    DOUBLE_PIXEL_DATA,
    EXTENDED_OFFSETS,
    FLOAT_PIXEL_DATA,
    GE_PRIVATE_SWAPPED,
    ITEM,
    ITEM_DELIMITATION,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PIXEL_GROUP,
    PLANAR_CONFIGURATION,
    SAMPLES_PER_PIXEL,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    VR_LONG,
    VR_WORD_SIZE,
)
from safelight.wire.dicom.elements import HeaderReader
from safelight.wire.dicom.frames import Frame, Pixels, Undecodable, decoded_frames, find_pixels, plain_bytes
from safelight.wire.dicom.tree import Attribute, Tree
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

NATIVE: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
"""What we can write, the better one first."""
BYTES_MAX: Final = 1 << 30
_EXTENDED_LENGTHS: Final = 0x7FE00002
_OF_ENCAPSULATION: Final = frozenset((EXTENDED_OFFSETS, _EXTENDED_LENGTHS))
_PIXELS: Final = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA)
_SHORT_BYTES_MAX: Final = 0xFFFE
_CHUNK: Final = 2**20
_TAG_AND_LENGTH: Final = Struct("<HHL")
_TAG_AND_SHORT: Final = Struct("<HH2sH")
_TAG_AND_LONG: Final = Struct("<HH2sHL")

Piece = bytes | memoryview


def alternatives(stored: str) -> tuple[str, ...]:
    """Return the transfer syntaxes that `transcoded` may write what is stored in this one, the better ones first."""
    return tuple(one for one in NATIVE if one != stored)


def transcoded(source: ByteSource, stored: str, wanted: str, start: int = 0) -> Iterator[Piece]:
    """Give the data set that begins at ``start`` in one of `NATIVE`, no more than a frame or a megabyte at a time.

    Raises:
        BadDataSet: it cannot be followed as a data set.
        Undecodable: its pixels cannot be decoded, or are too long.
        What can be told before the first piece is told then.
    """
    side = read_set(source, stored, start)
    pixels = find_pixels(side, stored)
    frames: Iterator[Frame] = iter(())
    if pixels is not None and (pixels.encapsulated or side.encoding.big_endian or stored == GE_PRIVATE_SWAPPED):
        frames = decoded_frames(pixels)
        # Taken now: whether there is a decoder that can, is known before anybody is promised a form.
        first = next(frames, None)
        frames = chain(() if first is None else (first,), frames)
    writer = _Writer(side, stored, explicit=wanted != IMPLICIT_LITTLE_ENDIAN)
    pixel_data = iter(()) if pixels is None else writer.plain_pixels(pixels, frames)
    return writer.written(_shown(side, pixels), pixels, pixel_data)


def encapsulated(
    source: ByteSource, stored: str, frames: Iterator[Piece], start: int = 0, *, colours_transformed: bool = False
) -> Iterator[Piece]:
    """Give the data set that begins at ``start``, stored in one of `NATIVE`, around its frames as they are coded.

    What stands in the place of the pixels is not read. Every frame becomes one fragment.

    Raises:
        BadDataSet: it cannot be followed as a data set.
        Undecodable: it has no native pixels.
    """
    if stored == EXPLICIT_LITTLE_ENDIAN and (place := _replaceable_pixels(source, start)) is not None:
        before, behind = place
        return chain(
            [source.read(start, before - start)], _fragments(frames), [source.read(behind, source.size - behind)]
        )
    side = read_set(source, stored, start)
    pixels = find_pixels(side, stored)
    if pixels is None or stored not in NATIVE or PIXEL_DATA not in side.tree:
        raise Undecodable(transfer_syntax=stored, why="no native pixels")
    shown = _Shown()
    if pixels.samples > 1:
        # Source: PS3.5 section 8.2.4: the reversible colour transform is told, and colours lie by pixel.
        shown = _Shown(b"YBR_RCT" if colours_transformed else None, b"\0\0")
    return _Writer(side, stored, explicit=True).written(shown, pixels, _fragments(frames))


def _replaceable_pixels(source: ByteSource, start: int) -> tuple[int, int] | None:
    """Return where the element of native pixels begins and ends, if all around it can stay byte for byte; else None.

    Most data sets are so: taking each of them apart and writing it anew costs more than everything else about them.
    """
    reader = HeaderReader(source, "<")
    place: tuple[int, int] | None = None
    offset, size = start, source.size
    while offset < size:
        tag, vr, value, length = reader.header(offset, explicit=True)
        if not vr or (tag & 0xFFFF == 0 and tag >> 16 > 2):
            # An element that drops into implicit, or a group length that no longer holds.
            return None
        if tag == SAMPLES_PER_PIXEL and bytes(source.read(value, length)) != b"\1\0":
            # Of colours something else is told when they are coded.
            return None
        end = value + length
        if length == UNDEFINED_LENGTH:
            if tag >> 16 == PIXEL_GROUP:
                return None
            end = reader.skip_items(value, vr != b"UN")
        elif tag == PIXEL_DATA:
            place = offset, end
        offset = end
    return place


def _fragments(frames: Iterator[Piece]) -> Iterator[Piece]:
    """Give the Pixel Data of coded frames, with an empty offset table. Source: PS3.5 section A.4."""
    yield _TAG_AND_LONG.pack(PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, b"OB", 0, UNDEFINED_LENGTH)
    yield _marker(ITEM, 0)
    for frame in frames:
        yield _marker(ITEM, len(frame) + len(frame) % 2)
        yield frame
        yield b"\0" * (len(frame) % 2)
    yield _marker(SEQUENCE_DELIMITATION, 0)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the image attributes say after the pixels were decoded; None leaves them as they are."""

    photometric: bytes | None = None
    planar: bytes | None = None


def _shown(side: DecodedSet, pixels: Pixels | None) -> _Shown:
    if pixels is None or not pixels.encapsulated or pixels.samples == 1:
        return _Shown()
    colour = "YBR_FULL" if pixels.colour == "YBR_FULL_422" else pixels.colour
    planar = b"\0\0" if PLANAR_CONFIGURATION in side.tree else None
    return _Shown(colour.encode("ascii", errors="replace"), planar)


class _Writer:
    """One data set on its way into explicit or implicit little endian."""

    def __init__(self, side: DecodedSet, stored: str, *, explicit: bool) -> None:
        self._side = side
        self._stored = stored
        self._explicit = explicit
        self._swaps = side.encoding.big_endian

    def written(self, shown: _Shown, pixels: Pixels | None, pixel_data: Iterator[Piece]) -> Iterator[Piece]:
        """Give the whole data set in pieces, in the place of its pixels what is given as the element of them."""
        pixel_tag = None if pixels is None else self._pixel_tag()
        for tag, attribute in self._side.tree.items():
            if tag == pixel_tag:
                yield from pixel_data
            elif pixels is not None and pixels.encapsulated and tag in _OF_ENCAPSULATION:
                continue
            elif tag == PHOTOMETRIC_INTERPRETATION and shown.photometric is not None:
                yield from self._element(tag, b"CS", shown.photometric.ljust(len(shown.photometric) + 1 & ~1))
            elif tag == PLANAR_CONFIGURATION and shown.planar is not None:
                yield from self._element(tag, b"US", shown.planar)
            else:
                yield from self._attribute(tag, attribute)

    def _attribute(self, tag: int, attribute: Attribute) -> Iterator[Piece]:
        if tag & 0xFFFF == 0 and tag >> 16 > 2:
            # Group lengths no longer hold; they are retired and may be left out.
            return
        if attribute.encapsulated:
            raise Undecodable(transfer_syntax=self._stored, why="encapsulated pixels in a sequence")
        if attribute.items is not None:
            yield from self._sequence(tag, attribute.items)
            return
        value: Piece = self._side.source.read(attribute.start, attribute.end - attribute.start)
        vr = self._vr(tag, attribute)
        if self._swaps and (size := VR_WORD_SIZE.get(vr, 1)) > 1:
            value = _swapped(value, size)
        yield from self._element(tag, vr, value)

    def _sequence(self, tag: int, items: tuple[Tree, ...]) -> Iterator[Piece]:
        yield self._head(tag, b"SQ", UNDEFINED_LENGTH)
        for item in items:
            yield _marker(ITEM, UNDEFINED_LENGTH)
            for inner, attribute in item.items():
                yield from self._attribute(inner, attribute)
            yield _marker(ITEM_DELIMITATION, 0)
        yield _marker(SEQUENCE_DELIMITATION, 0)

    def plain_pixels(self, pixels: Pixels, decoded: Iterator[Frame]) -> Iterator[Piece]:
        """Give the element of the pixels without any coding: as they lie, or decoded."""
        tag = self._pixel_tag()
        attribute = self._side.tree[tag]
        if not pixels.encapsulated and not self._swaps and self._stored != GE_PRIVATE_SWAPPED:
            length = attribute.end - attribute.start
            yield self._head(tag, self._vr(tag, attribute), length + length % 2)
            for offset in range(attribute.start, attribute.end, _CHUNK):
                yield self._side.source.read(offset, min(_CHUNK, attribute.end - offset))
            yield b"\0" * (length % 2)
            return
        frames = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8 * pixels.frames
        if frames > BYTES_MAX:
            raise Undecodable(transfer_syntax=self._stored, why="too long to be written anew")
        vr = {FLOAT_PIXEL_DATA: b"OF", DOUBLE_PIXEL_DATA: b"OD"}.get(tag, b"OW" if pixels.bits_allocated > 8 else b"OB")
        yield self._head(tag, vr, frames + frames % 2)
        given = 0
        for frame in decoded:
            piece = plain_bytes(frame, planar=pixels.planar and not pixels.encapsulated)
            given += len(piece)
            yield piece
        if given != frames:
            raise Undecodable(transfer_syntax=self._stored, why="more or fewer frames than described")
        yield b"\0" * (frames % 2)

    def _pixel_tag(self) -> int:
        return next(tag for tag in _PIXELS if tag in self._side.tree)

    def _vr(self, tag: int, attribute: Attribute) -> bytes:
        """Return the VR to write; where the dictionary leaves a choice, by what the image says of itself.

        Source: PS3.5 Annex A.1 and A.2.
        """
        vr = attribute.vr or b"UN"
        if self._side.encoding.explicit:
            return vr
        if tag == PIXEL_DATA:
            return b"OW" if self._number(BITS_ALLOCATED) > 8 else b"OB"
        if vr == b"OB" and tag >> 24 == 0x60:
            return b"OW"
        return settled_vr(self._side, self._side.tree, tag, attribute) or b"UN"

    def _element(self, tag: int, vr: bytes, value: Piece) -> Iterator[Piece]:
        if len(value) % 2:
            value = bytes(value) + (b"\0" if vr in (b"UI", b"OB", b"UN") else b" ")
        yield self._head(tag, vr, len(value))
        yield value

    def _head(self, tag: int, vr: bytes, length: int) -> bytes:
        group, element = tag >> 16, tag & 0xFFFF
        if not self._explicit:
            return _TAG_AND_LENGTH.pack(group, element, length)
        if vr not in VR_LONG and length > _SHORT_BYTES_MAX:
            # Source: PS3.5 section 6.2.2: what is too long for its VR is written as unknown.
            vr = b"UN"
        if vr in VR_LONG:
            return _TAG_AND_LONG.pack(group, element, vr, 0, length)
        return _TAG_AND_SHORT.pack(group, element, vr, length)

    def _number(self, tag: int) -> int:
        attribute = self._side.tree.get(tag)
        if attribute is None or attribute.end - attribute.start != 2:
            return 0
        return int.from_bytes(self._side.source.read(attribute.start, 2), "big" if self._swaps else "little")


def _marker(tag: int, length: int) -> bytes:
    return _TAG_AND_LENGTH.pack(tag >> 16, tag & 0xFFFF, length)


def _swapped(value: Piece, size: int) -> bytes:
    whole = len(value) - len(value) % size
    return np.frombuffer(value, f">u{size}", whole // size).astype(f"<u{size}").tobytes() + bytes(value[whole:])
