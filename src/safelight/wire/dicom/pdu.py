"""The seven PDUs of the DICOM upper layer, read and written whole; P-DATA-TF only its headers.

Source: PS3.8 section 9.3.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Final

from safelight.wire.dicom.faults import LimitExceeded, MalformedPdu
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.uids import APPLICATION_CONTEXT
from safelight.wire.dicom.user_information import (
    INVALID_PARAMETER,
    UserInformation,
    decode_user_information,
    encode_user_information,
    item,
    items,
    uid_bytes,
    uid_text,
)

PDU_HEADER: Final = Struct(">BxI")
PDV_HEADER: Final = Struct(">IBB")
DATA_HEADER: Final = Struct(">BxIIBB")
"""The header of a P-DATA-TF together with that of its only PDV."""

COMMAND_FLAG: Final = 1
LAST_FLAG: Final = 2

_ASSOCIATE: Final = Struct(">H2x16s16s32x")
_CONTEXT: Final = Struct(">BxBx")


class PduType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who aborts. Source: PS3.8 Table 9-26."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the upper layer aborts. Source: PS3.8 Table 9-26."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = INVALID_PARAMETER


class ContextResult(IntEnum):
    """What becomes of a proposed presentation context. Source: PS3.8 Table 9-18."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """One SOP class with the transfer syntaxes that the requestor offers for it."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """The acceptor's word on one presentation context."""

    context_id: int
    result: int
    transfer_syntax: str = ""
    """Significant only on acceptance."""


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ. The titles are as sent, without padding; whoever uses them parses them."""

    called: str
    calling: str
    contexts: tuple[PresentationContext, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC. The titles repeat the request's and are not significant."""

    called: str
    calling: str
    contexts: tuple[ContextAnswer, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ. Source: PS3.8 Table 9-21."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT. The reason is significant only when the upper layer aborts."""

    source: int
    reason: int


PROTOCOL_VERSION_REFUSED: Final = AssociateReject(1, 2, 2)
CONTEXTS_LIMIT_REFUSED: Final = AssociateReject(1, 3, 2)


def encode_associate_request(request: AssociateRequest) -> bytes:
    """Write an A-ASSOCIATE-RQ."""
    contexts = [
        item(
            0x20,
            bytes((c.context_id, 0, 0, 0))
            + item(0x30, uid_bytes(c.abstract_syntax))
            + b"".join(item(0x40, uid_bytes(syntax)) for syntax in c.transfer_syntaxes),
        )
        for c in request.contexts
    ]
    return _associate(PduType.ASSOCIATE_RQ, request, contexts)


def encode_associate_accept(accept: AssociateAccept) -> bytes:
    """Write an A-ASSOCIATE-AC."""
    contexts = [
        item(0x21, bytes((c.context_id, 0, c.result, 0)) + item(0x40, uid_bytes(c.transfer_syntax)))
        for c in accept.contexts
    ]
    return _associate(PduType.ASSOCIATE_AC, accept, contexts)


def encode_associate_reject(reject: AssociateReject) -> bytes:
    """Write an A-ASSOCIATE-RJ."""
    return PDU_HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, reject.result, reject.source, reject.reason))


def encode_release_request() -> bytes:
    """Write an A-RELEASE-RQ."""
    return PDU_HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)


def encode_release_response() -> bytes:
    """Write an A-RELEASE-RP."""
    return PDU_HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def encode_abort(abort: Abort) -> bytes:
    """Write an A-ABORT."""
    return PDU_HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, abort.source, abort.reason))


