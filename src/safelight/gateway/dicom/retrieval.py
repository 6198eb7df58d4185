"""Asking an archive: C-FIND, C-GET and C-MOVE as SCU. What it answers is a claim; what arrives is counted elsewhere.

Source: PS3.4 Annex C, PS3.7 sections 9.1.2 to 9.1.4.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from pydicom.dataset import Dataset

from safelight.core.errors import PeerError, SafelightError
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle
from safelight.gateway.dicom.exchange import Exchange, UnexpectedMessage, status_in
from safelight.gateway.dicom.ports import IntakeSession
from safelight.gateway.dicom.reception import Reception
from safelight.gateway.dicom.statuses import Status
from safelight.wire.dicom.dimse import Command, CommandField, Priority
from safelight.wire.dicom.events import CommandReceived, DataSetReceived
from safelight.wire.dicom.faults import MalformedIdentifier
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.negotiation import AgreedContext

_ANSWERS_AFTER_CANCEL_MAX: Final = 10_000
"""How long we listen to a peer that goes on after a C-CANCEL, before we abort."""

_FAILED_INSTANCES: Final = 0x00080058


class QueryFailed(PeerError):
    """A query ended otherwise than with success. Matches given before are good, but there may be more.

    The fact ``status`` is the peer's: A700H is often a limit on the number of matches.
    """

    code: ClassVar[str] = "gateway.query-failed"
    hint: ClassVar[str] = "Ask for less at a time; the peer's log says why it stopped."


@dataclass(frozen=True, slots=True)
class Counts:
    """Sub-operations of a retrieve, as the peer counts them."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0


@dataclass(frozen=True, slots=True)
class RetrieveOutcome:
    """How a retrieve ended, in the peer's words."""

    status: Status
    counts: Counts
    failed_instances: tuple[str, ...] = ()
    """SOP Instance UIDs that the peer says it could not send, if it lists them."""
    stored: int = 0
    """C-GET only: instances that we took in and acknowledged."""


Cancel = Callable[[], bool]
"""Asked at every sign of life from the peer; true stops the retrieve."""


def never() -> bool:
    """Do not cancel."""
    return False


def unwatched(counts: Counts) -> None:
    """Take no note of how far a retrieve is."""
    del counts


def find(
    exchange: Exchange, model: str, identifier: Dataset, unreadable: Callable[[MalformedIdentifier], None] | None = None
) -> Iterator[Dataset]:
    """Give the matches of a query as they come. Leaving the loop early cancels the query.

    A match that cannot be read is told to ``unreadable`` and passed over; without that it ends the query.

    Raises:
        QueryFailed: the peer ended the query with a failure, or cancelled it itself.
        MalformedIdentifier: a match cannot be read.
        ContextNotAgreed: the peer does not speak this model.
    """
    context = exchange.context(model)
    message_id = _ask(exchange, context, CommandField.C_FIND_RQ, identifier)
    is_over = False
    try:
        while True:
            try:
                command, match = _answer(exchange, message_id, CommandField.C_FIND_RSP)
            except MalformedIdentifier as error:
                if unreadable is None:
                    raise
                unreadable(error)
                continue
            status = status_in(command)
            if not status.is_pending:
                is_over = True
                if not (status.is_success or status.is_warning):
                    raise QueryFailed(peer=str(exchange.peer), status=str(status))
                return
            if match is not None:
                yield match
    except SafelightError:
        is_over = True
        raise
    finally:
        if not is_over:
            _cancel_find(exchange, context, message_id)


def get(
    exchange: Exchange,
    model: str,
    identifier: Dataset,
    open_session: Callable[[], IntakeSession],
    *,
    watch: Callable[[Counts], None] = unwatched,
    cancel: Cancel = never,
) -> RetrieveOutcome:
    """Take in what the peer stores over this association, each instance acknowledged once it is durable.

    The contexts of the association must offer us as SCP of what the study contains (`contexts_for`).

    Raises:
        ContextNotAgreed: the peer does not speak this model.
        AssociationAborted, AssociationLost, PeerSilent: the peer did not finish; what was acknowledged is kept.
    """
    context = exchange.context(model)
    message_id = _ask(exchange, context, CommandField.C_GET_RQ, identifier)
    reception = Reception(exchange.connection, open_session)
    progress = _Progress(exchange, context, message_id, watch, cancel)
    try:
        while True:
            silence = exchange.settings.retrieve_answer
            if reception.has_unanswered:
                at_hand = exchange.happening_at_hand(silence)
                if at_hand is None:
                    reception.answer_all()
                    continue
                happened = at_hand
            else:
                happened = exchange.happening(silence)
            if happened.command.field == CommandField.C_STORE_RQ:
                if isinstance(happened, CommandReceived):
                    reception.begin(happened)
                else:
                    reception.complete(happened)
                    progress.look()
                continue
            assert isinstance(happened, CommandReceived)
            reception.answer_all()
            command, failed = _rest_of_answer(exchange, happened, message_id, CommandField.C_GET_RSP)
            if progress.take(command):
                return progress.outcome(command, failed, reception.stored)
    finally:
        reception.close()


