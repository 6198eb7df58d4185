"""Composite objects of the rehearsal hospital, as modalities and workstations would write them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from safelight.site.rehearsal.people import ISSUER, RehearsalPatient

SOP_CLASSES: Final = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "US cine": "1.2.840.10008.5.1.4.1.1.3.1",
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
    "KO": "1.2.840.10008.5.1.4.1.1.88.59",
    "PR": "1.2.840.10008.5.1.4.1.1.11.1",
    "DOC": "1.2.840.10008.5.1.4.1.1.104.1",
}
PRIVATE_SOP_CLASS: Final = "2.25.148811430398474303412385962306012217463"
PRIVATE_TRANSFER_SYNTAX: Final = "2.25.270893473106211428934672108730122651201"


def invent_uid(*parts: object) -> str:
    """Make a UID that the same parts always make. Source: PS3.5 annex B.2."""
    digest = sha256("/".join(map(str, parts)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


@dataclass(frozen=True, slots=True)
class StudyFrame:
    """What all instances of a study share."""

    number: int
    uid: str
    patient: RehearsalPatient
    when: datetime | None
    """None for a study whose date nobody filled in."""
    description: str
    body_part: str


def item(**attributes: object) -> Dataset:
    """Make a data set, usually a sequence item, from keywords of the dictionary."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    """Make a code sequence of one item."""
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def begin(study: StudyFrame, sop_class: str, modality: str, series: int, number: int) -> Dataset:
    """Make an instance with its patient, study, series and equipment, and without content."""
    patient, when = study.patient, study.when
    day, time = (when.strftime("%Y%m%d"), when.strftime("%H%M%S")) if when else ("", "")
    made = Dataset()
    if patient.character_sets:
        made.SpecificCharacterSet = list(patient.character_sets)
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = invent_uid(study.uid, series, number)
    made.StudyDate = made.ContentDate = made.SeriesDate = day
    made.StudyTime = made.ContentTime = made.SeriesTime = time
    made.AccessionNumber = f"RA{study.number:06d}"
    made.Modality = modality
    made.Manufacturer, made.ManufacturerModelName = "Invented Imaging", f"Rehearsal {modality}"
    made.InstitutionName, made.StationName = "Rehearsal General Hospital", f"{modality}{study.number % 3 + 1}"
    made.DeviceSerialNumber, made.SoftwareVersions = f"{1000 + study.number % 3}", "1.0"
    made.ReferringPhysicianName = "Referrer^Robin"
    made.StudyDescription, made.SeriesDescription = study.description, f"{modality} {series}"
    made.PatientName, made.PatientID, made.IssuerOfPatientID = patient.name, patient.patient_id, ISSUER
    made.PatientBirthDate, made.PatientSex = patient.birth.strftime("%Y%m%d"), patient.sex
    made.StudyInstanceUID, made.SeriesInstanceUID = study.uid, invent_uid(study.uid, series)
    made.StudyID, made.SeriesNumber, made.InstanceNumber = f"{study.number}", series, number
    return made


def add_pixels(made: Dataset, pixels: NDArray[Any], bits_stored: int, photometric: str, frames: int = 0) -> None:
    """Add the image pixel module. ``frames`` is 0 for a class that has no frames."""
    rows, columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    colour = photometric == "RGB"
    made.SamplesPerPixel, made.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        made.PlanarConfiguration = 0
    if frames:
        made.NumberOfFrames = frames
    made.Rows, made.Columns = rows, columns
    made.BitsAllocated = pixels.dtype.itemsize * 8
    made.BitsStored, made.HighBit = bits_stored, bits_stored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    made.add_new(0x7FE00010, "OW" if made.BitsAllocated == 16 else "OB", data + b"\0" * (len(data) % 2))


def add_slice_place(made: Dataset, study: StudyFrame, number: int, spacing: float, thickness: float) -> None:
    """Add frame of reference and image plane of an axial slice."""
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = invent_uid(study.uid, "frame"), ""
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = [-180, -180, round(number * thickness, 2)]
    made.PixelSpacing = [round(spacing, 5), round(spacing, 5)]
    made.SliceThickness, made.SliceLocation = thickness, round(number * thickness, 2)
    made.PatientPosition, made.BodyPartExamined = "HFS", study.body_part


def add_private_block(made: Dataset, number: int) -> None:
    """Add what real scanners leave in private groups: it must come back bit for bit."""
    block = made.private_block(0x0029, "INVENTED IMAGING 01", create=True)
    block.add_new(0x10, "LO", f"raw {number}")
    block.add_new(0x20, "OB", sha256(f"{made.SOPInstanceUID}".encode()).digest() * 40)


def reference(made: Dataset) -> Dataset:
    """Make an item that refers to an instance."""
    return item(ReferencedSOPClassUID=made.SOPClassUID, ReferencedSOPInstanceUID=made.SOPInstanceUID)


def evidence(instances: Sequence[Dataset]) -> list[Dataset]:
    """Make the evidence sequence of instances of one study. Source: PS3.3 Table 10-3."""
    series: dict[str, list[Dataset]] = {}
    for each in instances:
        series.setdefault(each.SeriesInstanceUID, []).append(reference(each))
    return [
        item(
            StudyInstanceUID=instances[0].StudyInstanceUID,
            ReferencedSeriesSequence=[
                item(SeriesInstanceUID=uid, ReferencedSOPSequence=references) for uid, references in series.items()
            ],
        )
    ]


def key_objects(study: StudyFrame, series: int, title: Mapping[str, str], instances: Sequence[Dataset]) -> Dataset:
    """Point out instances: key images, or instances that must not be used any more.

    Source: PS3.3 section A.35.4; IHE RAD TF-3, Imaging Object Change Management.
    """
    made = begin(study, SOP_CLASSES["KO"], "KO", series, 1)
    made.ReferencedPerformedProcedureStepSequence = []
    made.CurrentRequestedProcedureEvidenceSequence = evidence(instances)
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = code(title["code"], "DCM", title["meaning"])
    made.ContentTemplateSequence = [item(MappingResource="DCMR", TemplateIdentifier="2010")]
    made.ContentSequence = [
        item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=[reference(each)])
        for each in instances
    ]
    return made


def text_report(study: StudyFrame, series: int, instances: Sequence[Dataset]) -> Dataset:
    """Report on images in plain text. Source: PS3.3 section A.35.1."""
    made = begin(study, SOP_CLASSES["SR"], "SR", series, 1)
    made.ReferencedPerformedProcedureStepSequence = []
    made.PerformedProcedureCodeSequence = []
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.CurrentRequestedProcedureEvidenceSequence = evidence(instances)
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = code("11528-7", "LN", "Radiology Report")
    made.ContentSequence = [
        item(
            RelationshipType="CONTAINS",
            ValueType="TEXT",
            ConceptNameCodeSequence=code("121071", "DCM", "Finding"),
            TextValue=f"Rehearsal report of {study.description} for {study.patient.name.split('=')[-1]}: no finding.",
        )
    ]
    return made


def presentation_state(study: StudyFrame, series: int, instances: Sequence[Dataset]) -> Dataset:
    """Keep how images of one series were shown. Source: PS3.3 section A.33.1."""
    made = begin(study, SOP_CLASSES["PR"], "PR", series, 1)
    made.Laterality = ""
    made.PresentationCreationDate, made.PresentationCreationTime = made.StudyDate, made.StudyTime
    made.ContentLabel, made.ContentDescription, made.ContentCreatorName = "SHOWN", "As shown in the round", ""
    made.ReferencedSeriesSequence = [
        item(SeriesInstanceUID=instances[0].SeriesInstanceUID, ReferencedImageSequence=list(map(reference, instances)))
    ]
    made.DisplayedAreaSelectionSequence = [
        item(
            DisplayedAreaTopLeftHandCorner=[1, 1],
            DisplayedAreaBottomRightHandCorner=[instances[0].Columns, instances[0].Rows],
            PresentationSizeMode="SCALE TO FIT",
            PresentationPixelAspectRatio=[1, 1],
        )
    ]
    made.SoftcopyVOILUTSequence = [item(WindowCenter="2000", WindowWidth="3500")]
    made.PresentationLUTShape = "IDENTITY"
    return made


def paper_report(study: StudyFrame, series: int) -> Dataset:
    """Keep a page that was scanned or printed. Source: PS3.3 section A.45.1."""
    made = begin(study, SOP_CLASSES["DOC"], "DOC", series, 1)
    made.AcquisitionDateTime, made.ConversionType = "", "WSD"
    made.BurnedInAnnotation, made.DocumentTitle = "YES", "Worksheet"
    made.ConceptNameCodeSequence = []
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    page = _one_page(f"Worksheet {study.number}")
    made.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return made


def _one_page(text: str) -> bytes:
    """Write a PDF of one page with one line."""
    content = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    page, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(page))
        page += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(page)
    return page + b"xref\n0 6\n0000000000 65535 f \n" + table + end


def private_object(study: StudyFrame, series: int, number: int) -> Dataset:
    """Make an object of a class that only its vendor knows."""
    made = begin(study, PRIVATE_SOP_CLASS, "OT", series, number)
    block = made.private_block(0x0043, "INVENTED RAW 01", create=True)
    block.add_new(0x01, "OB", np.random.default_rng([study.number, number]).bytes(40_000))
    block.add_new(0x02, "UT", "coefficients of an invented reconstruction")
    return made
