"""A line to a peer that kills whoever uses it, at an answer of the peer that a test chooses.

The peer has done what it was asked when it answers. Killed before the answer is handed on, nobody here heard of it;
killed right after, it may be recorded or not. In between lies what no power cut at a write can reach.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self

from safelight.wire.dicom.dimse import CommandField


class Killed(Enum):
    """On which side of the answer."""

    BEFORE = "before it is handed on"
    AFTER = "after it was handed on"


def response(field: CommandField) -> bytes:
    """Return how a DICOM response of this kind is told on the wire. Source: PS3.7 section 6.3.1."""
    return b"\x00\x00\x00\x01\x02\x00\x00\x00" + int(field).to_bytes(2, "little")


ACKNOWLEDGED = b"\rMSA|AA|"
"""How an HL7 receiver says that it has a message."""


class KillingRelay:
    """The line, as a port of its own in front of the peer's."""

    def __init__(self, peer_port: int) -> None:
        self.killed = threading.Event()
        self._peer_port = peer_port
        self._lock = threading.Lock()
        self._left = 0
        self._answer = b""
        self._killed = Killed.BEFORE
        self._kill: Callable[[], None] = lambda: None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._sockets = [self._listening]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def kill_at(self, answer: bytes, number: int, killed: Killed, kill: Callable[[], None]) -> None:
        """Kill, once, at the answer of this kind that is the number-th from now on."""
        with self._lock:
            self._answer, self._left, self._killed, self._kill = answer, number, killed, kill
            self.killed.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                peer = socket.create_connection(("127.0.0.1", self._peer_port), 20)
                peer.settimeout(None)
                self._sockets += [client, peer]
                threading.Thread(target=self._ask, args=(client, peer), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(client, peer), daemon=True).start()

    def _ask(self, client: socket.socket, peer: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                peer.sendall(data)
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)

    def _hand_on(self, client: socket.socket, peer: socket.socket) -> None:
        before = b""
        with suppress(OSError):
            while data := peer.recv(65536):
                is_due = self._is_due(before + data)
                before = (before + data)[-(len(self._answer) - 1) :] if len(self._answer) > 1 else b""
                if is_due and self._killed is Killed.BEFORE:
                    self._kill_now()
                    return
                client.sendall(data)
                if is_due:
                    self._kill_now()
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _is_due(self, seen: bytes) -> bool:
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= seen.count(self._answer)
            return self._left <= 0

    def _kill_now(self) -> None:
        self._kill()
        self.killed.set()
