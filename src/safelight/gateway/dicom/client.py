"""Calling other application entities: opening an association, C-ECHO and C-STORE.

Queries and retrieves over such an association are in `retrieval`.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Self

from safelight.core.clock import Clock, SystemClock
from safelight.core.errors import PeerError, SafelightError
from safelight.core.instance import ByteSource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.connection import Connection, PeerSilent
from safelight.gateway.dicom.contexts import CONTEXTS_MAX, ContextProposal
from safelight.gateway.dicom.ports import MoveOriginator
from safelight.gateway.dicom.statuses import Status
from safelight.wire.dicom.dimse import Command, CommandField, Priority
from safelight.wire.dicom.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    CommandReceived,
    DataSetReceived,
    Happening,
    Released,
    ReleaseRequested,
)
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost, AssociationRefused, LimitExceeded
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.outbound import data_set_pdus
from safelight.wire.dicom.pdu import AssociateRequest, PresentationContext
from safelight.wire.dicom.uids import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION, VERIFICATION
from safelight.wire.dicom.upper_layer import Side, UpperLayer
from safelight.wire.dicom.upper_layer_table import State
from safelight.wire.dicom.user_information import ExtendedNegotiation, Role, UserInformation, Window

_WINDOW_UNLIMITED = 32
"""How many operations we keep outstanding with a peer that sets no limit."""


class PeerUnreachable(PeerError):
    """No TCP connection to the peer can be opened."""

    code: ClassVar[str] = "gateway.peer-unreachable"
    hint: ClassVar[str] = "Check host, port and firewall; is the peer running? Try: safelight gateway echo."


class ContextNotAgreed(PeerError):
    """The peer does not take this SOP class in this transfer syntax."""

    code: ClassVar[str] = "gateway.context-not-agreed"
    hint: ClassVar[str] = "Have the peer accept this SOP class and transfer syntax, or leave these instances out."


class UnexpectedMessage(PeerError):
    """The peer sent a message that answers nothing we asked."""

    code: ClassVar[str] = "gateway.unexpected-message"
    hint: ClassVar[str] = "The peer broke the DIMSE protocol; look at its log at this moment."


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How we behave towards a peer that we call."""

    limits: Limits = field(default_factory=Limits)
    connect: timedelta = timedelta(seconds=10)
    artim: timedelta = timedelta(seconds=30)
    """How long the peer may take to accept, and to close."""
    answer: timedelta = timedelta(seconds=60)
    """The longest silence while we wait for an answer, or for room to send."""
    retrieve_answer: timedelta = timedelta(minutes=10)
    """The same between two answers of a C-MOVE or C-GET: archives fetch from tape before they answer."""
    whole_pdu: timedelta = timedelta(seconds=120)
    window: Window | None = field(default_factory=lambda: Window(32, 32))
    """The asynchronous operations window to offer; None offers none."""
    extended: tuple[ExtendedNegotiation, ...] = ()


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
    association = ClientAssociation(Connection(connected, machine, clock), peer, settings)
    machine.associate(_request(peer, calling, contexts, settings))
    machine.transport_opened()
    try:
        association.wait_for_acceptance()
    except BaseException:
        association.abort()
        raise
    return association


