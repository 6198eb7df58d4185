"""What the DICOM door asks of the house: where instances go, who may call, who wants to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from safelight.core.names import AETitle
from safelight.wire.dicom.inbound import DataSetSink


@dataclass(frozen=True, slots=True)
class AssociationFacts:
    """Who is at the other end of an association."""

    calling: AETitle
    called: AETitle
    host: str
    implementation_class: str = ""
    implementation_version: str = ""


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """The C-MOVE that made a peer store this instance here."""

    title: str
    message_id: int | None


@dataclass(frozen=True, slots=True)
class StoreCommand:
    """What a C-STORE request says of the data set behind it."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    move_originator: MoveOriginator | None = None


class Ticket(Protocol):
    """An instance that was taken in and becomes durable with the next `IntakeSession.commit`."""


class IntakeSession(Protocol):
    """Takes in the instances of one association, one after the other. Used by one thread.

    Any call may raise a SafelightError; `status_of` says which DICOM status the peer then gets. An error
    may carry a ``status`` of its own.
    """

    def begin(self, command: StoreCommand) -> DataSetSink:
        """Make room for the data set of one instance."""

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> Ticket:
        """Take the instance in: all its bytes came. It is not durable yet."""

    def commit(self) -> None:
        """Return when everything finished so far is durable. May be called while an instance is under way."""

    def abandon(self) -> None:
        """Drop the instance that was begun and not finished."""

    def close(self) -> None:
        """End the session. What was finished and not committed may be dropped: nobody was told of it."""


class Intake(Protocol):
    """Where instances go. Shared by all associations."""

    def open(self, association: AssociationFacts) -> IntakeSession:
        """Begin to take in what one association brings; called when its first instance comes."""


class Refusal(Enum):
    """Why an association is rejected: result, source, reason. Source: PS3.8 Table 9-21."""

    CALLING_NOT_RECOGNIZED = (1, 1, 3)
    CALLED_NOT_RECOGNIZED = (1, 1, 7)
    APPLICATION_CONTEXT_NOT_SUPPORTED = (1, 1, 2)
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


SpeaksAs = Callable[[AETitle], AETitle]
"""Says as whom we answer somebody who called this title: ours, or that of a system that we stand in for."""


class Admission(Protocol):
    """Who may open an association."""

    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        """Return why not, or None."""


class Occasion(StrEnum):
    """What a caller did."""

    ASSOCIATED = "associated"
    REFUSED = "refused"
    ECHOED = "echoed"
    STORED = "stored"
    STORE_FAILED = "store-failed"
    QUERIED = "queried"
    RETRIEVED = "retrieved"
    COMMITMENT_ASKED = "commitment-asked"
    COMMITMENT_REPORTED = "commitment-reported"
    STEP_TOLD = "step-told"
    RELEASED = "released"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class CallerSeen:
    """One thing a caller did; the titles are as sent, since even a refused caller is worth knowing."""

    occasion: Occasion
    calling: str
    called: str
    host: str
    implementation_class: str = ""
    implementation_version: str = ""
    sop_classes: Sequence[str] = ()
    """Proposed with the association; the one SOP class with a store."""
    transfer_syntaxes: Sequence[str] = ()
    sop_instance: str = ""
    status: int | None = None
    """Of a request that was answered."""
    error: str = ""
    """What went wrong: an error code and its facts."""


class Observer(Protocol):
    """Wants to know who calls. Called by many threads; must be quick and must not raise."""

    def observe(self, seen: CallerSeen) -> None:
        """Take note."""


class EveryCaller:
    """An admission that takes every caller."""

    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        """Return None."""
        del calling, called, host
        return None


class Unobserved:
    """An observer that takes no note."""

    def observe(self, seen: CallerSeen) -> None:
        """Do nothing."""
        del seen
