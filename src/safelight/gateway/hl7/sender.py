"""Delivering messages to one destination over one persistent connection, one after the other."""

import contextlib
import socket
from datetime import timedelta
from typing import ClassVar, Final, Self

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.wire.hl7.acknowledgment import Acknowledged, read_acknowledgment
from safelight.wire.hl7.header import UnreadableHeader
from safelight.wire.hl7.mllp import FramedMessage, MllpFramer, frame

_READ_BYTES: Final = 64 * 1024
_ANSWER_BYTES_MAX: Final = 2**20


class DestinationUnreachable(PeerError):
    """A destination of messages does not accept a connection, or closed it before it answered."""

    code: ClassVar[str] = "gateway.hl7-destination-unreachable"
    hint: ClassVar[str] = (
        "Messages wait in order and nothing is lost. See that the receiver listens where we were told."
    )


class DestinationSilent(PeerError):
    """A destination took a message and gave no answer in time."""

    code: ClassVar[str] = "gateway.hl7-destination-silent"
    hint: ClassVar[str] = (
        "The message is sent again with the same control id. Ask the receiver's owner whether it works."
    )


class AnswerUnreadable(PeerError):
    """A destination answered something that is no acknowledgment."""

    code: ClassVar[str] = "gateway.hl7-answer-unreadable"
    hint: ClassVar[str] = "Ask the receiver's owner what it answers; the message is tried again and then set aside."


class MessageSender:
    """One connection to a destination; it is made when needed and made again after a failure."""

    def __init__(self, host: str, port: int, clock: Clock, connect: timedelta, answer: timedelta) -> None:
        self._address = (host, port)
        self._clock = clock
        self._connect = connect
        self._answer = answer
        self._connection: socket.socket | None = None
        self._framer = MllpFramer(_ANSWER_BYTES_MAX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def interrupt(self) -> None:
        """Make a delivery under way fail at once; may be called by another thread."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def deliver(self, raw: bytes, control_id: bytes) -> Acknowledged:
        """Send a message and return what the destination says to it.

        Raises:
            DestinationUnreachable, DestinationSilent, AnswerUnreadable: it said nothing that can be understood.
        """
        try:
            connection = self._connected()
            connection.sendall(frame(raw))
            return self._await(connection, control_id)
        except TimeoutError as error:
            self.close()
            raise DestinationSilent(**self._facts()) from error
        except OSError as error:
            self.close()
            raise DestinationUnreachable(error=error.strerror or type(error).__name__, **self._facts()) from error
        except PeerError:
            self.close()
            raise

    def _facts(self) -> dict[str, str | int]:
        return {"host": self._address[0], "port": self._address[1]}

    def _connected(self) -> socket.socket:
        if self._connection is not None and _is_hung_up(self._connection):
            self.close()
        if self._connection is None:
            try:
                connection = socket.create_connection(self._address, self._connect.total_seconds())
            except TimeoutError as error:
                raise DestinationUnreachable(error="timed out", **self._facts()) from error
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._framer = MllpFramer(_ANSWER_BYTES_MAX)
            self._connection = connection
        self._connection.settimeout(self._answer.total_seconds())
        return self._connection

    def _await(self, connection: socket.socket, control_id: bytes) -> Acknowledged:
        deadline = self._clock.elapsed() + self._answer
        while True:
            left = (deadline - self._clock.elapsed()).total_seconds()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            data = connection.recv(_READ_BYTES)
            if not data:
                raise ConnectionResetError("hung up before it answered")
            for event in self._framer.receive(data):
                if not isinstance(event, FramedMessage):
                    continue
                answer = self._read(event.raw)
                # An answer to another message is a late one, from before a timeout: it says nothing of this one.
                # One without a name can only mean the message that is under way.
                if answer.control_id.strip() in (control_id.strip(), b""):
                    return answer

    def _read(self, raw: bytes) -> Acknowledged:
        try:
            return read_acknowledgment(raw)
        except UnreadableHeader as error:
            raise AnswerUnreadable(size_bytes=len(raw), **self._facts()) from error


def _is_hung_up(connection: socket.socket) -> bool:
    """Say whether the peer closed a connection that was left idle: a message sent now would be lost, and waited for."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
