"""C-GET and C-MOVE as SCP: each instance goes in its stored encoding, or losslessly in one that the receiver takes.

Source: PS3.4 sections C.4.2 and C.4.3.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from pydicom.dataset import Dataset

from safelight.core.errors import SafelightError
from safelight.core.instance import ByteSource
from safelight.core.names import AETitle, Peer
from safelight.gateway.ahead import Ahead
from safelight.gateway.dicom.client import Outgoing, connect
from safelight.gateway.dicom.contexts import CONTEXTS_MAX, ContextProposal
from safelight.gateway.dicom.conversation import Conversation
from safelight.gateway.dicom.exchange import CallSettings, status_in
from safelight.gateway.dicom.ports import MoveOriginator, Occasion, SpeaksAs
from safelight.gateway.dicom.query_service import Inquiry
from safelight.gateway.dicom.statuses import (
    CANCELLED,
    PENDING,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    Status,
    status_of,
)
from safelight.wire.dicom.dimse import CommandField
from safelight.wire.dicom.identifier import decode_identifier, encode_identifier
from safelight.wire.dicom.negotiation import AgreedContext

SUB_OPERATIONS_FAILED: Final = 0xA702
SOME_FAILED: Final = 0xB000
_COUNT_MAX: Final = 0xFFFF
_PROGRESS_EVERY: Final = timedelta(seconds=0.1)
"""How often at most a C-MOVE says how far it is: a message of its own for each instance slows down the next ones."""
_WINDOW_MAX: Final = 8
"""Sub-operations outstanding with a peer that allows more; each holds an instance in memory."""


class Held(Protocol):
    """An instance that is held."""

    @property
    def study(self) -> str:
        """The UID of its study."""

    @property
    def sop_class(self) -> str:
        """Its SOP class."""

    @property
    def sop_instance(self) -> str:
        """Its UID."""

    @property
    def encodings(self) -> Sequence[str]:
        """Transfer syntaxes in which it can be given: the stored one first, then what it is losslessly turned into."""

    def work_bytes(self, transfer_syntax: str) -> int:
        """Return how many bytes a codec works on before it can be given so; 0 where they only need to be read."""

    def open(self, transfer_syntax: str) -> ByteSource:
        """Return its data set in one of these.

        Raises:
            SafelightError: it cannot be read, or not be turned into this syntax.
        """


class Retrievals(Protocol):
    """Who gives what is held. Any call may raise a SafelightError; `status_of` says which status the peer gets."""

    def wanted(self, inquiry: Inquiry) -> Sequence[Held]:
        """Return the instances that a retrieve asks for."""

    def destination(self, title: AETitle) -> Peer:
        """Return where a named peer listens."""

    def going_out(self, inquiry: Inquiry, wanted: Sequence[Held], destination: AETitle) -> None:
        """Take note that these are about to go to a destination. Must be quick."""


@dataclass(slots=True)
class _Tally:
    """How far a retrieve is."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def settle(self, sop_instance: str, status: Status | None) -> None:
        """Count the end of one sub-operation; without a status it could not be tried."""
        self.remaining -= 1
        if status is not None and status.is_success:
            self.completed += 1
        elif status is not None and status.is_warning:
            self.warning += 1
        else:
            self.failed.append(sop_instance)

    def counts(self, *, with_remaining: bool) -> dict[str, int | str | None]:
        """Return the elements of an answer. Their values have sixteen bits."""
        counts: dict[str, int | str | None] = {
            "completed": min(self.completed, _COUNT_MAX),
            "failed": min(len(self.failed), _COUNT_MAX),
            "warning": min(self.warning, _COUNT_MAX),
        }
        return {"remaining": min(self.remaining, _COUNT_MAX), **counts} if with_remaining else counts

    @property
    def status(self) -> int:
        """How it ended."""
        if not self.failed:
            return SUCCESS if not self.warning else SOME_FAILED
        return SOME_FAILED if self.completed or self.warning else SUB_OPERATIONS_FAILED


