"""A door with a house of memory behind it, for tests that speak DICOM over real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from safelight.core.clock import SystemClock
from safelight.core.errors import SafelightError
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.association import House, ServiceSettings
from safelight.gateway.dicom.client import Outgoing
from safelight.gateway.dicom.ports import (
    Admission,
    AssociationFacts,
    CallerSeen,
    EveryCaller,
    MoveOriginator,
    Occasion,
    StoreCommand,
)
from safelight.gateway.dicom.server import Listener, ListenerSettings

TITLE = AETitle("SAFELIGHT")
CALLER = AETitle("MODALITY")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE_CLASS = "1.2.826.0.1.3680043.9.9999.1"
EXPLICIT = "1.2.840.10008.1.2.1"
PRIVATE_SYNTAX = "1.2.826.0.1.3680043.9.9999.2"


@dataclass
class Taken:
    """One instance that was taken in."""

    command: StoreCommand
    data: bytes
    originator: MoveOriginator | None
    association: AssociationFacts
    is_durable: bool = False


class MemorySession:
    def __init__(self, intake: "MemoryIntake", association: AssociationFacts) -> None:
        self._intake = intake
        self._association = association
        self._command: StoreCommand | None = None
        self._data = bytearray()
        self._page = bytearray(intake.page_bytes)
        self._uncommitted: list[Taken] = []

    def begin(self, command: StoreCommand) -> "MemorySession":
        self._intake.fail_at("begin")
        self._command = command
        self._data = bytearray()
        return self

    def room(self) -> memoryview:
        self._intake.fail_at("room")
        return memoryview(self._page)

    def filled(self, count: int) -> None:
        self._intake.fail_at("filled")
        self._data += memoryview(self._page)[:count]

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> object:
        self._intake.fail_at("finish")
        command = StoreCommand(sop_class, sop_instance, transfer_syntax, move_originator)
        assert command == self._command
        taken = Taken(command, bytes(self._data), move_originator, self._association)
        self._command = None
        self._uncommitted.append(taken)
        return taken

    def commit(self) -> None:
        self._intake.fail_at("commit")
        with self._intake.lock:
            self._intake.commits += 1
            for taken in self._uncommitted:
                taken.is_durable = True
                self._intake.taken.append(taken)
        self._uncommitted = []

    def abandon(self) -> None:
        assert self._command is not None
        self._command = None
        with self._intake.lock:
            self._intake.abandoned += 1

    def close(self) -> None:
        with self._intake.lock:
            self._intake.closed += 1


@dataclass
class MemoryIntake:
    """Takes in everything, and fails where it is told to, as often as it is told to."""

    taken: list[Taken] = field(default_factory=list)
    failures: dict[str, list[SafelightError | None]] = field(default_factory=dict)
    commits: int = 0
    abandoned: int = 0
    opened: int = 0
    closed: int = 0
    page_bytes: int = 262_144
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, association: AssociationFacts) -> MemorySession:
        self.fail_at("open")
        with self.lock:
            self.opened += 1
        return MemorySession(self, association)

    def fail_at(self, place: str) -> None:
        """Raise what was put down for the next call at ``place``; None lets one call pass."""
        waiting = self.failures.get(place)
        if waiting:
            error = waiting.pop(0)
            if error is not None:
                raise error


class Notebook:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.seen: list[CallerSeen] = []
        self._change = threading.Condition()

    def observe(self, seen: CallerSeen) -> None:
        with self._change:
            self.seen.append(seen)
            self._change.notify_all()

    def wait_for(self, occasion: Occasion, count: int = 1) -> list[CallerSeen]:
        """Return the notes of one occasion as soon as there are ``count``."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.of(occasion)) >= count, timeout=20), self.seen
            return self.of(occasion)

    def of(self, occasion: Occasion) -> list[CallerSeen]:
        return [seen for seen in self.seen if seen.occasion is occasion]


@dataclass
class Door:
    listener: Listener
    intake: MemoryIntake
    notes: Notebook

    @property
    def peer(self) -> Peer:
        return Peer(TITLE, "127.0.0.1", self.listener.port)


@contextmanager
def open_door(
    *,
    admission: Admission | None = None,
    service: ServiceSettings | None = None,
    associations_max: int = 64,
    per_host_max: int = 32,
    intake: MemoryIntake | None = None,
) -> Iterator[Door]:
    service = service or ServiceSettings()
    service = replace(service, artim=min(service.artim, timedelta(seconds=5)))
    intake, notes = intake or MemoryIntake(), Notebook()
    settings = ListenerSettings(
        port=0,
        bind="127.0.0.1",
        associations_max=associations_max,
        associations_per_host_max=per_host_max,
        service=service,
    )
    listener = Listener(settings, House(intake, admission or EveryCaller(), notes), SystemClock())
    listener.start()
    try:
        yield Door(listener, intake, notes)
    finally:
        listener.stop(timedelta(seconds=5))


def outgoing(number: int, data: bytes, sop_class: str = CT_IMAGE, transfer_syntax: str = EXPLICIT) -> Outgoing:
    return Outgoing(sop_class, f"1.2.826.0.1.3680043.9.9999.3.{number}", transfer_syntax, MemorySource(data))
