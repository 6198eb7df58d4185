"""What the index of messages gives out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    """How far a message is on its way to one destination."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    """Somebody decided that it does not go there."""
    DEAD = "dead"
    """It was refused for good and waits for a person; the messages behind it went on."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message that came."""

    position: int
    """Of its fact in the journal: the number by which people name it."""
    sequence: int
    received_at: datetime
    arrived: str
    host: str
    sender: str
    event: str
    control_id: str
    digest: bytes
    size_bytes: int
    duplicate_of: int | None
    patients: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One message on its way to one destination."""

    destination: str
    queued: int
    state: DeliveryState
    released: bool
    attempts: int
    code: str
    told: str
    settled_at: datetime | None
    message: MessageRow


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing goes to a destination."""

    destination: str
    since: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class QueueTally:
    """How a destination's queue stands."""

    destination: str
    counts: dict[DeliveryState, int]
    oldest_waiting_at: datetime | None
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class SenderRow:
    """Who sends messages here."""

    sender: str
    """Sending application and facility."""
    host: str
    first_at: datetime
    last_at: datetime
    message_count: int
