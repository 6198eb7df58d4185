"""One request that a service answers, while the association goes on hearing what the peer says meanwhile.

Source: PS3.7 sections 9.3.2 to 9.3.4 (pending answers, C-CANCEL), PS3.7 Annex D.3.3.3 (asynchronous operations).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from safelight.core.errors import PeerError
from safelight.core.instance import ByteSource, MemorySource
from safelight.gateway.dicom.connection import Connection
from safelight.gateway.dicom.ports import AssociationFacts, Occasion
from safelight.wire.dicom.dimse import ANSWER_BIT, Command, CommandField, encode_command
from safelight.wire.dicom.events import Aborted, CommandReceived, DataSetReceived, Happening
from safelight.wire.dicom.faults import AssociationLost
from safelight.wire.dicom.negotiation import AgreedContext
from safelight.wire.dicom.outbound import command_pdus, data_set_pdus, short_data_set_pdus
from safelight.wire.dicom.upper_layer_table import State

_GATHERED_BYTES: Final = 65_536
_MESSAGE_IDS: Final = 0xFFFF

Hear = Callable[[CommandReceived | DataSetReceived], None]
"""Takes what the peer says meanwhile that does not belong to the request at hand."""

Note = Callable[[Occasion, int, str], None]
"""Takes note of what a service did: the occasion, the status answered, what went wrong."""


class Tidings(Protocol):
    """What a service has to say later, over the association on which it was asked, if that still stands then."""

    def deliver(self) -> bool:
        """Say it if there is something to say now; return whether that is all. Called while the peer is silent."""

    def let_go(self) -> None:
        """Know that this association is over."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for a peer."""

    idle: timedelta
    whole_pdu: timedelta


