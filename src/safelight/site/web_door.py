"""The web half of `serve`: screens, their API, the viewer and DICOMweb, to whoever may."""

from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safelight.console.api import Api
from safelight.console.events import Events
from safelight.console.guard import Guard
from safelight.console.pages import Folders
from safelight.console.readings import Readings
from safelight.console.role import Right
from safelight.console.session import SessionLimits, Sessions
from safelight.console.web_application import Guarded, web_application
from safelight.console.web_server import WebServer, WebServerSettings
from safelight.core.errors import SafelightError
from safelight.gateway.ahead import Ahead
from safelight.gateway.dicomweb.faults import refused
from safelight.gateway.dicomweb.routes import dicomweb_routes
from safelight.gateway.dicomweb.streaming import Threads
from safelight.site.account_file import AccountFile
from safelight.site.certificates import served_files
from safelight.site.web_archive import WebArchive
from safelight.site.web_changes import Changes
from safelight.site.web_house import ServedHouse
from safelight.site.web_intake import StowIntake
from safelight.site.web_readings import write_readings
from safelight.site.web_sessions import SessionFile

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
        self._is_open = not console.login_required
        limits = SessionLimits(
            timedelta(minutes=console.idle_minutes),
            timedelta(hours=console.session_hours),
            timedelta(hours=console.board_hours),
        )
        sessions = Sessions(site.clock, limits)
        self._kept = SessionFile(site.home, site.disk, site.clock, sessions)
        accounts = AccountFile(site.home, site.log.failure)
        guard = Guard(accounts.accounts, sessions, site.clock, is_open=self._is_open)
        self._events = Events()
        self._readings = Readings(site.clock)
        self._changes = Changes(site, self._events, self._every_turn)
        folders = Folders(_built("pages"), _built("viewer"))
        house = ServedHouse(site, accounts, self._changes, has_viewer=bool(folders.viewer))
        self._api = Api(house, guard, self._events, site.clock, has_viewer=bool(folders.viewer))
        self._threads = Threads(refused, self._failed)
        self._ahead = Ahead()
        dicom = site.settings.dicom
        title, bytes_max = dicom.ae_title.text, dicom.data_set_bytes_max
        intake = StowIntake(site.landing, site.clock, title, bytes_max, site.arrivals.put, site.feeds)
        dicomweb = dicomweb_routes(WebArchive(site), intake, self._threads, self._ahead)
        others = [Guarded(PREFIX, dicomweb, reading=Right.FIND, writing=Right.STORE)]
        application = web_application(self._api, guard, others, folders, self._readings)
        self._server = WebServer(self._server_settings(), application)

    def start(self) -> None:
        """Begin to answer, and say to whom."""
        if not self._is_open:
            self._kept.take_back()
        self._changes.start()
        self._server.start()
        console = self._site.settings.console
        login = "none" if self._is_open else "account"
        self._site.log("console.ready", port=self._server.port, bind=console.bind, login=login)
        if self._is_open:
            self._site.log("console.open", told="ANYBODY ON THIS MACHINE, WITHOUT LOGIN: tests and rehearsal only")

    def stop(self) -> None:
        """Answer no more."""
        # Streams end first, since the server waits for them; what is asked meanwhile is still answered.
        self._events.stop()
        self._server.stop(GRACE)
        self._api.stop()
        self._changes.stop()
        self._threads.stop()
        self._ahead.stop()
        self._last_written(lambda: write_readings(self._site, self._readings))
        if not self._is_open:
            self._last_written(self._kept.write)

    def _last_written(self, write: Callable[[], None]) -> None:
        try:
            write()
        except SafelightError as error:
            # A disk that is full keeps the other doors from ending in order no more than it kept them from serving.
            self._failed(error)

    def _every_turn(self) -> None:
        self._kept.write_when_due()
        write_readings(self._site, self._readings)

    def _server_settings(self) -> WebServerSettings:
        site, console = self._site, self._site.settings.console
        if self._is_open:
            return WebServerSettings(console.port, console.bind)
        shown, trouble = served_files(site.home, site.settings, site.disk)
        if trouble is not None:
            site.log.failure(trouble)
        facts = shown.facts()
        site.log("console.certificate", fingerprint=facts.fingerprint, stand_in=trouble is not None)
        return WebServerSettings(console.port, console.bind, str(shown.certificate), str(shown.key))

    def _failed(self, error: BaseException) -> None:
        self._site.log.failure(error)


def _built(what: str) -> str:
    """Return where built files lie that the package carries; empty where it carries none."""
    folder = Path(str(files("safelight.console"))) / what
    return str(folder) if (folder / "index.html").is_file() else ""
