"""Whether DICOM can carry what others write: one judgement for every way into the worklist.

Source: PS3.5 section 6.2, Table 6.2-1.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Final

from pydicom.datadict import dictionary_VR

from safelight.catalog.order_changes import FILLER, PLACER
from safelight.core.names import AETitle, BadAETitle

SEXES: Final = ("M", "F", "O")
_NUMBERS: Final = frozenset(
    (
        "PatientID",
        "IssuerOfPatientID",
        "AdmissionID",
        "AccessionNumber",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        PLACER,
        FILLER,
        "RequestedProcedureCodeValue",
        "RequestedProcedureCodingScheme",
        "ScheduledProtocolCodeValue",
        "ScheduledProtocolCodingScheme",
    )
)
"""What may not be cut to its length: the rest would be another number."""
_OF_CODES: Final = ("CodeValue", "CodingScheme")
"""How our keywords end that stand for an attribute within a code sequence. Source: PS3.3 Table 8.8-1."""
_CHARACTERS_MAX: Final = {"SH": 16, "LO": 64, "PN": 64, "ST": 1024, "LT": 10240}
"""Of a person's name, in each component group."""
_OF_LINES: Final = ("ST", "LT")
"""Texts of several lines, in which a backslash parts nothing."""
_GROUPS_MAX: Final = 3
"""Component groups of a person's name: alphabetic, ideographic, phonetic."""
_FORMS: Final = {
    "UI": re.compile(r"[0-9.]{1,64}"),
    # DICOM would let a code have blanks; a modality that has is somebody's description of one.
    "CS": re.compile(r"[A-Z0-9_]{1,16}"),
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d)?)?"),
    "US": re.compile(r"\d{1,4}"),
}


class Fault(StrEnum):
    """What is wrong with a value."""

    FORM = "not of the form that DICOM has"
    """Nothing of it can be used."""
    CHARACTERS = "characters that DICOM cannot carry"
    """There is a blank for each."""
    LENGTH = "too long for DICOM"
    """A text is cut; of a number nothing can be used."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A value as DICOM can carry it."""

    value: str
    """Empty where nothing of it can be used."""
    fault: Fault | None = None


def judged(keyword: str, text: str) -> Judged:
    """Judge what is written for an attribute; an empty text is one that is to be deleted."""
    vr = _vr(keyword)
    if not text or not vr:
        return Judged(text)
    if vr == "CS":
        text = text.upper()
    if vr == "AE" or vr in _FORMS:
        return Judged(text) if _has_form(keyword, vr, text) else Judged("", Fault.FORM)
    groups = text.split("=") if vr == "PN" and text.count("=") < _GROUPS_MAX else [text]
    carried = [_carried(group, vr).strip() for group in groups]
    is_whole = all(_is_carried(one, vr) or one.isspace() for group in groups for one in group)
    fault = None if is_whole else Fault.CHARACTERS
    characters_max = _CHARACTERS_MAX.get(vr, max(_CHARACTERS_MAX.values()))
    if any(len(group) > characters_max for group in carried):
        if keyword in _NUMBERS:
            return Judged("", Fault.LENGTH)
        carried, fault = [group[:characters_max].rstrip() for group in carried], Fault.LENGTH
    return Judged("=".join(carried), fault)


@cache
def _vr(keyword: str) -> str:
    """Return the value representation; none for what goes into no attribute."""
    if keyword.endswith(_OF_CODES):
        return "SH"
    try:
        return str(dictionary_VR(keyword))
    except (KeyError, ValueError):
        return ""


def _has_form(keyword: str, vr: str, text: str) -> bool:
    if vr == "AE":
        try:
            return bool(AETitle.parse(text))
        except BadAETitle:
            return False
    if not _FORMS[vr].fullmatch(text):
        return False
    if vr == "DA":
        try:
            return bool(datetime.strptime(text, "%Y%m%d"))
        except ValueError:
            return False
    return keyword != "PatientSex" or text in SEXES


def _carried(text: str, vr: str) -> str:
    return "".join(one if _is_carried(one, vr) else " " for one in text)


def _is_carried(character: str, vr: str) -> bool:
    if vr in _OF_LINES and character in "\r\n\f\\":
        return True
    if character == "\\" or (vr == "PN" and character == "="):
        return False
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
