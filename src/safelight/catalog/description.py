"""What an instance's head says of its patient, study and series, as text that can be shown and searched."""

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from safelight.core.instance import Head

CHARACTER_SET: Final = 0x00080005
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030
ACCESSION: Final = 0x00080050
REFERRING: Final = 0x00080090
SERIES_DESCRIPTION: Final = 0x0008103E
STUDY_DESCRIPTION: Final = 0x00081030
PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
ISSUER: Final = 0x00100021
BIRTH_DATE: Final = 0x00100030
SEX: Final = 0x00100040
BODY_PART: Final = 0x00180015
STUDY_ID: Final = 0x00200010
SERIES_NUMBER: Final = 0x00200011
INSTANCE_NUMBER: Final = 0x00200013
OF_STUDY: Final = (
    CHARACTER_SET, STUDY_DATE, STUDY_TIME, ACCESSION, REFERRING, STUDY_DESCRIPTION, PATIENT_NAME,
    PATIENT_ID, ISSUER, BIRTH_DATE, SEX, STUDY_ID,
)  # fmt: skip
"""What says of a study and its patient the same in all its instances, and how it is encoded."""

TEXT_MAX: Final = 1024
"""Longest value kept; the whole of it is in the vault."""
_ESCAPE: Final = 0x1B
_NAME_DELIMITERS: Final = frozenset(b"^=")
_TEXT_DELIMITERS: Final = frozenset(b"\\\r\n\t\f")
_OLD_DATE: Final = re.compile(r"(\d{4})[.\-](\d{2})[.\-](\d{2})\Z")


@dataclass(frozen=True, slots=True, repr=False)
class Description:
    """The attributes of one head that the catalog keeps."""

    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession: str
    study_id: str
    study_description: str
    referring: str
    series_number: str
    series_description: str
    body_part: str


def describe(head: Head) -> Description:
    """Decode the attributes of a head by its own character set; what does not decode is marked, never refused."""
    values = head.values
    charset = values.get(CHARACTER_SET, b"")

    def text(tag: int) -> str:
        return decode(values.get(tag, b"")[:TEXT_MAX], charset)

    return Description(
        patient_id=text(PATIENT_ID),
        issuer=text(ISSUER),
        patient_name=patient_name(head),
        birth_date=text(BIRTH_DATE),
        sex=text(SEX),
        study_date=plain_date(text(STUDY_DATE)),
        study_time=text(STUDY_TIME),
        accession=text(ACCESSION),
        study_id=text(STUDY_ID),
        study_description=text(STUDY_DESCRIPTION),
        referring=decode(values.get(REFERRING, b"")[:TEXT_MAX], charset, is_name=True),
        series_number=text(SERIES_NUMBER),
        series_description=text(SERIES_DESCRIPTION),
        body_part=text(BODY_PART),
    )


def patient_name(head: Head) -> str:
    """Return the patient's name as one head has it."""
    return decode(head.values.get(PATIENT_NAME, b"")[:TEXT_MAX], head.values.get(CHARACTER_SET, b""), is_name=True)


def plain_date(text: str) -> str:
    """Write a date of the ACR-NEMA form ``YYYY.MM.DD`` as ``YYYYMMDD``; leave anything else as it came."""
    old = _OLD_DATE.match(text)
    return "".join(old.groups()) if old else text


@lru_cache(maxsize=4096)
def decode(raw: bytes, charset: bytes = b"", *, is_name: bool = False) -> str:
    """Decode a value by Specific Character Set, without its padding.

    Source: PS3.5 section 6.1; PS3.3 section C.12.1.1.2.
    """
    if raw.isascii() and _ESCAPE not in raw:
        text = raw.decode("ascii")
    else:
        delimiters = _NAME_DELIMITERS if is_name else _TEXT_DELIMITERS
        text = _decoded(raw, charset, set(delimiters))
    return text.replace("\0", "").strip(" ")


def _decoded(raw: bytes, charset: bytes, delimiters: set[int]) -> str:
    # Imported here: only values beyond ASCII need it, and it takes a third of a second.
    from pydicom.charset import convert_encodings, decode_bytes

    names = [part.strip() for part in charset.decode("ascii", errors="replace").strip(" \0").split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(decode_bytes(raw, convert_encodings(names), delimiters))
        except (LookupError, ValueError):
            return raw.decode("latin-1")


def fold(text: str) -> str:
    """Make two spellings of a name equal that differ in case, accents or width only."""
    # Compatibility letters unfold to plain ones of either case, so the case is folded after that as well.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", bare)


def folded_names(name: str) -> Sequence[str]:
    """Return what a name is searched by: each of its component groups, without empty components at the end.

    Source: PS3.5 section 6.2.1, component groups of a person name.
    """
    groups = (fold(group).rstrip("^ ") for group in name.split("="))
    return tuple(dict.fromkeys(group for group in groups if group))


def folded_search(name: str) -> str:
    """Fold what a person typed: ``Last, First`` and ``Last^First`` are the same search."""
    return fold(re.sub(r"\s*,\s*", "^", name.strip())).rstrip("^ ")
