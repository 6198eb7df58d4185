"""Reading the lines of an extract as scheduled steps. A bad line is told and costs nothing else."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from safelight.catalog.listed_step import ListedStep
from safelight.catalog.order_changes import PatientName
from safelight.core.table_file import Line
from safelight.gateway.attribute_values import Fault, judged
from safelight.gateway.schedule.extract_mapping import ExtractMapping, heading

HEADINGS_WITHIN: Final = 20
"""Lines above the headings: titles, the day of the export."""
BAD_LINES_MAX: Final = 1000
OF_PATIENT: Final[tuple[str, ...]] = ("PatientName", "PatientBirthDate", "PatientSex", "CurrentPatientLocation")
DATE, TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
STEP: Final = "ScheduledProcedureStepID"


@dataclass(slots=True)
class Extract:
    """What was understood of an extract."""

    steps: list[ListedStep] = field(default_factory=list)
    understood: dict[str, str] = field(default_factory=dict)
    """By heading: the keyword it stands for."""
    not_understood: list[str] = field(default_factory=list)
    """Headings that nothing is known of."""
    bad_lines: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line and what is wrong with it; never what stands in it."""
    bad_count: int = 0

    def tell(self, line: int, why: str) -> None:
        """Take note of a bad line."""
        self.bad_count += 1
        if len(self.bad_lines) < BAD_LINES_MAX:
            self.bad_lines.append((line, why))


def read_extract(lines: Iterable[Line], mapping: ExtractMapping) -> Extract:
    """Read an extract to its end; without a line of headings nothing of it is understood."""
    extract = Extract()
    columns: dict[int, str] = {}
    for line in lines:
        if line.cells is None:
            extract.tell(line.number, "cannot be read")
        elif not any(cell.strip() for cell in line.cells):
            continue
        elif not columns:
            columns = _columns(line.cells, mapping)
            if columns:
                _note_headings(extract, line.cells, columns)
            elif line.number >= HEADINGS_WITHIN:
                return extract
        else:
            _read_line(extract, line, columns, mapping)
    return extract


def _columns(cells: Sequence[str], mapping: ExtractMapping) -> dict[int, str]:
    """Return which column holds what, if this is the line of headings: it names the patient and a start."""
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        places.setdefault(heading(cell), place)
    columns: dict[int, str] = {}
    for keyword, names in mapping.columns.items():
        found = next((places[name] for name in names if name in places), None)
        if found is not None:
            columns.setdefault(found, keyword)
    known = set(columns.values())
    return columns if "PatientID" in known and known & {"Start", DATE} else {}


def _note_headings(extract: Extract, cells: Sequence[str], columns: Mapping[int, str]) -> None:
    for place, cell in enumerate(cells):
        text = cell.strip()[:64]
        if place in columns:
            extract.understood[text] = columns[place]
        elif text:
            extract.not_understood.append(text)


def _read_line(extract: Extract, line: Line, columns: Mapping[int, str], mapping: ExtractMapping) -> None:
    assert line.cells is not None
    told = {
        keyword: " ".join(line.cells[place].split()) for place, keyword in columns.items() if place < len(line.cells)
    }
    for keyword, known in mapping.values.items():
        if keyword in told:
            told[keyword] = known.get(told[keyword].casefold(), told[keyword])
    told = {**mapping.fixed, **{keyword: value for keyword, value in told.items() if value}}
    wrong = _tidied(told, mapping)
    if wrong:
        extract.tell(line.number, ", ".join(wrong))
        return
    patient = PatientName(told.pop("PatientID"), told.pop("IssuerOfPatientID", ""))
    of_patient: dict[str, str] = {keyword: told.pop(keyword) for keyword in OF_PATIENT if keyword in told}
    step = ListedStep(patient, of_patient, told)
    if not step.names_itself:
        # No number tells this step from others: what it says of itself does, the same at every look.
        parts = (
            patient.patient_id,
            *(told.get(name, "") for name in (DATE, TIME, "Modality", "RequestedProcedureDescription")),
        )
        told[STEP] = "X" + hashlib.sha256("\\".join(parts).encode()).hexdigest()[:15].upper()
    extract.steps.append(step)


def _tidied(told: dict[str, str], mapping: ExtractMapping) -> list[str]:
    """Write values as DICOM does; return the attributes that cannot be used."""
    wrong = []
    start = told.pop("Start", "")
    if start and not told.get(DATE):
        # Some call the day so, and have the time of day beside it.
        told[DATE], _, time = start.replace("T", " ").partition(" ")
        told[TIME] = time or told.get(TIME, "")
    family, given = told.pop("FamilyName", ""), told.pop("GivenName", "")
    name = told.get("PatientName") or "^".join((family, given)).rstrip("^")
    # Without a caret the comma is what parts family from given name.
    told["PatientName"] = name if "^" in name else "^".join(part.strip() for part in name.split(",")[:2])
    for keyword, formats, form in (
        (DATE, mapping.date_formats, "%Y%m%d"),
        ("PatientBirthDate", mapping.date_formats, "%Y%m%d"),
        (TIME, mapping.time_formats, "%H%M%S"),
    ):
        if told.get(keyword):
            moment = _moment(told[keyword], formats)
            told[keyword] = f"{moment:{form}}" if moment else ""
            wrong += [] if moment else [keyword]
    wrong += [keyword for keyword in ("PatientID", "PatientName", DATE, "Modality") if not told.get(keyword)]
    for keyword, value in told.items():
        fit = judged(keyword, value)
        told[keyword] = fit.value
        # What is cut has its beginning; with anything else nobody knows what was meant.
        wrong += [keyword] if fit.fault and not (fit.fault is Fault.LENGTH and fit.value) else []
    for keyword in [keyword for keyword, value in told.items() if not value]:
        del told[keyword]
    return list(dict.fromkeys(wrong))


def _moment(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None
