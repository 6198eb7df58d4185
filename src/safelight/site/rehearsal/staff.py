"""What people do on the rehearsal day, so that they may do it by commands or on the screens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from safelight.core.clock import to_text
from safelight.site.rehearsal.day import BY_HAND_SITE, DayExam, Story
from safelight.site.rehearsal.program import RehearsalHome

ADMINISTRATOR: Final = "the rehearsal"
TECHNOLOGIST: Final = "T. Tech"
READER: Final = "R. Reader"


@dataclass(frozen=True, slots=True)
class Registered:
    """Under which numbers an exam goes."""

    accession: str
    patient_id: str


class Staff(Protocol):
    """The people of the hospital."""

    def declare(self, scopes: Sequence[str], since: datetime, reason: str) -> None:
        """Declare a downtime."""

    def register(self, exam: DayExam) -> Registered:
        """Put an exam on the board: by its order, or with numbers from the label box."""

    def note(self, accession: str, step: str) -> None:
        """Note a step of an exam."""

    def read(self, exam: DayExam, accession: str, *, urgent: bool) -> None:
        """Write a preliminary read down."""

    def call(self, exam: DayExam, accession: str, to: str) -> None:
        """Call an urgent result and have it read back."""

    def say(self, event: str, scope: str, reason: str) -> None:
        """Say what becomes of a system."""


class StaffAtTheCommandLine:
    """Everything is done by commands."""

    def __init__(self, home: RehearsalHome) -> None:
        self._home = home

    def declare(self, scopes: Sequence[str], since: datetime, reason: str) -> None:
        """Declare a downtime."""
        named = [word for scope in scopes for word in ("--scope", scope)]
        words = ("--since", to_text(since), "--reason", reason, "--by", ADMINISTRATOR)
        self._home.safelight("downtime", "declare", *named, *words)

    def register(self, exam: DayExam) -> Registered:
        """Put an exam on the board: by its order, or with numbers from the label box."""
        of, patient = exam.order, exam.order.patient
        words = ["--site", BY_HAND_SITE, "--device", of.station, "--modality", of.modality]
        words += ["--procedure", of.procedure, "--by", TECHNOLOGIST]
        if exam.story is Story.TRAUMA:
            words += ["--way", "unidentified", "--place", "TRAUMA 2", "--sex", patient.sex]
        else:
            words += ["--name", patient.dicom_name, "--birth-date", patient.birth_date, "--sex", patient.sex]
            words += ["--way", "walk-in" if exam.is_by_hand else "ordered"]
        if not exam.is_by_hand:
            words += ["--patient-id", patient.patient_id, "--accession", of.accession]
        told: dict[str, Any] = self._home.safelight("downtime", "exam", "register", *words)
        return Registered(told["accession"], told["patient_id"])

    def note(self, accession: str, step: str) -> None:
        """Note a step of an exam."""
        self._home.safelight("downtime", "exam", step, accession, "--by", TECHNOLOGIST)

    def read(self, exam: DayExam, accession: str, *, urgent: bool) -> None:
        """Write a preliminary read down."""
        words = ["--text", exam.read, *(["--urgent"] if urgent else []), "--by", READER]
        self._home.safelight("downtime", "exam", "read", accession, *words)

    def call(self, exam: DayExam, accession: str, to: str) -> None:
        """Call an urgent result and have it read back."""
        del exam
        self._home.safelight("downtime", "exam", "called", accession, "--to", to, "--read-back", "--by", READER)

    def say(self, event: str, scope: str, reason: str) -> None:
        """Say what becomes of a system."""
        words = ("--scope", scope, "--reason", reason, "--by", ADMINISTRATOR)
        self._home.safelight("downtime", event, *words)
