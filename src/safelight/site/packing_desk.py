"""What waits in the landing log becomes packs: which instances, in which pack, and what is recorded then."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import CopyState, LandedRow, PackRow
from safelight.core.clock import Clock
from safelight.core.errors import ResourceError, SafelightError
from safelight.core.instance import Head, Holding, LandingPlace, Receipt, Wrapper
from safelight.journal.kinds import FactKind
from safelight.protection.packing import PackingSettings, SeriesGroup, Urgency, cut_packs, decide_packing
from safelight.site.inflow import Feeds
from safelight.site.packer import (
    Landed,
    PackingStopped,
    PackOrder,
    PackOutcome,
    PackTask,
    PixelAnswer,
    PixelQuestion,
    Unread,
)
from safelight.site.packing import Packing
from safelight.site.records import Records
from safelight.vault.landing import Landing
from safelight.vault.pack_format import PackItem, PixelReference, SealedPack
from safelight.vault.placement import Placement
from safelight.wire.dicom.elements import DataSetCutShort


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """How the desk works."""

    packing: PackingSettings
    landing_pressure: float = 0.5
    """Share of the landing log's limit from which packing goes on at once and largest first."""


class PackingDesk:
    """Decides, has packs made, and records them. `turn` is called by one thread, the rest by any."""

    def __init__(
        self,
        records: Records,
        landing: Landing,
        landing_directory: Path,
        home: Placement,
        packing: Packing,
        clock: Clock,
        settings: DeskSettings,
        feeds: Feeds,
        sealed: Callable[[str], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._records = records
        self._landing = landing
        self._landing_directory = landing_directory
        self._home = home
        self._packing = packing
        self._clock = clock
        self._settings = settings
        self._feeds = feeds
        self._sealed = sealed
        self._failed = failed
        self._lock = threading.Lock()
        self._in_hand: set[LandingPlace] = set()
        self._passed_over: set[LandingPlace] = set()

    @property
    def catalog(self) -> Catalog:
        """Where it looks things up."""
        return self._records.catalog

    def turn(self, *, flush: bool = False) -> int:
        """Look once at what waits and have packed what is due; return how many orders that made."""
        urgency = self._urgency(flush=flush)
        settled = self._feeds.settled()
        groups = [
            SeriesGroup(
                one.study,
                one.series,
                one.count,
                one.bytes,
                one.oldest_at,
                one.newest_at,
                settled=(one.study, one.series) in settled,
            )
            for one in self.catalog.landed_waiting()
        ]
        orders = 0
        for job in decide_packing(groups, self._clock.now(), self._settings.packing, urgency):
            rows = [
                row for series in job.series for row in self.catalog.landed(job.study, series) if self._is_free(row)
            ]
            sizes = [row.place.size for row in rows]
            for cut in cut_packs(sizes, self._settings.packing.pack_bytes_max, tail=job.tail):
                self._order([rows[number] for number in cut])
                orders += 1
        return orders

    def _urgency(self, *, flush: bool) -> Urgency:
        if flush:
            return Urgency.FLUSH
        return Urgency.PRESSURE if self.is_pressed else Urgency.CALM

    @property
    def is_pressed(self) -> bool:
        """Whether landing fills, so that packing is what receiving needs most."""
        usage = self._landing.usage()
        return usage.bytes_held > self._settings.landing_pressure * usage.bytes_max

    def release_settled(self) -> None:
        """Let go of segments of which everything was packed, as by an equal instance that came another way."""
        for segment, epoch in self.catalog.settled_segments():
            rows = self.catalog.landed(segment=segment, waiting_only=False)
            self._release([row.place for row in rows if row.place.epoch == epoch and row.packed])

    def answer(self, question: PixelQuestion) -> PixelAnswer:
        """Say where pixels are held already, in packs of the home placement that hold to their names now."""
        known = self.catalog.pixels_known(question.digests)
        proven: dict[str, bool] = {}
        held: dict[bytes, PixelReference] = {}
        for digest, (pack, position) in known.items():
            if pack not in proven:
                proven[pack] = self._holds(pack)
            if proven[pack]:
                held[digest] = PixelReference(pack, position)
        return PixelAnswer(held)

    def record_sealed(
        self,
        sealed: SealedPack,
        holdings: Sequence[Holding],
        places: Sequence[LandingPlace],
        cut_short: Collection[Holding] = (),
    ) -> None:
        """Record a pack: the fact first, then the catalog, then the copy that was read back when it was sealed."""
        for one in cut_short:
            # Before the pack: what is held and cut short is never held without a word.
            facts = {"study": one.head.study, "digest": one.digest.hex()}
            self._records.open_finding(DataSetCutShort.code, one.head.sop_instance, "serious", **facts)
        entry = self._records.record(
            FactKind.PACK_SEALED,
            {
                "pack": sealed.name,
                "size_bytes": sealed.size_bytes,
                "raw_bytes": sealed.raw_bytes,
                "instances": len(sealed.entries),
                "refers_to": list(sealed.refers_to),
            },
        )
        row = PackRow(
            sealed.name,
            sealed.size_bytes,
            sealed.raw_bytes,
            entry.at,
            sealed.refers_to,
            journal_position=entry.position,
        )
        self.catalog.record_packed(row, holdings, places)
        self.catalog.record_copy(sealed.name, self._home.name, CopyState.VERIFIED, entry.at)
        self._sealed(sealed.name)

    def _is_free(self, row: LandedRow) -> bool:
        with self._lock:
            return row.place not in self._in_hand and row.place not in self._passed_over

    def _order(self, rows: Sequence[LandedRow]) -> None:
        tasks = tuple(self._task(row) for row in rows)
        places = tuple(row.place for row in rows)
        with self._lock:
            self._in_hand.update(places)
        try:
            self._packing.submit(PackOrder(tasks), lambda order, outcome: self._settle(places, order, outcome))
        except SafelightError:
            self._let_go(places)
            raise

    def _task(self, row: LandedRow) -> PackTask:
        version, place = row.version, row.place
        receipt = Receipt(row.received_at, version.way, version.calling, version.called, version.sender)
        item = Landed(version.digest, Wrapper(row.prefix_size, version.opaque), version.transfer_syntax, receipt)
        path = self._landing_directory / f"{place.segment:06d}.log"
        return PackTask(str(path), place.offset, place.size, item)

    def _settle(self, places: Sequence[LandingPlace], order: PackOrder, outcome: PackOutcome) -> None:
        try:
            if outcome.sealed is not None:
                packed = [places[number] for number in outcome.packed]
                holdings = holdings_of(outcome.sealed, order, outcome)
                self.record_sealed(outcome.sealed, holdings, packed, cut_short_of(holdings, outcome))
                self._release(packed)
            if outcome.error not in ("", PackingStopped.code):
                self._failed(PackFailed(error=outcome.error))
            for number, code in outcome.failed.items():
                self._records.open_finding(code, _subject(order.tasks[number]), "serious")
                with self._lock:
                    self._passed_over.add(places[number])
        except Exception as error:  # noqa: BLE001 - a packing thread's one place: the instances stay in the log
            self._failed(error)
        finally:
            self._let_go(places)

    def _release(self, places: Sequence[LandingPlace]) -> None:
        self.catalog.released(places)
        self._landing.release(places)

    def _let_go(self, places: Sequence[LandingPlace]) -> None:
        with self._lock:
            self._in_hand.difference_update(places)

    def _holds(self, pack: str) -> bool:
        try:
            self._home.verify(pack)
        except SafelightError as error:
            self._failed(error)
            return False
        return True


class PackFailed(ResourceError):
    """A pack could not be made; its instances stay in the landing log and are tried again."""

    code = "vault.pack-failed"
    hint = "See the error that is named; nothing that was answered is lost."


def cut_short_of(holdings: Sequence[Holding], outcome: PackOutcome) -> list[Holding]:
    """Return what of a pack ends before its data set does."""
    return [one for one, number in zip(holdings, outcome.packed, strict=True) if number in outcome.cut_short]


def holdings_of(sealed: SealedPack, order: PackOrder, outcome: PackOutcome) -> list[Holding]:
    """Say where the packed instances lie, with the heads that were scanned from them."""
    return [
        entry.holding(sealed.name, position, _head(order.tasks[number], outcome.heads.get(number)))
        for position, (entry, number) in enumerate(zip(sealed.entries, outcome.packed, strict=True))
    ]


def _subject(task: PackTask) -> str:
    """Name the version that could not be packed."""
    digest = None if isinstance(task.item, Unread) else task.item.digest
    return digest.hex() if digest else task.path


def _head(task: PackTask, read: Head | None) -> Head:
    if isinstance(task.item, PackItem):
        return task.item.head
    assert read is not None
    return read
