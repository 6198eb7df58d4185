"""What a fact says of a message beside its bytes: read here once, so that nobody else has to take it apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safelight.core.clock import to_text
from safelight.journal.message_log_format import Arrived, LoggedMessage
from safelight.site.hl7_records import RAW_CODEC
from safelight.wire.hl7.charset import Doubt
from safelight.wire.hl7.header import Header, UnreadableHeader, read_header
from safelight.wire.hl7.message import Message

LOOKED_AT_BYTES: Final = 2**20
"""Of a longer message only so much is read for what identifies it."""
PATIENTS_MAX: Final = 64
TEXT_MAX: Final = 200
_IDENTIFIERS: Final = {"PID": (2, 3, 4), "MRG": (1, 2)}

NO_CONTROL_ID: Final = "gateway.hl7-no-control-id"
CONTROL_ID_REUSED: Final = "gateway.hl7-control-id-reused"
CHARSET: Final = "gateway.hl7-charset"
FRAGMENT: Final = {
    Arrived.UNREADABLE: "gateway.hl7-unreadable",
    Arrived.UNTERMINATED: "gateway.hl7-unterminated",
    Arrived.STRAY: "gateway.hl7-stray",
    Arrived.OVERSIZED: "gateway.hl7-oversized",
}


@dataclass(frozen=True, slots=True)
class Described:
    """A message as its fact will tell it, and what is odd about it."""

    logged: LoggedMessage
    header: Header | None
    facts: Mapping[str, Any]
    oddities: Sequence[tuple[str, str]]
    """Codes of findings, each with its subject."""

    @property
    def name(self) -> tuple[str, str] | None:
        """Sender and control id, where it has both."""
        sender, control_id = self.facts.get("sender", ""), self.facts.get("control_id", "")
        return (sender, control_id) if control_id else None


def describe(message: LoggedMessage) -> Described:
    """Return what a fact says of a message; nothing in it can make this fail."""
    facts: dict[str, Any] = {
        "sequence": message.sequence,
        "received_at": to_text(message.received_at),
        "arrived": message.arrived.name.lower(),
        "host": message.sender,
        "digest": message.digest.hex(),
        "size_bytes": len(message.raw),
    }
    if message.arrived is not Arrived.MESSAGE:
        return Described(message, None, facts, [(FRAGMENT[message.arrived], message.sender)])
    try:
        header = read_header(message.raw)
    except UnreadableHeader:
        return Described(message, None, facts, [(FRAGMENT[Arrived.UNREADABLE], message.sender)])
    read = Message(message.raw[:LOOKED_AT_BYTES], header)
    facts |= {
        "sender": header.sender[:TEXT_MAX],
        "event": header.event[:TEXT_MAX],
        "control_id": header.control_id.decode(RAW_CODEC)[:TEXT_MAX],
        "version": header.component(12).decode(RAW_CODEC)[:TEXT_MAX],
        "patients": _patients(read),
    }
    oddities = []
    if not facts["control_id"]:
        oddities.append((NO_CONTROL_ID, facts["sender"]))
    if read.decoded.doubt is not Doubt.NONE and len(message.raw) <= LOOKED_AT_BYTES:
        oddities.append((CHARSET, facts["sender"]))
    return Described(message, header, facts, oddities)


def _patients(message: Message) -> list[str] | None:
    """Return the identifiers of every patient that it names; None where it names none, or too many to tell."""
    found: set[str] = set()
    for segment in message.segments:
        for number in _IDENTIFIERS.get(segment.raw[:3], ()):
            for one in segment.field(number).repetitions()[: PATIENTS_MAX + 1]:
                if identifier := one.component(1).strip():
                    found.add(identifier[:TEXT_MAX])
    return sorted(found) if 0 < len(found) <= PATIENTS_MAX else None
