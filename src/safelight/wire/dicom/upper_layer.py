"""One DICOM association as a machine: bytes and local requests in, events and bytes out.

The machine holds the state of PS3.8 section 9.2 and does the actions of its tables; `inbound` cuts the peer's
bytes. It reads no socket and keeps no clock: whoever drives it reads into `buffer()`, says how many bytes came
with `feed()`, takes events with `next_event()` until there is none, sends what `outgoing()` gives, keeps the
ARTIM timer while `artim_running` is set, and closes the connection when `close_wanted` is.
"""

from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from safelight.core.errors import PeerError
from safelight.wire.dicom import pdu
from safelight.wire.dicom.dimse import Command, encode_command
from safelight.wire.dicom.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    Happening,
    Released,
    ReleaseRequested,
)
from safelight.wire.dicom.faults import (
    AssociationAborted,
    AssociationLost,
    LimitExceeded,
    MalformedCommand,
    MalformedPdu,
    OutOfTurn,
    UnexpectedPdu,
)
from safelight.wire.dicom.inbound import DataSetSink, Inbound, Whole
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import AgreedContext, agreed_contexts, granted_window
from safelight.wire.dicom.outbound import PDU_BYTES_MIN, command_pdus
from safelight.wire.dicom.upper_layer_table import ACTIONS, Action, Event, State
from safelight.wire.dicom.user_information import Window

DEFAULT_LIMITS: Final = Limits()

_NEXT_STATE: Final = {
    Action.AE1: State.STA4,
    Action.AE2: State.STA5,
    Action.AE3: State.STA6,
    Action.AE4: State.STA1,
    Action.AE5: State.STA2,
    Action.AE6: State.STA3,
    Action.AE7: State.STA6,
    Action.AE8: State.STA13,
    Action.DT1: State.STA6,
    Action.DT2: State.STA6,
    Action.AR1: State.STA7,
    Action.AR2: State.STA8,
    Action.AR3: State.STA1,
    Action.AR4: State.STA13,
    Action.AR5: State.STA1,
    Action.AR6: State.STA7,
    Action.AR7: State.STA8,
    Action.AR9: State.STA11,
    Action.AR10: State.STA12,
    Action.AA1: State.STA13,
    Action.AA2: State.STA1,
    Action.AA3: State.STA1,
    Action.AA4: State.STA1,
    Action.AA5: State.STA1,
    Action.AA6: State.STA13,
    Action.AA7: State.STA13,
    Action.AA8: State.STA13,
}
"""The state after each action but AR-8, whose next state depends on who requested the association."""


