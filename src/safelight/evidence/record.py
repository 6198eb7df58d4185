"""What is told of one recovery: plain values, from which the bundle and the report are made.

Nothing here has room for a patient's name or identifier. Study and instance UIDs are given in the clear and leave as
pseudonyms, unless the one who asks for the bundle wants them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a study ended."""

    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    UNCONFIRMED = "unconfirmed"
    """Sent, and nothing came back to compare."""
    FAILED = "failed"
    WITHHELD = "withheld"
    OPEN = "open"
    """Not settled when the bundle was made."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for, when the recovery was started."""

    target: str
    recipe: str
    required_level: str
    reason: str
    by: str
    calling_title: str = ""
    as_of: datetime | None = None
    limit: int | None = None
    side_effects_accepted: tuple[str, ...] = ()
    side_effects: str = ""
    """Whether somebody said that routing, AI and the like at the target were looked at; ``none`` for a folder."""
    repair_target: bool = False


@dataclass(frozen=True, slots=True)
class TargetTold:
    """What the target said of itself."""

    implementation_class: str = ""
    implementation_version: str = ""
    ways: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Times:
    """The moments that the figures run between."""

    started_at: datetime
    broke_at: datetime | None = None
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    first_confirmed_at: datetime | None = None
    last_confirmed_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def transfer(self) -> timedelta | None:
        """From the first study on its way to the last one answered."""
        return _span(self.first_sent_at, self.last_sent_at)

    @property
    def confirmed(self) -> timedelta | None:
        """From the first study on its way to the last one fetched back and compared."""
        return _span(self.first_sent_at, self.last_confirmed_at)

    @property
    def recovery_time(self) -> timedelta | None:
        """From when the archive broke to the last study confirmed: what is held against the RTO."""
        return _span(self.broke_at, self.last_confirmed_at)

    @property
    def first_useful(self) -> timedelta | None:
        """From when the archive broke to the first study confirmed."""
        return _span(self.broke_at, self.first_confirmed_at)


def _span(first: datetime | None, last: datetime | None) -> timedelta | None:
    return None if first is None or last is None else last - first


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What became of one study."""

    study: str
    tier: str
    outcome: Outcome
    instances: int
    size_bytes: int
    level: str = ""
    """The weakest level that its instances reached, empty when nothing was compared."""
    why: str = ""
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    instances_withheld: int = 0


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that happened to instances, as a code, and how often: all of them, however few the journal names."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class ExcerptEntry:
    """A journal entry with its place in the chain: ``hash`` is SHA-256 of ``previous`` and ``line`` together."""

    position: int
    kind: str
    previous: bytes
    hash: bytes
    line: bytes


@dataclass(frozen=True, slots=True)
class PackRecord:
    """A pack that studies were read from."""

    name: str
    """SHA-256 of its ciphertext."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RecoveryRecord:
    """Everything a bundle tells of one recovery."""

    site: str
    node: str
    recovery: str
    made_at: datetime
    program: str
    """Name and version of the program that did it."""
    asked: Asked
    target: TargetTold
    times: Times
    studies: Sequence[StudyRecord]
    """In the order in which they went home."""
    levels: Mapping[str, int]
    """How many instances reached each level."""
    remarks: Sequence[Remark] = ()
    tags_differing: Sequence[str] = ()
    tags_coerced: Sequence[str] = ()
    not_brought_back: Sequence[str] = ()
    journal: Sequence[ExcerptEntry] = ()
    open_kinds: frozenset[str] = frozenset()
    """Kinds of journal entries that name no study and may be shown word for word."""
    packs: Sequence[PackRecord] = ()
    drill: Mapping[str, Any] | None = None
    """Of a drill: what it was held against and what it measured, as JSON."""


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """Everything a bundle tells of a drill that restored nothing."""

    site: str
    node: str
    made_at: datetime
    program: str
    drill: Mapping[str, Any]
    """What was done, measured and left out, as JSON."""
    journal: Sequence[ExcerptEntry]
    """All of it is shown word for word: nothing in it names a study."""
