"""A storage sender that shares no code with Safelight and remembers every answer it got.

It builds small instances in memory, sends them over one association and calls back for each answer. Fault campaigns
kill the receiver under it. Source: PS3.8 section 9.3, PS3.7 section 9.3.1.
"""

import hashlib
import random
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
ASSOCIATE_RQ, ASSOCIATE_AC, DATA, RELEASE_RQ = 1, 2, 4, 5
LAST_COMMAND, LAST_DATA = 3, 2
WINDOW_WANTED = 16


@dataclass(frozen=True, slots=True)
class RawInstance:
    """One invented CT slice, ready to be sent."""

    uid: str
    study: str
    data: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the data set: the name under which it must be held."""
        return hashlib.sha256(self.data).hexdigest()


def _padded(value: bytes, fill: bytes) -> bytes:
    return value + fill * (len(value) % 2)


def _element(group: int, element: int, kind: bytes, value: bytes) -> bytes:
    value = _padded(value, b"\0" if kind in (b"UI", b"OW") else b" ")
    if kind == b"OW":
        return struct.pack("<HH2sxxI", group, element, kind, len(value)) + value
    return struct.pack("<HH2sH", group, element, kind, len(value)) + value


def make_instance(study: str, series: int, number: int, side: int, dice: random.Random) -> RawInstance:
    """Return a slice of ``side`` by ``side`` pixels whose content depends on the dice."""
    uid = f"{study}.{series}.{number}"
    row = [dice.randrange(4096) for _ in range(side)]
    pixels = b"".join(struct.pack(f"<{side}H", *((value + line * 3) % 4096 for value in row)) for line in range(side))
    parts = [
        _element(0x0008, 0x0016, b"UI", CT_IMAGE),
        _element(0x0008, 0x0018, b"UI", uid.encode()),
        _element(0x0008, 0x0020, b"DA", b"20260301"),
        _element(0x0008, 0x0030, b"TM", b"101500"),
        _element(0x0008, 0x0060, b"CS", b"CT"),
        _element(0x0010, 0x0010, b"PN", b"Soak^Invented"),
        _element(0x0010, 0x0020, b"LO", b"SOAK1"),
        _element(0x0020, 0x000D, b"UI", study.encode()),
        _element(0x0020, 0x000E, b"UI", f"{study}.{series}".encode()),
        _element(0x0020, 0x0013, b"IS", str(number).encode()),
        _element(0x0028, 0x0002, b"US", struct.pack("<H", 1)),
        _element(0x0028, 0x0004, b"CS", b"MONOCHROME2"),
        _element(0x0028, 0x0010, b"US", struct.pack("<H", side)),
        _element(0x0028, 0x0011, b"US", struct.pack("<H", side)),
        _element(0x0028, 0x0100, b"US", struct.pack("<H", 16)),
        _element(0x0028, 0x0101, b"US", struct.pack("<H", 12)),
        _element(0x0028, 0x0102, b"US", struct.pack("<H", 11)),
        _element(0x0028, 0x0103, b"US", struct.pack("<H", 0)),
        _element(0x7FE0, 0x0010, b"OW", pixels),
    ]
    return RawInstance(uid, study, b"".join(parts))


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _associate_request(called: str) -> bytes:
    context = b"\x01\0\0\0" + _item(0x30, CT_IMAGE) + _item(0x40, EXPLICIT_LITTLE_ENDIAN)
    user = _item(0x51, struct.pack(">I", 65536)) + _item(0x52, b"2.25.78")
    user += _item(0x53, struct.pack(">HH", WINDOW_WANTED, 1))
    body = struct.pack(">Hxx16s16s32x", 1, called.ljust(16).encode(), b"SOAKSENDER".ljust(16))
    return _pdu(ASSOCIATE_RQ, body + _item(0x10, APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user))


def _command(number: int, instance: RawInstance) -> bytes:
    fields = [
        (0x0002, _padded(CT_IMAGE, b"\0")),
        (0x0100, struct.pack("<H", 0x0001)),
        (0x0110, struct.pack("<H", number)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 0)),
        (0x1000, _padded(instance.uid.encode(), b"\0")),
    ]
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in fields)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _fragments(payload: bytes, last: int, piece: int) -> Iterable[bytes]:
    kind = last & 1
    for place in range(0, len(payload), piece):
        part = payload[place : place + piece]
        control = last if place + piece >= len(payload) else kind
        yield _pdu(DATA, struct.pack(">IBB", len(part) + 2, 1, control) + part)


class Refused(Exception):
    """The receiver did not accept the association."""


class RawAssociation:
    """One association that offers CT images and counts what is still unanswered."""

    def __init__(self, port: int, called: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_associate_request(called))
        try:
            kind, body = self._read()
        except OSError:
            self._socket.close()
            raise
        if kind != ASSOCIATE_AC:
            self._socket.close()
            raise Refused(f"PDU {kind}")
        self.window, self._piece = self._agreed(body)
        self._open: dict[int, RawInstance] = {}
        self._number = 0

    @staticmethod
    def _agreed(body: bytes) -> tuple[int, int]:
        """Return how many messages may be unanswered, and the size of a fragment."""
        window, piece, place = 1, 16378, 68
        while place + 4 <= len(body):
            kind, length = struct.unpack_from(">BxH", body, place)
            value = body[place + 4 : place + 4 + length]
            if kind == 0x51:
                piece = min(struct.unpack(">I", value)[0] or 131072, 131072) - 6
            elif kind == 0x53:
                window = max(1, min(struct.unpack(">HH", value)[0] or WINDOW_WANTED, WINDOW_WANTED))
            place += 4 if kind == 0x50 else 4 + length
        return window, piece

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("closed by the receiver")
            parts += part
        return bytes(parts)

    def _read(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def send(self, instances: Iterable[RawInstance], answered: Callable[[RawInstance, int], None]) -> None:
        """Send all; ``answered`` gets each instance with the status of its answer.

        Raises:
            OSError: the connection broke; what was not answered is not promised.
        """
        for instance in instances:
            while len(self._open) >= self.window:
                self._take_answer(answered)
            self._number = self._number % 65535 + 1
            self._open[self._number] = instance
            for payload, last in ((_command(self._number, instance), LAST_COMMAND), (instance.data, LAST_DATA)):
                for pdu in _fragments(payload, last, self._piece):
                    self._socket.sendall(pdu)
        self.drain(answered)

    def drain(self, answered: Callable[[RawInstance, int], None]) -> None:
        """Wait for every answer that is still missing."""
        while self._open:
            self._take_answer(answered)

    def _take_answer(self, answered: Callable[[RawInstance, int], None]) -> None:
        kind, body = self._read()
        if kind != DATA:
            raise ConnectionResetError(f"PDU {kind} instead of an answer")
        command, found, place = body[6:], {}, 0
        while place + 8 <= len(command):
            _, element, length = struct.unpack_from("<HHI", command, place)
            found[element] = command[place + 8 : place + 8 + length]
            place += 8 + length
        instance = self._open.pop(struct.unpack("<H", found[0x0120])[0])
        answered(instance, struct.unpack("<H", found[0x0900])[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ask for release, unless the connection broke, and hang up."""
        with self._socket:
            if kind is None:
                self._socket.sendall(_pdu(RELEASE_RQ, b"\0\0\0\0"))