class Side(StrEnum):
    """Who asked for the association."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class UpperLayer:
    """One association, from the first byte to the close of its connection. Not for two threads at once."""

    def __init__(self, side: Side, limits: Limits = DEFAULT_LIMITS) -> None:
        self.side = side
        self.limits = limits
        self.state = State.STA1
        self.artim_running = False
        self.close_wanted = False
        self.connect_wanted = False
        self.request: pdu.AssociateRequest | None = None
        self.contexts: Mapping[int, AgreedContext] = {}
        self.window = Window(1, 1)
        self.send_bytes_max = 0
        """The longest P-DATA-TF the peer takes, header not counted; 0 is no limit."""
        self._events: deque[Happening] = deque()
        self._out: list[bytes] = []
        self._inbound = Inbound(limits)
        self._acts = self._actions()

    # What the driver of the machine calls while bytes come.

    def buffer(self) -> memoryview:
        """Return where the next bytes from the peer go; never empty.

        Raises:
            OutOfTurn: a data set was announced and `receive_into` was not called.
        """
        return self._inbound.buffer()

    def feed(self, count: int) -> None:
        """Take ``count`` bytes that were read into the last `buffer()`."""
        self._inbound.feed(count)

    def next_event(self) -> Happening | None:
        """Return what happened next, or None when that needs more bytes (or `receive_into`)."""
        while not self._events:
            if self.close_wanted:
                return None
            try:
                found = self._inbound.advance()
            except MalformedCommand as error:
                # The DIMSE provider is the upper layer's user, so this is an A-ABORT request of our own.
                self._inbound.discard()
                self._fire(Event.EVT15, error=error)
                continue
            except (MalformedPdu, LimitExceeded) as error:
                self._inbound.discard()
                self._fire(Event.EVT19, error=error)
                continue
            if found is None:
                return None
            if isinstance(found, Whole):
                self._judge(found)
            else:
                self._events.append(found)
        return self._events.popleft()

    def receive_into(self, sink: DataSetSink, bytes_max: int | None = None) -> None:
        """Say where the data set goes that the last `CommandReceived` announced.

        Without ``bytes_max`` it may be as long as ``Limits.data_set_bytes_max``.
        """
        self._inbound.receive_into(sink, bytes_max)

    @property
    def has_unread(self) -> bool:
        """Whether bytes were fed that no event has come from yet."""
        return self._inbound.has_unread

    @property
    def pdus_received(self) -> int:
        """How many PDUs came whole. A peer that drips bytes does not move it."""
        return self._inbound.pdus_received

    @property
    def is_amid_pdu(self) -> bool:
        """Whether a PDU has begun to come and is not complete."""
        return self._inbound.is_amid_pdu

    @property
    def is_amid_message(self) -> bool:
        """Whether a DIMSE message, or any PDU, has begun to come and is not complete."""
        return self._inbound.is_amid_message

    @property
    def peer_window(self) -> int:
        """How many operations the peer may have outstanding with us; 0 is no limit."""
        return self.window.performed if self.side is Side.REQUESTOR else self.window.invoked

    def outgoing(self) -> list[bytes]:
        """Take the bytes that are to be sent, in order."""
        out, self._out = self._out, []
        return out

    # Local primitives, in the order of the standard's events.

    def associate(self, request: pdu.AssociateRequest) -> None:
        """Ask for an association; `connect_wanted` is set afterwards (Evt1)."""
        self._fire(Event.EVT1, request=request)

    def transport_opened(self) -> None:
        """Tell that the connection is open (Evt2 for the requestor, Evt5 for the acceptor)."""
        self._fire(Event.EVT2 if self.side is Side.REQUESTOR else Event.EVT5)

    def accept(self, answer: pdu.AssociateAccept) -> None:
        """Accept the association that was asked for (Evt7)."""
        self._fire(Event.EVT7, accept=answer)

    def reject(self, answer: pdu.AssociateReject) -> None:
        """Reject the association that was asked for (Evt8)."""
        self._fire(Event.EVT8, reject=answer)

    def send(self, context_id: int, command: Command) -> None:
        """Send a command set; the data set it announces, if any, is the driver's to send after it (Evt9)."""
        self._fire(Event.EVT9, data=(context_id, command))

    def release(self) -> None:
        """Ask to end the association in good order (Evt11)."""
        self._fire(Event.EVT11)

    def answer_release(self) -> None:
        """Agree to the release that the peer asked for (Evt14)."""
        self._fire(Event.EVT14)

    def abort(self) -> None:
        """End the association at once (Evt15)."""
        self._fire(Event.EVT15)

    def transport_closed(self) -> None:
        """Tell that the connection is closed (Evt17)."""
        self._fire(Event.EVT17, error=AssociationLost(state=str(self.state)))

    def artim_expired(self) -> None:
        """Tell that the ARTIM timer ran out (Evt18)."""
        self._fire(Event.EVT18)

    # Parts.

    def _judge(self, found: Whole) -> None:
        """Turn one PDU other than P-DATA-TF into an event of the table."""
        kind, body = found.kind, found.body
        try:
            if kind == pdu.PduType.ASSOCIATE_RQ:
                self._fire(Event.EVT6, request=pdu.decode_associate_request(body, self.limits))
            elif kind == pdu.PduType.ASSOCIATE_AC:
                self._fire(Event.EVT3, accept=pdu.decode_associate_accept(body, self.limits))
            elif kind == pdu.PduType.ASSOCIATE_RJ:
                self._fire(Event.EVT4, reject=pdu.decode_associate_reject(body))
            elif kind == pdu.PduType.DATA:
                self._fire(Event.EVT10)
            elif kind == pdu.PduType.RELEASE_RQ:
                self._fire(Event.EVT12)
            elif kind == pdu.PduType.RELEASE_RP:
                self._fire(Event.EVT13)
            else:
                self._fire(Event.EVT16, abort=pdu.decode_abort(body))
        except MalformedPdu as error:
            self._fire(Event.EVT19, error=error)
        except LimitExceeded as error:
            if self.state is State.STA2:
                self._refuse(pdu.CONTEXTS_LIMIT_REFUSED, error)
            else:
                self._fire(Event.EVT19, error=error)

    def _fire(
        self,
        event: Event,
        *,
        request: pdu.AssociateRequest | None = None,
        accept: pdu.AssociateAccept | None = None,
        reject: pdu.AssociateReject | None = None,
        abort: pdu.Abort | None = None,
        data: tuple[int, Command] | None = None,
        error: PeerError | None = None,
    ) -> None:
        action = ACTIONS.get((self.state, event))
        if action is None:
            raise OutOfTurn(state=str(self.state), event=str(event))
        came_from = self.state
        given = request or accept or reject or abort or data
        if action is Action.AR8:
            self.state = State.STA9 if self.side is Side.REQUESTOR else State.STA10
        else:
            self.state = _NEXT_STATE[action]
        if action in (Action.AA1, Action.AA8) and error is None and event is not Event.EVT15:
            error = UnexpectedPdu(state=str(came_from), event=str(event))
        self._acts[action](given, error)
        takes_data = ACTIONS.get((self.state, Event.EVT10)) in (Action.DT2, Action.AR6)
        self._inbound.welcome = self.contexts if takes_data else None

    def _actions(self) -> dict[Action, Callable[..., None]]:
        return {
            Action.AE1: self._want_connection,
            Action.AE2: self._send_request,
            Action.AE3: self._note_acceptance,
            Action.AE4: self._note_rejection,
            Action.AE5: self._start_artim,
            Action.AE6: self._note_request,
            Action.AE7: self._send_acceptance,
            Action.AE8: self._send_rejection,
            Action.DT1: self._send_command,
            Action.DT2: self._nothing,
            Action.AR1: self._send_release_request,
            Action.AR2: self._note_release_request,
            Action.AR3: self._note_release,
            Action.AR4: self._send_last_release_response,
            Action.AR5: self._stop_artim,
            Action.AR6: self._nothing,
            Action.AR7: self._send_command,
            Action.AR8: self._note_release_request,
            Action.AR9: self._send_release_response,
            Action.AR10: self._note_release_confirmed,
            Action.AA1: self._abort_as_user,
            Action.AA2: self._close,
            Action.AA3: self._note_abort,
            Action.AA4: self._note_loss,
            Action.AA5: self._stop_artim,
            Action.AA6: self._nothing,
            Action.AA7: self._repeat_abort,
            Action.AA8: self._abort_as_provider,
        }

    def _nothing(self, *_: object) -> None:
        pass

    def _start_artim(self, *_: object) -> None:
        self.artim_running = True

    def _stop_artim(self, *_: object) -> None:
        self.artim_running = False
        self.close_wanted = True

    def _close(self, *_: object) -> None:
        self.artim_running = False
        self.close_wanted = True

    def _want_connection(self, request: pdu.AssociateRequest, _: object) -> None:
        self.request = request
        self.connect_wanted = True

    def _send_request(self, *_: object) -> None:
        assert self.request is not None
        self.connect_wanted = False
        self._out.append(pdu.encode_associate_request(self.request))

    def _note_request(self, request: pdu.AssociateRequest, _: object) -> None:
        self.artim_running = False
        if not request.protocol_version & 1:
            self._refuse(pdu.PROTOCOL_VERSION_REFUSED, None)
            return
        self.request = request
        self._events.append(AssociationRequested(request))

    def _refuse(self, answer: pdu.AssociateReject, error: PeerError | None) -> None:
        """Do the other half of AE-6: the request is not acceptable to the upper layer itself."""
        self.state = State.STA13
        self._send_rejection(answer, error)
        self._events.append(AssociationRejected(answer, ours=True, error=error))

    def _send_rejection(self, answer: pdu.AssociateReject, _: object) -> None:
        self._out.append(pdu.encode_associate_reject(answer))
        self.artim_running = True

    def _send_acceptance(self, answer: pdu.AssociateAccept, _: object) -> None:
        self._agree(answer)
        assert self.request is not None
        self.send_bytes_max = self.request.user.pdu_bytes_max
        self._out.append(pdu.encode_associate_accept(answer))

    def _note_acceptance(self, answer: pdu.AssociateAccept, _: object) -> None:
        self._agree(answer)
        self.send_bytes_max = answer.user.pdu_bytes_max
        self._events.append(AssociationAccepted(answer))

    def _agree(self, answer: pdu.AssociateAccept) -> None:
        assert self.request is not None
        self.contexts = agreed_contexts(self.request, answer)
        self.window = granted_window(self.request, answer)

    def _note_rejection(self, answer: pdu.AssociateReject, _: object) -> None:
        self._events.append(AssociationRejected(answer, ours=False))
        self.close_wanted = True

    def _send_command(self, data: tuple[int, Command], _: object) -> None:
        context_id, command = data
        if 0 < self.send_bytes_max < PDU_BYTES_MIN:
            raise LimitExceeded(limit="pdu_bytes_min", value=self.send_bytes_max)
        self._out.append(command_pdus(context_id, encode_command(command), self.send_bytes_max))

    def _send_release_request(self, *_: object) -> None:
        self._out.append(pdu.encode_release_request())

    def _send_release_response(self, *_: object) -> None:
        self._out.append(pdu.encode_release_response())

    def _send_last_release_response(self, *_: object) -> None:
        self._out.append(pdu.encode_release_response())
        self.artim_running = True

    def _note_release_request(self, *_: object) -> None:
        self._events.append(ReleaseRequested())

    def _note_release(self, *_: object) -> None:
        self._events.append(Released())
        self.close_wanted = True

    def _note_release_confirmed(self, *_: object) -> None:
        self._events.append(Released())

    def _abort_as_user(self, _: object, error: PeerError | None) -> None:
        self._send_abort(pdu.Abort(pdu.AbortSource.SERVICE_USER, pdu.AbortReason.NOT_SPECIFIED), error)

    def _abort_as_provider(self, _: object, error: PeerError | None) -> None:
        self._send_abort(pdu.Abort(pdu.AbortSource.SERVICE_PROVIDER, _reason(error)), error)

    def _send_abort(self, abort: pdu.Abort, error: PeerError | None) -> None:
        self._out.append(pdu.encode_abort(abort))
        self.artim_running = True
        self._events.append(Aborted(abort.source, abort.reason, ours=True, error=error))

    def _repeat_abort(self, _: object, error: PeerError | None) -> None:
        self._out.append(pdu.encode_abort(pdu.Abort(pdu.AbortSource.SERVICE_PROVIDER, _reason(error))))

    def _note_abort(self, abort: pdu.Abort, _: object) -> None:
        told = AssociationAborted(source=abort.source, reason=abort.reason)
        self._events.append(Aborted(abort.source, abort.reason, ours=False, error=told))
        self.close_wanted = True

    def _note_loss(self, _: object, error: PeerError) -> None:
        self._events.append(
            Aborted(pdu.AbortSource.SERVICE_PROVIDER, pdu.AbortReason.NOT_SPECIFIED, ours=False, error=error)
        )
        self.close_wanted = True


def _reason(error: PeerError | None) -> int:
    if isinstance(error, UnexpectedPdu):
        return pdu.AbortReason.UNEXPECTED_PDU
    if isinstance(error, MalformedPdu):
        return int(error.facts.get("reason") or pdu.AbortReason.NOT_SPECIFIED)
    if isinstance(error, LimitExceeded):
        return pdu.AbortReason.INVALID_PARAMETER
    return pdu.AbortReason.NOT_SPECIFIED
