"""`serve`: the listener, the workers and the control door, until somebody says stop."""

import gc
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from safelight.core.errors import SafelightError
from safelight.core.names import AETitle
from safelight.core.progress import Report
from safelight.gateway.control import ControlServer
from safelight.gateway.dicom.association import House, ServiceSettings
from safelight.gateway.dicom.ports import Refusal
from safelight.gateway.dicom.server import Listener, ListenerSettings
from safelight.journal.kinds import FactKind
from safelight.site.acts import act
from safelight.site.caller_book import CallerBook
from safelight.site.cutover import Aliases
from safelight.site.dicom_services import ArchiveServices
from safelight.site.hl7_door import MessageDoor
from safelight.site.home import Home
from safelight.site.intake import LandingIntake
from safelight.site.opened import Site
from safelight.site.peers import BadPeers, read_peers
from safelight.site.recovery_door import AwaitedAdmission, AwaitedIntake, AwaitedObserver
from safelight.site.upkeep import Upkeep
from safelight.site.workers import Workers
from safelight.site.worklist_mirror import MirrorSchedule
from safelight.wire.dicom.limits import Limits

if TYPE_CHECKING:
    from safelight.site.web_door import WebDoor

GRACE: Final = timedelta(seconds=10)
SWITCH_SECONDS: Final = 0.0005
"""A receiving thread wants the interpreter back after each read and write; the usual five milliseconds are an image."""


class KnownCallers:
    """Admits whoever is named as a peer, or everybody where the settings say so."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stamp: tuple[int, int] | None = None
        self._titles: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._aliases = Aliases(site)

    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        """Say whether this caller may open an association; the peers are read again when their file changed."""
        del host
        dicom = self._site.settings.dicom
        if dicom.accept_any_ae:
            return None
        if called != dicom.ae_title and not self._aliases.answers(called):
            return Refusal.CALLED_NOT_RECOGNIZED
        return None if calling.text in self._known() else Refusal.CALLING_NOT_RECOGNIZED

    def _known(self) -> frozenset[str]:
        path = self._site.home.peers
        try:
            facts = path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
        except FileNotFoundError:
            return frozenset()
        with self._lock:
            if stamp != self._stamp:
                try:
                    self._titles = frozenset(read_peers(path))
                except BadPeers as error:
                    # Those who were known stay known; the broken file is told.
                    self._site.log.failure(error)
                self._stamp = stamp
            return self._titles


class DicomDoor:
    """The listener of a site with the services behind it."""

    def __init__(self, listener: Listener, services: ArchiveServices) -> None:
        self._listener = listener
        self._services = services

    @property
    def port(self) -> int:
        """The port we listen at."""
        return self._listener.port

    def start(self) -> None:
        """Begin to accept."""
        self._services.start()
        self._listener.start()

    def stop(self, grace: timedelta) -> None:
        """Accept nobody any more, and end what is under way."""
        self._listener.stop(grace)
        self._services.stop()


def make_door(site: Site, book: CallerBook) -> DicomDoor:
    """Return the DICOM door of a site, listening and not yet accepting.

    Raises:
        CannotListen: the port is taken.
    """
    dicom = site.settings.dicom
    limits = Limits(pdu_bytes_offered=dicom.pdu_bytes_max, data_set_bytes_max=dicom.data_set_bytes_max)
    settings = ListenerSettings(
        port=dicom.port,
        bind=dicom.bind,
        associations_max=dicom.associations_max,
        associations_per_host_max=dicom.associations_per_host_max,
        service=ServiceSettings(limits=limits, idle=timedelta(seconds=dicom.idle_seconds)),
    )
    known = KnownCallers(site)
    intake = AwaitedIntake(site.awaited, LandingIntake(site.landing, site.clock, site.arrivals.put, site.feeds), known)
    seen = AwaitedObserver(site.awaited, book)
    services = ArchiveServices(site, known, limits.identifier_bytes_max)
    house = House(
        intake=intake, admission=AwaitedAdmission(site.awaited, known), observer=seen, services=services.offered
    )
    listener = Listener(settings, house, site.clock)
    site.awaited.is_served = True
    return DicomDoor(listener, services)


def serve_until_told(home: Home, ready: Callable[[], None]) -> None:
    """Serve a home until SIGTERM or SIGINT.

    Raises:
        HomeInUse: it is served already.
        CannotListen: the port is taken.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Packers load their codecs while the home is opened, and are there when the first series is whole.
    with (
        Workers(ahead=home.settings().vault.packers) as workers,
        Site.open(home, quiet=False, workers=workers) as site,
    ):
        book = CallerBook(site.records, site.clock)
        site.kept_in_memory.append(book.flush)
        door = make_door(site, book)
        messages = MessageDoor(site)
        mirror = MirrorSchedule(site)
        web = _web_door(site)
        upkeep = Upkeep(site, book)
        control = ControlServer(home.control_socket, lambda name, told, report: _do(site, name, told, report))
        site.records.record(FactKind.SERVED_START, {"port": door.port})
        upkeep.start()
        control.start()
        door.start()
        messages.start()
        mirror.start()
        if web is not None:
            web.start()
        site.log("gateway.ready", port=door.port)
        # What is there now stays: looking for garbage among it would hold up the receiving threads for nothing.
        gc.freeze()
        ready()
        try:
            stop.wait()
        finally:
            site.log("gateway.stopping")
            # What was not packed yet stays in the landing log: nobody waits for thousands of small objects to be coded.
            site.packing.give_up()
            if web is not None:
                web.stop()
            mirror.stop()
            door.stop(GRACE)
            messages.stop()
            control.stop()
            site.arrivals.settle()
            upkeep.stop()
            site.records.record(FactKind.SERVED_STOP, {})


def _web_door(site: Site) -> "WebDoor | None":
    if not site.settings.console.port:
        return None
    # Imported here: whoever serves no web need not wait for it.
    from safelight.site.web_door import WebDoor

    return WebDoor(site)


def _do(site: Site, name: str, told: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    try:
        return act(site, name, told, report)
    except SafelightError as error:
        site.log.failure(error)
        raise
