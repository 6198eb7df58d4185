"""An opened home: its rooms, ready to work, caught up with whatever stopped it last time."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from safelight.catalog.catalog import Catalog
from safelight.catalog.errors import CatalogDamaged, CatalogMissing
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.rows import LandedRow
from safelight.core.clock import SystemClock
from safelight.core.disk import Disk, RealDisk, make_directory, write_file
from safelight.core.errors import ResourceError, SafelightError
from safelight.core.instance import Arrival, Head, Receipt, Wrapper
from safelight.journal.errors import JournalDamaged, JournalMissing
from safelight.journal.journal import Journal
from safelight.media.folder import MARKER, FolderPlacement
from safelight.protection.packing import PackingSettings
from safelight.site.arrivals import Arrivals
from safelight.site.copies import NO_SECOND, UNREACHABLE, Copies
from safelight.site.follow_up import FollowUp
from safelight.site.heads import head_of
from safelight.site.hl7_large import PackedLargeMessages
from safelight.site.hl7_records import MessageRecords
from safelight.site.holdings import Holdings
from safelight.site.home import Home, locked
from safelight.site.inflow import Feeds, Inflow
from safelight.site.log import EventLog
from safelight.site.packer import PackerSettings, PixelAnswer, PixelQuestion
from safelight.site.packing import Answer, Packing
from safelight.site.packing_desk import DeskSettings, PackingDesk
from safelight.site.rebuilding import adopt_packs, rebuild_catalog, restore_lost_journal
from safelight.site.records import Records
from safelight.site.room import free_bytes_min
from safelight.site.settings import Settings
from safelight.site.workers import Workers
from safelight.vault.keys import load_public_keys, load_secret_keys
from safelight.vault.landing import Landing, LandingSettings
from safelight.vault.landing_recovery import LandingRecovery
from safelight.vault.pack_draft import sweep_drafts
from safelight.vault.placement import Placement
from safelight.vault.rescue_files import rescue_files

if TYPE_CHECKING:
    from safelight.site.commitment_record import CommitmentAsks
    from safelight.site.recovery_door import Awaited
    from safelight.site.scheduled_steps import ScheduledSteps

HOME: Final = "home"
SECOND: Final = "second"
SECOND_PLACED: Final = "second.placed"
RECORDED_AT_ONCE: Final = 500
LANDING_DAMAGED: Final = "vault.landing-damaged"
LANDING_UNANSWERED: Final = "vault.landing-unanswered"
LANDING_UNREADABLE: Final = "vault.landing-segment-unreadable"


class Site:
    """Everything of one home, for as long as this process holds it.

    ``disk`` and ``packing`` are given by crash tests only, which cut the power and pack in their own thread.
    """

    def __init__(
        self,
        home: Home,
        stack: ExitStack,
        *,
        quiet: bool,
        disk: Disk | None = None,
        packing: Callable[[PackerSettings, Answer, int], Packing] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._stack = stack
        # The library's warnings quote values, and values are names of patients.
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        self.home = home
        self.clock = SystemClock()
        self.log = EventLog(self.clock, quiet=quiet)
        self.disk: Disk = disk or RealDisk()
        self.settings: Settings = home.settings()
        self.public = load_public_keys(home.keys)
        self.secret = load_secret_keys(home.keys)
        self.node = self.public.signing.key_id
        self.placements: list[Placement] = list(self._open_placements())
        sweep_drafts(home.vault / "packs", self.disk)
        self.records = Records(self._open_journal(), self._open_catalog())
        self._note_placements()
        self.landing, recovery = Landing.open(home.landing, self.disk, self.clock, self._landing_settings())
        self.holdings = Holdings(
            self.records.catalog, self.landing, self.placements, [self.secret.node], home.run, self._damaged
        )
        self.copies = Copies(self.records, self.placements, self.clock, self.log.failure)
        self.workers = workers or Workers()
        self.inflow = Inflow(self.clock)
        make_packing = packing or partial(Packing, workers=self.workers, stand_back=self._stand_back)
        self.packing = make_packing(
            PackerSettings(
                str(home.vault / "packs"),
                tuple(one.text for one in self.public.recipients),
                self.settings.vault.profile,
                self.settings.vault.frame_bytes_max,
            ),
            self._answer,
            self.settings.vault.packers,
        )
        self.sealed = threading.Event()
        self.feeds = Feeds(self.clock)
        self.kept_in_memory: list[Callable[[], None]] = []
        """Each writes down what was only counted so far; called before somebody looks."""
        self.desk = PackingDesk(
            self.records,
            self.landing,
            home.landing,
            self.placements[0],
            self.packing,
            self.clock,
            DeskSettings(
                PackingSettings(
                    quiet_seconds=self.settings.vault.quiet_seconds,
                    pack_bytes_max=self.settings.vault.pack_bytes_max,
                )
            ),
            self.feeds,
            self._pack_sealed,
            self.log.failure,
        )
        follow = FollowUp(self.records, self.holdings)
        self.arrivals = Arrivals(self.records, follow, self.inflow, self.log.failure)
        self._catch_up(recovery)

    @classmethod
    def open(cls, home: Home, *, quiet: bool = True, workers: Workers | None = None) -> Self:
        """Open a home for this process alone; ``quiet`` logs failures only.

        Raises:
            HomeInUse: another process holds it.
            BadSettings, JournalDamaged and others: it cannot be used as it is.
        """
        stack = ExitStack()
        try:
            stack.enter_context(locked(home))
            site = cls(home, stack, quiet=quiet, workers=workers)
        except BaseException:
            stack.close()
            raise
        site.packing.start()
        site.arrivals.start()
        return site

    def close(self) -> None:
        """Stop everything in good order."""
        self.arrivals.stop()
        self.packing.stop()
        self.landing.close()
        if "messages" in self.__dict__:
            self.messages.close()
        self.records.close()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @cached_property
    def awaited(self) -> "Awaited":
        """What a recovery waits for at our own door; `serve` asks for it before its door opens."""
        # Imported here: most commands open no door.
        from safelight.site.recovery_door import Awaited

        return Awaited(self.home.run)

    @cached_property
    def large_messages(self) -> PackedLargeMessages:
        """Where messages lie that are too large for the journal."""
        packs = self.home.vault / "packs"
        return PackedLargeMessages(
            packs, self.disk, self.public.recipients, self.secret.node, self.records, self.placements
        )

    @cached_property
    def messages(self) -> MessageRecords:
        """Messages and orders; opened by who asks for it, since most commands are about images."""
        return MessageRecords.open(self.records, self.home.messages_index, self.large_messages)

    @cached_property
    def commitment_asks(self) -> "CommitmentAsks":
        """What other archives were asked to take responsibility for."""
        from safelight.site.commitment_record import CommitmentAsks

        return CommitmentAsks(self.records.journal)

    @cached_property
    def scheduled_steps(self) -> "ScheduledSteps":
        """What is scheduled, as modalities are offered it; remembers what they have performed."""
        from safelight.site.downtime_steps import known_stations
        from safelight.site.scheduled_steps import ScheduledSteps

        # The catalog may be opened anew.
        return ScheduledSteps(self.journal, lambda: known_stations(self.home, self.catalog), self.node)

    @property
    def catalog(self) -> Catalog:
        """What is held, received, claimed and found."""
        return self.records.catalog

    @property
    def journal(self) -> Journal:
        """The facts."""
        return self.records.journal

    @property
    def message_index(self) -> MessageIndex:
        """Messages and what they order."""
        return self.messages.index

    def reopen_catalog(self) -> None:
        """Go on with the catalog that lies in the home now, and add what the landing log holds."""
        old = self.records.catalog
        self.records.catalog = Catalog.open(self.home.catalog)
        self.holdings.catalog = self.records.catalog
        self._record_landed(
            Arrival(
                row.version.digest,
                Wrapper(row.prefix_size, row.version.opaque),
                self._head(row),
                _receipt(row),
                row.place,
            )
            for row in old.landed(waiting_only=False)
        )
        old.close()

    def _head(self, row: LandedRow) -> Head:
        wrapper = Wrapper(row.prefix_size, row.version.opaque)
        return head_of(self.landing.read(row.place), wrapper, row.version.transfer_syntax)

    def _record_landed(self, arrivals: Iterable[Arrival]) -> None:
        batch: list[Arrival] = []
        for arrival in arrivals:
            batch.append(arrival)
            if len(batch) == RECORDED_AT_ONCE:
                self.catalog.record_landed(batch)
                batch = []
        self.catalog.record_landed(batch)

    def _open_placements(self) -> Iterable[Placement]:
        home = self.home
        yield FolderPlacement.create(home.vault, HOME, self.node, self.disk, rescue_files())
        if self.settings.vault.second:
            second = Path(self.settings.vault.second)
            known = (home.keys / SECOND_PLACED).exists()
            if not known and FolderPlacement.is_unused(second):
                FolderPlacement.create(second, SECOND, self.node, self.disk, rescue_files())
            if not known and (second / MARKER).exists():
                # From now on an empty folder means that the mount is gone, not that it is new.
                write_file(self.disk, home.keys / SECOND_PLACED, b"")
            yield FolderPlacement(second, SECOND, self.node, self.disk)

    def _note_placements(self) -> None:
        if len(self.placements) < self.settings.vault.copies_min:
            self.records.open_finding(NO_SECOND, "vault.second", "serious", copies_min=self.settings.vault.copies_min)
        else:
            self.records.close_finding(NO_SECOND, "vault.second", "there are enough placements")
        for placement in self.placements[1:]:
            try:
                assert isinstance(placement, FolderPlacement)
                placement.prove()
                placement.create(placement.directory, placement.name, self.node, self.disk, rescue_files())
            except ResourceError as error:
                self.records.open_finding(UNREACHABLE, placement.name, "serious", error=error.code)

    def _open_journal(self) -> Journal:
        try:
            return Journal.open(self.home.journal, self.clock, self.node, self.secret.signing)
        except (JournalMissing, JournalDamaged) as error:
            self.log.failure(error)
            return restore_lost_journal(
                self.home, self.clock, self.disk, self.node, self.public, self.secret, self.placements
            )

    def _open_catalog(self) -> Catalog:
        try:
            return Catalog.open(self.home.catalog)
        except (CatalogMissing, CatalogDamaged) as error:
            self.log.failure(error)
        journal = Journal.open(self.home.journal, self.clock, self.node, self.secret.signing)
        try:
            rebuild_catalog(self.home, journal, self.placements, self.secret, self.disk, self.log.failure)
        finally:
            journal.close()
        return Catalog.open(self.home.catalog)

    def _landing_settings(self) -> LandingSettings:
        vault = self.settings.vault
        make_directory(self.disk, self.home.landing)
        facts = os.statvfs(self.home.landing)
        total = facts.f_blocks * facts.f_frsize
        return LandingSettings(
            segment_bytes=max(2**20, min(vault.landing_segment_bytes, total // 32 // 4096 * 4096)),
            bytes_max=vault.landing_bytes_max,
            free_bytes_min=free_bytes_min(self.home.landing, self.settings),
        )

    def _catch_up(self, recovery: LandingRecovery) -> None:
        """Make the catalog say what vault, journal and landing log say, as far as a crash kept it behind."""
        self.records.catch_up()
        adopt_packs(self.records, self.placements, self.secret, self.log.failure)
        self._record_landed(
            Arrival(
                one.digest,
                one.wrapper,
                head_of(self.landing.read(one.place), one.wrapper, one.transfer_syntax),
                one.receipt,
                one.place,
            )
            for one in recovery.arrivals
        )
        self._forget_lost_places(recovery)
        for kind, found in ((LANDING_DAMAGED, recovery.damaged), (LANDING_UNANSWERED, recovery.unanswered)):
            for bad in found:
                severity = "critical" if kind == LANDING_DAMAGED else "note"
                facts = {
                    "instance": bad.sop_instance,
                    "digest": bad.digest.hex(),
                    "size_bytes": bad.length,
                    "quarantine": bad.quarantine,
                }
                self.records.open_finding(kind, f"{bad.segment}/{bad.offset}", severity, **facts)
        for name in recovery.unreadable:
            self.records.open_finding(LANDING_UNREADABLE, name, "critical")
        self.desk.release_settled()

    def _forget_lost_places(self, recovery: LandingRecovery) -> None:
        """Drop what the catalog believes to be in the log and the log no longer has."""
        there = {one.place for one in recovery.arrivals}
        gone = [row.place for row in self.catalog.landed(waiting_only=False) if row.place not in there]
        self.catalog.released(gone)

    def _answer(self, question: PixelQuestion) -> PixelAnswer:
        return self.desk.answer(question)

    def _stand_back(self, *, second: bool) -> bool:
        """All packers leave the machine to a burst, the second half to a lasting stream, none when landing fills."""
        must = self.inflow.is_high if second else self.inflow.is_burst
        return must and self.feeds.are_open and not self.desk.is_pressed

    def _pack_sealed(self, pack: str) -> None:
        self.log("vault.pack-sealed", pack=pack)
        self.sealed.set()

    def _damaged(self, pack: str, placement: str, error: SafelightError) -> None:
        self.log.failure(error)
        facts: Mapping[str, str] = {"error": error.code}
        self.records.open_finding("vault.copy-damaged", f"{placement}/{pack}", "critical", **facts)


def _receipt(row: LandedRow) -> Receipt:
    version = row.version
    return Receipt(row.received_at, version.way, version.calling, version.called, version.sender)
