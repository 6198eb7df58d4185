"""Calling other application entities: opening an association, and what can be asked over it."""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Final, Self

from pydicom.dataset import Dataset

from safelight.core.clock import Clock, SystemClock
from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource, MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom import retrieval
from safelight.gateway.dicom.commitment_asking import Keep, ask_commitment
from safelight.gateway.dicom.connection import Connection
from safelight.gateway.dicom.contexts import CONTEXTS_MAX, ContextProposal
from safelight.gateway.dicom.exchange import CallSettings, Exchange, UnexpectedMessage, status_in
from safelight.gateway.dicom.ports import IntakeSession, MoveOriginator
from safelight.gateway.dicom.procedure_step_asking import StepAnswer, tell_step
from safelight.gateway.dicom.procedure_step_service import StepNotice
from safelight.gateway.dicom.retrieval import Cancel, Counts, RetrieveOutcome, never, unwatched
from safelight.gateway.dicom.statuses import Status
from safelight.wire.dicom.commitment import CommitmentRequest, Reported
from safelight.wire.dicom.dimse import Command, CommandField, Priority
from safelight.wire.dicom.faults import MalformedIdentifier
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.pdu import AssociateRequest, PresentationContext
from safelight.wire.dicom.uids import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION, VERIFICATION
from safelight.wire.dicom.upper_layer import Side, UpperLayer
from safelight.wire.dicom.user_information import Role, UserInformation

_WINDOW_UNLIMITED: Final = 32
"""How many operations we keep outstanding with a peer that sets no limit."""


