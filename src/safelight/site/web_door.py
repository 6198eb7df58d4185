"""The web half of `serve`: DICOMweb, on this machine alone as long as nobody has an account."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from safelight.console.web_application import web_application
from safelight.console.web_server import WebServer, WebServerSettings
from safelight.core.errors import foreseen
from safelight.gateway.dicomweb.faults import refused
from safelight.gateway.dicomweb.routes import dicomweb_routes
from safelight.gateway.dicomweb.streaming import Threads
from safelight.site.web_archive import WebArchive
from safelight.site.web_intake import StowIntake

if TYPE_CHECKING:
    from safelight.site.opened import Site

GRACE: Final = timedelta(seconds=5)
PREFIX: Final = "/dicomweb"


class WebDoor:
    """Everything of HTTP that runs while a home is served."""

    def __init__(self, site: "Site") -> None:
        """Make sure that the port is free.

        Raises:
            CannotServeWeb: it is not.
        """
        self._site = site
        console = site.settings.console
        self._threads = Threads(refused, self._failed)
        dicom = site.settings.dicom
        title, bytes_max = dicom.ae_title.text, dicom.data_set_bytes_max
        intake = StowIntake(site.landing, site.clock, title, bytes_max, site.arrivals.put, site.feeds)
        application = web_application({PREFIX: dicomweb_routes(WebArchive(site), intake, self._threads)})
        self._server = WebServer(WebServerSettings(console.port, console.bind), application)

    def start(self) -> None:
        """Begin to answer, and say that anybody on this machine is answered."""
        self._server.start()
        self._site.log("console.ready", port=self._server.port, bind=self._site.settings.console.bind, login="none")

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop(GRACE)
        self._threads.stop()

    def _failed(self, error: BaseException) -> None:
        self._site.log.failure(foreseen(error))
