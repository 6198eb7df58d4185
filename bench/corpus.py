"""Generated images for the bench: seeded, written once, kept in .build/corpus.

They are noisier than real images, so they understate what an image codec gains. Claims about size rest on
real images where those are present.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bench.figures import MB, folder_bytes

ROOT = Path(".build/corpus")
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of Part 10 files."""

    name: str
    folder: Path
    instances: int
    size: int

    @property
    def megabytes(self) -> float:
        """Size in millions of bytes."""
        return self.size / MB


@dataclass(frozen=True, slots=True)
class Kind:
    """What one modality's instances look like."""

    modality: str
    sop_class: str
    rows: int
    columns: int
    bits: int
    noise: float
    samples: int = 1
    frames: int = 1


CT = Kind("CT", "1.2.840.10008.5.1.4.1.1.2", 512, 512, 12, 9.0)
MR = Kind("MR", "1.2.840.10008.5.1.4.1.1.4", 320, 320, 12, 14.0)
DX = Kind("DX", "1.2.840.10008.5.1.4.1.1.1.1", 2500, 2048, 12, 20.0)
CR = Kind("CR", "1.2.840.10008.5.1.4.1.1.1", 1760, 1760, 10, 5.0)
MG = Kind("MG", "1.2.840.10008.5.1.4.1.1.1.2", 3328, 2560, 12, 12.0)
US = Kind("US", "1.2.840.10008.5.1.4.1.1.3.1", 600, 800, 8, 3.0, samples=3, frames=20)
THUMBNAIL = Kind("OT", "1.2.840.10008.5.1.4.1.1.7", 64, 64, 8, 4.0)
ANGIOGRAPHY = Kind("XA", "1.2.840.10008.5.1.4.1.1.12.1", 1024, 1024, 12, 16.0, frames=500)

# Shares of the bytes of a general hospital's day, by kind.
MIX = ((CT, 0.50), (MR, 0.15), (DX, 0.12), (US, 0.10), (MG, 0.08), (CR, 0.05))


@lru_cache(maxsize=130)
def _anatomy(kind: Kind, depth: float) -> NDArray[np.float32]:
    """Return a body-like picture: soft ellipses that move a little from slice to slice."""
    y, x = np.mgrid[-1 : 1 : kind.rows * 1j, -1 : 1 : kind.columns * 1j].astype(np.float32)
    picture = np.zeros((kind.rows, kind.columns), np.float32)
    for number in range(7):
        centre_x, centre_y = 0.45 * np.cos(number * 2.1 + depth), 0.45 * np.sin(number * 1.7 - depth)
        radius = 0.75 if number == 0 else 0.12 + 0.03 * number
        distance = ((x - (centre_x if number else 0)) / radius) ** 2 + (
            (y - (centre_y if number else 0)) / (radius * 0.8)
        ) ** 2
        picture += np.float32(0.5 if number == 0 else 0.1) / (1 + np.exp(np.clip(24 * (distance - 1), -60, 60)))
    return picture


@cache
def _noise() -> NDArray[np.float32]:
    """Return normal noise, drawn once: a frame takes a stretch of it from a random place."""
    return np.random.default_rng(0).standard_normal(10_000_000, dtype=np.float32)


def _pixels(kind: Kind, depth: float, random: np.random.Generator) -> Iterator[Pixels]:
    """Yield the frames of one instance."""
    top = 2**kind.bits - 1
    body = _anatomy(kind, depth)
    outside = body < 0.02
    for frame in range(kind.frames):
        moved = np.roll(body, frame % 9, axis=0)
        start = int(random.integers(0, _noise().size - moved.size))
        values = moved * top * 0.8 + kind.noise * _noise()[start : start + moved.size].reshape(moved.shape)
        if kind.bits == 8:
            values[np.roll(outside, frame % 9, axis=0)] = 0
        grey = np.clip(values, 0, top).astype(np.uint8 if kind.bits == 8 else np.uint16)
        yield np.repeat(grey[:, :, np.newaxis], 3, axis=2) if kind.samples == 3 else grey


def _uid(*parts: int) -> str:
    """Return a UID of the kind that needs no registration. Source: PS3.5 section B.2."""
    return "2.25.77" + "".join(f"{part:06d}" for part in parts)


