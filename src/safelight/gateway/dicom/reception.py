"""Receiving C-STORE: every success is said after the commit that made the instance durable (invariant I1).

Both doors use it: our listener, and our own C-GET, in which the peer stores over the association we opened.
"""

from collections.abc import Callable
from typing import Final

from safelight.core.errors import SafelightError
from safelight.gateway.dicom.connection import Connection
from safelight.gateway.dicom.ports import IntakeSession, MoveOriginator, StoreCommand
from safelight.gateway.dicom.statuses import SUCCESS, status_of
from safelight.wire.dicom.dimse import Command, CommandField
from safelight.wire.dicom.events import CommandReceived, DataSetReceived
from safelight.wire.dicom.inbound import DataSetSink

_GATHERED_BYTES_MAX: Final = 4_194_304
"""Past this, a commit of its own costs less than the wait of those who could be answered."""

_GATHERED_MAX: Final = 32
_PAGE_BYTES: Final = 65_536

NoteStore = Callable[[StoreCommand, int, SafelightError | None], None]


class DroppingSink:
    """Takes a data set that nobody keeps, so that the association can go on behind it."""

    def __init__(self) -> None:
        self._page = bytearray(_PAGE_BYTES)

    def room(self) -> memoryview:
        """Return the same page every time."""
        return memoryview(self._page)

    def filled(self, count: int) -> None:
        """Forget what was put in it."""
        del count


class _Guard:
    """Keeps a sink's failure until the data set is over: the peer must then be told, not cut off."""

    def __init__(self) -> None:
        self._sink: DataSetSink = DroppingSink()
        self.failure: SafelightError | None = None

    def use(self, sink: DataSetSink) -> None:
        self._sink = sink

    def fail(self, error: SafelightError) -> None:
        self.failure = error
        self._sink = DroppingSink()

    def room(self) -> memoryview:
        try:
            return self._sink.room()
        except SafelightError as error:
            self.fail(error)
            return self._sink.room()

    def filled(self, count: int) -> None:
        try:
            self._sink.filled(count)
        except SafelightError as error:
            self.fail(error)


class Reception:
    """Takes in the instances of one association and answers them in order."""

    def __init__(
        self, connection: Connection, open_session: Callable[[], IntakeSession], note: NoteStore | None = None
    ) -> None:
        self.stored = 0
        """Instances that were answered with success."""
        self._connection = connection
        self._open_session = open_session
        self._note = note
        self._session: IntakeSession | None = None
        self._guard = _Guard()
        self._is_under_way = False
        self._unanswered: list[tuple[int, Command, StoreCommand, SafelightError | None]] = []
        self._gathered_bytes = 0

    @property
    def has_unanswered(self) -> bool:
        """Whether instances were taken in that the peer has no answer to."""
        return bool(self._unanswered)

    def begin(self, received: CommandReceived) -> None:
        """Make room for the data set that a C-STORE request announced."""
        self._guard = _Guard()
        try:
            if self._session is None:
                self._session = self._open_session()
            self._guard.use(self._session.begin(_store_command(received)))
            self._is_under_way = True
        except SafelightError as error:
            self._guard.fail(error)
        self._connection.machine.receive_into(self._guard)

    def complete(self, received: DataSetReceived) -> None:
        """Take the instance in; answer now, or with others when more requests are on their way."""
        command = received.command
        error = self._finish(received)
        self._unanswered.append((received.context.context_id, command, _store_command(received), error))
        self._gathered_bytes += received.size
        is_full = len(self._unanswered) >= _GATHERED_MAX or self._gathered_bytes >= _GATHERED_BYTES_MAX
        if self._connection.machine.peer_window == 1 or is_full:
            self.answer_all()

    def answer_all(self) -> None:
        """Make everything taken in durable, then say so."""
        if not self._unanswered:
            return
        waiting, self._unanswered, self._gathered_bytes = self._unanswered, [], 0
        lost: SafelightError | None = None
        if any(error is None for *_, error in waiting):
            assert self._session is not None
            try:
                self._session.commit()
            except SafelightError as error:
                lost = error
        for context_id, request, store, failure in waiting:
            self._answer(context_id, request, store, failure or lost)
        self._connection.flush()

    def close(self) -> None:
        """Drop what is under way and end the session. Instances without an answer may be dropped too."""
        if self._session is None:
            return
        session, self._session = self._session, None
        try:
            if self._is_under_way:
                session.abandon()
        finally:
            session.close()

    def _finish(self, received: DataSetReceived) -> SafelightError | None:
        failure, session = self._guard.failure, self._session
        was_under_way, self._is_under_way = self._is_under_way, False
        try:
            if failure is None:
                assert session is not None
                command, context = received.command, received.context
                session.finish(
                    command.sop_class, command.sop_instance, context.transfer_syntax, _move_originator(command)
                )
            elif was_under_way and session is not None:
                session.abandon()
        except SafelightError as error:
            return failure or error
        return failure

    def _answer(self, context_id: int, request: Command, store: StoreCommand, error: SafelightError | None) -> None:
        status = SUCCESS if error is None else status_of(error)
        self.stored += error is None
        answer = Command(
            CommandField.C_STORE_RSP,
            responding_to=request.message_id,
            sop_class=request.sop_class,
            sop_instance=request.sop_instance,
            status=status,
            error_comment="" if error is None else error.code[:64],
        )
        self._connection.machine.send(context_id, answer)
        if self._note is not None:
            self._note(store, status, error)


def _store_command(received: CommandReceived | DataSetReceived) -> StoreCommand:
    command = received.command
    return StoreCommand(
        command.sop_class, command.sop_instance, received.context.transfer_syntax, _move_originator(command)
    )


def _move_originator(command: Command) -> MoveOriginator | None:
    if not command.move_originator:
        return None
    return MoveOriginator(command.move_originator, command.move_originator_id)
