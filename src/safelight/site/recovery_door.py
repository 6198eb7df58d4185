"""Where a target that can only C-MOVE brings studies back to: our own listener, for what a recovery asked for.

What comes for a comparison is compared and not kept. It is told from what modalities send by the Move Originator, or by
being called at the refill's own AE title; all else goes the usual way into the landing log.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from safelight.core.clock import Clock
from safelight.core.errors import PeerError, SafelightError
from safelight.core.names import AETitle
from safelight.gateway.dicom.association import House
from safelight.gateway.dicom.ports import (
    Admission,
    AssociationFacts,
    CallerSeen,
    Intake,
    IntakeSession,
    MoveOriginator,
    Observer,
    Refusal,
    StoreCommand,
    Ticket,
    Unobserved,
)
from safelight.gateway.dicom.server import Listener, ListenerSettings
from safelight.recovery.ports import Version
from safelight.site.settings import DicomSettings
from safelight.site.spool import Spool
from safelight.wire.dicom.inbound import DataSetSink

NOT_AUTHORIZED: Final = 0x0124
MESSAGE_IDS: Final = range(20_001, 60_001)
"""Far from those that a pull counts up from 1, so that a move of a recovery is never taken for one of a pull."""
GRACE: Final = timedelta(seconds=2)


class NotAskedFor(PeerError):
    """An instance came to the refill's title that no recovery asked for, or that came too late."""

    code: ClassVar[str] = "recovery.not-asked-for"
    hint: ClassVar[str] = "The refill's AE title takes back what a recovery compares; send to the gateway's title."
    status: ClassVar[int] = NOT_AUTHORIZED


@dataclass(frozen=True, slots=True)
class Move:
    """One C-MOVE of a recovery to ourselves."""

    target: AETitle
    originator: AETitle
    """The title that the move is asked with."""
    destination: AETitle
    instances: frozenset[str]
    message_id: int


class Coming:
    """What one move brings. Several associations may bring it; each instance is compared as it is whole."""

    def __init__(self, move: Move, receive: Callable[[Version], None]) -> None:
        self.move = move
        self._receive = receive
        self._news = threading.Condition()
        self._count = 0
        self._is_over = False
        self._failure: SafelightError | None = None

    @property
    def count(self) -> int:
        """How many instances came."""
        with self._news:
            return self._count

    def take(self, version: Version) -> None:
        """Compare an instance that came."""
        with self._news:
            if self._is_over:
                raise NotAskedFor(instance=version.sop_instance)
            try:
                self._receive(version)
            except SafelightError as error:
                # It is ours, not the peer's: whoever asked for the instance is told.
                self._failure = self._failure or error
            self._count += 1
            self._news.notify_all()

    def settle(self, promised: int, quiet_seconds: float) -> None:
        """Wait for what is still on its way, until ``promised`` came or nothing came for so long.

        Some archives answer the move before they have sent everything.
        """
        with self._news:
            while self._count < promised:
                before = self._count
                self._news.wait_for(lambda seen=before: self._count > seen, quiet_seconds)  # type: ignore[misc]
                if self._count == before:
                    return

    def close(self) -> None:
        """Take nothing more; an error of ours while comparing is raised here."""
        with self._news:
            self._is_over = True
        if self._failure is not None:
            raise self._failure


@dataclass(slots=True)
class Awaited:
    """The moves of recoveries that are under way in this process."""

    spool: Path
    is_served: bool = False
    """Whether the door of `serve` lets through what is awaited."""
    _coming: list[Coming] = field(default_factory=list)
    _own_titles: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _moves: int = 0

    def own(self, title: AETitle) -> None:
        """Take this title for the refill's alone: nothing that names it is for the landing log."""
        with self._lock:
            self._own_titles.add(title.text)

    @contextlib.contextmanager
    def moving(
        self,
        target: AETitle,
        originator: AETitle,
        destination: AETitle,
        instances: Collection[str],
        receive: Callable[[Version], None],
    ) -> Iterator[Coming]:
        """Wait for what a move brings for as long as the ``with`` lasts."""
        with self._lock:
            message_id = MESSAGE_IDS[self._moves % len(MESSAGE_IDS)]
            self._moves += 1
            coming = Coming(Move(target, originator, destination, frozenset(instances), message_id), receive)
            self._coming.append(coming)
        try:
            yield coming
        finally:
            with self._lock:
                self._coming.remove(coming)
            coming.close()

    def admits(self, calling: AETitle, called: AETitle) -> bool:
        """Whether this caller may be bringing something that is awaited."""
        with self._lock:
            return any(one.move.target == calling and one.move.destination == called for one in self._coming)

    def waits_for(self, sop_instance: str, calling: str) -> bool:
        """Whether a move waits for this instance from this caller."""
        if not sop_instance or not self._coming:
            return False
        with self._lock:
            return any(one.move.target.text == calling and sop_instance in one.move.instances for one in self._coming)

    def belongs(self, command: StoreCommand, called: AETitle) -> Coming | None:
        """Return the move that an instance belongs to.

        Raises:
            NotAskedFor: it was sent for a recovery, and none waits for it.
        """
        if not (self._coming or self._own_titles):
            return None
        origin = command.move_originator
        with self._lock:
            is_own = called.text in self._own_titles
            for coming in self._coming:
                if _matches(coming.move, command, origin, is_own=is_own and coming.move.destination == called):
                    return coming
            is_ours = is_own or (origin is not None and origin.title in self._own_titles)
        if is_ours:
            raise NotAskedFor(instance=command.sop_instance)
        return None


