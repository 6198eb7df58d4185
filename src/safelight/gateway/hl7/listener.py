"""The listener of the HL7 door: one thread accepts, one thread a connection takes its messages, for days.

Whatever one read brings is made durable together and answered in order. What cannot be made durable is not
answered: the connection is closed, and a sender that stores and forwards sends again.
"""

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import PeerError, ResourceError
from safelight.gateway.doorway import Doorway
from safelight.gateway.hl7.ports import MessageIntake, Received, Reception, SenderWatch
from safelight.wire.hl7.acknowledgment import ErrorCode, Identity, Verdict, answer, refusal_without_header
from safelight.wire.hl7.header import Header, UnreadableHeader, read_fields
from safelight.wire.hl7.mllp import (
    FRAME_BYTES_MAX,
    FramedMessage,
    FrameEvent,
    MllpFramer,
    OversizedFrame,
    StrayBytes,
    frame,
)

_READ_BYTES: Final = 256 * 1024
_PROBE_AFTER_SECONDS: Final = 60


class CannotListenForMessages(ResourceError):
    """The port for HL7 is taken, or the address is not ours."""

    code: ClassVar[str] = "gateway.hl7-cannot-listen"
    hint: ClassVar[str] = "Find who holds the port (ss -ltnp), or set another one under [gateway.hl7]."


class SenderNotAdmitted(PeerError):
    """A host that may not send messages here tried to, or one came on too many connections."""

    code: ClassVar[str] = "gateway.hl7-sender-not-admitted"
    hint: ClassVar[str] = "If it is yours, name its address under senders in [gateway.hl7], or raise connections_max."


@dataclass(frozen=True, slots=True)
class MessageListenerSettings:
    """Where we listen, for whom, and who we say we are."""

    port: int
    """0 lets the system choose: for tests."""
    bind: str = "0.0.0.0"  # noqa: S104  # Interface engines are on other hosts; senders narrows it.
    senders: tuple[str, ...] = ()
    """Addresses that may send; empty for all."""
    connections_max: int = 128
    frame_bytes_max: int = FRAME_BYTES_MAX
    application: str = "SAFELIGHT"
    facility: str = ""


class MessageListener:
    """Takes messages over persistent connections until it is stopped."""

    def __init__(
        self, settings: MessageListenerSettings, intake: MessageIntake, watch: SenderWatch, clock: Clock
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._watch = watch
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[socket.socket, threading.Thread] = {}
        try:
            self._doorway = Doorway(settings.bind, settings.port, "hl7-listener", self._begin)
        except OSError as error:
            raise CannotListenForMessages(bind=settings.bind, port=settings.port, error=error.strerror or "") from error

    @property
    def port(self) -> int:
        """The port we listen at."""
        return self._doorway.port

    @property
    def connections(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._running)

    def start(self) -> None:
        """Begin to accept."""
        self._doorway.open()

    def stop(self, grace: timedelta) -> None:
        """Read no more; what was read is still made durable and answered, for as long as ``grace``."""
        self._doorway.close()
        with self._lock:
            running = dict(self._running)
        for connected in running:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RD)
        deadline = self._clock.elapsed() + grace
        for connected, thread in running.items():
            thread.join(max(0.0, (deadline - self._clock.elapsed()).total_seconds()))
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _begin(self, connected: socket.socket, host: str) -> None:
        settings = self._settings
        with self._lock:
            full = len(self._running) >= settings.connections_max
            admitted = not settings.senders or host in settings.senders
            if admitted and not full:
                thread = threading.Thread(target=self._serve, args=(connected, host), name=f"hl7-{host}", daemon=True)
                self._running[connected] = thread
        if not admitted or full:
            connected.close()
            self._watch.failed(host, SenderNotAdmitted(host=host, connections=self.connections))
            return
        thread.start()

    def _serve(self, connected: socket.socket, host: str) -> None:
        try:
            with connected:
                _keep_alive(connected)
                self._converse(connected, host)
        except OSError:
            # The peer went away in its middle; what it was answered for is durable.
            pass
        except Exception as error:  # noqa: BLE001 - this door's one place: the connection ends, the door stays open
            self._watch.failed(host, error)
        finally:
            with self._lock:
                del self._running[connected]

    def _converse(self, connected: socket.socket, host: str) -> None:
        framer = MllpFramer(self._settings.frame_bytes_max)
        buffer = bytearray(_READ_BYTES)
        view = memoryview(buffer)
        while count := connected.recv_into(buffer):
            self._settle(framer.receive(view[:count]), connected, host)
        self._settle(framer.end(), connected, host)

    def _settle(self, events: Sequence[FrameEvent], connected: socket.socket, host: str) -> None:
        if not events:
            return
        now = self._clock.now()
        read = [_read(event) for event in events]
        numbers = self._intake.take([Received(reception, now, host, raw) for reception, raw, _ in read])
        # Only now is anything promised.
        answers = [
            frame(told)
            for number, (reception, _, header) in zip(numbers, read, strict=True)
            if (told := self._answer(number, reception, header)) is not None
        ]
        if answers:
            connected.sendall(b"".join(answers))

    def _answer(self, number: int, reception: Reception, header: Header | None) -> bytes | None:
        settings = self._settings
        we = Identity(
            settings.application.encode(), settings.facility.encode(), f"SL{number}".encode(), self._clock.now()
        )
        match reception:
            case Reception.MESSAGE:
                assert header is not None
                return answer(header, Verdict.ACCEPT, we)
            case Reception.UNREADABLE if header is not None:
                return answer(header, Verdict.REJECT, we, ErrorCode.REQUIRED_FIELD)
            case Reception.OVERSIZED if header is not None:
                return answer(header, Verdict.REJECT, we, ErrorCode.APPLICATION)
            case Reception.UNREADABLE | Reception.OVERSIZED:
                return refusal_without_header(we)
        # Whoever gave a block up does not wait for an answer; one would be taken for that to another message.
        return None


def _read(event: FrameEvent) -> tuple[Reception, bytes, Header | None]:
    if isinstance(event, StrayBytes):
        return Reception.STRAY, event.raw, None
    if isinstance(event, OversizedFrame):
        return Reception.OVERSIZED, event.head, _fields(event.head)
    if isinstance(event, FramedMessage):
        header = _fields(event.raw)
        is_message = header is not None and header.names_message
        return (Reception.MESSAGE if is_message else Reception.UNREADABLE), event.raw, header
    return Reception.UNTERMINATED, event.raw, None


def _fields(raw: bytes) -> Header | None:
    """Return what can be read of a header: its sender is answered in the mode that it asks for, known or not."""
    try:
        return read_fields(raw)
    except UnreadableHeader:
        return None


def _keep_alive(connected: socket.socket) -> None:
    """Answer at once, and notice in minutes when a silent peer is gone: connections last for days without a word."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_SECONDS)