def decode_associate_request(body: bytes, limits: Limits) -> AssociateRequest:
    """Read the body of an A-ASSOCIATE-RQ.

    Raises:
        MalformedPdu: a part is missing, twice or of the wrong length.
        LimitExceeded: more contexts, transfer syntaxes or user items than allowed.
    """
    version, called, calling = _associate_head(body)
    application_context = ""
    contexts: list[PresentationContext] = []
    user = UserInformation()
    for kind, value in items(body, _ASSOCIATE.size, "association request"):
        if kind == 0x10:
            application_context = uid_text(value)
        elif kind == 0x20:
            if len(contexts) >= limits.presentation_contexts_max:
                raise LimitExceeded(limit="presentation_contexts_max", value=limits.presentation_contexts_max)
            contexts.append(_proposed_context(value, limits.transfer_syntaxes_max))
        elif kind == 0x50:
            user = decode_user_information(value, limits.user_items_max)
    identifiers = {c.context_id for c in contexts}
    if len(identifiers) != len(contexts) or any(number % 2 == 0 for number in identifiers):
        raise MalformedPdu(part="presentation context identifiers", reason=INVALID_PARAMETER)
    return AssociateRequest(called, calling, tuple(contexts), user, application_context, version)


def decode_associate_accept(body: bytes, limits: Limits) -> AssociateAccept:
    """Read the body of an A-ASSOCIATE-AC.

    Raises:
        MalformedPdu: a part is missing or of the wrong length.
        LimitExceeded: more contexts or user items than allowed.
    """
    version, called, calling = _associate_head(body)
    application_context = ""
    contexts: list[ContextAnswer] = []
    user = UserInformation()
    for kind, value in items(body, _ASSOCIATE.size, "association acceptance"):
        if kind == 0x10:
            application_context = uid_text(value)
        elif kind == 0x21:
            if len(contexts) >= limits.presentation_contexts_max:
                raise LimitExceeded(limit="presentation_contexts_max", value=limits.presentation_contexts_max)
            contexts.append(_answered_context(value))
        elif kind == 0x50:
            user = decode_user_information(value, limits.user_items_max)
    return AssociateAccept(called, calling, tuple(contexts), user, application_context, version)


def decode_associate_reject(body: bytes) -> AssociateReject:
    """Read the four bytes of an A-ASSOCIATE-RJ."""
    return AssociateReject(body[1], body[2], body[3])


def decode_abort(body: bytes) -> Abort:
    """Read the four bytes of an A-ABORT."""
    return Abort(body[2], body[3])


def _associate(kind: PduType, pdu: AssociateRequest | AssociateAccept, contexts: list[bytes]) -> bytes:
    called, calling = (text.encode("latin-1").ljust(16)[:16] for text in (pdu.called, pdu.calling))
    body = (
        _ASSOCIATE.pack(pdu.protocol_version, called, calling)
        + item(0x10, uid_bytes(pdu.application_context))
        + b"".join(contexts)
        + encode_user_information(pdu.user)
    )
    return PDU_HEADER.pack(kind, len(body)) + body


def _associate_head(body: bytes) -> tuple[int, str, str]:
    if len(body) < _ASSOCIATE.size:
        raise MalformedPdu(part="association head", reason=INVALID_PARAMETER)
    version, called, calling = _ASSOCIATE.unpack_from(body)
    return version, called.decode("latin-1").strip(" "), calling.decode("latin-1").strip(" ")


def _proposed_context(body: bytes, syntaxes_max: int) -> PresentationContext:
    if len(body) < _CONTEXT.size:
        raise MalformedPdu(part="presentation context", reason=INVALID_PARAMETER)
    abstract: list[str] = []
    syntaxes: list[str] = []
    for kind, value in items(body, _CONTEXT.size, "presentation context"):
        if kind == 0x30:
            abstract.append(uid_text(value))
        elif kind == 0x40:
            if len(syntaxes) >= syntaxes_max:
                raise LimitExceeded(limit="transfer_syntaxes_max", value=syntaxes_max)
            syntaxes.append(uid_text(value))
    if len(abstract) != 1 or not syntaxes:
        raise MalformedPdu(part="presentation context", reason=INVALID_PARAMETER)
    return PresentationContext(body[0], abstract[0], tuple(syntaxes))


def _answered_context(body: bytes) -> ContextAnswer:
    if len(body) < _CONTEXT.size:
        raise MalformedPdu(part="presentation context answer", reason=INVALID_PARAMETER)
    context_id, result = _CONTEXT.unpack_from(body)
    syntax = ""
    for kind, value in items(body, _CONTEXT.size, "presentation context answer"):
        if kind == 0x40:
            syntax = uid_text(value)
    return ContextAnswer(context_id, result, syntax)
