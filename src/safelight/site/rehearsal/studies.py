"""Draw up the studies of the rehearsal hospital and write each into its folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from safelight.site.rehearsal.objects import (
    PRIVATE_TRANSFER_SYNTAX,
    SOP_CLASSES,
    StudyFrame,
    add_pixels,
    add_private_block,
    add_slice_place,
    begin,
    code,
    invent_uid,
    key_objects,
    paper_report,
    presentation_state,
    private_object,
    text_report,
)
from safelight.site.rehearsal.people import RehearsalPatient, invent_patient
from safelight.site.rehearsal.phantoms import chest_radiograph, chest_slices, head_slices, mammogram, sector_frames
from safelight.wire.dicom.part10 import write_prefix
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

FULL_DETAIL_BYTES: Final = 240_000_000
"""From this size on images have their usual matrix; a smaller hospital has as many studies with smaller images."""

_PATIENTS_MIN: Final = 10
_YEARS_DAYS: Final = 3 * 365
_KINDS: Final = ("CT", "CR", "MR", "US", "DX", "MG", "CR", "CT", "DX", "MR")
DESCRIPTIONS: Final = {
    "CT": ("CT chest", "CHEST"),
    "MR": ("MR head", "HEAD"),
    "CR": ("Chest bedside", "CHEST"),
    "DX": ("Chest PA", "CHEST"),
    "US": ("Echocardiogram", "HEART"),
    "MG": ("Mammography", "BREAST"),
    "OT": ("Vendor raw data", ""),
}
_BYTES: Final = {
    "CT": 20 * 512 * 512 * 2,
    "MR": 2 * 16 * 256 * 256 * 2,
    "CR": 1440 * 1760 * 2,
    "DX": 1760 * 2144 * 2,
    "US": (12 + 2) * 480 * 640 * 3,
    "MG": 2 * 2368 * 1776 * 2,
    "OT": 80_000,
}
_KEY_IMAGES: Final = {"code": "113000", "meaning": "Of Interest"}
_REJECTED: Final = {"code": "113001", "meaning": "Rejected for Quality Reasons"}


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What one study will hold."""

    frame: StudyFrame
    kind: str
    seed: int
    scale: float
    folder: str
    rejects: bool = False
    """Whether its first image was repeated, and the bad one rejected by a note."""


@dataclass(frozen=True, slots=True)
class WrittenStudy:
    """What one study came to."""

    instances: int
    size_bytes: int
    rejected: tuple[str, ...]


def plan_studies(seed: int, size_bytes: int, today: date) -> list[StudyPlan]:
    """Draw up studies of about ``size_bytes`` in all: of every kind, by patients of every script.

    Those in the house have a study of today or yesterday and earlier ones; those on the lists have earlier ones.
    """
    scale = min(1.0, (size_bytes / FULL_DETAIL_BYTES) ** 0.5)
    plans: list[StudyPlan] = []
    planned_bytes = 0.0
    patient_number = 0
    while patient_number < _PATIENTS_MIN or planned_bytes < size_bytes:
        for kind, when in _visits(patient_number, seed, today):
            patient = invent_patient(patient_number, seed, today)
            plans.append(_plan(patient, kind, when, number=len(plans), seed=seed, scale=scale))
            planned_bytes += _BYTES[kind] * scale * scale
        patient_number += 1
    long_ago = datetime.combine(today - timedelta(days=40), time(9))
    owner = invent_patient(2, seed, today)
    plans.append(_plan(owner, "OT", long_ago, number=len(plans), seed=seed, scale=scale))
    return plans


