"""Registering a patient and an exam by hand: which numbers they get, and what is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final

from safelight.core.clock import day_from_text
from safelight.core.errors import StateError, UsageError
from safelight.core.names import Personal
from safelight.downtime.exam import Exam, Person, Registered, Way
from safelight.downtime.number import Block, NumberFor, Numbers

IDENTIFIER: Final = re.compile(r"[!-\[\]-~][ -\[\]-~]{0,63}\Z")
"""Printable ASCII without a backslash. Source: PS3.5 Table 6.2-1, value representation LO."""
MODALITY: Final = re.compile(r"[A-Z0-9_]{1,16}\Z")
NAME_CHARACTERS_MAX: Final = 64
TEXT_CHARACTERS_MAX: Final = 1000
ACCESSION_CHARACTERS_MAX: Final = 16
NO_NAME: Final = Personal("")
SEXES: Final = ("", "M", "F", "O")


class BadRegistration(UsageError):
    """What was said of a patient or exam cannot stand on a worklist. What it was is not repeated here."""

    code: ClassVar[str] = "downtime.bad-registration"
    hint: ClassVar[str] = (
        "Name FAMILY^GIVEN up to 64 characters, birth date YYYYMMDD and not ahead, sex M, F or O, modality as CT, "
        "numbers in ASCII."
    )


class NumberNotAllotted(UsageError):
    """The number lies in a reserved range, and no block that was allotted has it."""

    code: ClassVar[str] = "downtime.number-not-allotted"
    hint: ClassVar[str] = "Look at the label again; see: safelight downtime numbers list"


class NumberTaken(StateError):
    """Another downtime exam has this accession number."""

    code: ClassVar[str] = "downtime.number-taken"
    hint: ClassVar[str] = "See whose it is: safelight downtime exam list; take the next label."


class NumberOfOrder(UsageError):
    """Only an exam that was ordered has an accession number that is not from a reserved range, and no other."""

    code: ClassVar[str] = "downtime.number-of-order"
    hint: ClassVar[str] = "With an order: --way ordered and its numbers. Without: a number of a block, or none."


class NoNumberLeft(StateError):
    """No block of this device has a number that is not taken."""

    code: ClassVar[str] = "downtime.no-number-left"
    hint: ClassVar[str] = (
        "Allot a block to it: safelight downtime numbers allot --for patient|accession --site S --device D"
    )


class PatientDiffers(StateError):
    """This reserved patient number was given to somebody else."""

    code: ClassVar[str] = "downtime.patient-differs"
    hint: ClassVar[str] = "Two people never share a number: take the next label. See: safelight downtime exam list"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says when registering."""

    way: Way
    site: str
    device: str
    """Whose blocks the numbers come from."""
    modality: str
    procedure: str
    place: str
    patient_id: str = ""
    """A number of the hospital that is sure, or one from a label; the next free one if empty."""
    accession: str = ""
    name: Personal = NO_NAME
    birth_date: str = ""
    sex: str = ""


def register(
    numbers: Numbers,
    exams: Mapping[str, Exam],
    asked: Asked,
    *,
    study: str,
    at: datetime,
    said_at: datetime,
    by: str,
    outages: tuple[int, ...],
) -> Registered:
    """Judge a registration and give it its numbers.

    Raises:
        BadRegistration: something cannot stand on a worklist.
        NumberNotAllotted, NumberTaken, NumberOfOrder, NoNumberLeft, PatientDiffers: a number does not fit.
    """
    known = {exam.registered.person.patient_id for exam in exams.values()}
    _judge(asked, knows_patient=asked.patient_id in known, today=said_at.astimezone().date())
    accession = _accession(numbers, exams, asked)
    person = _person(numbers, exams, asked)
    return Registered(
        asked.way,
        accession,
        study,
        person,
        asked.modality,
        asked.procedure,
        asked.place,
        asked.device,
        at,
        said_at,
        by,
        outages,
    )


