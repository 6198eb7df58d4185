"""DIMSE command sets: what is asked and answered in front of a data set.

A command set is a data set of group 0000 in implicit VR little endian, whatever the presentation context says.
Source: PS3.7 section 6.3.1, 9.3 and Annex E.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct, pack
from typing import Final

from safelight.wire.dicom.faults import MalformedCommand

NO_DATA_SET: Final = 0x0101
DATA_SET: Final = 0x0001
ANSWER_BIT: Final = 0x8000

_ELEMENT: Final = Struct("<HHI")


class CommandField(IntEnum):
    """Which message this is. Source: PS3.7 Table E.1-1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    C_CANCEL_RQ = 0x0FFF
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140


class Priority(IntEnum):
    """How urgent a request is, for the few peers that care. Source: PS3.7 Table E.1-1."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Command:
    """One command set. Elements that a message does not have are None, or the empty string."""

    field: int
    """A `CommandField`, or the number of a message that we do not know."""
    message_id: int | None = None
    responding_to: int | None = None
    has_data_set: bool = False
    sop_class: str = ""
    sop_instance: str = ""
    priority: int | None = None
    status: int | None = None
    error_comment: str = ""
    error_id: int | None = None
    """What a service says of a failure beside its status."""
    move_destination: str = ""
    move_originator: str = ""
    move_originator_id: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    requested_class: str = ""
    """Of the instance that N-SET and N-ACTION are about, where other messages have ``sop_class``."""
    requested_instance: str = ""
    event_type: int | None = None
    action_type: int | None = None

    @property
    def is_request(self) -> bool:
        """Whether this message asks (or cancels) rather than answers."""
        return not self.field & ANSWER_BIT


_UID: Final = "UI"
_TEXT: Final = "AE"
_NUMBER: Final = "US"

# Element number in group 0000, attribute of Command, kind of value; ascending, since that is the order on the wire.
_ELEMENTS: Final = (
    (0x0002, "sop_class", _UID),
    (0x0003, "requested_class", _UID),
    (0x0100, "field", _NUMBER),
    (0x0110, "message_id", _NUMBER),
    (0x0120, "responding_to", _NUMBER),
    (0x0600, "move_destination", _TEXT),
    (0x0700, "priority", _NUMBER),
    (0x0800, "has_data_set", _NUMBER),
    (0x0900, "status", _NUMBER),
    (0x0902, "error_comment", _TEXT),
    (0x0903, "error_id", _NUMBER),
    (0x1000, "sop_instance", _UID),
    (0x1001, "requested_instance", _UID),
    (0x1002, "event_type", _NUMBER),
    (0x1008, "action_type", _NUMBER),
    (0x1020, "remaining", _NUMBER),
    (0x1021, "completed", _NUMBER),
    (0x1022, "failed", _NUMBER),
    (0x1023, "warning", _NUMBER),
    (0x1030, "move_originator", _TEXT),
    (0x1031, "move_originator_id", _NUMBER),
)
_BY_NUMBER: Final = {number: (name, kind) for number, name, kind in _ELEMENTS}

# Answers are read leniently: what a peer leaves out of them (DCMTK and others do) can be told from our own request.
_MANDATORY: Final = {
    CommandField.C_STORE_RQ: ("message_id", "sop_class", "sop_instance"),
    CommandField.C_FIND_RQ: ("message_id", "sop_class"),
    CommandField.C_GET_RQ: ("message_id", "sop_class"),
    CommandField.C_MOVE_RQ: ("message_id", "sop_class", "move_destination"),
    CommandField.C_ECHO_RQ: ("message_id", "sop_class"),
    CommandField.C_CANCEL_RQ: ("responding_to",),
    CommandField.N_EVENT_REPORT_RQ: ("message_id", "sop_class", "sop_instance", "event_type"),
    CommandField.N_SET_RQ: ("message_id", "requested_class", "requested_instance"),
    CommandField.N_ACTION_RQ: ("message_id", "requested_class", "requested_instance", "action_type"),
    CommandField.N_CREATE_RQ: ("message_id", "sop_class"),
}
_MANDATORY_OF_ANSWERS: Final = ("responding_to", "status")
_MUST_CARRY_DATA: Final = frozenset(
    (CommandField.C_STORE_RQ, CommandField.C_FIND_RQ, CommandField.C_GET_RQ, CommandField.C_MOVE_RQ)
)
_MUST_NOT_CARRY_DATA: Final = frozenset((CommandField.C_ECHO_RQ, CommandField.C_CANCEL_RQ))


def encode_command(command: Command) -> bytes:
    """Write a command set with its group length."""
    parts = []
    for number, name, kind in _ELEMENTS:
        if name == "has_data_set":
            value = pack("<H", DATA_SET if command.has_data_set else NO_DATA_SET)
        else:
            given = getattr(command, name)
            if given is None or given == "":
                continue
            value = _encoded(given, kind)
        parts.append(_ELEMENT.pack(0, number, len(value)) + value)
    body = b"".join(parts)
    return _ELEMENT.pack(0, 0, 4) + pack("<I", len(body)) + body


def decode_command(body: bytes) -> Command:
    """Read a command set. Elements that we do not use are passed over.

    Raises:
        MalformedCommand: not a command set, or without what its message must have.
    """
    found: dict[str, int | str | bool] = {}
    offset, end = 0, len(body)
    while offset < end:
        if end - offset < 8:
            raise MalformedCommand(part="element header", offset=offset)
        group, number, length = _ELEMENT.unpack_from(body, offset)
        offset += 8
        if group != 0 or offset + length > end:
            raise MalformedCommand(part="element", group=group, element=number, length=length)
        known = _BY_NUMBER.get(number)
        if known is not None:
            name, kind = known
            if name in found:
                raise MalformedCommand(part="element twice", element=number)
            found[name] = _decoded(body[offset : offset + length], kind, number)
        offset += length
    return _checked(found)


def _encoded(given: int | str, kind: str) -> bytes:
    if isinstance(given, int):
        return pack("<H", given)
    raw = given.encode("latin-1")
    if len(raw) % 2:
        raw += b"\0" if kind == _UID else b" "
    return raw


def _decoded(raw: bytes, kind: str, number: int) -> int | str:
    if kind == _NUMBER:
        if len(raw) != 2:
            raise MalformedCommand(part="number", element=number, length=len(raw))
        return int.from_bytes(raw, "little")
    return raw.decode("latin-1").strip("\0 ")


def _checked(found: dict[str, int | str | bool]) -> Command:
    if "field" not in found or "has_data_set" not in found:
        raise MalformedCommand(part="command field or data set type missing")
    found["has_data_set"] = found["has_data_set"] != NO_DATA_SET
    command = Command(**found)  # type: ignore[arg-type]  # the kinds in _ELEMENTS are those of the attributes
    mandatory = _MANDATORY.get(command.field, ()) if command.is_request else _MANDATORY_OF_ANSWERS  # type: ignore[call-overload]
    for name in mandatory:
        if getattr(command, name) in (None, ""):
            raise MalformedCommand(part="mandatory element missing", command=command.field, element=name)
    if command.has_data_set and command.field in _MUST_NOT_CARRY_DATA:
        raise MalformedCommand(part="a data set announced where none may be", command=command.field)
    if not command.has_data_set and command.field in _MUST_CARRY_DATA:
        raise MalformedCommand(part="no data set announced where one must be", command=command.field)
    return command