def _matches(move: Move, command: StoreCommand, origin: MoveOriginator | None, *, is_own: bool) -> bool:
    if command.sop_instance not in move.instances:
        return False
    if origin is not None:
        return origin.title == move.originator.text and origin.message_id in (move.message_id, None)
    # A peer may leave out the originator (PS3.7 section 9.1.1.1): then only the refill's own title tells.
    return is_own


@dataclass(frozen=True, slots=True)
class AwaitedAdmission:
    """Admits, besides those whom the site admits, a target that brings what was asked for."""

    awaited: Awaited
    usual: Admission | None = None

    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        """Return why not, or None."""
        if self.awaited.admits(calling, called):
            return None
        if self.usual is None:
            return Refusal.CALLING_NOT_RECOGNIZED
        return self.usual.accept(calling, called, host)


@dataclass(frozen=True, slots=True)
class AwaitedObserver:
    """Passes over what comes for a comparison: a target that brings it is no modality whose silence would alarm."""

    awaited: Awaited
    usual: Observer

    def observe(self, seen: CallerSeen) -> None:
        """Take note."""
        if not self.awaited.waits_for(seen.sop_instance, seen.calling):
            self.usual.observe(seen)


@dataclass(frozen=True, slots=True)
class AwaitedIntake:
    """Compares what is awaited; everything else goes to the usual intake, if there is one for this caller."""

    awaited: Awaited
    usual: Intake | None = None
    admission: Admission | None = None

    def open(self, association: AssociationFacts) -> "AwaitedSession":
        """Begin to take in what one association brings."""
        usual = self.usual
        if usual is not None and self.admission is not None:
            # A target that was let in for a comparison only may not store here.
            refusal = self.admission.accept(association.calling, association.called, association.host)
            usual = usual if refusal is None else None
        return AwaitedSession(self.awaited, association, usual)


class AwaitedSession:
    """One association's way to a comparison, or past it into the landing log."""

    def __init__(self, awaited: Awaited, association: AssociationFacts, usual: Intake | None) -> None:
        self._awaited = awaited
        self._association = association
        self._usual = usual
        self._session: IntakeSession | None = None
        self._coming: Coming | None = None
        self._spool: Spool | None = None

    def begin(self, command: StoreCommand) -> DataSetSink:
        """Make room for the data set of one instance."""
        self._coming = self._awaited.belongs(command, self._association.called)
        if self._coming is not None:
            self._spool = Spool(self._awaited.spool)
            return self._spool
        if self._session is None:
            if self._usual is None:
                raise NotAskedFor(instance=command.sop_instance)
            self._session = self._usual.open(self._association)
        return self._session.begin(command)

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> Ticket:
        """Compare the instance, or take it in."""
        if self._coming is None:
            assert self._session is not None, "an instance was begun"
            return self._session.finish(sop_class, sop_instance, transfer_syntax, move_originator)
        coming, spool = self._coming, self._spool
        assert spool is not None, "an instance was begun"
        try:
            coming.take(Version(sop_class, sop_instance, transfer_syntax, spool.source()))
        finally:
            self._forget()
        return coming

    def commit(self) -> None:
        """Make durable what is to be kept."""
        if self._session is not None:
            self._session.commit()

    def abandon(self) -> None:
        """Drop the unfinished instance."""
        if self._coming is not None:
            self._forget()
        elif self._session is not None:
            self._session.abandon()

    def close(self) -> None:
        """End the session."""
        self._forget()
        if self._session is not None:
            self._session.close()

    def _forget(self) -> None:
        if self._spool is not None:
            self._spool.close()
        self._coming = self._spool = None


class RecoveryDoor:
    """A listener that lives as long as the recovery, where no `serve` listens; it lets in what was asked for only."""

    def __init__(self, awaited: Awaited, settings: DicomSettings, clock: Clock) -> None:
        self.awaited = awaited
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._listener: Listener | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.stop(GRACE)

    def open(self) -> None:
        """See that somebody listens.

        Raises:
            CannotListen: the port is taken by another program.
        """
        with self._lock:
            if self.awaited.is_served or self._listener is not None:
                return
            house = House(AwaitedIntake(self.awaited), AwaitedAdmission(self.awaited), Unobserved())
            listener = Listener(ListenerSettings(self._settings.port, self._settings.bind), house, self._clock)
            listener.start()
            self._listener = listener
