"""The recorded facts of a drill. Nothing here has room for a patient's name, identifier or study."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from safelight.core.clock import from_text, to_text


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


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What nobody could answer or do, and who brings the answer."""

    what: str
    owner: str
    """Empty when nobody took it."""


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


Recorded = Started | Resumed | Asked | Answered | Measured | Finished | Abandoned
Fact = Recorded | Restoring | Restored | Sealed

_CLASSES: Final[Mapping[str, type[Recorded]]] = {
    one.kind: one for one in (Started, Resumed, Asked, Answered, Measured, Finished, Abandoned)
}
KINDS: Final = tuple(_CLASSES)
_ROWS: Final[Mapping[str, Any]] = {
    "objectives": Objective,
    "injects": Inject,
    "open_items": OpenItem,
    "tiers": TierMeasured,
}


def to_body(fact: Recorded) -> dict[str, Any]:
    """Return what the journal keeps of a fact."""
    return {one.name: _plain(getattr(fact, one.name)) for one in fields(fact)}


def from_entry(kind: str, body: Mapping[str, Any]) -> Recorded:
    """Read a fact back.

    Raises:
        KeyError, TypeError, ValueError: it was not written by `to_body`.
    """
    return _CLASSES[kind](**{name: _read(name, value) for name, value in body.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value


def _read(name: str, value: Any) -> Any:
    if name == "at":
        return from_text(value)
    if name in _ROWS:
        return tuple(_ROWS[name](**row) for row in value)
    return tuple(value) if isinstance(value, list) else value