def _head(kind: Kind, seed: int, study: int, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind.sop_class
    meta.MediaStorageSOPInstanceUID = _uid(seed, study, 1, number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = kind.sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyDate = f"2026{1 + study % 12:02d}{1 + study % 28:02d}"
    dataset.StudyTime = f"{study % 24:02d}0000"
    dataset.AccessionNumber = f"A{seed:02d}{study:06d}"
    dataset.Modality = kind.modality
    dataset.PatientName = f"Bench^Patient{study:05d}"
    dataset.PatientID = f"B{seed:02d}{study:05d}"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = _uid(seed, study)
    dataset.SeriesInstanceUID = _uid(seed, study, 1)
    dataset.StudyID = str(study)
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    dataset.Rows, dataset.Columns = kind.rows, kind.columns
    dataset.SamplesPerPixel = kind.samples
    dataset.PhotometricInterpretation = "RGB" if kind.samples == 3 else "MONOCHROME2"
    if kind.samples == 3:
        dataset.PlanarConfiguration = 0
    if kind.frames > 1:
        dataset.NumberOfFrames = kind.frames
    _bits(dataset, kind)
    return dataset


def _bits(dataset: Dataset, kind: Kind) -> None:
    dataset.BitsAllocated = 8 if kind.bits == 8 else 16
    dataset.BitsStored = kind.bits
    dataset.HighBit = kind.bits - 1
    dataset.PixelRepresentation = 0


def _write(kind: Kind, path: Path, seed: int, study: int, number: int) -> int:
    """Write one file and return its size; frames go out one by one, so memory stays small."""
    random = np.random.default_rng([seed, study, number])
    dataset = _head(kind, seed, study, number)
    frame_bytes = kind.rows * kind.columns * kind.samples * (1 if kind.bits == 8 else 2)
    dataset.save_as(path, enforce_file_format=True)
    with path.open("ab") as file:
        word = b"OB" if kind.bits == 8 else b"OW"
        file.write(b"\xe0\x7f\x10\x00" + word + b"\0\0" + (frame_bytes * kind.frames).to_bytes(4, "little"))
        for frame in _pixels(kind, number * 0.02, random):
            file.write(frame.tobytes())
    return path.stat().st_size


def _series_length(kind: Kind) -> int:
    return {"CT": 40, "MR": 40, "OT": 25}.get(kind.modality, 4)


def _fill(folder: Path, kind: Kind, target: int, seed: int, first_study: int) -> None:
    written, study, number = 0, first_study, 0
    while written < target:
        number += 1
        if number > _series_length(kind):
            study, number = study + 1, 1
        place = folder / f"{kind.modality}{study:05d}"
        place.mkdir(exist_ok=True)
        written += _write(kind, place / f"{number:05d}.dcm", seed, study, number)


def _made(name: str, fill: Callable[[Path], None]) -> Corpus:
    """Make the corpus, or find it made: the folder has its final name only when it is whole."""
    folder = ROOT / name
    if not folder.is_dir():
        draft = ROOT / f"{name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        fill(draft)
        draft.rename(folder)
    files = list(folder.rglob("*.dcm"))
    return Corpus(name, folder.resolve(), len(files), folder_bytes(folder))


def mixed(megabytes: int, seed: int = 2) -> Corpus:
    """Return a hospital's mixture of modalities."""

    def fill(folder: Path) -> None:
        for place, (kind, share) in enumerate(MIX):
            _fill(folder, kind, int(megabytes * MB * share), seed, 1000 * (place + 1))

    return _made(f"mixed-{megabytes}-{seed}", fill)


def slices(megabytes: int, seed: int = 1) -> Corpus:
    """Return CT series only."""
    return _made(f"ct-{megabytes}-{seed}", lambda folder: _fill(folder, CT, megabytes * MB, seed, 1))


def small(instances: int, seed: int = 3) -> Corpus:
    """Return objects of about five kilobytes."""
    return _made(f"small-{instances}-{seed}", lambda folder: _fill(folder, THUMBNAIL, instances * 4900, seed, 1))


def studies(count: int, seed: int = 5) -> Corpus:
    """Return so many studies of one small object each, every one of another patient."""

    def fill(folder: Path) -> None:
        for study in range(1, count + 1):
            place = folder / f"OT{study:05d}"
            place.mkdir()
            _write(THUMBNAIL, place / "00001.dcm", seed, study, 1)

    return _made(f"studies-{count}-{seed}", fill)


def large(frames: int, seed: int = 4) -> Corpus:
    """Return one multi-frame instance of about two megabytes a frame."""
    kind = replace(ANGIOGRAPHY, frames=frames)

    def fill(folder: Path) -> None:
        place = folder / "XA00001"
        place.mkdir()
        _write(kind, place / "00001.dcm", seed, 1, 1)

    return _made(f"large-{frames}-{seed}", fill)


def real() -> Corpus | None:
    """Return the real images beside the checkout, when somebody put them there."""
    folder = Path("../shared/data")
    files = sorted(folder.rglob("*.dcm"))
    if not files:
        return None
    return Corpus("real", folder.resolve(), len(files), sum(path.stat().st_size for path in files))


def parts(corpus: Corpus, count: int, place: Path) -> list[Path]:
    """Deal a corpus out into folders of links, one a sender, study by study."""
    folders = [place / f"part{number}" for number in range(count)]
    sizes = [0] * count
    studies: dict[Path, list[Path]] = {}
    for source in sorted(corpus.folder.rglob("*.dcm")):
        studies.setdefault(source.parent, []).append(source)
    weighed = sorted(((sum(path.stat().st_size for path in files), files) for files in studies.values()), reverse=True)
    for size, files in weighed:
        lightest = sizes.index(min(sizes))
        sizes[lightest] += size
        for source in files:
            target = folders[lightest] / source.relative_to(corpus.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    return folders
