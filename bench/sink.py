"""A discarding storage receiver: it accepts everything, keeps nothing and answers success.

It knows just enough of PS3.8 for that and shares no code with Safelight, so that a fault of ours cannot hide in it.
"""

import socket
import struct
import sys
import threading

PDU_BYTES_MAX = 131072
ASSOCIATE_RQ, ASSOCIATE_AC, DATA, RELEASE_RQ, RELEASE_RP = 1, 2, 4, 5, 6
ECHO_RQ = 0x0030


def item(kind: int, body: bytes) -> bytes:
    """Write an item of an A-ASSOCIATE PDU."""
    return struct.pack(">BxH", kind, len(body)) + body


def items(body: bytes) -> list[tuple[int, bytes]]:
    """Read such items."""
    found, place = [], 0
    while place + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, place)
        found.append((kind, body[place + 4 : place + 4 + length]))
        place += 4 + length
    return found


def accept(request: bytes) -> bytes:
    """Return the A-ASSOCIATE-AC that takes each context with its first transfer syntax. Source: PS3.8 section 9.3.3."""
    reply = b""
    for kind, body in items(request[68:]):
        if kind == 0x10:
            reply += item(0x10, body)
        elif kind == 0x20:
            syntax = next(value for name, value in items(body[4:]) if name == 0x40)
            reply += item(0x21, body[:1] + b"\0\0\0" + item(0x40, syntax))
    user = item(0x51, struct.pack(">I", PDU_BYTES_MAX)) + item(0x52, b"2.25.77")
    reply = request[:68] + reply + item(0x50, user)
    return struct.pack(">BxI", ASSOCIATE_AC, len(reply)) + reply


def elements(command: bytes) -> dict[int, bytes]:
    """Read the values of a command set by tag."""
    found, place = {}, 0
    while place + 8 <= len(command):
        group, element, length = struct.unpack_from("<HHI", command, place)
        found[group << 16 | element] = command[place + 8 : place + 8 + length]
        place += 8 + length
    return found


def answer(context: int, command: bytes) -> bytes:
    """Return the P-DATA-TF with a success response to a request. Source: PS3.7 section 9.3.1."""
    told = elements(command)
    kind = struct.unpack("<H", told[0x00000100])[0]
    fields = [(0x0002, told[0x00000002]), (0x0100, struct.pack("<H", kind | 0x8000)), (0x0120, told[0x00000110])]
    fields += [(0x0800, b"\x01\x01"), (0x0900, b"\0\0")]
    if 0x00001000 in told:
        fields.append((0x1000, told[0x00001000]))
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in fields)
    body = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    return struct.pack(">BxIIBB", DATA, len(body) + 6, len(body) + 2, context, 3) + body


def serve(peer: socket.socket) -> None:
    """Run one association to its end. Data sets are dropped by the kernel, uncopied: the sender is what is measured."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(PDU_BYTES_MAX + 64))
    command = b""

    def fill(size: int, flags: int = 0) -> bool:
        got = 0
        while got < size:
            count = peer.recv_into(buffer[got:size], 0, flags)
            if count == 0:
                return False
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            got += count
        return True

    while fill(6):
        kind, left = struct.unpack_from(">BxI", buffer)
        if kind == ASSOCIATE_RQ and fill(left):
            peer.sendall(accept(bytes(buffer[:left])))
        elif kind == RELEASE_RQ and fill(left):
            peer.sendall(struct.pack(">BxIxxxx", RELEASE_RP, 4))
            return
        elif kind != DATA:
            return
        else:
            while left and fill(6):
                length, context, control = struct.unpack_from(">IBB", buffer)
                if not fill(length - 2, 0 if control & 1 else socket.MSG_TRUNC):
                    return
                if control & 1:
                    command += bytes(buffer[: length - 2])
                if _is_whole(control, command):
                    peer.sendall(answer(context, command))
                    command = b""
                left -= 4 + length


def _is_whole(control: int, command: bytes) -> bool:
    """Whether a message ends with this presentation data value: a data set's last, or a C-ECHO request."""
    echo = control & 3 == 3 and struct.unpack("<H", elements(command)[0x00000100])[0] == ECHO_RQ
    return control & 3 == 2 or echo


def _serve_and_close(peer: socket.socket) -> None:
    with peer:
        serve(peer)


def listen(port: int) -> None:
    """Accept associations until ended, one thread each."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as server:
        while True:
            peer, _ = server.accept()
            threading.Thread(target=_serve_and_close, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    listen(int(sys.argv[1]))
