"""Asking another archive for storage commitment (SCU, push model), and hearing its answer on the same association.

An answer may come minutes or days later over an association of the other's own: `CommitmentService` hears that.
Source: PS3.4 Annex J.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import PeerError, StateError
from safelight.core.instance import MemorySource
from safelight.gateway.dicom.connection import PeerSilent
from safelight.gateway.dicom.exchange import Exchange, UnexpectedMessage, status_in
from safelight.gateway.dicom.statuses import SUCCESS, status_of
from safelight.wire.dicom.commitment import CommitmentRequest, Reported, read_report, write_request
from safelight.wire.dicom.dimse import Command, CommandField
from safelight.wire.dicom.events import CommandReceived
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.uids import COMMITMENT_PUSH, COMMITMENT_PUSH_INSTANCE

REQUEST_COMMITMENT: Final = 1


class CommitmentNotTaken(PeerError):
    """The other archive refuses to be asked for storage commitment."""

    code: ClassVar[str] = "gateway.commitment-not-taken"
    hint: ClassVar[str] = "Look at its log: does it know our AE title, and where to answer?"


Keep = Callable[[Reported], None]
"""Keeps an answer, to whichever request: it is durable when this returns, and only then is its sender told so.

A StateError is told to its sender; any other ends the association without an answer, so that it comes again.
"""


def ask_commitment(
    exchange: Exchange, request: CommitmentRequest, wait: timedelta, clock: Clock, keep: Keep
) -> Reported | None:
    """Ask, and return the answer if it comes over this association in time; else it comes another way.

    Raises:
        CommitmentNotTaken: the request was refused.
        ContextNotAgreed and other PeerErrors: it could not be asked.
    """
    context = exchange.context(COMMITMENT_PUSH)
    message_id = exchange.next_message_id()
    command = Command(
        CommandField.N_ACTION_RQ,
        message_id=message_id,
        has_data_set=True,
        requested_class=COMMITMENT_PUSH,
        requested_instance=COMMITMENT_PUSH_INSTANCE,
        action_type=REQUEST_COMMITMENT,
    )
    data = encode_identifier(write_request(request), context.transfer_syntax)
    exchange.send(context, command, MemorySource(data))
    reported: Reported | None = None
    while True:
        received = exchange.happening(exchange.settings.answer)
        if received.command.field == CommandField.N_EVENT_REPORT_RQ:
            # Some answer before they say that they will.
            reported = _hear(exchange, received, request.transaction, keep) or reported
            continue
        if received.command.field != CommandField.N_ACTION_RSP or received.command.responding_to != message_id:
            raise UnexpectedMessage(peer=str(exchange.peer), command=received.command.field)
        break
    status = status_in(received.command)
    if not (status.is_success or status.is_warning):
        raise CommitmentNotTaken(peer=str(exchange.peer), status=str(status))
    until = clock.elapsed() + wait
    while reported is None and clock.elapsed() < until:
        try:
            received = exchange.happening(until - clock.elapsed())
            reported = _hear(exchange, received, request.transaction, keep)
        except (PeerSilent, AssociationAborted, AssociationLost):
            return None
    return reported


def _hear(exchange: Exchange, received: object, transaction: str, keep: Keep) -> Reported | None:
    """Keep what comes, then answer; return it if it is about this transaction."""
    if not isinstance(received, CommandReceived) or received.command.field != CommandField.N_EVENT_REPORT_RQ:
        raise UnexpectedMessage(peer=str(exchange.peer), command=getattr(received, "command", Command(0)).field)
    command, context = received.command, received.context
    sink, bytes_max = MemorySink(), exchange.settings.limits.identifier_bytes_max
    if command.has_data_set:
        exchange.connection.machine.receive_into(sink, bytes_max)
        exchange.happening(exchange.settings.answer)
    reported = read_report(decode_identifier(sink.data, context.transfer_syntax, bytes_max))
    status = SUCCESS
    try:
        keep(reported)
    except StateError as failure:
        status = status_of(failure)
    answer = Command(
        CommandField.N_EVENT_REPORT_RSP,
        responding_to=command.message_id,
        sop_class=COMMITMENT_PUSH,
        sop_instance=COMMITMENT_PUSH_INSTANCE,
        status=status,
    )
    exchange.send(context, answer)
    return reported if reported.transaction == transaction and status == SUCCESS else None
