"""A wire between a sender and a door that writes down what passes."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MESSAGE_ID: Final = 0x0110
RESPONDED_TO: Final = 0x0120
DATA_SET_TYPE: Final = 0x0800
NO_DATA_SET: Final = 0x0101
STATUS: Final = 0x0900
COMMAND: Final = 1
LAST: Final = 2


@dataclass
class _Passed:
    """What passed over one connection, each way."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


class Tap:
    """A wire between a sender and the door that writes down the data sets that pass, and how they were answered."""

    def __init__(self, door: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._door = door
        self._passed: list[_Passed] = []
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sender, _ = self._listening.accept()
            except OSError:
                return
            passed = _Passed()
            self._passed.append(passed)
            thread = threading.Thread(target=self._connect, args=(sender, passed), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _connect(self, sender: socket.socket, passed: _Passed) -> None:
        with sender, socket.create_connection(("127.0.0.1", self._door)) as door:
            back = threading.Thread(target=_pass, args=(door, sender, passed.answered), daemon=True)
            back.start()
            _pass(sender, door, passed.sent)
            back.join()

    def data_sets(self) -> dict[str, int]:
        """Return the SHA-256 of every data set that passed whole, with the status that it was answered with.

        Source: PS3.8 section 9.3.5 and Annex E, PS3.7 section 9.3.1.
        """
        # Closing alone does not wake who waits for a connection.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(30)
        return dict(pair for passed in self._passed for pair in _answered(passed))


def _pass(source: socket.socket, target: socket.socket, copy: bytearray) -> None:
    try:
        while piece := source.recv(65536):
            copy += piece
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The sender went away without a word, or the door did: the other side shall hear of it.
        target.close()


def _answered(passed: _Passed) -> Iterator[tuple[str, int]]:
    answers = {command[RESPONDED_TO]: command[STATUS] for command, _ in _messages(bytes(passed.answered))}
    for command, data_set in _messages(bytes(passed.sent)):
        if data_set:
            yield hashlib.sha256(data_set).hexdigest(), answers[command[MESSAGE_ID]]


def _messages(stream: bytes) -> Iterator[tuple[dict[int, int], bytes]]:
    """Give the numbers of each command, with the data set that follows it if one does."""
    numbers: dict[int, int] = {}
    gathered = b""
    for control, fragment in _fragments(stream):
        gathered += fragment
        if not control & LAST:
            continue
        whole, gathered = gathered, b""
        if not control & COMMAND:
            yield numbers, whole
        else:
            numbers = _numbers(whole)
            if numbers[DATA_SET_TYPE] == NO_DATA_SET:
                yield numbers, b""


def _fragments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 6 <= len(stream):
        kind, length = stream[at], int.from_bytes(stream[at + 2 : at + 6], "big")
        body, at = stream[at + 6 : at + 6 + length], at + 6 + length
        place = 0
        while kind == 4 and place < len(body):
            size = int.from_bytes(body[place : place + 4], "big")
            yield body[place + 5], body[place + 6 : place + 4 + size]
            place += 4 + size


def _numbers(command: bytes) -> dict[int, int]:
    """Return the elements of a command that are short numbers, by element."""
    found, at = {}, 0
    while at < len(command):
        element = int.from_bytes(command[at + 2 : at + 4], "little")
        length = int.from_bytes(command[at + 4 : at + 8], "little")
        if length == 2:
            found[element] = int.from_bytes(command[at + 8 : at + 10], "little")
        at += 8 + length
    return found
