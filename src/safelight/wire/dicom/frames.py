"""Decode pixel data a frame at a time, to compare what two encodings show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import Any, ClassVar, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from safelight.core.errors import PeerError
from safelight.wire.dicom.attributes import DecodedSet
from safelight.wire.dicom.element_table import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    DOUBLE_PIXEL_DATA,
    EXTENDED_OFFSETS,
    FLOAT_PIXEL_DATA,
    GE_PRIVATE_SWAPPED,
    NUMBER_OF_FRAMES,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    PLANAR_CONFIGURATION,
    ROWS,
    SAMPLES_PER_PIXEL,
    SEQUENCE_DELIMITATION,
)
from safelight.wire.dicom.elements import LIMITS

Frame = NDArray[np.unsignedinteger[Any]]
"""Rows by columns by samples, each sample in an unsigned container of the bits allocated."""

_FRAME_BYTES_MAX: Final = 1 << 30
_ITEM: Final = Struct("<HHL")
_RLE_HEADER: Final = Struct("<16L")
_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_RLE: Final = "1.2.840.10008.1.2.5"
_CODECS: Final[dict[str, Callable[[bytes], NDArray[Any]]]] = {
    **dict.fromkeys(_JPEG, imagecodecs.jpeg8_decode),
    "1.2.840.10008.1.2.4.57": imagecodecs.ljpeg_decode,
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_decode,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.81": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.91": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.201": imagecodecs.htj2k_decode,
    "1.2.840.10008.1.2.4.202": imagecodecs.htj2k_decode,
    "1.2.840.10008.1.2.4.203": imagecodecs.htj2k_decode,
}
DECODABLE: Final = (*sorted(_CODECS), _RLE)
"""Compressed transfer syntaxes that we have a decoder for."""


class Undecodable(PeerError):
    """Pixel data that we have no decoder for, or that does not fit its description."""

    code: ClassVar[str] = "wire.undecodable-pixels"
    hint: ClassVar[str] = "These pixels can only be compared byte by byte; look at both instances in a viewer."


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixel data of one instance and what its attributes say of it."""

    side: DecodedSet
    transfer_syntax: str
    start: int
    end: int
    encapsulated: bool
    vr: bytes
    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    planar: bool
    photometric: str

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Frames, rows, columns and samples."""
        return self.frames, self.rows, self.columns, self.samples

    @property
    def colour(self) -> str:
        """The colour space of decoded frames: some decoders give RGB whatever was coded."""
        transformed = self.transfer_syntax in _JPEG or self.photometric in ("YBR_RCT", "YBR_ICT")
        coded_as_ybr = self.encapsulated and self.samples == 3 and self.photometric.startswith("YBR")
        return "RGB" if coded_as_ybr and transformed else self.photometric


def find_pixels(side: DecodedSet, transfer_syntax: str) -> Pixels | None:
    """Describe the pixel data at the top level; None where there is none."""
    for tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA):
        attribute = side.tree.get(tag)
        if attribute is not None:
            break
    else:
        return None
    bits, stored = _number(side, BITS_ALLOCATED), _number(side, BITS_STORED)
    return Pixels(
        side,
        transfer_syntax,
        attribute.start,
        attribute.end,
        attribute.encapsulated,
        attribute.vr,
        rows=_number(side, ROWS),
        columns=_number(side, COLUMNS),
        samples=_number(side, SAMPLES_PER_PIXEL) or 1,
        frames=_frames(side),
        bits_allocated=bits,
        bits_stored=stored if 0 < stored <= bits else bits,
        signed=_number(side, PIXEL_REPRESENTATION) == 1,
        planar=_number(side, PLANAR_CONFIGURATION) == 1,
        photometric=_raw(side, PHOTOMETRIC_INTERPRETATION).strip(b"\0 ").decode("ascii", errors="backslashreplace"),
    )


def _raw(side: DecodedSet, tag: int) -> bytes:
    attribute = side.tree.get(tag)
    return (
        b"" if attribute is None else bytes(side.source.read(attribute.start, min(attribute.end - attribute.start, 64)))
    )


def _number(side: DecodedSet, tag: int) -> int:
    value = _raw(side, tag)
    return int.from_bytes(value, "big" if side.encoding.big_endian else "little") if len(value) == 2 else 0


def _frames(side: DecodedSet) -> int:
    text = _raw(side, NUMBER_OF_FRAMES).strip(b"\0 ")
    return int(text) if text.isdigit() else 1


def decoded_frames(pixels: Pixels) -> Iterator[Frame]:
    """Yield the frames in order, one in memory at a time.

    Raises:
        Undecodable: there is no decoder, a decoder refuses, or the bytes do not fit the description.
    """
    frame_bytes = _frame_bytes(pixels)
    if pixels.encapsulated:
        _decoder_of(pixels)
        return (_decoded(pixels, group) for group in frame_fragments(pixels))
    _judge_length(pixels, frame_bytes)
    return (_native(pixels, frame_bytes, number) for number in range(pixels.frames))


def decoded_frame(pixels: Pixels, number: int) -> Frame:
    """Return one frame; numbers begin at 0.

    Raises:
        Undecodable: as for `decoded_frames`, or there is no such frame.
    """
    frame_bytes = _frame_bytes(pixels)
    if not 0 <= number < pixels.frames:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="no frame of that number")
    if pixels.encapsulated:
        return _decoded(pixels, frame_fragments(pixels)[number])
    _judge_length(pixels, frame_bytes)
    return _native(pixels, frame_bytes, number)


def is_decodable(transfer_syntax: str) -> bool:
    """Whether there is a decoder for encapsulated pixels of this transfer syntax."""
    return transfer_syntax in DECODABLE


def _frame_bytes(pixels: Pixels) -> int:
    frame_bytes = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8
    if pixels.bits_allocated not in (8, 16, 32, 64) or not 0 < frame_bytes <= _FRAME_BYTES_MAX:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="no frame of that size")
    return frame_bytes


def _judge_length(pixels: Pixels, frame_bytes: int) -> None:
    expected = frame_bytes * pixels.frames
    if pixels.end - pixels.start - expected not in (0, expected & 1):
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="more or fewer bytes than the frames need")


def _native(pixels: Pixels, frame_bytes: int, number: int) -> Frame:
    big_endian = pixels.side.encoding.big_endian or pixels.transfer_syntax == GE_PRIVATE_SWAPPED
    item_bytes = pixels.bits_allocated // 8
    container = np.dtype(f"{'>' if big_endian else '<'}u{item_bytes}")
    begin = number * frame_bytes
    if big_endian and item_bytes == 1 and pixels.vr == b"OW":
        # Bytes written as words change places in pairs, also across the border of two frames.
        even, end = begin & ~1, (begin + frame_bytes + 1) & ~1
        words = bytes(pixels.side.source.read(pixels.start + even, end - even))
        data = np.frombuffer(words, ">u2").astype("<u2").tobytes()[begin - even :][:frame_bytes]
    else:
        data = bytes(pixels.side.source.read(pixels.start + begin, frame_bytes))
    flat = np.frombuffer(data, container).astype(container.newbyteorder("="), copy=False)
    if pixels.planar and pixels.samples > 1:
        return np.moveaxis(flat.reshape(pixels.samples, pixels.rows, pixels.columns), 0, -1)
    return flat.reshape(pixels.rows, pixels.columns, pixels.samples)


def _decoder_of(pixels: Pixels) -> Callable[[bytes], NDArray[Any]] | None:
    decode = _CODECS.get(pixels.transfer_syntax)
    if decode is None and pixels.transfer_syntax != _RLE:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="no decoder")
    return decode


def _decoded(pixels: Pixels, group: list[tuple[int, int]]) -> Frame:
    decode = _decoder_of(pixels)
    kind = np.dtype(f"{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")
    container = np.dtype(f"u{pixels.bits_allocated // 8}")
    encoded = encoded_frame(pixels, group)
    if decode is None:
        return _run_lengths(encoded, pixels)
    if _declared_size(encoded) != (pixels.rows, pixels.columns, pixels.samples):
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="coded in another size than described")
    try:
        frame = decode(encoded)
    except (RuntimeError, ValueError, TypeError, MemoryError, NotImplementedError) as error:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why=type(error).__name__) from error
    if frame.size != pixels.rows * pixels.columns * pixels.samples or frame.itemsize > kind.itemsize:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="decoded to another size than described")
    return frame.reshape(pixels.rows, pixels.columns, pixels.samples).astype(kind).view(container)


def encoded_frame(pixels: Pixels, group: list[tuple[int, int]]) -> bytes:
    """Return the coded bytes of one frame, its fragments joined.

    Raises:
        Undecodable: it is longer than any frame we read.
    """
    if sum(end - start for start, end in group) > _FRAME_BYTES_MAX:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="a frame longer than the limit")
    return b"".join(bytes(pixels.side.source.read(start, end - start)) for start, end in group)


def plain_bytes(frame: Frame, *, planar: bool = False) -> bytes:
    """Write one decoded frame, little endian, colours by pixel or by plane."""
    if planar and frame.shape[-1] > 1:
        frame = np.moveaxis(frame, -1, 0)
    return np.ascontiguousarray(frame, frame.dtype.newbyteorder("<")).tobytes()


def _run_lengths(encoded: bytes, pixels: Pixels) -> Frame:
    """Decode one RLE frame: a segment for each byte of each sample, most significant first.

    Source: PS3.5 annex G.
    """
    item_bytes = pixels.bits_allocated // 8
    count, planes = pixels.rows * pixels.columns, []
    header = _RLE_HEADER.unpack(encoded[:64].ljust(64, b"\0"))
    if header[0] != item_bytes * pixels.samples or header[0] > 15:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="another number of RLE segments than described")
    borders = [*header[1 : header[0] + 1], len(encoded)]
    for start, end in pairwise(borders):
        try:
            plane = imagecodecs.packbits_decode(encoded[start:end])[:count]
        except (RuntimeError, ValueError) as error:
            raise Undecodable(transfer_syntax=pixels.transfer_syntax, why=type(error).__name__) from error
        if len(plane) != count:
            raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="an RLE segment is too short")
        planes.append(np.frombuffer(plane, np.uint8))
    stacked = np.stack(planes, axis=-1).reshape(pixels.rows, pixels.columns, pixels.samples, item_bytes)
    return np.ascontiguousarray(stacked).view(f">u{item_bytes}")[..., 0].astype(f"u{item_bytes}")


def fragments_of(pixels: Pixels) -> list[tuple[int, int]]:
    """Return the ranges of all items, the basic offset table first.

    Raises:
        Undecodable: there are more than the limit.
    """
    found: list[tuple[int, int]] = []
    offset = pixels.start
    while offset < pixels.end and len(found) < LIMITS.fragments_max:
        group, element, length = _ITEM.unpack(pixels.side.source.read(offset, 8))
        if group << 16 | element == SEQUENCE_DELIMITATION:
            return found
        found.append((offset + 8, offset + 8 + length))
        offset += 8 + length
    raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="more fragments than the limit")


def frame_fragments(pixels: Pixels) -> list[list[tuple[int, int]]]:
    """Tell which fragments make up each frame.

    Source: PS3.5 annex A.4; PS3.3 section C.7.6.3.1.8 (Extended Offset Table).
    """
    table, *fragments = fragments_of(pixels) or [(0, 0)]
    if pixels.frames == 1:
        return [fragments]
    if pixels.frames == len(fragments):
        return [[fragment] for fragment in fragments]
    offsets = _offsets(pixels, table)
    starts = [start - 8 - (fragments[0][0] - 8) for start, _ in fragments] if fragments else []
    if (
        len(offsets) != pixels.frames
        or offsets[:1] != [0]
        or not set(offsets) <= set(starts)
        or sorted(offsets) != offsets
    ):
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="fragments cannot be told apart into frames")
    firsts = [starts.index(offset) for offset in offsets]
    return [fragments[first:last] for first, last in zip(firsts, [*firsts[1:], len(fragments)], strict=True)]


def _offsets(pixels: Pixels, table: tuple[int, int]) -> list[int]:
    extended = pixels.side.tree.get(EXTENDED_OFFSETS)
    start, end = table if extended is None else (extended.start, extended.end)
    kind = "<u4" if extended is None else "<u8"
    length = min(end - start, LIMITS.fragments_max * 8)
    value = bytes(pixels.side.source.read(start, length - length % np.dtype(kind).itemsize))
    return [int(offset) for offset in np.frombuffer(value, kind)]


def _declared_size(encoded: bytes) -> tuple[int, int, int] | None:
    """Read rows, columns and samples from a codestream, so that a decoder is not asked for more than we expect."""
    if encoded[:4] == b"\xff\x4f\xff\x51" and len(encoded) >= 42:
        width, height, left, top = Struct(">4L").unpack_from(encoded, 8)
        return height - top, width - left, int.from_bytes(encoded[40:42], "big")
    place = 2
    while encoded[:2] == b"\xff\xd8" and place + 10 <= len(encoded) and encoded[place] == 0xFF:
        marker = encoded[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            height, width, samples = Struct(">HHB").unpack_from(encoded, place + 5)
            return height, width, samples
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    return None
