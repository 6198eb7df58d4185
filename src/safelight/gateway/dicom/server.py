"""The listener of the DICOM door: one thread accepts, one thread an association runs it to its end."""

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import ResourceError
from safelight.gateway.dicom.association import House, ServedAssociation, ServiceSettings
from safelight.gateway.dicom.connection import Connection
from safelight.wire.dicom.upper_layer import Side, UpperLayer

_ACCEPT_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
_UNADMITTED_MAX: Final = 16
"""Connections past the limit that we still read a request from, so that they get a proper rejection."""


class CannotListen(ResourceError):
    """The port is taken, or the address is not ours."""

    code: ClassVar[str] = "gateway.cannot-listen"
    hint: ClassVar[str] = "Find who holds the port (ss -ltnp), or set another one under [gateway.dicom]."


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where we listen, and how many may come at once."""

    port: int
    """0 lets the system choose: for tests."""
    bind: str = "0.0.0.0"  # noqa: S104  # Modalities call from the hospital network; [gateway.dicom] bind narrows it.
    associations_max: int = 64
    associations_per_host_max: int = 32
    service: ServiceSettings = field(default_factory=ServiceSettings)


class Listener:
    """Accepts associations until it is stopped."""

    def __init__(self, settings: ListenerSettings, house: House, clock: Clock) -> None:
        self._settings = settings
        self._house = house
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._running: dict[ServedAssociation, threading.Thread] = {}
        self._places: Counter[str] = Counter()
        self._accepting = threading.Thread(target=self._accept, name="dicom-listener", daemon=True)
        self._socket = _listening_socket(settings)

    @property
    def port(self) -> int:
        """The port we listen at."""
        return int(self._socket.getsockname()[1])

    @property
    def associations(self) -> int:
        """How many associations are admitted now."""
        with self._lock:
            return self._places.total()

    def start(self) -> None:
        """Begin to accept."""
        self._accepting.start()

    def stop(self, grace: timedelta) -> None:
        """Accept nobody any more, let messages under way finish for as long as ``grace``, then abort."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._accepting.is_alive():
            self._accepting.join()
        self._socket.close()
        running = self._snapshot()
        for association in running:
            association.stop_after_message()
        deadline = self._clock.elapsed() + grace
        for thread in running.values():
            thread.join(max(0.0, (deadline - self._clock.elapsed()).total_seconds()))
        for association, thread in self._snapshot().items():
            association.connection.interrupt()
            thread.join()

    def _accept(self) -> None:
        self._socket.settimeout(_ACCEPT_SECONDS)
        while not self._stopping.is_set():
            try:
                connected, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                # Out of descriptors, or a peer that was gone at once: neither closes the door.
                self._stopping.wait(_PAUSE_SECONDS)
                continue
            self._begin(connected, str(address[0]))

    def _begin(self, connected: socket.socket, host: str) -> None:
        service = self._settings.service
        with self._lock:
            if len(self._running) >= self._settings.associations_max + _UNADMITTED_MAX:
                connected.close()
                return
            admitted: list[str] = []
            connection = Connection(connected, UpperLayer(Side.ACCEPTOR, service.limits), self._clock)
            association = ServedAssociation(
                connection, host, self._house, service, lambda: self._take_place(host, admitted)
            )
            thread = threading.Thread(
                target=self._serve, args=(association, admitted), name=f"dicom-{host}", daemon=True
            )
            self._running[association] = thread
        thread.start()

    def _serve(self, association: ServedAssociation, admitted: list[str]) -> None:
        try:
            association.run()
        finally:
            with self._lock:
                del self._running[association]
                self._places.subtract(admitted)
                self._places = +self._places

    def _take_place(self, host: str, admitted: list[str]) -> bool:
        settings = self._settings
        with self._lock:
            if self._places.total() >= settings.associations_max:
                return False
            if self._places[host] >= settings.associations_per_host_max:
                return False
            self._places[host] += 1
            admitted.append(host)
            return True

    def _snapshot(self) -> dict[ServedAssociation, threading.Thread]:
        with self._lock:
            return dict(self._running)


def _listening_socket(settings: ListenerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.bind, settings.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise CannotListen(bind=settings.bind, port=settings.port, error=error.strerror or "") from error
    return listening