def _visits(patient_number: int, seed: int, today: date) -> Iterator[tuple[str, datetime | None]]:
    """Yield kind and time of a patient's studies, the latest first."""
    rng = np.random.default_rng([seed, 2, patient_number])
    patient = invent_patient(patient_number, seed, today)
    if patient.patient_class == "E":
        latest = datetime.combine(today, time(0, 5)) + timedelta(minutes=int(rng.integers(0, 45)))
    elif patient.patient_class == "I":
        latest = datetime.combine(today - timedelta(days=1), time(8)) + timedelta(minutes=int(rng.integers(0, 900)))
    else:
        days_ago = int(np.exp(rng.uniform(np.log(2), np.log(400))))
        latest = datetime.combine(today - timedelta(days=days_ago), time(8)) + timedelta(minutes=int(rng.integers(600)))
    kind = _KINDS[patient_number % len(_KINDS)]
    # One study whose date nobody filled in: no query by date finds it.
    yield kind, None if patient_number == 6 else latest
    for _ in range(patient_number % 3):
        left = _YEARS_DAYS - (today - latest.date()).days
        latest -= timedelta(days=int(rng.integers(10, max(left // 2, 11))), minutes=int(rng.integers(0, 500)))
        yield kind if rng.random() < 0.6 else "CR", latest


def _plan(
    patient: RehearsalPatient, kind: str, when: datetime | None, *, number: int, seed: int, scale: float
) -> StudyPlan:
    description, body_part = DESCRIPTIONS[kind]
    uid = invent_uid(seed, patient.birth, when, "study", number)
    frame = StudyFrame(number, uid, patient, when, description, body_part)
    folder = "vendor" if kind == "OT" else "hospital"
    return StudyPlan(frame, kind, seed, scale, f"{folder}/P{patient.number:04d}/S{number:04d}", rejects=number == 1)


def write_study(root: Path, plan: StudyPlan) -> WrittenStudy:
    """Make the instances of a study one after the other and write each as a Part 10 file."""
    folder = root / plan.folder
    folder.mkdir(parents=True)
    instances = size_bytes = 0
    rejected: tuple[str, ...] = ()
    first = ""
    for made in study_instances(plan):
        first = first or str(made.SOPInstanceUID)
        transfer_syntax, data_set = encoded(made, plan.kind)
        data = write_prefix(made.SOPClassUID, made.SOPInstanceUID, transfer_syntax, f"{made.Modality}_REHEARSAL")
        data += data_set
        (folder / f"{instances + 1:04d}.dcm").write_bytes(data)
        instances += 1
        size_bytes += len(data)
    if plan.rejects:
        rejected = (first,)
    return WrittenStudy(instances, size_bytes, rejected)


def study_instances(plan: StudyPlan) -> Iterator[Dataset]:
    """Give the instances of a study one after the other; whoever takes one may change its identity."""
    kept: list[Dataset] = []
    for made in _instances(plan, kept):
        yield made
        if "PixelData" in made:
            del made.PixelData
            kept.append(made)


def encoded(made: Dataset, kind: str) -> tuple[str, bytes]:
    """Return the transfer syntax in which a study of this kind is written, and the data set in it."""
    transfer_syntax = {"MR": IMPLICIT_LITTLE_ENDIAN, "OT": PRIVATE_TRANSFER_SYNTAX}.get(kind, EXPLICIT_LITTLE_ENDIAN)
    if kind == "OT" and made.InstanceNumber == 1:
        transfer_syntax = EXPLICIT_LITTLE_ENDIAN
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = transfer_syntax == IMPLICIT_LITTLE_ENDIAN, True
    write_dataset(stream, made)
    return transfer_syntax, bytes(stream.getvalue())


def _instances(plan: StudyPlan, kept: list[Dataset]) -> Iterator[Dataset]:
    """Yield images, then the documents that refer to those ``kept``."""
    study, kind = plan.frame, plan.kind
    rng = np.random.default_rng([plan.seed, 3, study.number])
    if kind == "OT":
        yield private_object(study, 1, 1)
        yield private_object(study, 1, 2)
        return
    yield from {"CT": _ct, "MR": _mr, "CR": _projection, "DX": _projection, "MG": _mg, "US": _us}[kind](plan, rng)
    if plan.rejects:
        yield key_objects(study, 90, _REJECTED, kept[:1])
    elif kind == "CT":
        yield text_report(study, 91, kept)
        yield key_objects(study, 92, _KEY_IMAGES, kept[len(kept) // 2 :][:2])
    elif kind in ("DX", "MG"):
        yield presentation_state(study, 93, kept)
    elif kind == "US":
        yield paper_report(study, 94)


def _side(plan: StudyPlan, full: int) -> int:
    """Scale a side of a matrix, in steps of eight."""
    return max(32, round(full * plan.scale / 8) * 8)


def _ct(plan: StudyPlan, rng: np.random.Generator) -> Iterator[Dataset]:
    size = _side(plan, 512)
    for number, picture in enumerate(chest_slices(rng, 20, size), 1):
        made = begin(plan.frame, SOP_CLASSES["CT"], "CT", 1, number)
        made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        add_slice_place(made, plan.frame, number, 360 / size, 5.0)
        made.KVP, made.AcquisitionNumber, made.XRayTubeCurrent, made.ExposureTime = "120", 1, 180, 400
        made.ConvolutionKernel, made.TableHeight, made.GantryDetectorTilt = "STANDARD", "150", "0"
        made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "HU"
        made.WindowCenter, made.WindowWidth = ["40", "-600"], ["400", "1500"]
        add_private_block(made, number)
        add_pixels(made, picture, 16, "MONOCHROME2")
        yield made


def _mr(plan: StudyPlan, rng: np.random.Generator) -> Iterator[Dataset]:
    size = _side(plan, 256)
    for series, (contrast, echo) in enumerate(((0.0, "12"), (1.0, "98")), 1):
        for number, picture in enumerate(head_slices(rng, 16, size, contrast), 1):
            made = begin(plan.frame, SOP_CLASSES["MR"], "MR", series, number)
            made.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
            add_slice_place(made, plan.frame, number, 230 / size, 5.5)
            made.ScanningSequence, made.SequenceVariant, made.ScanOptions = "SE", "NONE", ""
            made.MRAcquisitionType, made.EchoTrainLength, made.MagneticFieldStrength = "2D", 1, "1.5"
            made.RepetitionTime, made.EchoTime = "600" if series == 1 else "4200", echo
            made.AcquisitionNumber, made.WindowCenter, made.WindowWidth = series, "700", "1400"
            add_private_block(made, number)
            add_pixels(made, picture, 12, "MONOCHROME2")
            yield made


def _projection(plan: StudyPlan, rng: np.random.Generator) -> Iterator[Dataset]:
    digital = plan.kind == "DX"
    rows, columns = (_side(plan, 2144), _side(plan, 1760)) if digital else (_side(plan, 1760), _side(plan, 1440))
    for number in range(1, 3 if plan.rejects else 2):
        made = begin(plan.frame, SOP_CLASSES[plan.kind], plan.kind, 1, number)
        made.BodyPartExamined, made.ViewPosition, made.PatientOrientation = "CHEST", "PA", ["L", "F"]
        made.ImageType, made.AcquisitionNumber = ["ORIGINAL", "PRIMARY"], 1
        if digital:
            made.PresentationIntentType, made.PixelIntensityRelationship = "FOR PRESENTATION", "LIN"
            made.PixelIntensityRelationshipSign, made.ImagerPixelSpacing = 1, [0.2, 0.2]
            made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "US"
            made.PresentationLUTShape, made.LossyImageCompression = "IDENTITY", "00"
            made.BurnedInAnnotation, made.ImageLaterality = "NO", "U"
            made.AnatomicRegionSequence, made.AcquisitionContextSequence = code("51185008", "SCT", "Chest"), []
            made.WindowCenter, made.WindowWidth = "2048", "4096"
            made.DetectorType, made.DetectorID, made.PositionerType = "SCINTILLATOR", "D1", "COLUMN"
        # The image that will be rejected was taken with far too low a dose.
        top = 300 if plan.rejects and number == 1 else 4095
        add_pixels(made, chest_radiograph(rng, rows, columns, top), 12, "MONOCHROME1" if not digital else "MONOCHROME2")
        yield made


def _mg(plan: StudyPlan, rng: np.random.Generator) -> Iterator[Dataset]:
    for number, laterality in enumerate("LR", 1):
        made = begin(plan.frame, SOP_CLASSES["MG"], "MG", 1, number)
        made.PresentationIntentType, made.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY"]
        made.ImageLaterality, made.ViewPosition, made.PatientOrientation = laterality, "CC", ["A", "L"]
        made.BodyPartExamined, made.ImagerPixelSpacing, made.PositionerType = "BREAST", [0.1, 0.1], "MAMMOGRAPHIC"
        made.PixelIntensityRelationship, made.PixelIntensityRelationshipSign = "LOG", -1
        made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "US"
        made.PresentationLUTShape, made.LossyImageCompression, made.BurnedInAnnotation = "IDENTITY", "00", "NO"
        made.AcquisitionContextSequence, made.OrganExposed = [], "BREAST"
        made.AnatomicRegionSequence = code("76752008", "SCT", "Breast")
        made.ViewCodeSequence = code("399162004", "SCT", "cranio-caudal")
        made.ViewCodeSequence[0].ViewModifierCodeSequence = []
        made.WindowCenter, made.WindowWidth, made.DetectorType, made.DetectorID = "2048", "4096", "DIRECT", "D2"
        add_pixels(made, mammogram(rng, _side(plan, 2368), _side(plan, 1776), laterality == "L"), 12, "MONOCHROME2")
        yield made


def _us(plan: StudyPlan, rng: np.random.Generator) -> Iterator[Dataset]:
    rows, columns = _side(plan, 480), _side(plan, 640)
    cine = np.stack(list(sector_frames(rng, 12, rows, columns)))
    for number, pixels in enumerate((cine, cine[3], cine[9]), 1):
        moving = pixels.ndim == 4
        made = begin(plan.frame, SOP_CLASSES["US cine" if moving else "US"], "US", 1, number)
        made.ImageType, made.LossyImageCompression = ["ORIGINAL", "PRIMARY", "CARDIAC", "0001"], "00"
        made.Laterality, made.PatientOrientation = "", ""
        if moving:
            made.FrameTime, made.FrameIncrementPointer = "33.3", 0x00181063
        add_pixels(made, pixels, 8, "RGB", frames=len(pixels) if moving else 0)
        yield made
