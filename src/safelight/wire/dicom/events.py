"""What happens on an association, as its user sees it."""

from dataclasses import dataclass

from safelight.core.errors import PeerError
from safelight.wire.dicom.dimse import Command
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.pdu import AssociateAccept, AssociateReject, AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociationRequested:
    """A peer wants an association: accept or reject it."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociationAccepted:
    """The peer accepted ours."""

    answer: AssociateAccept


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """The peer rejected ours, or our upper layer itself rejected the peer's (``ours``)."""

    answer: AssociateReject
    ours: bool
    error: PeerError | None = None


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command set came. When it announces a data set, `receive_into` must be called before going on."""

    context: AgreedContext
    command: Command


@dataclass(frozen=True, slots=True)
class DataSetReceived:
    """The data set of the last command is complete in its sink."""

    context: AgreedContext
    command: Command
    size: int


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The peer wants to end the association in good order."""


@dataclass(frozen=True, slots=True)
class Released:
    """The peer agreed to our release."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The association is over: by the peer, by the network, or (``ours``) by ourselves, and why."""

    source: int
    reason: int
    ours: bool
    error: PeerError | None = None


Happening = (
    AssociationRequested
    | AssociationAccepted
    | AssociationRejected
    | CommandReceived
    | DataSetReceived
    | ReleaseRequested
    | Released
    | Aborted
)
