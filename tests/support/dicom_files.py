"""Invented instances, made from a real one."""

from io import BytesIO

import pydicom

from support.real_files import real_file


def image(study: int, series: int, number: int, *, patch: bytes = b"") -> bytes:
    """Return an invented instance of an invented patient."""
    one = pydicom.dcmread(real_file("CT_small.dcm"))
    one.PatientName = f"Person{study:02d}^Invented"
    one.PatientID = f"P{study:02d}"
    one.StudyInstanceUID = f"1.2.826.0.1.3680043.9.9999.7.{study}"
    one.SeriesInstanceUID = f"{one.StudyInstanceUID}.{series}"
    one.SOPInstanceUID = f"{one.SeriesInstanceUID}.{number}"
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.StudyDate = f"202601{study:02d}"
    one.Modality = ("CT", "MR")[series % 2]
    one.SeriesNumber, one.InstanceNumber = series, number
    one.AccessionNumber = f"A{study:02d}"
    one.ImageComments = patch.decode() or "none"
    out = BytesIO()
    one.save_as(out)
    return out.getvalue()