def move(
    exchange: Exchange,
    model: str,
    identifier: Dataset,
    destination: AETitle,
    *,
    watch: Callable[[Counts], None] = unwatched,
    cancel: Cancel = never,
    message_id: int | None = None,
) -> RetrieveOutcome:
    """Have the peer send what matches to a destination that it knows by this title, often our own listener.

    With a ``message_id`` of the caller's choice, what is stored can be told from what other moves bring.

    Raises:
        ContextNotAgreed: the peer does not speak this model.
        AssociationAborted, AssociationLost, PeerSilent: the peer did not say how it ended.
    """
    context = exchange.context(model)
    message_id = _ask(exchange, context, CommandField.C_MOVE_RQ, identifier, destination, message_id)
    progress = _Progress(exchange, context, message_id, watch, cancel)
    while True:
        command, failed = _answer(exchange, message_id, CommandField.C_MOVE_RSP)
        if progress.take(command):
            return progress.outcome(command, failed, 0)


class _Progress:
    """How far a retrieve is, and whether it was told to stop."""

    def __init__(
        self,
        exchange: Exchange,
        context: AgreedContext,
        message_id: int,
        watch: Callable[[Counts], None],
        cancel: Cancel,
    ) -> None:
        self._exchange = exchange
        self._context = context
        self._message_id = message_id
        self._watch = watch
        self._cancel = cancel
        self._is_cancelled = False
        self._counts = Counts()

    def look(self) -> None:
        """Cancel when told to; once is enough."""
        if not self._is_cancelled and self._cancel():
            self._is_cancelled = True
            _send_cancel(self._exchange, self._context, self._message_id)

    def take(self, command: Command) -> bool:
        """Take an answer; true when it is the last."""
        last = self._counts
        self._counts = Counts(
            # The last answer need not repeat what remains, and most peers leave out what is none.
            command.remaining or 0,
            last.completed if command.completed is None else command.completed,
            last.failed if command.failed is None else command.failed,
            last.warning if command.warning is None else command.warning,
        )
        self._watch(self._counts)
        if not status_in(command).is_pending:
            return True
        self.look()
        return False

    def outcome(self, command: Command, failed: Dataset | None, stored: int) -> RetrieveOutcome:
        """Put together how it ended."""
        return RetrieveOutcome(status_in(command), self._counts, _failed_instances(failed), stored)


def _ask(
    exchange: Exchange,
    context: AgreedContext,
    field: CommandField,
    identifier: Dataset,
    destination: AETitle | None = None,
    message_id: int | None = None,
) -> int:
    message_id = message_id or exchange.next_message_id()
    request = Command(
        field,
        message_id=message_id,
        has_data_set=True,
        sop_class=context.abstract_syntax,
        priority=Priority.MEDIUM,
        move_destination=destination.text if destination else "",
    )
    exchange.send(context, request, MemorySource(encode_identifier(identifier, context.transfer_syntax)))
    return message_id


def _answer(exchange: Exchange, message_id: int, field: CommandField) -> tuple[Command, Dataset | None]:
    silence = exchange.settings.answer if field == CommandField.C_FIND_RSP else exchange.settings.retrieve_answer
    happened = exchange.happening(silence)
    assert isinstance(happened, CommandReceived)
    return _rest_of_answer(exchange, happened, message_id, field)


def _rest_of_answer(
    exchange: Exchange, received: CommandReceived, message_id: int, field: CommandField
) -> tuple[Command, Dataset | None]:
    """Read the identifier of an answer, if it has one."""
    command = received.command
    if command.field != field or command.responding_to != message_id:
        raise UnexpectedMessage(peer=str(exchange.peer), command=command.field, responding_to=command.responding_to)
    if not command.has_data_set:
        return command, None
    sink = MemorySink()
    bytes_max = exchange.settings.limits.identifier_bytes_max
    exchange.connection.machine.receive_into(sink, bytes_max)
    complete = exchange.happening(exchange.settings.answer)
    assert isinstance(complete, DataSetReceived)
    return command, decode_identifier(sink.data, received.context.transfer_syntax, bytes_max)


def _send_cancel(exchange: Exchange, context: AgreedContext, message_id: int) -> None:
    exchange.send(context, Command(CommandField.C_CANCEL_RQ, responding_to=message_id))


def _cancel_find(exchange: Exchange, context: AgreedContext, message_id: int) -> None:
    """Stop a query and hear its answers out, so that the association can be used again."""
    with contextlib.suppress(SafelightError):
        _send_cancel(exchange, context, message_id)
        for _ in range(_ANSWERS_AFTER_CANCEL_MAX):
            command, _match = _answer(exchange, message_id, CommandField.C_FIND_RSP)
            if not status_in(command).is_pending:
                return
    exchange.abort()


def _failed_instances(identifier: Dataset | None) -> tuple[str, ...]:
    if identifier is None or _FAILED_INSTANCES not in identifier:
        return ()
    listed = identifier[_FAILED_INSTANCES].value
    if not listed:
        return ()
    return (str(listed),) if isinstance(listed, str) else tuple(str(uid) for uid in listed)
