"""The recorded facts of a drill. Nothing here has room for a patient's name, identifier or study."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Final, get_args

from safelight.core import fact_codec


@dataclass(frozen=True, slots=True)
class Objective:
    """What was claimed or asked for, as the plan said it when the drill began."""

    side: str
    """``it`` claims a capability, ``radiology`` a tolerance."""
    of: str
    """The system or service."""
    rto_seconds: float | None
    rpo_seconds: float | None


@dataclass(frozen=True, slots=True)
class Inject:
    """Something that the facilitator says, and whom he asks on each side."""

    id: str
    tells: str
    it: str
    """What IT is asked."""
    radiology: str
    """What radiology is asked."""
    roles: tuple[str, ...] = ()
    """Who must speak to it, whichever side they are on."""


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who sits at the table, and as what."""

    role: str
    name: str


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What nobody could answer or do, and who brings the answer."""

    what: str
    owner: str
    """Empty when nobody took it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A role or a vendor of the plan that must be reached."""

    role: str
    """A vendor is named as `safelight.drill.phone_book` does."""
    side: str
    person: str
    """Who has it, by the plan's short name: numbers stay in the plan. A vendor has itself."""
    deputy: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a shift on the downtime procedures does, or must find ready."""

    id: str
    do: str
    side: str
    who: str = ""
    """Which role; empty for whoever is there."""
    check: str = ""
    """A word of `safelight.drill.shift.Check` where Safelight looks by itself; empty where a person says it."""


@dataclass(frozen=True, slots=True)
class CopyTried:
    """Whether the recovery key, alone, opened a pack where it lies."""

    placement: str
    pack: str
    """Name of a pack chosen by lot; empty when there was none."""
    opened_at: datetime | None
    """When an instance out of it had been decoded and hashed to its digest; None when it did not come to that."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class TierMeasured:
    """What a restore of one tier measured."""

    tier: str
    studies: int
    confirmed: int
    rto_seconds: float | None
    """From the beginning to the last study fetched back and compared; None unless all of it was."""
    rpo_seconds: float | None
    """How much time of data would be missing; None when that is not known."""


@dataclass(frozen=True, slots=True)
class Started:
    """A drill began."""

    kind: ClassVar[str] = "drill-started"
    drill: str
    at: datetime
    type: str
    """A word of `safelight.plan.words.DrillKind`."""
    rehearsal: str
    """Which rehearsal of the plan it is; empty for none."""
    disruption: str
    covers: tuple[str, ...]
    """Systems of the plan."""
    covered_digest: str
    """Of what the plan said of them; a later change ages the evidence."""
    target: str
    limit: int | None
    exposure_seconds: float | None
    """What of the images would have been lost at this moment."""
    reason: str
    by: str
    objectives: tuple[Objective, ...] = ()
    script: str = ""
    injects: tuple[Inject, ...] = ()
    exposure_because: tuple[str, ...] = ()
    """In words, where that exposure came from."""
    not_executed: tuple[str, ...] = ()
    """What a recovery needs and this type of drill does not try."""
    calls: tuple[Call, ...] = ()
    placements: tuple[str, ...] = ()
    """Where packs lie that the recovery key must open."""
    steps: tuple[Step, ...] = ()
    present: tuple[Present, ...] = ()
    """Who sits at the table."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Somebody went on with a drill that was cut off."""

    kind: ClassVar[str] = "drill-resumed"
    drill: str
    at: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An inject was shown."""

    kind: ClassVar[str] = "drill-inject-shown"
    drill: str
    at: datetime
    inject: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Both sides answered an inject, or had no answer."""

    kind: ClassVar[str] = "drill-inject-answered"
    drill: str
    at: datetime
    inject: str
    it: str
    radiology: str
    open_items: tuple[OpenItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A person called a person or a company."""

    kind: ClassVar[str] = "drill-called"
    drill: str
    at: datetime
    person: str
    number: str
    """Which of the plan's numbers it was last, such as ``mobile``; empty when there is none."""
    called_at: datetime
    answered_at: datetime | None
    """None when nobody answered."""


@dataclass(frozen=True, slots=True)
class KeyAsked:
    """Somebody was sent for the recovery key."""

    kind: ClassVar[str] = "drill-key-asked"
    drill: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KeyTried:
    """The recovery key was tried at every placement, or did not come. The key itself is recorded nowhere."""

    kind: ClassVar[str] = "drill-key-tried"
    drill: str
    at: datetime
    copies: tuple[CopyTried, ...]


@dataclass(frozen=True, slots=True)
class StepNoted:
    """A step of the shift was executed, or was not."""

    kind: ClassVar[str] = "drill-step-noted"
    drill: str
    at: datetime
    step: str
    executed: bool
    note: str
    open_items: tuple[OpenItem, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemAssigned:
    """Somebody was told to do what stayed open, until a day; said again, it has another owner or another day."""

    kind: ClassVar[str] = "drill-item-assigned"
    drill: str
    at: datetime
    item: int
    """Its place among the drill's open items, from 1."""
    owner: str
    due_on: date
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class ItemClosed:
    """Somebody says that what stayed open is done."""

    kind: ClassVar[str] = "drill-item-closed"
    drill: str
    at: datetime
    item: int
    """Its place among the drill's open items, from 1."""
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Restoring:
    """A recovery into the rehearsal target began: told by the recovery's own fact."""

    drill: str
    at: datetime
    recovery: str


@dataclass(frozen=True, slots=True)
class Restored:
    """That recovery is finished: told by the recovery's own fact."""

    drill: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """The evidence was sealed: told by the evidence's own fact."""

    drill: str
    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What the restore measured, tier by tier."""

    kind: ClassVar[str] = "drill-measured"
    drill: str
    at: datetime
    recovery: str
    tiers: tuple[TierMeasured, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything of the drill was done."""

    kind: ClassVar[str] = "drill-finished"
    drill: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Somebody gave a drill up."""

    kind: ClassVar[str] = "drill-abandoned"
    drill: str
    at: datetime
    reason: str
    by: str


Recorded = (
    Started
    | Resumed
    | Asked
    | Answered
    | Called
    | KeyAsked
    | KeyTried
    | StepNoted
    | Measured
    | Finished
    | Abandoned
    | ItemAssigned
    | ItemClosed
)
Fact = Recorded | Restoring | Restored | Sealed

_CLASSES: Final[Mapping[str, type[Recorded]]] = {one.kind: one for one in get_args(Recorded)}
KINDS: Final = tuple(_CLASSES)


def to_body(fact: Recorded) -> dict[str, Any]:
    """Return what the journal keeps of a fact."""
    return fact_codec.to_body(fact)


def from_entry(kind: str, body: Mapping[str, Any]) -> Recorded:
    """Read a fact back.

    Raises:
        KeyError, TypeError, ValueError: it was not written by `to_body`.
    """
    return fact_codec.from_body(_CLASSES[kind], body)
