"""Pictures that compress as real ones do: body-shaped, with texture, edges and the noise of their modality."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Generator = np.random.Generator


def _coordinates(rows: int, columns: int) -> tuple[Plane, Plane]:
    """Return the vertical and the horizontal coordinate, each from -1 to 1."""
    vertical = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    horizontal = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return vertical, horizontal


def _texture(rng: Generator, rows: int, columns: int, waves: int, rank: int = 5) -> Plane:
    """Return a smooth random field of about unit size: a few products of smooth curves, cheap at any matrix."""

    def curves(length: int) -> Plane:
        knots = rng.standard_normal((rank, waves + 2))
        at = np.linspace(0, waves + 1, length)
        return np.stack([np.interp(at, np.arange(waves + 2), each) for each in knots]).astype(np.float32)

    field: Plane = curves(rows).T @ curves(columns) / np.float32(np.sqrt(rank))
    return field


class _Canvas:
    """Draws soft-edged ellipses over one matrix."""

    def __init__(self, rows: int, columns: int) -> None:
        self.vertical, self.horizontal = _coordinates(rows, columns)

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], edge: float = 0.04) -> Plane:
        """Return 1 inside, 0 outside, and a ramp of relative width ``edge`` between."""
        distance = ((self.vertical - centre[0]) / radii[0]) ** 2 + ((self.horizontal - centre[1]) / radii[1]) ** 2
        inside: Plane = np.clip((1 - distance) * np.float32(0.5 / edge), 0, 1)
        return inside


def _grain(rng: Generator, shape: tuple[int, int], deviation: float, smoothed: bool) -> Plane:
    """Return noise; smoothed noise hangs together between neighbours as after a reconstruction."""
    grain = rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
    if smoothed:
        grain[1:] = (grain[1:] + grain[:-1]) * np.float32(0.7)
        grain[:, 1:] = (grain[:, 1:] + grain[:, :-1]) * np.float32(0.7)
    return grain


def chest_slices(rng: Generator, count: int, size: int) -> Iterator[NDArray[np.int16]]:
    """Yield axial CT slices of a thorax in Hounsfield units, 12 bits signed, zero-filled outside the field."""
    canvas = _Canvas(size, size)
    tissue = 12 * _texture(rng, size, size, 9) + 6 * _texture(rng, size, size, 40)
    field = canvas.vertical**2 + canvas.horizontal**2 <= 1
    lean = float(rng.uniform(-0.03, 0.03))
    for number in range(count):
        height = number / max(count - 1, 1)
        lungs = float(np.sin(np.pi * (0.15 + 0.8 * height)))
        body = canvas.ellipse((0.03, 0), (0.64 + 0.04 * height, 0.88), 0.02)
        inner = canvas.ellipse((0.03, 0), (0.57 + 0.04 * height, 0.79), 0.03)
        image = -1000 + 920 * body + inner * (120 + tissue)
        for side in (-1, 1):
            lobe = canvas.ellipse((-0.02, side * 0.37 + lean), (0.42 * lungs, 0.3 * lungs), 0.06)
            image -= lobe * (830 - 5 * tissue)
            bone = canvas.ellipse((0.05 + 0.4 * side * (height - 0.5), side * 0.76), (0.09, 0.03), 0.2)
            image += 600 * bone
        image += 190 * canvas.ellipse((-0.12, 0.1 + lean), (0.24 * lungs + 0.02, 0.2 * lungs + 0.02), 0.1)
        image += 520 * canvas.ellipse((0.4, lean), (0.12, 0.11), 0.25)
        image += 380 * canvas.ellipse((0.82, 0), (0.02, 0.7), 0.3)
        image += _grain(rng, (size, size), 17, smoothed=True)
        yield np.where(field, np.clip(image, -1024, 3071), -1024).astype(np.int16)


def head_slices(rng: Generator, count: int, size: int, contrast: float) -> Iterator[NDArray[np.uint16]]:
    """Yield axial MR slices of a head; ``contrast`` from 0 (T1-like) to 1 (T2-like)."""
    canvas = _Canvas(size, size)
    folds = _texture(rng, size, size, 26)
    coil = 1 + 0.12 * _texture(rng, size, size, 2, rank=2)
    for number in range(count):
        radius = float(0.3 + 0.5 * np.sin(np.pi * (0.1 + 0.8 * number / max(count - 1, 1))))
        scalp = canvas.ellipse((0, 0), (radius * 1.1, radius * 0.92), 0.03)
        skull = canvas.ellipse((0, 0), (radius * 1.02, radius * 0.84), 0.03)
        brain = canvas.ellipse((0, 0), (radius * 0.95, radius * 0.77), 0.03)
        image = 820 * scalp - 740 * skull + brain * (470 + 90 * folds)
        for side in (-1, 1):
            ventricle = canvas.ellipse((-0.04, side * 0.1 * radius), (0.3 * radius, 0.08 * radius), 0.2)
            image += ventricle * (900 * contrast - 380)
        image *= coil
        real = image + _grain(rng, (size, size), 14, smoothed=False)
        imaginary = _grain(rng, (size, size), 14, smoothed=False)
        yield np.clip(np.hypot(real, imaginary), 0, 4095).astype(np.uint16)


def chest_radiograph(rng: Generator, rows: int, columns: int, top: int) -> NDArray[np.uint16]:
    """Return a projection of a thorax, darker where more rays pass, up to the value ``top``."""
    canvas = _Canvas(rows, columns)
    path = 0.95 * canvas.ellipse((0.2, 0), (1.3, 0.9), 0.3) + 0.1 * _texture(rng, rows, columns, 7)
    for side in (-1, 1):
        path -= 0.5 * canvas.ellipse((-0.1, side * 0.4), (0.68, 0.3), 0.25)
    ribs = np.sin(22 * (canvas.vertical + 0.28 * canvas.horizontal**2)) > 0.86
    path += np.float32(0.07) * (ribs & (np.abs(canvas.horizontal) < 0.78))
    path += 0.45 * canvas.ellipse((0.3, 0), (1.4, 0.1), 0.5) + 0.3 * canvas.ellipse((0.15, 0.12), (0.33, 0.3), 0.3)
    path += 0.03 * _texture(rng, rows, columns, 90)
    rays = np.exp(-np.clip(path, 0, 3)) * np.float32(top * 0.85)
    rays += _grain(rng, (rows, columns), 0.5, smoothed=False) * np.sqrt(rays)
    picture: NDArray[np.uint16] = np.clip(rays, 0, top).astype(np.uint16)
    return picture


def mammogram(rng: Generator, rows: int, columns: int, left: bool) -> NDArray[np.uint16]:
    """Return one breast against the chest wall, air flat zero around it."""
    canvas = _Canvas(rows, columns)
    breast = canvas.ellipse((0.05, -1), (float(rng.uniform(0.7, 0.85)), 1.4), 0.06)
    glands = 1350 + 380 * _texture(rng, rows, columns, 11) + 190 * _texture(rng, rows, columns, 70)
    image = breast * glands
    image += np.where(breast > 0, _grain(rng, (rows, columns), 19, smoothed=False), 0)
    picture = np.where(breast > 0, np.clip(image, 1, 4095), 0).astype(np.uint16)
    return picture if left else np.ascontiguousarray(picture[:, ::-1])


def sector_frames(rng: Generator, count: int, rows: int, columns: int) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames of an ultrasound sector: moving speckle, a beating chamber, a coloured patch of flow."""
    canvas = _Canvas(rows, columns)
    depth = np.hypot(canvas.vertical + 1.1, canvas.horizontal)
    angle = np.arctan2(canvas.horizontal, canvas.vertical + 1.1)
    sector = (np.abs(angle) < 0.62) & (depth > 0.15) & (depth < 2.05)
    tissue = np.clip(80 + 30 * _texture(rng, rows, columns, 12), 10, None) * np.exp(-0.45 * depth)
    for number in range(count):
        beat = float(np.sin(2 * np.pi * number / 16))
        chamber = canvas.ellipse((0.1, 0.05), (0.26 + 0.05 * beat, 0.2 + 0.04 * beat), 0.2)
        echo = tissue * (1 - 0.85 * chamber) * np.abs(_grain(rng, (rows, columns), 1.4, smoothed=True))
        frame = np.repeat((np.clip(echo, 0, 235) * sector).astype(np.uint8)[..., None], 3, axis=2)
        flow = (chamber > 0.7) & sector
        frame[..., 0][flow] += np.uint8(12 + 8 * beat)
        yield frame
