"""Messages over an association that we opened: what C-STORE, queries and retrieves have in common."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from safelight.core.errors import PeerError, SafelightError
from safelight.core.instance import ByteSource
from safelight.core.names import Peer
from safelight.gateway.dicom.connection import Connection, PeerSilent
from safelight.gateway.dicom.statuses import Status
from safelight.wire.dicom.dimse import Command
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
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost, AssociationRefused
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.outbound import data_set_pdus
from safelight.wire.dicom.pdu import AssociateAccept
from safelight.wire.dicom.upper_layer_table import State
from safelight.wire.dicom.user_information import ExtendedNegotiation, Window


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
    """How long the peer may take to accept, and to release."""
    answer: timedelta = timedelta(seconds=60)
    """The longest silence while we wait for an answer, or for room to send."""
    retrieve_answer: timedelta = timedelta(minutes=10)
    """The same between two answers of a C-MOVE or C-GET: archives fetch from tape before they answer."""
    whole_pdu: timedelta = timedelta(seconds=120)
    """The longest the peer may take over one PDU."""
    window: Window | None = field(default_factory=lambda: Window(32, 32))
    """The asynchronous operations window to offer; None offers none."""
    extended: tuple[ExtendedNegotiation, ...] = ()


class Exchange:
    """Sends and awaits messages on one association. Used by one thread."""

    def __init__(self, connection: Connection, peer: Peer, settings: CallSettings) -> None:
        self.connection = connection
        self.peer = peer
        self.settings = settings
        self.acceptance = AssociateAccept("", "", ())
        """What the peer answered when it accepted."""
        self._machine = connection.machine
        self._message_id = 0
        self._by_pair: dict[tuple[str, str], AgreedContext] = {}

    @property
    def contexts(self) -> Sequence[AgreedContext]:
        """What the peer accepted."""
        return tuple(self._machine.contexts.values())

    @property
    def is_open(self) -> bool:
        """Whether more can be asked on this association."""
        return self._machine.state is State.STA6

    def agreed(self, sop_class: str, transfer_syntax: str | None = None) -> AgreedContext | None:
        """Return the context agreed for a SOP class, in this transfer syntax if one is given."""
        if transfer_syntax is not None:
            return self._by_pair.get((sop_class, transfer_syntax))
        return next((context for context in self.contexts if context.abstract_syntax == sop_class), None)

    def context(self, sop_class: str, transfer_syntax: str | None = None) -> AgreedContext:
        """Return what `agreed` does.

        Raises:
            ContextNotAgreed: there is none.
        """
        agreed = self.agreed(sop_class, transfer_syntax)
        if agreed is None:
            raise ContextNotAgreed(peer=str(self.peer), sop_class=sop_class, transfer_syntax=transfer_syntax or "any")
        return agreed

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

    def has_more(self) -> bool:
        """Whether the peer has answered more already."""
        return self._machine.has_unread or self.connection.has_more()

    def happening(self, silence: timedelta) -> CommandReceived | DataSetReceived:
        """Wait for the next command set or complete data set.

        Raises:
            AssociationAborted, AssociationLost, PeerSilent: there will be none.
        """
        return self._message(self._event(silence))

    def happening_at_hand(self, silence: timedelta) -> CommandReceived | DataSetReceived | None:
        """Return what `happening` does if it has come already, else None."""
        happened = self.connection.event_at_hand(silence, self.settings.whole_pdu)
        return None if happened is None else self._message(happened)

    def _message(self, happened: Happening | None) -> CommandReceived | DataSetReceived:
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
        self.acceptance = happened.answer
        for context in self._machine.contexts.values():
            self._by_pair.setdefault((context.abstract_syntax, context.transfer_syntax), context)

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
