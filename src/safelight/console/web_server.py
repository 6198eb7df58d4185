"""A web server inside this process: granian's, in a thread with an event loop of its own."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.server.embed import Server

from safelight.core.errors import ResourceError

START_SECONDS_MAX: Final = 30.0
WAITING_MAX: Final = 512
CONNECTIONS_MAX: Final = 600
"""Each screen that listens holds one as long as it is open; the server's own limit of 128 would shut out the rest."""
_LOOK_SECONDS: Final = 0.02


class CannotServeWeb(ResourceError):
    """The port for HTTP cannot be opened."""

    code: ClassVar[str] = "console.cannot-serve-web"
    hint: ClassVar[str] = "Another program holds this port, or it is not ours to open: change [console] port."


@dataclass(frozen=True, slots=True)
class WebServerSettings:
    """Where the web server listens."""

    port: int
    bind: str = "127.0.0.1"
    certificate: str = ""
    """The file with the certificate; without it nothing is encrypted."""
    key: str = ""


class WebServer:
    """Serves one application until it is told to stop."""

    def __init__(self, settings: WebServerSettings, application: Callable[..., Any]) -> None:
        """Make sure that the port is free; nobody is served before `start`.

        Raises:
            CannotServeWeb: it is not.
        """
        self._settings = settings
        self._application = application
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        # The server itself shares its port with whoever asks: it would not notice that somebody else has it.
        with socket.socket(_family(settings.bind)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, settings.port))
            except OSError as error:
                raise CannotServeWeb(port=settings.port, error=error.strerror or "unknown") from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._settings.port

    def start(self) -> None:
        """Serve; return when the port takes connections.

        Raises:
            CannotServeWeb: it does not.
        """
        self._thread.start()
        for _ in range(int(START_SECONDS_MAX / _LOOK_SECONDS)):
            if not self._thread.is_alive():
                break
            try:
                socket.create_connection((_reached(self._settings.bind), self._settings.port), _LOOK_SECONDS).close()
            except OSError:
                self._thread.join(_LOOK_SECONDS)
            else:
                return
        raise CannotServeWeb(port=self._settings.port, error="the server did not start")

    def stop(self, grace: timedelta) -> None:
        """Take no more requests; answers under way have ``grace`` to end."""
        if self._loop is not None and self._server is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join(grace.total_seconds())

    def _run(self) -> None:
        # It tells its own story on a logger of its own; ours has its own words and no names of patients in it.
        logging.getLogger("_granian").setLevel(logging.CRITICAL)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(
            self._application,
            address=self._settings.bind,
            port=self._settings.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=False,
            backlog=WAITING_MAX,
            backpressure=CONNECTIONS_MAX,
            log_enabled=False,
            ssl_cert=Path(self._settings.certificate) if self._settings.certificate else None,
            ssl_key=Path(self._settings.key) if self._settings.key else None,
            # Viewers and DICOMweb clients of some years ago are what is left in an outage. Source: BCP 195.
            ssl_protocol_min=SSLProtocols.tls12,
        )
        await self._server.serve()


def _family(bind: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in bind else socket.AF_INET


def _reached(bind: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - where we look for ourselves
