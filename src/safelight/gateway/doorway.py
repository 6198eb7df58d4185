"""The listening socket of a door: one thread accepts and hands over until it is closed, whatever peers do."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

Begin = Callable[[socket.socket, str], None]
"""Takes a connection and the address that it came from; must be quick."""

_ACCEPT_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
_BACKLOG: Final = 128


class Doorway:
    """Listens from the moment it is made; accepts from `open` to `close`."""

    def __init__(self, bind: str, port: int, name: str, begin: Begin) -> None:
        """Listen at an address; port 0 lets the system choose.

        Raises:
            OSError: the port is taken, or the address is not ours.
        """
        self._begin = begin
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=name, daemon=True)
        self._socket = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((bind, port))
            self._socket.listen(_BACKLOG)
        except OSError:
            self._socket.close()
            raise

    @property
    def port(self) -> int:
        """The port we listen at."""
        return int(self._socket.getsockname()[1])

    def open(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        self._socket.settimeout(_ACCEPT_SECONDS)
        while not self._closing.is_set():
            try:
                connected, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                # Out of descriptors, or a peer that was gone at once: neither closes the door.
                self._closing.wait(_PAUSE_SECONDS)
                continue
            self._begin(connected, str(address[0]))
