"""A home with an HL7 door in this process, senders and receivers on real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from safelight.core.disk import RealDisk
from safelight.core.names import AETitle
from safelight.site.founding import Founding, found
from safelight.site.hl7_destinations import Destination, name_destination
from safelight.site.hl7_door import MessageDoor
from safelight.site.home import Home, locked
from safelight.site.opened import Site
from safelight.wire.hl7.header import read_header
from safelight.wire.hl7.mllp import FramedMessage, MllpFramer, frame
from support.crash_site import PackingHere
from support.served_home import free_port


def order(
    number: int | str,
    patient: str = "77",
    event: str = "ORM^O01",
    sender: str = "RIS",
    more: str = "",
    version: str = "2.3.1",
) -> bytes:
    """Return an invented message with this control id."""
    return (
        f"MSH|^~\\&|{sender}|H|PACS|H|20260301||{event}|{number}|P|{version}\r"
        f"PID|1||{patient}^^^H||Invented^Person\rORC|NW|P{number}|F{number}||SC\r{more}"
    ).encode()


def make_home(folder: Path, port: int = 0, *, dicom_port: int = 11112) -> Home:
    """Make a home in the folder; where it is served, it listens for messages and DICOM at these ports."""
    made = found(Founding(folder / "home", "Test", AETitle.parse("HERE"), dicom_port, accept_any=True, hl7_port=port))
    return made.home


@contextmanager
def opened(home: Home) -> Iterator[Site]:
    """Open a home without packers."""
    with ExitStack() as stack:
        stack.enter_context(locked(home))
        site = Site(home, stack, quiet=True, packing=PackingHere(RealDisk()))
        site.arrivals.start()
        yield site
        site.close()


@dataclass
class House:
    """A home that is served as far as messages go."""

    site: Site
    door: MessageDoor

    @property
    def port(self) -> int:
        """Where it listens for messages."""
        assert self.door.listener is not None
        return self.door.listener.port

    def sender(self) -> "Sender":
        """Connect to it."""
        return Sender(self.port)

    def settle(self) -> None:
        """Return when all that was answered is in the journal."""
        self.door.journaling.settle()


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Serve the home in the folder; it is made if there is none."""
    directory = folder / "home"
    home = Home.at(directory) if directory.exists() else make_home(folder, free_port())
    with opened(home) as site:
        door = MessageDoor(site)
        door.start()
        try:
            yield House(site, door)
        finally:
            door.stop()


class Sender:
    """An interface engine's side of one connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = MllpFramer()
        self._answers: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, message: bytes) -> bytes:
        """Send one message and return its answer."""
        self.socket.sendall(frame(message))
        return self.answer()

    def answer(self) -> bytes:
        """Return the next answer.

        Raises:
            ConnectionResetError: there is none, the other side hung up.
        """
        while not self._answers:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError
            self._answers += [event.raw for event in self._framer.receive(data) if isinstance(event, FramedMessage)]
        return self._answers.pop(0)

    def said(self, message: bytes) -> str:
        """Send one message and return MSA-1 of its answer."""
        return code_of(self.send(message))


def code_of(answer: bytes) -> str:
    """Return MSA-1."""
    line = next(line for line in answer.split(b"\r") if line.startswith(b"MSA"))
    return line.split(b"|")[1].decode()


Verdict = Callable[[bytes, int], bytes | None]
"""What a receiver says to a message that came so many times before; None to hang up."""


def accept(raw: bytes, _times: int) -> bytes:
    """Say AA."""
    return acknowledge(raw, "AA")


def acknowledge(raw: bytes, code: str) -> bytes:
    """Return an answer with this code."""
    return (
        b"MSH|^~\\&|PACS|H|SAFELIGHT|H|2026||ACK|9|P|2.3.1\rMSA|" + code.encode() + b"|" + read_header(raw).control_id
    )


@dataclass
class Receiver:
    """A destination on a real socket that notes what it gets."""

    verdict: Verdict = accept
    port: int = field(default_factory=free_port)
    got: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._times: dict[bytes, int] = {}
        self._sockets: list[socket.socket] = []
        self._listening: socket.socket | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Listen."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Listen no more and hang up."""
        assert self._listening is not None
        for one in (self._listening, *self._sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def controls(self) -> list[str]:
        """Return the control ids that came, in order."""
        with self._changed:
            return [read_header(raw).control_id.decode() for raw in self.got]

    def wait_for(self, count: int) -> list[str]:
        """Return the control ids once so many messages came."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, 30), f"only {len(self.got)} of {count} came"
        return self.controls()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            self._sockets.append(connected)
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        framer = MllpFramer()
        with connected:
            while True:
                try:
                    data = connected.recv(65536)
                    if not data or not self._take(connected, framer, data):
                        return
                except OSError:
                    return

    def _take(self, connected: socket.socket, framer: MllpFramer, data: bytes) -> bool:
        for event in framer.receive(data):
            assert isinstance(event, FramedMessage)
            with self._changed:
                times = self._times.get(event.raw, 0)
                self._times[event.raw] = times + 1
                self.got.append(event.raw)
                self._changed.notify_all()
            told = self.verdict(event.raw, times)
            if told is None:
                return False
            connected.sendall(frame(told))
        return True


def send_to(home: Home, receiver: Receiver, name: str = "PACS", **more: object) -> None:
    """Make a receiver a destination of a home."""
    made = Destination.parse(name, f"127.0.0.1:{receiver.port}", **more)
    name_destination(RealDisk(), home.destinations, made)
