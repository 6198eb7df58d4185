"""A client that asks and counts, and drops what comes. It shares no code with Safelight, like `bench.sink`.

``python -m bench.asking PORT TITLE`` with a JSON list of requests on standard input, each of them ``{"ask": "find" |
"worklist" | "get" | "move", "keys": {...}, "syntax": "...", "to": "..."}``; it prints as JSON for each request its
seconds, the data sets that came, and the last status.
"""

import json
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from pydicom import dcmwrite
from pydicom.dataset import Dataset

from bench.sink import DATA, PDU_BYTES_MAX, RELEASE_RQ, answer, elements, item

MODELS = {
    "find": ("1.2.840.10008.5.1.4.1.2.2.1", 0x0020),
    "get": ("1.2.840.10008.5.1.4.1.2.2.3", 0x0010),
    "move": ("1.2.840.10008.5.1.4.1.2.2.2", 0x0021),
    "worklist": ("1.2.840.10008.5.1.4.31", 0x0020),
}
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ASSOCIATE_RQ = 1
C_STORE_RQ = 0x0001
PENDING = (0xFF00, 0xFF01)


def _request(title: str, models: Sequence[str], syntax: str) -> bytes:
    """Return the A-ASSOCIATE-RQ: a context for each model, and one for CT images that we take as SCP."""
    contexts = b""
    for number, (model, taken) in enumerate([*((one, EXPLICIT) for one in models), (CT_IMAGE, syntax)]):
        body = bytes((2 * number + 1, 0, 0, 0)) + item(0x30, model.encode()) + item(0x40, taken.encode())
        contexts += item(0x20, body)
    role = struct.pack(">H", len(CT_IMAGE)) + CT_IMAGE.encode() + b"\0\1"
    user = item(0x51, struct.pack(">I", PDU_BYTES_MAX)) + item(0x52, b"2.25.77") + item(0x54, role)
    head = struct.pack(">HH16s16s32x", 1, 0, title.encode().ljust(16), b"BENCH".ljust(16))
    body = head + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + item(0x50, user)
    return struct.pack(">BxI", ASSOCIATE_RQ, len(body)) + body


def _identifier(keys: Mapping[str, Any]) -> bytes:
    made = Dataset()
    for keyword, value in keys.items():
        nested = [_dataset(one) for one in value] if isinstance(value, list) else value
        setattr(made, keyword, nested)
    out = BytesIO()
    dcmwrite(out, made, implicit_vr=False, little_endian=True)
    return out.getvalue()


def _dataset(keys: Mapping[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def _message(context: int, field: int, model: str, identifier: bytes, to: str) -> bytes:
    """Return command and identifier in one PDU. Source: PS3.7 section 9.3."""
    values = [
        (0x0002, model.encode() + b"\0" * (len(model) % 2)),
        (0x0100, struct.pack("<H", field)),
        (0x0110, b"\1\0"),
        *([(0x0600, to.encode().ljust(16))] if to else []),
        (0x0700, b"\0\0"),
        (0x0800, b"\0\0"),
    ]
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in values)
    body = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    pdvs = struct.pack(">IBB", len(body) + 2, context, 3) + body
    pdvs += struct.pack(">IBB", len(identifier) + 2, context, 2) + identifier
    return struct.pack(">BxI", DATA, len(pdvs)) + pdvs


class Asker:
    """One association."""

    def __init__(self, port: int, title: str, asks: Sequence[str], syntax: str) -> None:
        self._peer = socket.create_connection(("127.0.0.1", port))
        self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._peer.makefile("rb", 1 << 18)
        self._models = list(dict.fromkeys(MODELS[one][0] for one in asks))
        self._peer.sendall(_request(title, self._models, syntax))
        kind, left = self._header()
        self._file.read(left)
        if kind != 2:
            raise SystemExit("not accepted")

    def ask(self, ask: str, keys: Mapping[str, Any], to: str) -> tuple[float, int, int]:
        """Ask once; return seconds, how many data sets came, and the last status."""
        model, field = MODELS[ask]
        context = 2 * self._models.index(model) + 1
        request = _message(context, field, model, _identifier(keys), to)
        began, came = time.perf_counter(), 0
        self._peer.sendall(request)
        while True:
            context, command, has_data = self._next()
            came += has_data
            told = elements(command)
            if struct.unpack("<H", told[0x00000100])[0] == C_STORE_RQ:
                self._peer.sendall(answer(context, command))
                continue
            (status,) = struct.unpack("<H", told[0x00000900])
            if status not in PENDING:
                return time.perf_counter() - began, came, status

    def release(self) -> None:
        """End in good order."""
        self._peer.sendall(struct.pack(">BxIxxxx", RELEASE_RQ, 4))
        self._file.read(10)
        self._peer.close()

    def _next(self) -> tuple[int, bytes, bool]:
        """Read one message; its data set is dropped."""
        command, is_whole, has_data = b"", False, False
        while not is_whole:
            kind, left = self._header()
            if kind != DATA:
                raise SystemExit(f"PDU {kind}")
            while left:
                length, context, control = struct.unpack(">IBB", self._file.read(6))
                left -= 4 + length
                piece = self._file.read(length - 2)
                if control & 1:
                    command += piece
                    is_whole = control & 2 and elements(command)[0x00000800] == b"\1\1"
                else:
                    has_data, is_whole = True, bool(control & 2)
        return context, command, has_data

    def _header(self) -> tuple[int, int]:
        kind, left = struct.unpack(">BxI", self._file.read(6))
        return kind, left


def main() -> None:
    """Ask everything over one association."""
    requests = json.load(sys.stdin)
    syntax = next((one["syntax"] for one in requests if one.get("syntax")), EXPLICIT)
    asker = Asker(int(sys.argv[1]), sys.argv[2], [one["ask"] for one in requests], syntax)
    told = [asker.ask(one["ask"], one["keys"], one.get("to", "")) for one in requests]
    asker.release()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