class Conversation:
    """A request with the means to answer it. Used by one thread."""

    def __init__(
        self,
        connection: Connection,
        request: DataSetReceived | CommandReceived,
        data: bytes,
        caller: AssociationFacts,
        patience: Patience,
        hear: Hear,
        note: Note,
    ) -> None:
        self.command = request.command
        self.context = request.context
        self.data = data
        self.caller = caller
        self.note = note
        self.later: list[Tidings] = []
        self._connection = connection
        self._machine = connection.machine
        self._patience = patience
        self._hear = hear
        self._pieces: list[bytes | memoryview] = []
        self._gathered = 0
        self._cancelled = False
        self._last_id = 0
        self._answers: list[Command] = []

    @property
    def contexts(self) -> Mapping[int, AgreedContext]:
        """Everything that was agreed on this association."""
        return self._machine.contexts

    @property
    def window(self) -> int:
        """How many operations we may have outstanding with the peer; 0 is no limit."""
        return self._machine.window.performed

    @property
    def elapsed(self) -> timedelta:
        """The time on the clock that this association is timed by."""
        return self._connection.elapsed

    @property
    def is_cancelled(self) -> bool:
        """Whether the peer has cancelled this request by now.

        Raises:
            AssociationLost: the association ended meanwhile.
        """
        while (happened := self._connection.event_at_hand(self._patience.idle, self._patience.whole_pdu)) is not None:
            self._take(happened)
        self._check_open()
        return self._cancelled

    def pending(self, answer: bytes, data: bytes) -> None:
        """Send one pending answer, encoded by `prepared`, with its identifier; several go out together."""
        self._gather([answer + short_data_set_pdus(self.context.context_id, data, self._machine.send_bytes_max)])

    def prepared(self, status: int) -> bytes:
        """Encode an answer that announces an identifier, to be sent many times."""
        answer = self._answer(status, has_data_set=True)
        return command_pdus(self.context.context_id, encode_command(answer), self._machine.send_bytes_max)

    def answer(self, status: int, data: bytes | None = None, /, **more: int | str | None) -> None:
        """Send an answer now, and what was gathered before it."""
        answer = self._answer(status, has_data_set=data is not None, **more)
        self._send(self.context, answer, None if data is None else MemorySource(data))
        self.flush()

    def progress(self, status: int, **counts: int | str | None) -> None:
        """Say how far it is, together with whatever is sent next."""
        self._send(self.context, self._answer(status, has_data_set=False, **counts), None)

    def store(self, context: AgreedContext, sop_instance: str, data: ByteSource) -> int:
        """Send one instance as a sub-operation (C-STORE); return its message identifier."""
        request = Command(
            CommandField.C_STORE_RQ,
            message_id=self._next_id(),
            has_data_set=True,
            sop_class=context.abstract_syntax,
            sop_instance=sop_instance,
            priority=self.command.priority or 0,
        )
        self._send(context, request, data)
        self.flush()
        return self._last_id

    def report(self, sop_instance: str, event_type: int, data: bytes) -> int:
        """Report an event of an instance to the peer (N-EVENT-REPORT) and return the status it answers."""
        request = Command(
            CommandField.N_EVENT_REPORT_RQ,
            message_id=self._next_id(),
            has_data_set=True,
            sop_class=self.context.abstract_syntax,
            sop_instance=sop_instance,
            event_type=event_type,
        )
        self._send(self.context, request, MemorySource(data))
        self.flush()
        return self.next_answer().status or 0

    def next_answer(self) -> Command:
        """Wait for the answer to a sub-operation or report.

        Raises:
            AssociationLost, PeerSilent: there will be none.
        """
        while not self._answers:
            happened = self._connection.event(self._patience.idle, self._patience.whole_pdu)
            if happened is None:
                raise AssociationLost(state=str(self._machine.state))
            self._take(happened)
        return self._answers.pop(0)

    def flush(self) -> None:
        """Send what was gathered."""
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        if pieces:
            self._connection.send_pieces(pieces)

    def _answer(self, status: int, *, has_data_set: bool, **more: int | str | None) -> Command:
        command = self.command
        fields: dict[str, int | str | None] = {
            "responding_to": command.message_id,
            "sop_class": command.sop_class or command.requested_class,
            "sop_instance": command.sop_instance or command.requested_instance,
            "action_type": command.action_type,
            **more,
        }
        return Command(command.field | ANSWER_BIT, has_data_set=has_data_set, status=status, **fields)  # type: ignore[arg-type]  # names of Command

    def _send(self, context: AgreedContext, command: Command, data: ByteSource | None) -> None:
        self._machine.send(context.context_id, command)
        self._gather(list(self._machine.outgoing()))
        if data is not None:
            for batch in data_set_pdus(context.context_id, data, self._machine.send_bytes_max):
                # A large data set is not gathered: the batch must be sent before the next is read.
                self._gather(batch)
                self.flush()

    def _next_id(self) -> int:
        self._last_id = self._last_id % _MESSAGE_IDS + 1
        return self._last_id

    def _gather(self, pieces: list[bytes | memoryview]) -> None:
        self._pieces += pieces
        self._gathered += sum(map(len, pieces))
        if self._gathered >= _GATHERED_BYTES:
            self.flush()

    def _take(self, happened: Happening) -> None:
        if isinstance(happened, CommandReceived):
            command = happened.command
            if command.field == CommandField.C_CANCEL_RQ:
                self._cancelled |= command.responding_to == self.command.message_id
            elif command.is_request:
                self._hear(happened)
            else:
                self._answers.append(command)
        elif isinstance(happened, DataSetReceived):
            self._hear(happened)
        elif isinstance(happened, Aborted) and isinstance(happened.error, PeerError):
            raise happened.error
        else:
            # A release amid an operation, or the end without a word.
            raise AssociationLost(state=str(self._machine.state))

    def _check_open(self) -> None:
        if self._machine.state is not State.STA6:
            raise AssociationLost(state=str(self._machine.state))


class Service(Protocol):
    """Answers the requests of its SOP classes, each in the thread of its association."""

    def perform(self, conversation: Conversation) -> None:
        """Answer one request to its end.

        Raises:
            SafelightError: the association cannot go on. Whatever the service itself fails at is a status.
        """


Services = Callable[[AssociationFacts], Mapping[str, Service]]
"""Says which SOP classes are served to a caller, and by what."""


def no_services(caller: AssociationFacts) -> Mapping[str, Service]:
    """Serve nothing but C-ECHO and C-STORE."""
    del caller
    return {}
