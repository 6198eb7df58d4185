"""Telling another system of performed procedure steps (MPPS as SCU): the bytes as the modality sent them.

Source: PS3.4 Annex F.
"""

from dataclasses import dataclass, replace
from typing import Final

from safelight.core.instance import MemorySource
from safelight.gateway.dicom.contexts import ContextProposal
from safelight.gateway.dicom.exchange import Exchange, UnexpectedMessage, status_in
from safelight.gateway.dicom.procedure_step_service import StepNotice
from safelight.gateway.dicom.statuses import Status
from safelight.wire.dicom.dimse import ANSWER_BIT, Command, CommandField
from safelight.wire.dicom.events import CommandReceived
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.uids import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    PROCEDURE_STEP,
)

DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
PROCESSING_FAILURE: Final = 0x0110
MAY_NO_LONGER_BE_UPDATED: Final = 0xA710
"""Error ID of a step that was completed or discontinued. Source: PS3.4 Table F.7.2-2."""
STEP_PROPOSALS: Final = tuple(
    ContextProposal(PROCEDURE_STEP, (syntax,))
    for syntax in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
)
"""One context a transfer syntax, so that what came in one may go on in it."""


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """What the other system answered."""

    status: Status
    error_id: int | None = None


def tell_step(exchange: Exchange, notice: StepNotice, *, is_new: bool) -> StepAnswer:
    """Send N-CREATE or N-SET and wait for the answer.

    Raises:
        ContextNotAgreed: the peer does not take procedure steps.
        MalformedIdentifier: the attributes cannot be written in any syntax that the peer takes.
    """
    context = exchange.agreed(PROCEDURE_STEP, notice.transfer_syntax)
    data = notice.data
    if context is None:
        context = exchange.context(PROCEDURE_STEP)
        bytes_max = exchange.settings.limits.identifier_bytes_max
        told = decode_identifier(data, notice.transfer_syntax, bytes_max)
        data = encode_identifier(told, context.transfer_syntax)
    message_id, instance = exchange.next_message_id(), notice.instance
    if is_new:
        named = Command(CommandField.N_CREATE_RQ, sop_class=PROCEDURE_STEP, sop_instance=instance)
    else:
        named = Command(CommandField.N_SET_RQ, requested_class=PROCEDURE_STEP, requested_instance=instance)
    exchange.send(context, replace(named, message_id=message_id, has_data_set=True), MemorySource(data))
    received = exchange.happening(exchange.settings.answer)
    command = received.command
    is_answer = isinstance(received, CommandReceived) and command.field == named.field | ANSWER_BIT
    if not is_answer or command.responding_to != message_id:
        raise UnexpectedMessage(peer=str(exchange.peer), command=command.field)
    if command.has_data_set:
        # Some repeat the attributes; they say nothing new.
        exchange.connection.machine.receive_into(MemorySink(), exchange.settings.limits.identifier_bytes_max)
        exchange.happening(exchange.settings.answer)
    return StepAnswer(status_in(command), command.error_id)
