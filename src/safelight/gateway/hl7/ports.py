"""What the HL7 door asks of the house: where messages become durable, and who wants to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class Reception(Enum):
    """What came over a connection."""

    MESSAGE = "message"
    UNREADABLE = "unreadable"
    """A whole block whose header nobody can read; it is rejected."""
    UNTERMINATED = "unterminated"
    """A block that never ended."""
    STRAY = "stray"
    """Bytes outside of any block."""
    OVERSIZED = "oversized"
    """A block over the limit, of which only the beginning is kept; it is rejected."""


@dataclass(frozen=True, slots=True)
class Received:
    """One thing that came, as the bytes that came."""

    reception: Reception
    received_at: datetime
    host: str
    raw: bytes


class MessageIntake(Protocol):
    """Where messages become durable. Shared by all connections."""

    def take(self, received: Sequence[Received]) -> Sequence[int]:
        """Return when all of these are durable: the number of each, counted over all that ever came.

        Raises:
            SafelightError: they are not durable; nobody may be answered.
        """


class SenderWatch(Protocol):
    """Wants to know of trouble at the door. Called by many threads; must be quick and must not raise."""

    def failed(self, host: str, error: Exception) -> None:
        """Take note that messages of a sender could not be kept, or that it was turned away."""
