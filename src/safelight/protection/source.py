"""The PACS as protection sees it: what may be asked, what it claims, and how instances are fetched.

A claim is what the source says it holds. It is never taken for a receipt.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from safelight.core.clock import day_from_text
from safelight.core.errors import PeerError
from safelight.core.names import Personal


class SourceUnreachable(PeerError):
    """The source refused or dropped the connection, so that nothing was asked."""

    code: ClassVar[str] = "protection.source-unreachable"
    hint: ClassVar[str] = "Run: safelight gateway echo; ask the owner of the source whether our AE title is allowed."


class QueryKey(StrEnum):
    """What a study query can be narrowed by."""

    DATE = "date"
    TIME = "time"
    PATIENT = "patient"
    MODALITY = "modality"


@dataclass(frozen=True, slots=True)
class StudyQuery:
    """A study level query; what is None matches universally. Source: PS3.4 section C.2.2.2."""

    first: date | None = None
    last: date | None = None
    """Study Date range, both ends included; an end that is None is open."""
    seconds: tuple[int, int] | None = None
    """Study Time range in seconds of the day, both ends included."""
    patient: str | None = field(default=None, repr=False)
    """Patient ID, with ``*`` at its end for a prefix."""
    modality: str | None = None
    """One value of Modalities in Study."""

    @property
    def dated(self) -> bool:
        """Whether a study without a date cannot match."""
        return self.first is not None or self.last is not None

    @property
    def date_text(self) -> str:
        """The range as a value of Study Date; empty for universal matching. Source: PS3.4 section C.2.2.2.5."""
        if not self.dated:
            return ""
        first = "" if self.first is None else _date_text(self.first)
        last = "" if self.last is None else _date_text(self.last)
        return first if first == last else f"{first}-{last}"

    @property
    def in_words(self) -> str:
        """Say for people what was asked. A patient ID is told by its length only."""
        parts = [self.date_text or "any date"]
        if self.seconds is not None:
            parts.append(f"time {self.time_text}")
        if self.patient is not None:
            parts.append(f"patient ID of {len(self.patient)} characters")
        if self.modality is not None:
            parts.append(f"modality {self.modality}")
        return ", ".join(parts)

    @property
    def time_text(self) -> str:
        """The range as a value of Study Time; empty for universal matching."""
        if self.seconds is None:
            return ""
        first, last = (f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}" for second in self.seconds)
        return f"{first}-{last}.999999"


@dataclass(frozen=True, slots=True)
class StudyClaim:
    """One row of a study level answer. Date and time stay as they came: local time of an unknown place."""

    study: str
    date_text: str = ""
    time_text: str = ""
    patient: Personal = field(default_factory=lambda: Personal(""))
    modalities: tuple[str, ...] = ()
    series_count: int | None = None
    instance_count: int | None = None
    """Number of Study Related Instances; None where the source does not say."""

    @property
    def date(self) -> date | None:
        """Study Date, None where it is missing or no date."""
        return read_date(self.date_text)

    @property
    def second(self) -> int | None:
        """Study Time in seconds of the day, None where it is missing or no time."""
        return read_time(self.time_text)


@dataclass(frozen=True, slots=True)
class SeriesClaim:
    """One row of a series level answer."""

    series: str
    modality: str = ""
    instance_count: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceClaim:
    """One row of an instance level answer."""

    instance: str
    sop_class: str = ""


class RetrieveWay(StrEnum):
    """How the source is asked to hand over instances."""

    GET = "get"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class RetrieveOutcome:
    """What the source said at the end of a retrieve. It proves nothing: what arrived is counted by us."""

    accepted: bool
    """Whether it answered success or warning."""
    completed: int
    failed: int
    warning: int
    status: int
    """DIMSE status of the final response."""


@dataclass(frozen=True, slots=True)
class StudyRows:
    """The answer to a study query, row by row as it came; a study may stand in several rows."""

    claims: tuple[StudyClaim, ...]
    truncated: bool = False
    """Whether the source said that it left rows out (status A700H, or a cancel of its own)."""


class SourceArchive(Protocol):
    """A PACS that can be asked. Every method raises SourceUnreachable or another PeerError."""

    @property
    def name(self) -> str:
        """Under what name the source stands in settings and facts."""

    def find_studies(self, query: StudyQuery) -> StudyRows:
        """Ask for studies."""

    def find_series(self, study: str) -> Sequence[SeriesClaim]:
        """Ask for the series of a study."""

    def find_instances(self, study: str, series: str) -> Sequence[InstanceClaim]:
        """Ask for the instances of a series."""

    def retrieve(self, study: str, series: str | None, way: RetrieveWay) -> RetrieveOutcome:
        """Have a study or series sent to us; return when the source says that it is done."""


@dataclass(frozen=True, slots=True)
class HeldCount:
    """How much the vault and the landing log hold of a study."""

    series: int
    instances: int
    bytes: int = 0


class HeldStudies(Protocol):
    """What we hold, in landing or in packs."""

    def counts(self, studies: Sequence[str]) -> Mapping[str, HeldCount]:
        """Count by study; a study that is not held is absent."""

    def instances(self, study: str) -> Mapping[str, AbstractSet[str]]:
        """Name the instances of a study, by series."""


def _date_text(day: date) -> str:
    # strftime does not pad years before 1000 everywhere.
    return f"{day.year:04}{day.month:02}{day.day:02}"


def read_date(text: str) -> date | None:
    """Read a DICOM date, also in the form of ACR-NEMA with points. Source: PS3.5 section 6.2, DA."""
    return day_from_text(text.strip(" \0").replace(".", ""))


def read_time(text: str) -> int | None:
    """Read a DICOM time to the second; missing parts are zero. Source: PS3.5 section 6.2, TM."""
    digits = text.strip(" \0").replace(":", "").split(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (2, 4, 6):
        return None
    try:
        moment = datetime.strptime(digits.ljust(6, "0"), "%H%M%S")
    except ValueError:
        return None
    return moment.hour * 3600 + moment.minute * 60 + moment.second
