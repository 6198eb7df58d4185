"""What is recorded of a recovery: one frozen value a fact, and its form in the journal.

Facts hold UIDs, digests, counts and codes; never a name or an identifier of a patient. A journal entry is the fact's
``kind`` and a JSON object of its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Final

from safelight.core import fact_codec


class Level(IntEnum):
    """How far what came back equals what was sent; the ladder of confirmation, weakest first."""

    NONE = 0
    UIDS = 1
    PIXELS = 2
    ATTRIBUTES = 3
    BYTES = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person chose when the recovery was started; the same for its whole life."""

    target: str
    """The peer as ``AET@HOST:PORT``, or the label of a folder."""
    recipe: str
    required: Level
    calling: str
    reason: str
    by: str
    as_of: datetime | None = None
    broke_at: datetime | None = None
    """When the archive was lost: RTO runs from here."""
    limit: int | None = None
    accepted: tuple[str, ...] = ()
    """Codes of the side effects at the target that were accepted."""
    side_effects: str = ""
    """``accepted``, ``unanswered`` where nobody said that they were looked at, or ``none`` for a folder."""
    repair_target: bool = False
    """Whether an instance whose file the target lost may be deleted there, to be sent again."""
    honours_rejection: bool = False
    send_gone: bool = False
    attempts_max: int = 4
    backoff_seconds: int = 5
    backoff_seconds_max: int = 300
    associations_max: int = 4
    bytes_per_second_max: int | None = None
    ordered_by: tuple[str, ...] = ()
    """Which lists that a person gave say who goes first; they name patients and are not kept."""
    drill: str = ""
    """The drill that this recovery rehearses; empty for one that the hospital needs."""


@dataclass(frozen=True, slots=True)
class Started:
    """A person started a recovery."""

    kind: ClassVar[str] = "recovery-started"
    recovery: str
    at: datetime
    settings: Settings


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study's place in the order."""

    # An order of a million studies stays small.
    WRITTEN_AS_ROW: ClassVar = True
    study: str
    tier: str
    instances: int
    size_bytes: int
    hold: str = ""
    """Why it waits for a decision, when it does: ``gone-from-source``."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The next studies of the order. An order is recorded in pieces before the first study is sent."""

    kind: ClassVar[str] = "recovery-planned"
    recovery: str
    at: datetime
    studies: tuple[PlannedStudy, ...]
    last: bool
    """Whether the order is complete with this piece."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The target was asked what it is and how it behaves."""

    kind: ClassVar[str] = "recovery-target-probed"
    recovery: str
    at: datetime
    recipe: str
    implementation_class: str
    implementation_version: str
    ways: tuple[str, ...]
    """How studies can be fetched back, the best first: get, move, find, read."""
    overwrites: bool | None
    """Whether a resend replaces what the target holds; None when nothing told us."""
    remarks: tuple[str, ...] = ()
    """Codes of `recipes.REMARKS`."""


@dataclass(frozen=True, slots=True)
class TargetLost:
    """The target could not be reached at all; no study is to blame."""

    kind: ClassVar[str] = "recovery-target-lost"
    recovery: str
    at: datetime
    why: str


ENCODING_REFUSED: Final = "encoding-refused"
REFUSED: Final = "refused"
FAILED: Final = "failed"
NOT_TAKEN: Final = frozenset({ENCODING_REFUSED, REFUSED, FAILED})
"""Codes of notes on instances that the target did not take: it does not accept the SOP class in the transfer
syntax, or it answered with the status that the detail tells. Its comment is not kept: it may name a patient."""


@dataclass(frozen=True, slots=True)
class InstanceNote:
    """What is to be said of one instance: a code and, where there is one, a detail."""

    WRITTEN_AS_ROW: ClassVar = True
    instance: str
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StudySent:
    """The target answered success or a warning for every instance that was to go."""

    kind: ClassVar[str] = "recovery-study-sent"
    recovery: str
    at: datetime
    study: str
    instances: int
    size_bytes: int
    seconds: float
    refused: tuple[str, ...] = ()
    """Instances that the target refuses for good; the others are compared all the same."""
    notes: tuple[InstanceNote, ...] = ()
    """Refusals, warnings, instances withheld, and which version of a UID went where there are several."""
    notes_count: int = 0
    """How many notes there were; the list is cut at a limit."""
    notes_by_code: Mapping[str, int] = field(default_factory=dict)
    """How many there were of each code, those past the limit too."""
    slowed_to: int | None = None
    """Bytes a second that the target's slow answers left at the end, if they were slow."""


