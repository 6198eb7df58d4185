"""Read the list of current and expected patients that a site gives with a recovery.

The list is a CSV file in UTF-8 with a heading line. Columns: ``patient_id`` (required), ``class`` (E, I or O, HL7
table 0004), ``location``, ``scheduled`` (YYYY-MM-DD or YYYYMMDD), ``issuer``, ``modality``, ``body_part``. A row needs
a class or a scheduled date. Other columns are left alone and named in the result.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.names import Personal
from safelight.recovery.order import PatientClass, PatientNow

COLUMNS: Final = ("patient_id", "class", "location", "scheduled", "issuer", "modality", "body_part")


class BadPatientList(UsageError):
    """A line of the patient list cannot be used; nothing of the list was used."""

    code: ClassVar[str] = "recovery.bad-patient-list"
    hint: ClassVar[str] = "Correct the named line and start again. Columns: " + ", ".join(COLUMNS) + "."


@dataclass(frozen=True, slots=True)
class PatientList:
    """The patients of a list, and the columns that nobody here reads."""

    patients: tuple[PatientNow, ...]
    columns_unused: tuple[str, ...]


def read_patients(lines: Iterable[str]) -> PatientList:
    """Read the list from its lines of text.

    Raises:
        BadPatientList: says the line and what is wrong with it.
    """
    reader = csv.reader(lines, strict=True)
    heading: list[str] | None = None
    patients: list[PatientNow] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if heading is None:
                heading = _heading(cells)
                continue
            if len(cells) != len(heading):
                raise BadPatientList(line=reader.line_num, why="cells", wanted=len(heading), found=len(cells))
            row = {name: cell.strip() for name, cell in zip(heading, cells, strict=True)}
            patients.append(_patient(row, reader.line_num))
    except csv.Error as error:
        raise BadPatientList(line=reader.line_num, why=str(error)) from error
    if heading is None:
        raise BadPatientList(line=1, why="empty")
    return PatientList(tuple(patients), tuple(name for name in heading if name not in COLUMNS))


def _heading(cells: list[str]) -> list[str]:
    names = [cell.strip().lstrip("\ufeff").lower() for cell in cells]
    if "patient_id" not in names:
        raise BadPatientList(line=1, why="no-patient-id-column")
    known = [name for name in names if name in COLUMNS]
    if len(set(known)) != len(known):
        raise BadPatientList(line=1, why="column-twice")
    return names


def _patient(row: dict[str, str], line: int) -> PatientNow:
    if not row["patient_id"]:
        raise BadPatientList(line=line, why="no-patient-id")
    letter = row.get("class", "").upper()
    if letter and letter not in set(PatientClass):
        raise BadPatientList(line=line, why="class", found=letter[:16])
    scheduled = _date(row.get("scheduled", ""), line)
    if not letter and scheduled is None:
        raise BadPatientList(line=line, why="neither-class-nor-scheduled")
    return PatientNow(
        patient=Personal(row["patient_id"]),
        issuer=row.get("issuer", ""),
        patient_class=PatientClass(letter) if letter else None,
        location=row.get("location", ""),
        scheduled=scheduled,
        modality=row.get("modality", ""),
        body_part=row.get("body_part", ""),
    )


def _date(text: str, line: int) -> date | None:
    if not text:
        return None
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            # A date carries no zone: it is compared with the hospital's local date only.
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise BadPatientList(line=line, why="scheduled-date", found=text[:16])
