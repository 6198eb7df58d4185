"""The user information item of A-ASSOCIATE PDUs: what both sides negotiate beside presentation contexts.

Source: PS3.8 Annex D.1 and PS3.7 Annex D.3.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from safelight.wire.dicom.faults import LimitExceeded, MalformedPdu

INVALID_PARAMETER: Final = 6
"""Abort reason "invalid PDU parameter value". Source: PS3.8 Table 9-26."""

PDU_BYTES_UNSTATED: Final = 16_384
"""What a peer that leaves out the mandatory maximum length may be sent."""

_ITEM: Final = Struct(">BxH")
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")
_TWO_U16: Final = Struct(">HH")


@dataclass(frozen=True, slots=True)
class Window:
    """How many operations may be outstanding; 0 is no limit. Source: PS3.7 D.3.3.3."""

    invoked: int
    performed: int


@dataclass(frozen=True, slots=True)
class Role:
    """Whether the association's requestor is SCU or SCP, or both, of a SOP class. Source: PS3.7 D.3.3.4."""

    sop_class: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """What a service class negotiates of its own about one SOP class. Source: PS3.7 D.3.3.5."""

    sop_class: str
    application: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """The service class and related general classes of a SOP class. Source: PS3.7 D.3.3.6."""

    sop_class: str
    service_class: str
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who works at the peer; kept, and never shown. Source: PS3.7 D.3.3.7."""

    kind: int
    answer_wanted: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class UserInformation:
    """Everything one side says of itself when an association begins."""

    pdu_bytes_max: int = PDU_BYTES_UNSTATED
    """The longest P-DATA-TF this side takes, header not counted; 0 is no limit."""
    implementation_class: str = ""
    implementation_version: str = ""
    window: Window | None = None
    roles: tuple[Role, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    identity: UserIdentity | None = None
    identity_answer: bytes | None = field(default=None, repr=False)


def uid_text(raw: bytes) -> str:
    """Read a UID as it stands in a PDU or command: padding of NUL or spaces is dropped, nothing is judged."""
    return raw.decode("latin-1").strip("\0 ")


def uid_bytes(uid: str) -> bytes:
    """Write a UID as it stands in a PDU, without padding."""
    return uid.encode("latin-1")


def item(kind: int, body: bytes) -> bytes:
    """Write one item or sub-item."""
    return _ITEM.pack(kind, len(body)) + body


def items(body: bytes, offset: int, part: str) -> Iterator[tuple[int, bytes]]:
    """Cut a run of items into type and body.

    Raises:
        MalformedPdu: the last item is longer than what holds it.
    """
    end = len(body)
    while offset < end:
        if end - offset < 4:
            raise MalformedPdu(part=part, reason=INVALID_PARAMETER)
        kind, length = _ITEM.unpack_from(body, offset)
        offset += 4
        if offset + length > end:
            raise MalformedPdu(part=part, item=kind, reason=INVALID_PARAMETER)
        yield kind, body[offset : offset + length]
        offset += length


def encode_user_information(user: UserInformation) -> bytes:
    """Write the item, its sub-items in the order of their types."""
    parts = [item(0x51, _U32.pack(user.pdu_bytes_max))]
    if user.implementation_class:
        parts.append(item(0x52, uid_bytes(user.implementation_class)))
    if user.window is not None:
        parts.append(item(0x53, _TWO_U16.pack(user.window.invoked, user.window.performed)))
    parts.extend(item(0x54, _counted(uid_bytes(r.sop_class)) + bytes((r.scu, r.scp))) for r in user.roles)
    if user.implementation_version:
        parts.append(item(0x55, user.implementation_version.encode("latin-1")))
    parts.extend(item(0x56, _counted(uid_bytes(e.sop_class)) + e.application) for e in user.extended)
    parts.extend(item(0x57, _common_extended(e)) for e in user.common_extended)
    if user.identity is not None:
        identity = user.identity
        head = bytes((identity.kind, identity.answer_wanted))
        parts.append(item(0x58, head + _counted(identity.primary) + _counted(identity.secondary)))
    if user.identity_answer is not None:
        parts.append(item(0x59, _counted(user.identity_answer)))
    return item(0x50, b"".join(parts))


def decode_user_information(body: bytes, items_max: int) -> UserInformation:
    """Read the item's body. Sub-items of unknown type are ignored, as PS3.8 section 9.3.1 says.

    Raises:
        MalformedPdu: a known sub-item has the wrong length.
        LimitExceeded: there are more than ``items_max`` sub-items.
    """
    pdu_bytes_max = PDU_BYTES_UNSTATED
    implementation_class = implementation_version = ""
    window: Window | None = None
    roles: list[Role] = []
    extended: list[ExtendedNegotiation] = []
    common: list[CommonExtendedNegotiation] = []
    identity: UserIdentity | None = None
    identity_answer: bytes | None = None
    for number, (kind, value) in enumerate(items(body, 0, "user information")):
        if number >= items_max:
            raise LimitExceeded(limit="user_items_max", value=items_max)
        fields = _Fields(value, kind)
        if kind == 0x51:
            pdu_bytes_max = fields.u32()
        elif kind == 0x52:
            implementation_class = uid_text(value)
        elif kind == 0x53:
            window = Window(fields.u16(), fields.u16())
        elif kind == 0x54:
            roles.append(Role(uid_text(fields.counted()), fields.flag(), fields.flag()))
        elif kind == 0x55:
            implementation_version = value.decode("latin-1").strip("\0 ")
        elif kind == 0x56:
            extended.append(ExtendedNegotiation(uid_text(fields.counted()), fields.rest()))
        elif kind == 0x57:
            common.append(_read_common_extended(fields))
        elif kind == 0x58:
            identity = UserIdentity(fields.u8(), fields.flag(), fields.counted(), fields.counted())
        elif kind == 0x59:
            identity_answer = fields.counted()
    return UserInformation(
        pdu_bytes_max,
        implementation_class,
        implementation_version,
        window,
        tuple(roles),
        tuple(extended),
        tuple(common),
        identity,
        identity_answer,
    )


def _counted(value: bytes) -> bytes:
    return _U16.pack(len(value)) + value


def _common_extended(entry: CommonExtendedNegotiation) -> bytes:
    related = b"".join(_counted(uid_bytes(uid)) for uid in entry.related)
    return _counted(uid_bytes(entry.sop_class)) + _counted(uid_bytes(entry.service_class)) + _counted(related)


def _read_common_extended(fields: "_Fields") -> CommonExtendedNegotiation:
    sop_class, service_class = uid_text(fields.counted()), uid_text(fields.counted())
    related = _Fields(fields.counted(), 0x57)
    uids = []
    while related.left:
        uids.append(uid_text(related.counted()))
    return CommonExtendedNegotiation(sop_class, service_class, tuple(uids))


class _Fields:
    """A sub-item's body, read field by field."""

    def __init__(self, body: bytes, kind: int) -> None:
        self._body = body
        self._kind = kind
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes were not read."""
        return len(self._body) - self._at

    def take(self, length: int) -> bytes:
        """Read ``length`` bytes."""
        if length > self.left:
            raise MalformedPdu(part="user information", item=self._kind, reason=INVALID_PARAMETER)
        self._at += length
        return self._body[self._at - length : self._at]

    def u8(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def flag(self) -> bool:
        """Read a byte that is 0 or not."""
        return self.take(1) != b"\0"

    def u16(self) -> int:
        """Read two bytes."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Read four bytes."""
        return int.from_bytes(self.take(4), "big")

    def counted(self) -> bytes:
        """Read a length of two bytes and as many bytes."""
        return self.take(self.u16())

    def rest(self) -> bytes:
        """Read to the end."""
        return self.take(self.left)
