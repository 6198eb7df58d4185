"""What people say about outages: which systems, what happened to them, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from safelight.core.clock import from_text, to_text
from safelight.journal.kinds import FactKind


class Scope(StrEnum):
    """What is away; several may be at the same time."""

    PACS = "pacs"
    RIS = "ris"
    HL7_GATEWAY = "hl7-gateway"
    NETWORK_ISLAND = "network-island"
    """A part of the network is cut off from the rest."""
    DICTATION_AND_REPORTS = "dictation-and-reports"
    VIEWERS = "viewers"
    EVERYTHING = "everything"


class Event(StrEnum):
    """What happened to a scope. All but the last are said by a person."""

    PLANNED = "planned"
    """It will be taken away at a moment, on purpose. Said again, the moment is moved."""
    DECLARED = "declared"
    """It is away."""
    CANCELLED = "cancelled"
    """What was said was a mistake, or the plan was given up."""
    RECOVERY_STARTED = "recovery-started"
    """It is being brought back: rebuilt, refilled, tried out. Starting a refill says so of the PACS."""
    ENDED = "ended"
    """It is back in service."""
    CLOSED = "closed"
    """Nothing of the outage is open any more."""
    START_CAME = "start-came"
    """The planned moment has come; a person said so when planning it."""


KIND_OF: Final[Mapping[Event, FactKind]] = {
    Event.PLANNED: FactKind.DOWNTIME_PLANNED,
    Event.DECLARED: FactKind.DOWNTIME_DECLARED,
    Event.CANCELLED: FactKind.DOWNTIME_CANCELLED,
    Event.RECOVERY_STARTED: FactKind.DOWNTIME_RECOVERY_STARTED,
    Event.ENDED: FactKind.DOWNTIME_ENDED,
    Event.CLOSED: FactKind.DOWNTIME_CLOSED,
}
_EVENT_OF: Final = {kind: event for event, kind in KIND_OF.items()}
OUTAGE_KINDS: Final = tuple(_EVENT_OF)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a person said about one scope."""

    event: Event
    scope: Scope
    outage: int
    """Outages are counted from 1, over all scopes."""
    said_at: datetime
    since: datetime
    """When it broke, was brought back, or is to be taken away: not when that was said."""
    reason: str
    by: str

    @property
    def kind(self) -> str:
        """The kind of the journal's fact."""
        return KIND_OF[self.event].value

    def to_body(self) -> dict[str, Any]:
        """Return what the fact says."""
        return {
            "scope": self.scope.value,
            "outage": self.outage,
            "said_at": to_text(self.said_at),
            "since": to_text(self.since),
            "reason": self.reason,
            "by": self.by,
        }

    @classmethod
    def from_entry(cls, kind: str, body: Mapping[str, Any]) -> Self:
        """Read a fact back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_body`.
        """
        return cls(
            _EVENT_OF[FactKind(kind)],
            Scope(body["scope"]),
            int(body["outage"]),
            from_text(body["said_at"]),
            from_text(body["since"]),
            str(body["reason"]),
            str(body["by"]),
        )
