"""Where to cut an instance: which bytes are header, which are pixels, and how the pixels are cut.

The layout comes from attributes that nobody may trust. Whatever it says, the cuts cover every byte
exactly once and in order, so a wrong layout costs compression and never a byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from blake3 import blake3

from safelight.core.instance import ByteSource, LayoutKind, PixelLayout
from safelight.vault.coding import Picture

_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CutLimits:
    """What keeps the memory of packing bounded whatever arrives."""

    frame_bytes_max: int = 64 << 20
    """A longer frame is coded in pieces by zstd."""
    header_bytes_max: int = 16 << 20
    """An instance with more header bytes is kept as a stream."""
    piece_bytes: int = 4 << 20
    """How long the pieces of a stream, of a fragment and of a frame that is too long are."""
    stream_header_bytes: int = 64 << 10
    """So much of an instance without pixels is kept as header: enough to scan its identifying attributes."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The cuts of one instance: ranges of header and of pixels in turn, beginning with header."""

    ranges: tuple[tuple[int, int], ...]
    picture: Picture | None
    """Shape of the frames; None when pixel bytes are coded as bytes of unknown meaning."""
    has_pixels: bool
    """The pixel ranges are what a re-identified copy would share, so their digest is worth having."""

    @property
    def runs(self) -> tuple[int, ...]:
        """The lengths of the ranges."""
        return tuple(end - start for start, end in self.ranges)

    def pieces(self, start: int, end: int, limits: CutLimits) -> Iterator[tuple[int, int]]:
        """Cut one pixel range into frames, or into pieces where its shape is unknown."""
        step = limits.piece_bytes if self.picture is None else self.picture.size
        for begin in range(start, end, step):
            yield begin, min(begin + step, end)


def take_apart(layout: PixelLayout, size: int, limits: CutLimits) -> Anatomy:
    """Return the cuts for an instance of ``size`` bytes; a layout that cannot be is not followed."""
    if layout.kind is LayoutKind.NATIVE:
        pixels: tuple[tuple[int, int], ...] = ((layout.start, layout.end),)
        picture = _picture(layout, limits)
    elif layout.kind is LayoutKind.ENCAPSULATED:
        pixels = layout.fragments
        picture = None
    else:
        return _stream(size, limits)
    edges = [0, *(edge for pixel_range in pixels for edge in pixel_range), size]
    in_order = all(before <= after for before, after in pairwise(edges))
    held = sum(end - start for start, end in pixels) if in_order else 0
    if not held or size - held > limits.header_bytes_max:
        return _stream(size, limits)
    return Anatomy(tuple(pairwise(edges)), picture, has_pixels=True)


def pixel_digest(source: ByteSource, layout: PixelLayout, limits: CutLimits | None = None) -> bytes | None:
    """Return BLAKE3 of an instance's pixel bytes as they lie, None when it has none that can be taken out."""
    anatomy = take_apart(layout, source.size, limits or CutLimits())
    if not anatomy.has_pixels:
        return None
    hasher = blake3()
    for start, end in anatomy.ranges[1::2]:
        for begin in range(start, end, _READ_BYTES):
            hasher.update(source.read(begin, min(_READ_BYTES, end - begin)))
    return hasher.digest()


def _stream(size: int, limits: CutLimits) -> Anatomy:
    cut = min(size, limits.stream_header_bytes)
    ranges = ((0, cut),) if cut == size else ((0, cut), (cut, size), (size, size))
    return Anatomy(ranges, None, has_pixels=False)


def _picture(layout: PixelLayout, limits: CutLimits) -> Picture | None:
    numbers = (layout.rows, layout.columns, layout.samples, layout.frames)
    if layout.bits_allocated not in (8, 16, 32, 64) or min(numbers) < 1 or max(layout.rows, layout.columns) > 65535:
        return None
    picture = Picture(
        rows=layout.rows,
        columns=layout.columns,
        samples=layout.samples,
        sample_bytes=layout.bits_allocated // 8,
        signed=layout.signed,
        planar=layout.planar and layout.samples > 1,
        colour_transform=layout.samples == 3 and layout.photometric == "RGB",
    )
    if picture.size > limits.frame_bytes_max or picture.size * layout.frames != layout.end - layout.start:
        return None
    return picture
