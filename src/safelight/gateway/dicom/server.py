"""The listener of the DICOM door: one thread accepts, one thread an association runs it to its end."""

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
from safelight.gateway.doorway import Doorway
from safelight.wire.dicom.upper_layer import Side, UpperLayer

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
        self._running: dict[ServedAssociation, threading.Thread] = {}
        self._places: Counter[str] = Counter()
        try:
            self._doorway = Doorway(settings.bind, settings.port, "dicom-listener", self._begin)
        except OSError as error:
            raise CannotListen(bind=settings.bind, port=settings.port, error=error.strerror or "") from error

    @property
    def port(self) -> int:
        """The port we listen at."""
        return self._doorway.port

    @property
    def associations(self) -> int:
        """How many associations are admitted now."""
        with self._lock:
            return self._places.total()

    def start(self) -> None:
        """Begin to accept."""
        self._doorway.open()

    def stop(self, grace: timedelta) -> None:
        """Accept nobody any more, let messages under way finish for as long as ``grace``, then abort."""
        self._doorway.close()
        running = self._snapshot()
        for association in running:
            association.stop_after_message()
        deadline = self._clock.elapsed() + grace
        for thread in running.values():
            thread.join(max(0.0, (deadline - self._clock.elapsed()).total_seconds()))
        for association, thread in self._snapshot().items():
            association.connection.interrupt()
            thread.join()

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