def _judge(asked: Asked, *, knows_patient: bool, today: date) -> None:
    name = asked.name.text
    has_name, wants_name = bool(name.strip(" ^=")), asked.way is not Way.UNIDENTIFIED
    judged = {
        "name": len(name) <= NAME_CHARACTERS_MAX
        and _is_text(name)
        and (has_name == wants_name or (knows_patient and not has_name)),
        "birth_date": not asked.birth_date or _is_past_day(asked.birth_date, today),
        "sex": asked.sex in SEXES,
        "modality": bool(MODALITY.match(asked.modality)),
        "procedure": len(asked.procedure) <= NAME_CHARACTERS_MAX and _is_text(asked.procedure),
        "place": len(asked.place) <= TEXT_CHARACTERS_MAX and _is_text(asked.place),
        "patient_id": not asked.patient_id or bool(IDENTIFIER.match(asked.patient_id)),
        "accession": not asked.accession
        or (bool(IDENTIFIER.match(asked.accession)) and len(asked.accession) <= ACCESSION_CHARACTERS_MAX),
    }
    if asked.way is Way.ORDERED:
        judged |= {"accession": judged["accession"] and bool(asked.accession), "patient_id": bool(asked.patient_id)}
    wrong = [name for name, is_good in judged.items() if not is_good]
    if wrong:
        raise BadRegistration(wrong=",".join(wrong))


def _is_past_day(text: str, today: date) -> bool:
    day = day_from_text(text)
    return day is not None and day <= today


def _is_text(text: str) -> bool:
    return "\\" not in text and (text.isprintable() or not text)


def _accession(numbers: Numbers, exams: Mapping[str, Exam], asked: Asked) -> str:
    if not asked.accession:
        return _next(numbers, NumberFor.ACCESSION, asked, set(exams))
    is_reserved = numbers.range_of(NumberFor.ACCESSION, asked.accession) is not None
    if is_reserved == (asked.way is Way.ORDERED):
        raise NumberOfOrder(accession=asked.accession, way=asked.way)
    if is_reserved and numbers.block_of(NumberFor.ACCESSION, asked.accession) is None:
        raise NumberNotAllotted(accession=asked.accession)
    if asked.accession in exams:
        raise NumberTaken(accession=asked.accession)
    return asked.accession


def _person(numbers: Numbers, exams: Mapping[str, Exam], asked: Asked) -> Person:
    known = {exam.registered.person.patient_id: exam.registered for exam in exams.values()}
    if not asked.patient_id:
        number = _next(numbers, NumberFor.PATIENT, asked, set(known))
        return Person(number, _name(asked, number), asked.birth_date, asked.sex)
    is_reserved = numbers.range_of(NumberFor.PATIENT, asked.patient_id) is not None
    if is_reserved and numbers.block_of(NumberFor.PATIENT, asked.patient_id) is None:
        raise NumberNotAllotted(of=NumberFor.PATIENT)
    before = known.get(asked.patient_id)
    person = Person(asked.patient_id, _name(asked, asked.patient_id), asked.birth_date, asked.sex)
    if before is not None and (is_reserved or not asked.name.text):
        if (is_reserved and before.way is not asked.way) or not _may_be_one(before.person, person):
            raise PatientDiffers(accession=before.accession)
        return before.person
    return person


def _may_be_one(before: Person, now: Person) -> bool:
    return (
        now.name.text in ("", before.name.text)
        and now.birth_date in ("", before.birth_date)
        and now.sex in ("", before.sex)
    )


def _name(asked: Asked, number: str) -> Personal:
    return Personal(f"UNIDENTIFIED^{number}"[:NAME_CHARACTERS_MAX]) if asked.way is Way.UNIDENTIFIED else asked.name


def _next(numbers: Numbers, of: NumberFor, asked: Asked, taken: set[str]) -> str:
    blocks: list[Block] = numbers.blocks_for(of, asked.site, asked.device)
    for block in blocks:
        for text in numbers.texts(block):
            if text not in taken:
                return text
    raise NoNumberLeft(of=of, site=asked.site, device=asked.device, blocks=len(blocks))
