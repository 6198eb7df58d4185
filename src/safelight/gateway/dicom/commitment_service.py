"""Storage commitment as SCP (push model): a request is kept at once and answered when it is decided.

The answer goes over the association of the request while that stands, else over one that we open.
Source: PS3.4 Annex J.
"""

from typing import Final, Protocol

from safelight.core.errors import SafelightError
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import ContextProposal
from safelight.gateway.dicom.conversation import Conversation
from safelight.gateway.dicom.exchange import CallSettings
from safelight.gateway.dicom.ports import AssociationFacts, Occasion, SpeaksAs
from safelight.gateway.dicom.statuses import SUCCESS, UNRECOGNIZED_OPERATION, Status, status_of
from safelight.wire.dicom.commitment import (
    CommitmentReport,
    CommitmentRequest,
    Reported,
    read_report,
    read_request,
    write_report,
)
from safelight.wire.dicom.dimse import CommandField
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.uids import (
    COMMITMENT_PUSH,
    COMMITMENT_PUSH_INSTANCE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)

NO_SUCH_ACTION: Final = 0x0123
NO_SUCH_INSTANCE: Final = 0x0112
_REQUEST_COMMITMENT: Final = 1
_PROPOSAL: Final = ContextProposal(COMMITMENT_PUSH, (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN), as_scp=True)


class Commitments(Protocol):
    """Who decides on commitment. ``caller`` and transaction together name a request."""

    def ask(self, caller: AssociationFacts, request: CommitmentRequest) -> None:
        """Keep a request; it is durable when this returns, and its caller's association counts as open."""

    def take(self, caller: AssociationFacts, transaction: str) -> CommitmentReport | None:
        """Return the answer if it is decided, and leave its delivery to whoever took it."""

    def delivered(self, caller: AssociationFacts, transaction: str, status: int) -> None:
        """Know that the caller took the answer."""

    def reported(self, caller: AssociationFacts, report: Reported) -> None:
        """Keep what another archive answers to a request of ours; it is durable when this returns.

        Raises:
            SafelightError: its ``status`` is what the archive is told.
        """

    def let_go(self, caller: AssociationFacts, transaction: str) -> None:
        """Know that the association of the request is over: an answer not delivered must go another way."""


class CommitmentService:
    """Answers N-ACTION, and reports over the same association while it stands."""

    def __init__(self, commitments: Commitments, speaks_as: SpeaksAs, identifier_bytes_max: int) -> None:
        self._commitments = commitments
        self._speaks_as = speaks_as
        self._identifier_bytes_max = identifier_bytes_max

    def perform(self, conversation: Conversation) -> None:
        """Take one request."""
        command = conversation.command
        if command.field == CommandField.N_EVENT_REPORT_RQ:
            self._hear(conversation)
            return
        if command.field != CommandField.N_ACTION_RQ:
            conversation.answer(UNRECOGNIZED_OPERATION)
            return
        status, error, request = SUCCESS, "", None
        if command.requested_instance != COMMITMENT_PUSH_INSTANCE:
            status = NO_SUCH_INSTANCE
        elif command.action_type != _REQUEST_COMMITMENT:
            status = NO_SUCH_ACTION
        else:
            try:
                syntax = conversation.context.transfer_syntax
                told = decode_identifier(conversation.data, syntax, self._identifier_bytes_max)
                request = read_request(told)
                self._commitments.ask(conversation.caller, request)
            except SafelightError as failure:
                status, error, request = status_of(failure), str(failure), None
        if request is not None:
            title = self._speaks_as(conversation.caller.called)
            conversation.later.append(_Answer(self._commitments, conversation, request.transaction, title))
        conversation.answer(status)
        conversation.note(Occasion.COMMITMENT_ASKED, status, error)

    def _hear(self, conversation: Conversation) -> None:
        """Take an answer to a request of ours that comes over an association of the other's own."""
        status, error = SUCCESS, ""
        try:
            syntax = conversation.context.transfer_syntax
            told = decode_identifier(conversation.data, syntax, self._identifier_bytes_max)
            self._commitments.reported(conversation.caller, read_report(told))
        except SafelightError as failure:
            status, error = status_of(failure), str(failure)
        conversation.answer(status)
        conversation.note(Occasion.COMMITMENT_REPORTED, status, error)


class _Answer:
    """The answer to one request, as long as its association stands."""

    def __init__(self, commitments: Commitments, conversation: Conversation, transaction: str, title: AETitle) -> None:
        self._commitments = commitments
        self._conversation = conversation
        self._transaction = transaction
        self._title = title

    def deliver(self) -> bool:
        """Report if the request is decided."""
        conversation = self._conversation
        report = self._commitments.take(conversation.caller, self._transaction)
        if report is None:
            return False
        told = encode_identifier(write_report(report, self._title.text), conversation.context.transfer_syntax)
        status = conversation.report(COMMITMENT_PUSH_INSTANCE, report.event_type, told)
        self._commitments.delivered(conversation.caller, self._transaction, status)
        return True

    def let_go(self) -> None:
        """Leave it to an association of our own."""
        self._commitments.let_go(self._conversation.caller, self._transaction)


def report_commitment(peer: Peer, title: AETitle, report: CommitmentReport, call: CallSettings | None = None) -> Status:
    """Report over an association that we open as SCP.

    Raises:
        PeerUnreachable, ContextNotAgreed and other PeerErrors: it was not taken.
    """
    with connect(peer, title, [_PROPOSAL], settings=call) as association:
        told = write_report(report, title.text)
        return association.report(COMMITMENT_PUSH, COMMITMENT_PUSH_INSTANCE, report.event_type, told)
