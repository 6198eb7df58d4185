"""Send messages over several connections, each waiting for its answer before the next, and print the seconds it took.

``python hl7_sender.py PORT CONNECTIONS MESSAGES NAME``: so many messages over each connection. One process, so that it
takes less of the machine than what is measured.
"""

import selectors
import socket
import sys
import time

MESSAGE = (
    "MSH|^~\\&|RIS|ST E|PACS|RAD|20260301120000||ORM^O01|{control}|P|2.3.1\r"
    "PID|1||{patient}^^^STE||Invented^Person^A||19700101|F|||1 Street^^Town\rPV1|1|I|WARD^1^2||||1^Doctor\r"
    "ORC|NW|P{control}|F{control}||SC||1^once^^202603011230^^R\r"
    "OBR|1|P{control}|F{control}|CT1^CT head^L|||||||||||||1^Doctor||A{control}|R{control}|S{control}||||CT\r"
    "ZDS|1.2.826.0.1.3680043.{patient}.{number}^SAFELIGHT^Application^DICOM\r"
    "NTE|1||{text}\r"
)
TEXT = "Invented clinical question, of the length that such notes have. " * 12


class Connection:
    """One connection with one message under way."""

    def __init__(self, port: int, name: str, messages: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._blocks = [
            b"\x0b" + _message(f"{name}{number}", number).encode() + b"\x1c\r" for number in range(messages, 0, -1)
        ]
        self._answer = b""

    def send(self) -> bool:
        """Send the next message; return whether there was one."""
        if not self._blocks:
            return False
        self.socket.sendall(self._blocks.pop())
        return True

    def receive(self) -> bool:
        """Read; return whether the answer is whole, and fail if it is no AA."""
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("the receiver hung up")
        self._answer += data
        if not self._answer.endswith(b"\x1c\r"):
            return False
        if b"MSA|AA|" not in self._answer:
            raise SystemExit(f"not accepted: {self._answer!r}")
        self._answer = b""
        return True


def _message(control: str, number: int) -> str:
    return MESSAGE.format(control=control, patient=number % 500, number=number, text=TEXT)


def main() -> None:
    """Send everything."""
    port, connections, messages, name = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    all_of_them = [Connection(port, f"{name}C{number}N", messages) for number in range(connections)]
    selector = selectors.DefaultSelector()
    for one in all_of_them:
        selector.register(one.socket, selectors.EVENT_READ, one)
    began = time.monotonic()
    open_ones = sum(one.send() for one in all_of_them)
    while open_ones:
        for key, _ in selector.select():
            if key.data.receive() and not key.data.send():
                open_ones -= 1
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
