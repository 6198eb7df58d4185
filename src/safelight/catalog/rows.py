"""What goes into the catalog and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from safelight.core.instance import LandingPlace, Way, Wrapper
from safelight.core.names import Personal


class Standing(StrEnum):
    """What a recorded arrival is to the catalog."""

    NEW = "new"
    """Nobody sent an instance of this UID before."""
    KNOWN = "known"
    """These very bytes are known already."""
    CONFLICT = "conflict"
    """The UID is known with other content; both versions are kept."""


class CopyState(StrEnum):
    """What is known of a pack's copy in one placement."""

    WRITTEN = "written"
    """It was written and not read back yet: it does not count."""
    VERIFIED = "verified"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PackRow:
    """A sealed pack."""

    name: str
    """SHA-256 of its ciphertext in hexadecimal."""
    size_bytes: int
    raw_bytes: int
    sealed_at: datetime
    refers_to: tuple[str, ...] = ()
    kind: str = "instances"
    journal_position: int | None = None


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A pack in a placement."""

    pack: str
    placement: str
    state: CopyState
    whole: bool
    """Verified, and so is every pack it refers to, in the same placement."""
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study as a version in force describes it (see `in_force`), with what is held of it."""

    study: str
    patient_id: Personal
    issuer: str
    patient_name: Personal
    birth_date: Personal
    sex: str
    study_date: str
    """As it came when it is not a date; local to an unknown place."""
    study_time: str
    accession: str
    study_id: str
    description: str
    referring: Personal
    modalities: tuple[str, ...]
    series: int
    instances: int
    versions: int
    packed: int
    """How many of the versions lie in a pack."""
    bytes: int
    first_received_at: datetime
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series of a study."""

    study: str
    series: str
    modality: str
    series_number: str
    description: str
    body_part: str
    instances: int
    versions: int
    packed: int
    bytes: int


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One content of one instance."""

    digest: bytes
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    series: str
    instance_number: str
    size: int
    """Bytes of the data set (of the whole file when opaque)."""
    opaque: bool
    packed: bool
    withdrawn: bool
    """Whether a rejection note withdrew the instance."""
    received_at: datetime
    way: Way
    calling: str
    called: str
    sender: str


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """Where in the vault a version lies; a version may lie there more than once."""

    version: VersionRow
    pack: str
    position: int
    size: int
    """Stored bytes: prefix and data set."""
    prefix_size: int
    prefix_digest: bytes
    pixel_digest: bytes | None
    refers_to: str | None

    @property
    def wrapper(self) -> Wrapper:
        """How the stored bytes are laid out."""
        return Wrapper(self.prefix_size, self.version.opaque)


@dataclass(frozen=True, slots=True)
class LandedRow:
    """An instance that lies in the landing log."""

    version: VersionRow
    place: LandingPlace
    prefix_size: int
    packed: bool
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingSeries:
    """Instances of one series that wait in the landing log to be packed."""

    study: str
    series: str
    count: int
    bytes: int
    oldest_at: datetime
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs attention, until it is closed."""

    code: str
    subject: str
    severity: str
    facts: Mapping[str, object]
    opened_at: datetime
    closed_at: datetime | None = None
    closed_because: str = ""
    journal_position: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """An instance that a rejection note withdraws."""

    sop_instance: str
    study: str
    note: str
    """SOP Instance UID of the note."""
    reason: str
    noted_at: datetime
    journal_position: int = 0


@dataclass(frozen=True, slots=True)
class DaySize:
    """What is held of the studies of one day."""

    day: str
    """As their Study Date says it, local to an unknown place."""
    studies: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The numbers of the house, read in one step."""

    instances_landed: int
    """Versions received so far, however they came and wherever they are now."""
    instances_packed: int
    instances_waiting: int
    """In the landing log and in no pack yet."""
    studies: int
    series: int
    patients: int
    packs: int
    bytes_raw: int
    bytes_packed: int
    conflicts: int
    findings_open: int
    callers: int
    callers_not_kept: int
    journal_position: int
    """The last journal entry that was applied."""
    census: Mapping[str, int]
    """Studies by census outcome."""
