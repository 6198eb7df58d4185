"""Turning one frame into a picture that a browser shows: rescaled, windowed, coloured.

For looking at, never for diagnosis. Source: PS3.3 sections C.7.6.3, C.11.1, C.11.2; PS3.4 annex N.2.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from safelight.wire.dicom.attributes import DecodedSet, little_endian
from safelight.wire.dicom.frames import Frame, Pixels, Undecodable, decoded_frame

PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
JPEG_QUALITY: Final = 90
PIXELS_MAX: Final = 64 * 2**20
_INTERCEPT: Final = 0x00281052
_SLOPE: Final = 0x00281053
_CENTER: Final = 0x00281050
_WIDTH: Final = 0x00281051
_SHARED: Final = 0x52009229
_PER_FRAME: Final = 0x52009230
_VALUE_TRANSFORMATION: Final = 0x00289145
_VOI: Final = 0x00289132
_PALETTES: Final = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
_DESCRIPTOR: Final = Struct("<3H")
_PADDING: Final = 0x00280120

Shown = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Window:
    """Which values become black to white. Source: PS3.3 section C.11.2.1.2."""

    center: float
    width: float
    function: str = "linear"


def rendered(
    side: DecodedSet, pixels: Pixels, number: int, window: Window | None = None, size: tuple[int, int] | None = None
) -> Shown:
    """Return one frame as rows by columns, or by three colours; ``size`` is the most width and height that fit.

    Raises:
        Undecodable: there is no decoder, or the pixels are of a kind that cannot be shown.
    """
    if pixels.rows * pixels.columns > PIXELS_MAX:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="too large a picture")
    frame = decoded_frame(pixels, number)
    if pixels.samples == 3:
        shown = _coloured(frame, pixels)
    elif pixels.photometric.startswith("PALETTE"):
        shown = _palette(side, frame)
    elif pixels.samples == 1 and pixels.bits_allocated <= 32:
        shown = _grey(side, pixels, frame[..., 0], number, window)
    else:
        raise Undecodable(transfer_syntax=pixels.transfer_syntax, why="no picture can be made of these pixels")
    return shown if size is None else _fitted(shown, size)


def encoded(shown: Shown, media: str) -> bytes:
    """Write a picture as PNG or JPEG."""
    if media == JPEG:
        return bytes(imagecodecs.jpeg8_encode(shown, level=JPEG_QUALITY))
    return bytes(imagecodecs.png_encode(shown))


def _grey(side: DecodedSet, pixels: Pixels, frame: NDArray[Any], number: int, window: Window | None) -> Shown:
    values = _stored_values(pixels, frame).astype(np.float64)
    padding = side.tree.get(_PADDING)
    background = None
    if padding is not None and padding.end - padding.start == 2:
        raw = int.from_bytes(little_endian(side, padding, b"US"), "little", signed=pixels.signed)
        background = values == raw
    values = values * (_number(side, _SLOPE, _VALUE_TRANSFORMATION, number) or 1.0)
    values += _number(side, _INTERCEPT, _VALUE_TRANSFORMATION, number) or 0.0
    window = window or _own_window(side, number) or _full_window(values, background)
    levels = np.rint(_windowed(values, window) * 255).astype(np.uint8)
    if pixels.photometric == "MONOCHROME1":
        levels = 255 - levels
    if background is not None:
        levels[background] = 0
    return levels


def _stored_values(pixels: Pixels, frame: NDArray[Any]) -> NDArray[Any]:
    """Return the values in the bits that are in use: others may hold overlays."""
    bits, unused = pixels.bits_stored, pixels.bits_allocated - pixels.bits_stored
    if pixels.signed:
        signed = frame.view(np.dtype(f"i{frame.dtype.itemsize}"))
        return (signed << unused) >> unused
    return frame & ((1 << bits) - 1)


def _windowed(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Map values to 0 to 1."""
    width = max(window.width, 1e-9)
    if window.function == "sigmoid":
        powers = np.clip(-4 * (values - window.center) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(powers)))
    if window.function == "linear-exact" or width <= 1:
        return np.clip((values - window.center) / width + 0.5, 0, 1)
    return np.clip((values - (window.center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _own_window(side: DecodedSet, number: int) -> Window | None:
    center, width = _number(side, _CENTER, _VOI, number), _number(side, _WIDTH, _VOI, number)
    return None if center is None or width is None or width <= 0 else Window(center, width)


def _full_window(values: NDArray[np.float64], background: NDArray[np.bool_] | None) -> Window:
    seen = values if background is None or background.all() else values[~background]
    low, high = float(seen.min()), float(seen.max())
    return Window((low + high) / 2, max(high - low, 1.0), "linear-exact")


def _coloured(frame: Frame, pixels: Pixels) -> Shown:
    levels = (frame >> max(pixels.bits_stored - 8, 0)).astype(np.uint8)
    if not pixels.colour.startswith("YBR"):
        return levels
    luma, blue, red = (levels[..., place].astype(np.float64) for place in range(3))
    blue, red = blue - 128, red - 128
    mixed = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _palette(side: DecodedSet, frame: Frame) -> Shown:
    """Look colours up. Source: PS3.3 section C.7.6.3.1.5."""
    planes = []
    for descriptor_tag, data_tag in _PALETTES:
        descriptor, data = side.tree.get(descriptor_tag), side.tree.get(data_tag)
        if descriptor is None or data is None or descriptor.end - descriptor.start != _DESCRIPTOR.size:
            raise Undecodable(transfer_syntax="", why="no palette of the usual kind")
        count, first, bits = _DESCRIPTOR.unpack(little_endian(side, descriptor, b"US"))
        raw = little_endian(side, data, b"OW")
        # Some writers put a byte an entry, whatever the descriptor says.
        table = np.frombuffer(raw, "<u2") if len(raw) >= 2 * (count or 65536) else np.frombuffer(raw, "u1")
        if not len(table):
            raise Undecodable(transfer_syntax="", why="an empty palette")
        shift = 8 if table.dtype.itemsize == 2 and bits == 16 else 0
        place = np.clip(frame[..., 0].astype(np.int64) - first, 0, len(table) - 1)
        planes.append((table[place] >> shift).astype(np.uint8))
    return np.stack(planes, axis=-1)


def _fitted(shown: Shown, size: tuple[int, int]) -> Shown:
    """Make it as large as fits, by the nearest pixel, without another shape."""
    rows, columns = shown.shape[:2]
    scale = min(size[0] / columns, size[1] / rows)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    down = np.minimum(((np.arange(height) + 0.5) / scale).astype(np.int64), rows - 1)
    across = np.minimum(((np.arange(width) + 0.5) / scale).astype(np.int64), columns - 1)
    return np.ascontiguousarray(shown[down][:, across])


def _number(side: DecodedSet, tag: int, group: int, frame: int) -> float | None:
    """Return the first value of a decimal string, from the frame's own functional group where there are such."""
    for functional, place in ((_PER_FRAME, frame), (_SHARED, 0)):
        outer = side.tree.get(functional)
        if outer is not None and outer.items is not None and place < len(outer.items):
            inner = outer.items[place].get(group)
            if inner is not None and inner.items and tag in inner.items[0]:
                return _decimal(side, inner.items[0][tag])
    return _decimal(side, side.tree[tag]) if tag in side.tree else None


def _decimal(side: DecodedSet, attribute: Any) -> float | None:
    text = bytes(side.source.read(attribute.start, min(attribute.end - attribute.start, 256)))
    try:
        value = float(text.split(b"\\")[0].strip(b"\0 "))
    except ValueError:
        return None
    return value if np.isfinite(value) else None
