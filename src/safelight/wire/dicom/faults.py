"""What can be wrong with what a DICOM peer says, and with what we are asked to say to it."""

from typing import ClassVar

from safelight.core.errors import PeerError, StateError


class MalformedPdu(PeerError):
    """A PDU cannot be read; the association is aborted with the fact ``reason``.

    Source: PS3.8 section 9.3 and Table 9-26.
    """

    code: ClassVar[str] = "wire.malformed-pdu"
    hint: ClassVar[str] = "The peer broke the DICOM upper layer protocol; nothing it sent before is affected."


class UnexpectedPdu(PeerError):
    """A well-formed PDU came when its sender had no right to send it. Source: PS3.8 Table 9-10."""

    code: ClassVar[str] = "wire.unexpected-pdu"
    hint: ClassVar[str] = "The peer sent a PDU out of turn; look at its log at this moment."


class LimitExceeded(PeerError):
    """A peer passed one of the bounds that keep it from using up this machine."""

    code: ClassVar[str] = "wire.limit-exceeded"
    hint: ClassVar[str] = "If the peer is right, raise the named limit in the settings [gateway.dicom.limits]."


class MalformedCommand(PeerError):
    """A DIMSE command set cannot be read or lacks a mandatory element. Source: PS3.7 section 9.3."""

    code: ClassVar[str] = "wire.malformed-command"
    hint: ClassVar[str] = "The peer broke the DIMSE protocol; nothing it sent before is affected."


class MalformedIdentifier(PeerError):
    """The identifier of a query or retrieve cannot be read as a data set."""

    code: ClassVar[str] = "wire.malformed-identifier"
    hint: ClassVar[str] = "The peer's answer or question is not a data set in the agreed transfer syntax."


class AssociationLost(PeerError):
    """The connection ended while the association was still in use."""

    code: ClassVar[str] = "wire.association-lost"
    hint: ClassVar[str] = "Look for a restart of the peer, a firewall with short idle times, or a network fault."


class AssociationAborted(PeerError):
    """The peer, or its upper layer, aborted the association."""

    code: ClassVar[str] = "wire.association-aborted"
    hint: ClassVar[str] = "Look at the peer's log at this moment; source 0 is its application, 2 its upper layer."


class AssociationRefused(PeerError):
    """The peer does not want this association. Source: PS3.8 Table 9-21."""

    code: ClassVar[str] = "wire.association-refused"
    hint: ClassVar[str] = "Compare both AE titles, address and limits with the peer's configuration."


class OutOfTurn(StateError):
    """We asked for something that the association cannot do in its present state."""

    code: ClassVar[str] = "wire.out-of-turn"
    hint: ClassVar[str] = "Open a new association."
