"""A yardstick: the least that a receiver of messages can do that keeps each before it answers.

``python hl7_receiver.py FILE``: a thread a connection, one file, one sync a message. It reads nothing in a message but
its control id, keeps no order, forwards nothing and finds nothing again.
"""

import os
import socket
import sys
import threading

ANSWER = b"\x0bMSH|^~\\&|Y|Y|RIS|ST E|2026||ACK|1|P|2.3.1\rMSA|AA|%s\r\x1c\r"


def _serve(connected: socket.socket, descriptor: int, lock: threading.Lock) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = b""
    with connected:
        while data := connected.recv(65536):
            buffer += data
            while b"\x1c\r" in buffer:
                message, _, buffer = buffer.partition(b"\x1c\r")
                with lock:
                    os.write(descriptor, message)
                    os.fdatasync(descriptor)
                connected.sendall(ANSWER % message.split(b"|", 10)[9])


def main() -> None:
    """Serve until killed."""
    descriptor = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    lock = threading.Lock()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready {listening.getsockname()[1]}", flush=True)
    while True:
        connected, _ = listening.accept()
        threading.Thread(target=_serve, args=(connected, descriptor, lock), daemon=True).start()


if __name__ == "__main__":
    main()