class RetrieveService:
    """Answers C-GET and C-MOVE."""

    def __init__(
        self,
        retrievals: Retrievals,
        ahead: Ahead,
        speaks_as: SpeaksAs,
        identifier_bytes_max: int,
        call: CallSettings | None = None,
    ) -> None:
        self._retrievals = retrievals
        self._ahead = ahead
        self._speaks_as = speaks_as
        self._identifier_bytes_max = identifier_bytes_max
        self._call = call or CallSettings()

    def perform(self, conversation: Conversation) -> None:
        """Answer one retrieve."""
        command = conversation.command
        if command.field not in (CommandField.C_GET_RQ, CommandField.C_MOVE_RQ):
            conversation.answer(UNRECOGNIZED_OPERATION)
            return
        try:
            inquiry = self._inquiry(conversation)
            wanted = self._retrievals.wanted(inquiry)
            peer = None
            if command.field == CommandField.C_MOVE_RQ:
                peer = self._retrievals.destination(AETitle.parse(command.move_destination))
        except SafelightError as error:
            status = status_of(error)
            conversation.answer(status, error_comment=error.code[:64])
            conversation.note(Occasion.RETRIEVED, status, str(error))
            return
        self._retrievals.going_out(inquiry, wanted, conversation.caller.calling if peer is None else peer.title)
        tally = _Tally(len(wanted))
        if peer is None:
            cancelled, problem = _Get(conversation, tally, self._ahead).run(wanted), ""
        else:
            title = self._speaks_as(conversation.caller.called)
            sending = _Move(conversation, tally, self._ahead, peer, title, self._call)
            cancelled, problem = sending.run(wanted)
        status = CANCELLED if cancelled else tally.status
        self._finish(conversation, tally, status)
        conversation.note(Occasion.RETRIEVED, status, problem)

    def _inquiry(self, conversation: Conversation) -> Inquiry:
        context = conversation.context
        identifier = decode_identifier(conversation.data, context.transfer_syntax, self._identifier_bytes_max)
        return Inquiry(context.abstract_syntax, identifier, context.transfer_syntax, conversation.caller)

    @staticmethod
    def _finish(conversation: Conversation, tally: _Tally, status: int) -> None:
        data = None
        if tally.failed:
            listed = Dataset()
            listed.FailedSOPInstanceUIDList = tally.failed
            data = encode_identifier(listed, conversation.context.transfer_syntax)
        conversation.answer(status, data, **tally.counts(with_remaining=status == CANCELLED))


class _Get:
    """One C-GET: instances are stored over the association that asked for them."""

    def __init__(self, conversation: Conversation, tally: _Tally, ahead: Ahead) -> None:
        self._conversation = conversation
        self._tally = tally
        self._ahead = ahead
        self._window = min(conversation.window or _WINDOW_MAX, _WINDOW_MAX)
        self._contexts: dict[str, dict[str, AgreedContext]] = {}
        for context in conversation.contexts.values():
            if context.requestor_is_scp:
                self._contexts.setdefault(context.abstract_syntax, {}).setdefault(context.transfer_syntax, context)

    def run(self, wanted: Sequence[Held]) -> bool:
        """Store everything that is wanted; return whether the peer cancelled."""
        conversation, tally = self._conversation, self._tally
        outstanding: dict[int, str] = {}
        for held, opened in _opened(self._ahead, wanted, lambda held: self._contexts.get(held.sop_class, {})):
            if conversation.is_cancelled:
                break
            if opened is None:
                tally.settle(held.sop_instance, None)
                self._tell()
                continue
            # The next instance is read before the answer to this one is waited for.
            while len(outstanding) >= self._window:
                self._settle(outstanding)
            syntax, data = opened
            context = self._contexts[held.sop_class][syntax]
            outstanding[conversation.store(context, held.sop_instance, data)] = held.sop_instance
        while outstanding:
            self._settle(outstanding)
        return conversation.is_cancelled

    def _settle(self, outstanding: dict[int, str]) -> None:
        answer = self._conversation.next_answer()
        sop_instance = outstanding.pop(answer.responding_to or 0, None)
        if sop_instance is not None:
            self._tally.settle(sop_instance, status_in(answer))
            self._tell()

    def _tell(self) -> None:
        if self._tally.remaining:
            self._conversation.progress(PENDING, **self._tally.counts(with_remaining=True))


