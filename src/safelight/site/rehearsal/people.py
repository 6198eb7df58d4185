"""Invented patients, with names in the scripts and character sets that a hospital meets."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

ISSUER: Final = "REHEARSAL"

_SCRIPTS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]] = (
    ((), ("Phantom", "Example", "Sample"), ("Anna", "Peter", "Maria", "Thomas")),
    (("ISO_IR 100",), ("Müßig", "Sørensen", "Núñez", "Lefèvre"), ("Jürgen", "Zoë", "José", "Renée")),
    (("ISO_IR 192",), ("Łukasik", "Öztürk", "Nguyễn"), ("Bożena", "Gülşah", "Thảo")),
    (
        ("", "ISO 2022 IR 87"),
        ("Yamada 山田 やまだ", "Suzuki 鈴木 すずき"),
        ("Tarou 太郎 たろう", "Hanako 花子 はなこ"),
    ),
    (("GB18030",), ("Wang 王", "Zhang 张"), ("XiaoDong 小东", "Li 丽")),
    (("ISO_IR 144",), ("Образцов", "Примерова"), ("Иван", "Ольга", "Фёдор")),
)
"""Character set, family names, given names; a name that is written in several ways has them in order."""

_WARDS: Final = ("ICU-2", "3B-04", "5A-11", "STEP-7")
_EMERGENCY: Final = ("ED 12", "STROKE 1", "TRAUMA 2", "ED 4")


@dataclass(frozen=True, slots=True)
class RehearsalPatient:
    """One invented person and where that person is on the day of the rehearsal."""

    number: int
    character_sets: tuple[str, ...]
    name: str
    birth: date
    sex: str
    patient_class: str
    """E, I or O; empty for somebody who is not in the house."""
    location: str
    scheduled: date | None

    @property
    def patient_id(self) -> str:
        """The identifier that images and lists use."""
        return f"RH-{self.number:05d}"


def invent_patient(number: int, seed: int, today: date) -> RehearsalPatient:
    """Make the patient of that number; the same arguments make the same patient."""
    rng = np.random.default_rng([seed, 1, number])
    character_sets, families, givens = _SCRIPTS[number % len(_SCRIPTS)]
    family, given = families[int(rng.integers(len(families)))], givens[int(rng.integers(len(givens)))]
    presence = number % 10
    patient_class, location = "", ""
    scheduled = None
    if presence in (0, 5):
        patient_class, location = "E", _EMERGENCY[number // 5 % len(_EMERGENCY)]
    elif presence in (1, 3, 7):
        patient_class, location = "I", _WARDS[int(rng.integers(len(_WARDS)))]
    elif presence in (4, 8):
        patient_class, location, scheduled = "O", "RADIOLOGY", today + timedelta(days=presence // 8)
    return RehearsalPatient(
        number,
        character_sets,
        _written(family, given),
        date(1935, 1, 1) + timedelta(days=int(rng.integers(0, 29000))),
        "F" if rng.random() < 0.5 else "M",
        patient_class,
        location,
        scheduled,
    )


def _written(family: str, given: str) -> str:
    """Join the two names, once for each writing. Source: PS3.5 section 6.2.1.1."""
    writings = zip(family.split(" "), given.split(" "), strict=True)
    return "=".join(f"{mine}^{theirs}" for mine, theirs in writings)