class PeerUnreachable(PeerError):
    """No TCP connection to the peer can be opened."""

    code: ClassVar[str] = "gateway.peer-unreachable"
    hint: ClassVar[str] = "Check host, port and firewall; is the peer running? Try: safelight gateway echo."


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance to send: its data set exactly as it is kept."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: ByteSource
    move_originator: MoveOriginator | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an instance. Without a status, no context was agreed for it and nothing was sent."""

    outgoing: Outgoing
    status: Status | None

    @property
    def is_stored(self) -> bool:
        """Whether the peer says that it has the instance."""
        return self.status is not None and (self.status.is_success or self.status.is_warning)


def connect(
    peer: Peer,
    calling: AETitle,
    contexts: Sequence[ContextProposal],
    *,
    settings: CallSettings | None = None,
    clock: Clock | None = None,
) -> "ClientAssociation":
    """Open an association. Use it in a ``with``: released at the end, aborted on an error.

    Raises:
        PeerUnreachable: no connection.
        AssociationRefused: the peer rejects the association.
        AssociationAborted, AssociationLost: it ends the association before it began.
        PeerSilent: it does not answer.
    """
    settings, clock = settings or CallSettings(), clock or SystemClock()
    if not 1 <= len(contexts) <= CONTEXTS_MAX:
        raise ValueError(f"an association has 1 to {CONTEXTS_MAX} contexts, not {len(contexts)}")
    try:
        connected = socket.create_connection((peer.host, peer.port), settings.connect.total_seconds())
    except OSError as error:
        raise PeerUnreachable(peer=str(peer), error=error.strerror or type(error).__name__) from error
    machine = UpperLayer(Side.REQUESTOR, settings.limits)
    exchange = Exchange(Connection(connected, machine, clock), peer, settings)
    machine.associate(_request(peer, calling, contexts, settings))
    machine.transport_opened()
    try:
        exchange.wait_for_acceptance()
    except BaseException:
        exchange.abort()
        raise
    return ClientAssociation(exchange)


class ClientAssociation:
    """An association that we opened. Used by one thread."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    @property
    def window(self) -> int:
        """How many operations we may have outstanding with this peer."""
        return self._exchange.connection.machine.window.invoked or _WINDOW_UNLIMITED

    @property
    def contexts(self) -> Sequence[AgreedContext]:
        """What the peer accepted."""
        return self._exchange.contexts

    @property
    def peer_information(self) -> UserInformation:
        """What the peer said of itself: implementation, limits, roles."""
        return self._exchange.acceptance.user

    @property
    def is_open(self) -> bool:
        """Whether more can be asked on this association."""
        return self._exchange.is_open

    def agreed(self, sop_class: str, transfer_syntax: str | None = None) -> AgreedContext | None:
        """Return the context agreed for a SOP class, in this transfer syntax if one is given."""
        return self._exchange.agreed(sop_class, transfer_syntax)

    def echo(self) -> Status:
        """Ask whether the peer is there (C-ECHO)."""
        exchange = self._exchange
        message_id = exchange.next_message_id()
        request = Command(CommandField.C_ECHO_RQ, message_id=message_id, sop_class=VERIFICATION)
        exchange.send(exchange.context(VERIFICATION), request)
        command = exchange.answer(exchange.settings.answer).command
        if command.field != CommandField.C_ECHO_RSP or command.responding_to != message_id:
            raise UnexpectedMessage(peer=str(exchange.peer), command=command.field)
        return status_in(command)

    def store(self, outgoing: Outgoing) -> Status:
        """Send one instance and wait for the answer (C-STORE).

        Raises:
            ContextNotAgreed: the peer did not accept its SOP class in its transfer syntax.
        """
        self._exchange.context(outgoing.sop_class, outgoing.transfer_syntax)
        (sent,) = self.store_all([outgoing])
        assert sent.status is not None
        return sent.status

    def store_all(self, instances: Iterable[Outgoing]) -> Iterator[Sent]:
        """Send instances, as many at once as the peer allows, and tell what became of each.

        When an error ends this, what was not told yet may have arrived, or not: ask the peer, or send it again.
        """
        exchange = self._exchange
        outstanding: dict[int, Outgoing] = {}
        for outgoing in instances:
            context = exchange.agreed(outgoing.sop_class, outgoing.transfer_syntax)
            if context is None:
                yield Sent(outgoing, None)
                continue
            # Only now, with the next one opened: the peer works on the last while we open.
            while len(outstanding) >= self.window:
                yield self._settle(outstanding)
            message_id = exchange.next_message_id()
            exchange.send(context, _store_request(message_id, outgoing), outgoing.data)
            outstanding[message_id] = outgoing
            while outstanding and exchange.has_more():
                yield self._settle(outstanding)
        while outstanding:
            yield self._settle(outstanding)

    def find(
        self, model: str, identifier: Dataset, unreadable: Callable[[MalformedIdentifier], None] | None = None
    ) -> Iterator[Dataset]:
        """Give the matches of a query as they come (C-FIND); see `retrieval.find`."""
        return retrieval.find(self._exchange, model, identifier, unreadable)

    def get(
        self,
        model: str,
        identifier: Dataset,
        open_session: Callable[[], IntakeSession],
        *,
        watch: Callable[[Counts], None] = unwatched,
        cancel: Cancel = never,
    ) -> RetrieveOutcome:
        """Have the peer store what matches over this association (C-GET); see `retrieval.get`."""
        return retrieval.get(self._exchange, model, identifier, open_session, watch=watch, cancel=cancel)

    def move(
        self,
        model: str,
        identifier: Dataset,
        destination: AETitle,
        *,
        watch: Callable[[Counts], None] = unwatched,
        cancel: Cancel = never,
        message_id: int | None = None,
    ) -> RetrieveOutcome:
        """Have the peer send what matches to a destination that it knows (C-MOVE); see `retrieval.move`."""
        return retrieval.move(
            self._exchange, model, identifier, destination, watch=watch, cancel=cancel, message_id=message_id
        )

    def report(self, sop_class: str, sop_instance: str, event_type: int, data: Dataset) -> Status:
        """Report an event of an instance (N-EVENT-REPORT), as SCP of its class."""
        exchange = self._exchange
        context = exchange.context(sop_class)
        request = Command(
            CommandField.N_EVENT_REPORT_RQ,
            message_id=exchange.next_message_id(),
            has_data_set=True,
            sop_class=sop_class,
            sop_instance=sop_instance,
            event_type=event_type,
        )
        exchange.send(context, request, MemorySource(encode_identifier(data, context.transfer_syntax)))
        command = exchange.answer(exchange.settings.answer).command
        if command.field != CommandField.N_EVENT_REPORT_RSP or command.responding_to != request.message_id:
            raise UnexpectedMessage(peer=str(exchange.peer), command=command.field)
        return status_in(command)

    def ask_commitment(self, request: CommitmentRequest, wait: timedelta, clock: Clock, keep: Keep) -> Reported | None:
        """Ask for storage commitment; see `commitment_asking.ask_commitment`."""
        return ask_commitment(self._exchange, request, wait, clock, keep)

    def tell_step(self, notice: StepNotice, *, is_new: bool) -> StepAnswer:
        """Tell what a modality said of a procedure step; see `procedure_step_asking.tell_step`."""
        return tell_step(self._exchange, notice, is_new=is_new)

    def release(self) -> None:
        """End the association in good order, and close the connection."""
        self._exchange.release()

    def abort(self) -> None:
        """End the association at once, if it has not ended yet, and close the connection."""
        self._exchange.abort()

    def _settle(self, outstanding: dict[int, Outgoing]) -> Sent:
        exchange = self._exchange
        command = exchange.answer(exchange.settings.answer).command
        if command.field != CommandField.C_STORE_RSP or command.responding_to not in outstanding:
            raise UnexpectedMessage(peer=str(exchange.peer), command=command.field, responding_to=command.responding_to)
        return Sent(outstanding.pop(command.responding_to), status_in(command))


def _store_request(message_id: int, outgoing: Outgoing) -> Command:
    originator = outgoing.move_originator
    return Command(
        CommandField.C_STORE_RQ,
        message_id=message_id,
        has_data_set=True,
        sop_class=outgoing.sop_class,
        sop_instance=outgoing.sop_instance,
        priority=Priority.MEDIUM,
        move_originator=originator.title if originator else "",
        move_originator_id=originator.message_id if originator else None,
    )


def _request(
    peer: Peer, calling: AETitle, contexts: Sequence[ContextProposal], settings: CallSettings
) -> AssociateRequest:
    proposed = tuple(
        PresentationContext(2 * number + 1, context.abstract_syntax, context.transfer_syntaxes)
        for number, context in enumerate(contexts)
    )
    as_scp = dict.fromkeys(context.abstract_syntax for context in contexts if context.as_scp)
    user = UserInformation(
        pdu_bytes_max=settings.limits.pdu_bytes_offered,
        implementation_class=IMPLEMENTATION_CLASS,
        implementation_version=IMPLEMENTATION_VERSION,
        window=settings.window,
        roles=tuple(Role(sop_class, scu=False, scp=True) for sop_class in as_scp),
        extended=settings.extended,
    )
    return AssociateRequest(peer.title.text, calling.text, proposed, user)