class _Move:
    """One C-MOVE: instances are sent to a peer over associations that we open."""

    def __init__(
        self,
        conversation: Conversation,
        tally: _Tally,
        ahead: Ahead,
        peer: Peer,
        title: AETitle,
        call: CallSettings,
    ) -> None:
        self._conversation = conversation
        self._tally = tally
        self._ahead = ahead
        self._peer = peer
        self._title = title
        self._call = call
        self._told_at: timedelta | None = None

    def run(self, wanted: Sequence[Held]) -> tuple[bool, str]:
        """Send everything that is wanted; return whether the peer cancelled, and what went wrong at the destination."""
        problem = ""
        for some in _in_associations(wanted):
            settled: set[str] = set()
            try:
                self._send(some, settled)
            except SafelightError as error:
                problem = str(error)
            if self._conversation.is_cancelled:
                return True, problem
            for held in some:
                if held.sop_instance not in settled:
                    self._settle(held.sop_instance, None)
        return False, problem

    def _send(self, some: Sequence[Held], settled: set[str]) -> None:
        conversation = self._conversation
        originator = MoveOriginator(conversation.caller.calling.text, conversation.command.message_id)
        with connect(self._peer, self._title, _proposals(some), settings=self._call) as association:
            agreed: dict[str, set[str]] = {}
            for one in association.contexts:
                agreed.setdefault(one.abstract_syntax, set()).add(one.transfer_syntax)

            def outgoing() -> Iterator[Outgoing]:
                for held, given in _opened(self._ahead, some, lambda held: agreed.get(held.sop_class, ())):
                    if conversation.is_cancelled:
                        return
                    if given is not None:
                        yield Outgoing(held.sop_class, held.sop_instance, *given, originator)

            for sent in association.store_all(outgoing()):
                settled.add(sent.outgoing.sop_instance)
                self._settle(sent.outgoing.sop_instance, sent.status)

    def _settle(self, sop_instance: str, status: Status | None) -> None:
        self._tally.settle(sop_instance, status)
        now = self._conversation.elapsed
        if self._tally.remaining and (self._told_at is None or now - self._told_at >= _PROGRESS_EVERY):
            self._conversation.answer(PENDING, **self._tally.counts(with_remaining=True))
            self._told_at = now


_Given = tuple[str, ByteSource]
"""A transfer syntax, and the data set in it."""


def _opened(
    ahead: Ahead, wanted: Iterable[Held], taken: Callable[[Held], Collection[str]]
) -> Iterator[tuple[Held, _Given | None]]:
    """Open instances in order; None stands for one that does not open in any transfer syntax that is taken."""

    def open_one(held: Held) -> tuple[Held, _Given | None]:
        try:
            return held, _first_that_opens(held, taken(held))
        except SafelightError:
            return held, None

    def work_bytes(held: Held) -> int:
        syntaxes = taken(held)
        return next((held.work_bytes(one) for one in held.encodings if one in syntaxes), 0)

    return ahead.each(wanted, work_bytes, open_one)


def _first_that_opens(held: Held, taken: Collection[str]) -> _Given | None:
    """Open an instance in the first of its encodings that the receiver takes; None where it takes none.

    Raises:
        SafelightError: it does not open in any of them.
    """
    failure: SafelightError | None = None
    for syntax in held.encodings:
        if syntax in taken:
            try:
                return syntax, held.open(syntax)
            except SafelightError as error:
                failure = failure or error
    if failure is not None:
        raise failure
    return None


def _in_associations(wanted: Sequence[Held]) -> Iterator[list[Held]]:
    """Divide instances so that the contexts of each part fit into one association."""
    part: list[Held] = []
    pairs: set[tuple[str, str]] = set()
    for held in wanted:
        more = {(held.sop_class, syntax) for syntax in held.encodings}
        if len(pairs | more) > CONTEXTS_MAX:
            yield part
            part, pairs = [], set()
        part.append(held)
        pairs |= more
    if part:
        yield part


def _proposals(some: Sequence[Held]) -> list[ContextProposal]:
    """Propose each pair of SOP class and transfer syntax in a context of its own."""
    pairs = dict.fromkeys((held.sop_class, syntax) for held in some for syntax in held.encodings)
    return [ContextProposal(sop_class, (syntax,)) for sop_class, syntax in sorted(pairs)]
