"""C-FIND as SCP: each match as a pending answer, until there are no more or the peer cancels.

Source: PS3.4 section C.4.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from pydicom.dataset import Dataset

from safelight.core.errors import SafelightError
from safelight.gateway.dicom.conversation import Conversation
from safelight.gateway.dicom.ports import AssociationFacts, Occasion
from safelight.gateway.dicom.statuses import (
    CANCELLED,
    PENDING,
    PENDING_WITH_UNSUPPORTED_KEYS,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    status_of,
)
from safelight.wire.dicom.dimse import CommandField
from safelight.wire.dicom.identifier import decode_identifier

_LOOK_EVERY: Final = 32


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A query as it came."""

    model: str
    """Its SOP class."""
    identifier: Dataset
    transfer_syntax: str
    caller: AssociationFacts


@dataclass(frozen=True, slots=True)
class Matches:
    """What a query found."""

    answers: Iterator[bytes]
    """Identifiers, in the transfer syntax of the query."""
    all_keys_supported: bool = True


class Queries(Protocol):
    """Who knows what is held. Any call may raise a SafelightError; `status_of` says which status the peer gets."""

    def find(self, inquiry: Inquiry) -> Matches:
        """Look up what matches."""


class QueryService:
    """Answers C-FIND."""

    def __init__(self, queries: Queries, identifier_bytes_max: int) -> None:
        self._queries = queries
        self._identifier_bytes_max = identifier_bytes_max

    def perform(self, conversation: Conversation) -> None:
        """Answer one query."""
        if conversation.command.field != CommandField.C_FIND_RQ:
            conversation.answer(UNRECOGNIZED_OPERATION)
            return
        error: SafelightError | None = None
        try:
            matches = self._queries.find(self._inquiry(conversation))
        except SafelightError as failure:
            error = failure
            status = status_of(failure)
        else:
            status, error = self._send(conversation, matches)
        more = {} if error is None else {"error_comment": error.code[:64]}
        conversation.answer(status, **more)
        conversation.note(Occasion.QUERIED, status, "" if error is None else str(error))

    def _inquiry(self, conversation: Conversation) -> Inquiry:
        context = conversation.context
        identifier = decode_identifier(conversation.data, context.transfer_syntax, self._identifier_bytes_max)
        return Inquiry(context.abstract_syntax, identifier, context.transfer_syntax, conversation.caller)

    @staticmethod
    def _send(conversation: Conversation, matches: Matches) -> tuple[int, SafelightError | None]:
        pending = conversation.prepared(PENDING if matches.all_keys_supported else PENDING_WITH_UNSUPPORTED_KEYS)
        sent = 0
        while True:
            if sent % _LOOK_EVERY == 0 and conversation.is_cancelled:
                return CANCELLED, None
            try:
                answer = next(matches.answers, None)
            except SafelightError as failure:
                return status_of(failure), failure
            if answer is None:
                return SUCCESS, None
            conversation.pending(pending, answer)
            sent += 1