class ClientAssociation:
    """An association that we opened. Used by one thread."""

    def __init__(self, connection: Connection, peer: Peer, settings: CallSettings) -> None:
        self.connection = connection
        self.peer = peer
        self.settings = settings
        self._machine = connection.machine
        self._message_id = 0
        self._by_pair: dict[tuple[str, str], AgreedContext] = {}

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
        return self._machine.window.invoked or _WINDOW_UNLIMITED

    @property
    def contexts(self) -> Sequence[AgreedContext]:
        """What the peer accepted."""
        return tuple(self._machine.contexts.values())

    @property
    def is_open(self) -> bool:
        """Whether more can be asked on this association."""
        return self._machine.state is State.STA6

    def context(self, sop_class: str, transfer_syntax: str | None = None) -> AgreedContext:
        """Return the context agreed for a SOP class, in this transfer syntax if one is given.

        Raises:
            ContextNotAgreed: there is none.
        """
        agreed = self._agreed(sop_class, transfer_syntax)
        if agreed is None:
            raise ContextNotAgreed(peer=str(self.peer), sop_class=sop_class, transfer_syntax=transfer_syntax or "any")
        return agreed

    def echo(self) -> Status:
        """Ask whether the peer is there (C-ECHO)."""
        message_id = self.next_message_id()
        request = Command(CommandField.C_ECHO_RQ, message_id=message_id, sop_class=VERIFICATION)
        self._machine.send(self.context(VERIFICATION).context_id, request)
        answer = self.answer(self.settings.answer)
        self._check_answers(answer, message_id)
        return status_in(answer.command)

    def store(self, outgoing: Outgoing) -> Status:
        """Send one instance and wait for the answer (C-STORE).

        Raises:
            ContextNotAgreed: the peer did not accept its SOP class in its transfer syntax.
        """
        self.context(outgoing.sop_class, outgoing.transfer_syntax)
        (sent,) = self.store_all([outgoing])
        assert sent.status is not None
        return sent.status

    def store_all(self, instances: Iterable[Outgoing]) -> Iterator[Sent]:
        """Send instances, as many at once as the peer allows, and tell what became of each.

        When an error ends this, what was not told yet may have arrived, or not: ask the peer, or send it again.
        """
        outstanding: dict[int, Outgoing] = {}
        for outgoing in instances:
            context = self._agreed(outgoing.sop_class, outgoing.transfer_syntax)
            if context is None:
                yield Sent(outgoing, None)
                continue
            message_id = self.next_message_id()
            self._send_store(context, message_id, outgoing)
            outstanding[message_id] = outgoing
            while outstanding and (len(outstanding) >= self.window or self._has_answer()):
                yield self._settle(outstanding)
        while outstanding:
            yield self._settle(outstanding)

    def release(self) -> None:
        """End the association in good order. Whatever goes wrong with that changes nothing any more."""
        if not self.is_open:
            self.abort()
            return
        with contextlib.suppress(SafelightError, OSError):
            self._machine.release()
            while (happened := self._event(self.settings.artim)) is not None:
                if isinstance(happened, ReleaseRequested):
                    # Both asked at once; the requestor answers first. Source: PS3.8 section 7.2.2.6.
                    self._machine.answer_release()
                elif isinstance(happened, (Released, Aborted)):
                    break
        self.abort()

    def abort(self) -> None:
        """End the association at once, if it has not ended yet, and close the connection."""
        if self._machine.state not in (State.STA1, State.STA2, State.STA13):
            self._machine.abort()
        self.connection.close(timedelta(0))

    # For `retrieval`, which adds queries and retrieves.

    def next_message_id(self) -> int:
        """Return a message identifier that is not in use on this association."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def send(self, context: AgreedContext, command: Command, data: ByteSource | None = None) -> None:
        """Send one message, its data set without copying it.

        Raises:
            AssociationAborted, AssociationLost: the association ended meanwhile.
        """
        machine = self._machine
        machine.send(context.context_id, command)
        pieces: list[bytes | memoryview] = list(machine.outgoing())
        try:
            if data is not None:
                for batch in data_set_pdus(context.context_id, data, machine.send_bytes_max):
                    self.connection.send_pieces(pieces + batch)
                    pieces = []
            self.connection.send_pieces(pieces)
        except OSError as error:
            # A peer that aborts may have said why before it closed.
            self._raise_end(error)

    def happening(self, silence: timedelta) -> CommandReceived | DataSetReceived:
        """Wait for the next message.

        Raises:
            AssociationAborted, AssociationLost, PeerSilent: there will be none.
        """
        happened = self._event(silence)
        if isinstance(happened, (CommandReceived, DataSetReceived)):
            return happened
        raise self._end(happened)

    def answer(self, silence: timedelta) -> CommandReceived:
        """Wait for an answer that has no data set.

        Raises:
            UnexpectedMessage: something else came.
        """
        happened = self.happening(silence)
        if not isinstance(happened, CommandReceived) or happened.command.has_data_set or happened.command.is_request:
            raise UnexpectedMessage(peer=str(self.peer), command=happened.command.field)
        return happened

    def wait_for_acceptance(self) -> None:
        """Wait until the peer accepts the association."""
        happened = self._event(self.settings.artim)
        if not isinstance(happened, AssociationAccepted):
            raise self._end(happened)
        for context in self._machine.contexts.values():
            self._by_pair.setdefault((context.abstract_syntax, context.transfer_syntax), context)

    # Parts.

    def _agreed(self, sop_class: str, transfer_syntax: str | None) -> AgreedContext | None:
        if transfer_syntax is not None:
            return self._by_pair.get((sop_class, transfer_syntax))
        return next((context for context in self.contexts if context.abstract_syntax == sop_class), None)

    def _send_store(self, context: AgreedContext, message_id: int, outgoing: Outgoing) -> None:
        originator = outgoing.move_originator
        command = Command(
            CommandField.C_STORE_RQ,
            message_id=message_id,
            has_data_set=True,
            sop_class=outgoing.sop_class,
            sop_instance=outgoing.sop_instance,
            priority=Priority.MEDIUM,
            move_originator=originator.title if originator else "",
            move_originator_id=originator.message_id if originator else None,
        )
        self.send(context, command, outgoing.data)

    def _has_answer(self) -> bool:
        return self._machine.has_unread or self.connection.has_more()

    def _settle(self, outstanding: dict[int, Outgoing]) -> Sent:
        command = self.answer(self.settings.answer).command
        outgoing = outstanding.pop(command.responding_to or 0, None)
        if outgoing is None or command.field != CommandField.C_STORE_RSP:
            raise UnexpectedMessage(peer=str(self.peer), command=command.field, responding_to=command.responding_to)
        return Sent(outgoing, status_in(command))

    def _check_answers(self, answer: CommandReceived, message_id: int) -> None:
        if answer.command.responding_to != message_id:
            raise UnexpectedMessage(peer=str(self.peer), command=answer.command.field)

    def _event(self, silence: timedelta) -> Happening | None:
        return self.connection.event(silence, self.settings.whole_pdu)

    def _raise_end(self, error: OSError) -> None:
        with contextlib.suppress(PeerSilent):
            while True:
                happened = self._event(timedelta(seconds=1))
                if not isinstance(happened, (CommandReceived, DataSetReceived)):
                    raise self._end(happened) from error
        raise AssociationLost(peer=str(self.peer), error=type(error).__name__) from error

    def _end(self, happened: Happening | None) -> SafelightError:
        peer = str(self.peer)
        if isinstance(happened, AssociationRejected):
            answer = happened.answer
            return AssociationRefused(peer=peer, result=answer.result, source=answer.source, reason=answer.reason)
        if isinstance(happened, Aborted) and isinstance(happened.error, AssociationAborted):
            return AssociationAborted(peer=peer, source=happened.source, reason=happened.reason)
        if isinstance(happened, Aborted) and happened.error is not None:
            return happened.error
        return AssociationLost(peer=peer, state=str(self._machine.state))


def status_in(command: Command) -> Status:
    """Return the status that an answer carries."""
    assert command.status is not None
    return Status(command.status, command.error_comment)


def _request(
    peer: Peer, calling: AETitle, contexts: Sequence[ContextProposal], settings: CallSettings
) -> AssociateRequest:
    proposed = tuple(
        PresentationContext(2 * number + 1, context.abstract_syntax, context.transfer_syntaxes)
        for number, context in enumerate(contexts)
    )
    as_scp = dict.fromkeys(context.abstract_syntax for context in contexts if context.as_scp)
    limits = settings.limits
    if limits.presentation_contexts_max < len(proposed):
        raise LimitExceeded(limit="presentation_contexts_max", value=limits.presentation_contexts_max)
    user = UserInformation(
        pdu_bytes_max=limits.pdu_bytes_offered,
        implementation_class=IMPLEMENTATION_CLASS,
        implementation_version=IMPLEMENTATION_VERSION,
        window=settings.window,
        roles=tuple(Role(sop_class, scu=False, scp=True) for sop_class in as_scp),
        extended=settings.extended,
    )
    return AssociateRequest(peer.title.text, calling.text, proposed, user)