@dataclass(frozen=True, slots=True)
class StudyCompared:
    """Everything sent was fetched back and compared."""

    kind: ClassVar[str] = "recovery-study-compared"
    recovery: str
    at: datetime
    study: str
    level: Level
    """The weakest level of its instances."""
    way: str
    instances: int
    size_bytes: int
    seconds: float
    levels: Mapping[str, int]
    """How many instances reached each level, by the level's name."""
    missing: tuple[str, ...] = ()
    """Instances answered with success that did not come back."""
    repaired: tuple[str, ...] = ()
    """Instances without a file that were deleted at the target, to be sent again."""
    tags: tuple[str, ...] = ()
    """Tags in which the target's instances differ from ours."""
    coerced: tuple[str, ...] = ()
    """Tags that the target changed as archives may."""
    notes: tuple[InstanceNote, ...] = ()
    notes_count: int = 0
    notes_by_code: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyFailed:
    """A study could not be sent, or could not be fetched back."""

    kind: ClassVar[str] = "recovery-study-failed"
    recovery: str
    at: datetime
    study: str
    step: str
    """``send`` or ``confirm``."""
    why: str
    transient: bool
    """Whether trying again can help."""
    notes: tuple[InstanceNote, ...] = ()
    notes_count: int = 0
    notes_by_code: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyWithheld:
    """Nothing of a study may go, for a reason that a person can change."""

    kind: ClassVar[str] = "recovery-study-withheld"
    recovery: str
    at: datetime
    study: str
    why: str
    notes: tuple[InstanceNote, ...] = ()
    notes_count: int = 0
    notes_by_code: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyReleased:
    """A person decided that a withheld or failed study goes after all."""

    kind: ClassVar[str] = "recovery-study-released"
    recovery: str
    at: datetime
    study: str
    reason: str
    by: str
    with_rejected: bool = False
    """Whether its rejected instances go too."""


TARGET_UNREACHABLE: Final = "target-unreachable"
"""Why a recovery pauses by itself."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A person paused the recovery, or it gave up on its target; what runs is finished, nothing new begins."""

    kind: ClassVar[str] = "recovery-paused"
    recovery: str
    at: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person resumed the recovery."""

    kind: ClassVar[str] = "recovery-resumed"
    recovery: str
    at: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Every study is settled."""

    kind: ClassVar[str] = "recovery-finished"
    recovery: str
    at: datetime
    confirmed: int
    unsettled: int
    """Studies that are settled in another way than confirmed."""


Fact = (
    Started
    | Planned
    | Probed
    | TargetLost
    | StudySent
    | StudyCompared
    | StudyFailed
    | StudyWithheld
    | StudyReleased
    | Paused
    | Resumed
    | Finished
)

_KINDS: Final[Mapping[str, type[Fact]]] = {
    fact.kind: fact
    for fact in (
        Started,
        Planned,
        Probed,
        TargetLost,
        StudySent,
        StudyCompared,
        StudyFailed,
        StudyWithheld,
        StudyReleased,
        Paused,
        Resumed,
        Finished,
    )
}
KINDS: Final = tuple(_KINDS)
"""The kinds of journal entries that make up a recovery."""


def to_body(fact: Fact) -> dict[str, Any]:
    """Return the fact as the JSON object of a journal entry."""
    return fact_codec.to_body(fact)


def from_entry(kind: str, body: Mapping[str, Any]) -> Fact:
    """Read a fact back from a journal entry of one of `KINDS`.

    Raises:
        KeyError, TypeError, ValueError: the entry was not written by `to_body`.
    """
    return fact_codec.from_body(_KINDS[kind], body)
