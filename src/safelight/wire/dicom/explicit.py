"""Writing a data set in Explicit VR Little Endian, with its pixels decoded: what every DICOMweb peer can read.

No attribute's value changes, save those that describe how decoded pixels lie. Source: PS3.5 sections 7 and A.2.
"""

from collections.abc import Iterator
from itertools import chain
from struct import Struct
from typing import Final

import numpy as np

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.attributes import DecodedSet, little_endian, settled_vr
from safelight.wire.dicom.dataset import inflate
from safelight.wire.dicom.element_table import (
    EXTENDED_OFFSETS,
    GE_PRIVATE_SWAPPED,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PLANAR_CONFIGURATION,
    UNDEFINED_LENGTH,
    VR_LONG,
)
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit
from safelight.wire.dicom.frames import Frame, Pixels, decoded_frames
from safelight.wire.dicom.tree import Attribute, Tree, read_tree

INFLATED_BYTES_MAX: Final = 256 * 2**20
_LUT_DATA: Final = 0x00283006
_EXTENDED_LENGTHS: Final = 0x7FE00002
_SHORT_BYTES_MAX: Final = 0xFFFE
_CHUNK: Final = 2**20
_HEAD_SHORT: Final = Struct("<HH2sH")
_HEAD_LONG: Final = Struct("<HH2sHL")
_ITEM: Final = Struct("<HHL")
_ITEM_BEGINS: Final = _ITEM.pack(0xFFFE, 0xE000, UNDEFINED_LENGTH)
_ITEM_ENDS: Final = _ITEM.pack(0xFFFE, 0xE00D, 0)
_SEQUENCE_ENDS: Final = _ITEM.pack(0xFFFE, 0xE0DD, 0)


def decoded_set(source: ByteSource, transfer_syntax: str, start: int = 0) -> DecodedSet:
    """Take the data set apart that begins at ``start``.

    Raises:
        BadDataSet: it cannot be followed to its end, or is deflated and longer than we inflate.
    """
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        whole = inflate(source, start, INFLATED_BYTES_MAX)
        if len(whole) == INFLATED_BYTES_MAX:
            raise BadDataSet(offset=start, why="too long to be inflated")
        source, start = MemorySource(whole), 0
    encoding = settle_explicit(encoding, source.read(start, 8))
    return DecodedSet(source, encoding, read_tree(source, start, encoding))


def explicit_little_endian(side: DecodedSet, pixels: Pixels | None) -> Iterator[bytes]:
    """Give the data set, a frame in memory at a time; the first frame was decoded when the first piece comes.

    ``pixels`` describe the pixel data at the top level; native little endian ones are copied.

    Raises:
        Undecodable: there is no decoder for the pixels, or they do not fit their description.
    """
    decodes = pixels is not None and (pixels.encapsulated or _is_big_endian(side, pixels))
    if pixels is None or not decodes:
        yield from _elements(side, side.tree, pixels, None)
        return
    frames = decoded_frames(pixels)
    first = next(frames)
    yield from _elements(side, side.tree, pixels, chain([first], frames))


def _is_big_endian(side: DecodedSet, pixels: Pixels) -> bool:
    # GE's private syntax is little endian with big endian pixels.
    return side.encoding.big_endian or pixels.transfer_syntax == GE_PRIVATE_SWAPPED


def _elements(side: DecodedSet, tree: Tree, pixels: Pixels | None, frames: Iterator[Frame] | None) -> Iterator[bytes]:
    for tag, attribute in sorted(tree.items()):
        if tag & 0xFFFF == 0:
            continue
        if frames is not None and pixels is not None:
            if tag in (EXTENDED_OFFSETS, _EXTENDED_LENGTHS):
                continue
            if tag == PIXEL_DATA:
                yield from _frames(pixels, frames)
                continue
            if tag == PHOTOMETRIC_INTERPRETATION:
                text = pixels.colour.encode("ascii", errors="replace")
                yield _written(tag, b"CS", text + b" " * (len(text) % 2))
                continue
            if tag == PLANAR_CONFIGURATION:
                yield _written(tag, b"US", b"\0\0")
                continue
        vr = settled_vr(side, tree, tag)
        if tag == PIXEL_DATA and pixels is not None and not side.encoding.explicit:
            vr = b"OW" if pixels.bits_allocated > 8 else b"OB"
        yield from _element(side, tag, attribute, vr)


def _element(side: DecodedSet, tag: int, attribute: Attribute, vr: bytes) -> Iterator[bytes]:
    if attribute.items is not None:
        yield _head(tag, b"SQ", UNDEFINED_LENGTH)
        for item in attribute.items:
            yield _ITEM_BEGINS
            yield from _elements(side, item, None, None)
            yield _ITEM_ENDS
        yield _SEQUENCE_ENDS
        return
    vr = vr if len(vr) == 2 and vr.isalpha() else b"UN"
    length = attribute.end - attribute.start
    if attribute.encapsulated:
        yield _head(tag, vr, UNDEFINED_LENGTH)
        yield from _copied(side.source, attribute.start, attribute.end)
        return
    if length > _SHORT_BYTES_MAX and vr not in VR_LONG:
        # Source: PS3.5 section 6.2.2, values too long for their representation.
        vr = b"OW" if tag == _LUT_DATA else b"UN"
    if length <= _CHUNK or side.encoding.big_endian:
        value = little_endian(side, attribute, vr)
        yield _written(tag, vr, value + b"\0" * (len(value) % 2))
        return
    yield _head(tag, vr, length + length % 2)
    yield from _copied(side.source, attribute.start, attribute.end)
    yield b"\0" * (length % 2)


def _frames(pixels: Pixels, frames: Iterator[Frame]) -> Iterator[bytes]:
    length = pixels.rows * pixels.columns * pixels.samples * pixels.frames * pixels.bits_allocated // 8
    yield _head(PIXEL_DATA, b"OW" if pixels.bits_allocated > 8 else b"OB", length + length % 2)
    for frame in frames:
        yield frame_bytes(frame)
    yield b"\0" * (length % 2)


def frame_bytes(frame: Frame) -> bytes:
    """Write one decoded frame, little endian, colours by pixel."""
    return np.ascontiguousarray(frame, frame.dtype.newbyteorder("<")).tobytes()


def _copied(source: ByteSource, start: int, end: int) -> Iterator[bytes]:
    for offset in range(start, end, _CHUNK):
        yield bytes(source.read(offset, min(_CHUNK, end - offset)))


def _head(tag: int, vr: bytes, length: int) -> bytes:
    if vr in VR_LONG:
        return _HEAD_LONG.pack(tag >> 16, tag & 0xFFFF, vr, 0, length)
    return _HEAD_SHORT.pack(tag >> 16, tag & 0xFFFF, vr, length)


def _written(tag: int, vr: bytes, value: bytes) -> bytes:
    return _head(tag, vr, len(value)) + value
