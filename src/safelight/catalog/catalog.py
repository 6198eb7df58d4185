"""The catalog: one object to record in and to ask.

It may be used from several threads and read from several processes; one writes at a time. It can be
deleted: vault, landing log and journal hold everything it says.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, select

from safelight.catalog import (
    callers,
    census_rows,
    claims,
    custody,
    findings,
    in_force,
    landing_rows,
    levels,
    packs,
    search,
    versions,
    ways,
)
from safelight.catalog.caller import CallerRow, CallerSighting
from safelight.catalog.callers import Sighted
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import CensusRow, CensusRun, ClaimChange, SeriesClaim, StudyClaim
from safelight.catalog.claims import Counted, Dates, HeldStudy, KeptClaim
from safelight.catalog.custody import Custody
from safelight.catalog.dump import dump
from safelight.catalog.errors import CatalogDamaged, CatalogMissing, CatalogThere
from safelight.catalog.exposure import ExposureInputs, exposure_inputs
from safelight.catalog.findings import Fact
from safelight.catalog.levels import Page
from safelight.catalog.reading import touch
from safelight.catalog.rows import (
    CopyRow,
    CopyState,
    DaySize,
    Finding,
    HoldingRow,
    LandedRow,
    PackRow,
    Rejection,
    SeriesRow,
    Standing,
    StudyRow,
    Tally,
    VersionRow,
    WaitingSeries,
)
from safelight.catalog.schema import FORMAT, about_table, schema
from safelight.catalog.search import StudySearch
from safelight.catalog.tallies import begin_tallies, read_tally
from safelight.catalog.withdrawn import follow_rejections
from safelight.core.database import Database, Durability, is_database, structure_faults
from safelight.core.disk import Disk, RealDisk
from safelight.core.instance import Arrival, Holding, LandingPlace
from safelight.core.query import QueryLevel, Selection

PAGE_MAX = 10_000


class Catalog:
    """What is held, received, claimed and found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def create(cls, path: Path, *, disk: Disk | None = None) -> Self:
        """Make an empty catalog.

        Raises:
            CatalogThere: there is one already.
        """
        if path.exists():
            raise CatalogThere(path=str(path))
        disk = disk or RealDisk()
        disk.close(disk.create(path))
        database = Database(path, Durability.NORMAL, CatalogDamaged, read_only=False)
        with database.writing() as connection:
            schema.create_all(connection)
            connection.execute(about_table.insert().values(format=FORMAT))
            begin_tallies(connection)
        disk.sync_directory(path.parent)
        return cls(database)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the catalog after a look that costs the same at any size.

        Raises:
            CatalogMissing: there is none, or an empty file stands in its place.
            CatalogDamaged: the file is not a catalog (any more), or is one of another format.
        """
        if not path.is_file() or path.stat().st_size == 0:
            raise CatalogMissing(path=str(path))
        if not is_database(path):
            raise CatalogDamaged(path=str(path), error="not a database")
        catalog = cls(Database(path, Durability.NORMAL, CatalogDamaged, read_only=read_only))
        try:
            with catalog._database.reading() as connection:
                _look(connection, path)
        except CatalogDamaged:
            catalog.close()
            raise
        return catalog

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def faults(self) -> list[str]:
        """Return what is wrong with the file's structure; costs time with its size."""
        try:
            with self._database.reading() as connection:
                return structure_faults(connection)
        except CatalogDamaged as error:
            return [str(error)]

    # Landing

    def record_landed(self, arrivals: Sequence[Arrival]) -> list[Standing]:
        """Record arrivals that are durable in the landing log; return for each whether it is new, known or in conflict.

        Repeating is harmless: a place that is recorded already is passed over.
        """
        if not arrivals:
            return []
        with self._database.writing() as connection:
            return landing_rows.record_landed(connection, arrivals)

    def landed_waiting(self) -> list[WaitingSeries]:
        """Return what waits to be packed, by series, the oldest first."""
        with self._database.reading() as connection:
            return landing_rows.waiting_series(connection)

    def landed(
        self,
        study: str | None = None,
        series: str | None = None,
        segment: int | None = None,
        *,
        waiting_only: bool = True,
    ) -> list[LandedRow]:
        """Return landed instances in the order of receipt; an empty study is what names none."""
        with self._database.reading() as connection:
            return landing_rows.landed_in(connection, study, series, segment, waiting_only=waiting_only)

    def settled_segments(self) -> list[tuple[int, int]]:
        """Return landing segments, with their epoch, of which every recorded instance is packed."""
        with self._database.reading() as connection:
            return landing_rows.settled_segments(connection)

    def released(self, places: Iterable[LandingPlace]) -> None:
        """Drop places of the landing log that were freed."""
        with self._database.writing() as connection:
            landing_rows.forget_places(connection, places)

    def segment_released(self, segment: int, epoch: int) -> None:
        """Drop every place of a landing segment that was freed."""
        with self._database.writing() as connection:
            landing_rows.forget_segment(connection, segment, epoch)

    # Packs and copies

    def record_packed(self, pack: PackRow, holdings: Sequence[Holding], places: Iterable[LandingPlace] = ()) -> bool:
        """Record a sealed pack with all it holds; return whether it was new.

        ``places`` are the landing places it was made from; they are needed only where an instance
        came with a prefix.
        """
        with self._database.writing() as connection:
            return packs.record_packed(connection, pack, holdings, places)

    def record_copy(self, pack: str, placement: str, state: CopyState, at: datetime | None) -> None:
        """Record what was found of a pack's copy in a placement, and when.

        Raises:
            PackUnknown: no such pack was recorded.
        """
        with self._database.writing() as connection:
            packs.record_copy(connection, pack, placement, state, at)

    def pack(self, name: str) -> PackRow | None:
        """Return one pack."""
        with self._database.reading() as connection:
            return packs.pack(connection, name)

    def packs(self) -> Iterator[PackRow]:
        """Give every pack, by name."""
        after = ""
        while True:
            with self._database.reading() as connection:
                found = packs.packs(connection, after, PAGE_MAX)
            yield from found
            if len(found) < PAGE_MAX:
                return
            after = found[-1].name

    def copies(self, pack: str) -> list[CopyRow]:
        """Return the copies of a pack."""
        with self._database.reading() as connection:
            return packs.copies(connection, pack)

    def packs_lacking(self, copies_min: int, limit: int = 1000) -> list[PackRow]:
        """Return packs with fewer than ``copies_min`` whole copies, those that would lose most time first."""
        with self._database.reading() as connection:
            return packs.packs_lacking(connection, copies_min, limit)

    def packs_not_in(self, placement: str, limit: int = 1000) -> list[PackRow]:
        """Return packs of which a placement has no copy that is written or verified."""
        with self._database.reading() as connection:
            return packs.packs_not_in(connection, placement, limit)

    def packs_not_found(self) -> list[str]:
        """Return packs that the journal says were sealed and that nobody has recorded."""
        with self._database.reading() as connection:
            return packs.packs_not_found(connection)

    def least_recently_verified(self, placement: str, limit: int = 1000) -> list[CopyRow]:
        """Return the copies in a placement whose last check is longest ago; never checked comes first."""
        with self._database.reading() as connection:
            return packs.least_recently_verified(connection, placement, limit)

    def copies_in_state(self, placement: str, state: CopyState, limit: int = 1000) -> list[CopyRow]:
        """Return copies in a placement that are, say, damaged."""
        with self._database.reading() as connection:
            return packs.copies_in_state(connection, placement, state, limit)

    def known(self, digests: Iterable[bytes], *, packed_only: bool = False) -> set[bytes]:
        """Return which of these digests name a version that is known (or lies in a pack)."""
        with self._database.reading() as connection:
            return packs.known(connection, digests, packed_only=packed_only)

    def pixels_known(self, pixel_digests: Iterable[bytes], copies_min: int = 1) -> dict[bytes, tuple[str, int]]:
        """Return for pixel digests the pack and position where the pixels lie, in packs with whole copies only."""
        with self._database.reading() as connection:
            return packs.pixels_known(connection, pixel_digests, copies_min)

    # Studies, series, instances

    def find(self, search_for: StudySearch) -> list[StudyRow]:
        """Return matching studies, newest study date first.

        Raises:
            BadSearch: a date is none, or a limit is out of range.
        """
        with self._database.reading() as connection:
            return search.find(connection, search_for)

    def level_keys(self, selection: Selection, limit: int) -> list[int]:
        """Return keys of what matches at a level, for `level_rows`; at most ``limit``."""
        with self._database.reading() as connection:
            return levels.level_keys(connection, selection, limit)

    def level_page(self, selection: Selection, offset: int, limit: int) -> Page:
        """Return at most ``limit`` of what matches after the first ``offset``, and whether more follows."""
        with self._database.reading() as connection:
            return levels.level_page(connection, selection, offset, limit)

    def level_rows(
        self, level: QueryLevel, tags: Sequence[int], keys: Sequence[int], *, hides_withdrawn: bool = False
    ) -> list[tuple[str, ...]]:
        """Return the values of attributes under these keys, in their order."""
        with self._database.reading() as connection:
            return levels.level_rows(connection, level, tags, keys, hides_withdrawn=hides_withdrawn)

    def level_versions(self, selection: Selection, limit: int) -> list[VersionRow]:
        """Return the current version of each instance that matches; at most ``limit``."""
        with self._database.reading() as connection:
            return levels.level_versions(connection, selection, limit)

    def study(self, study: str) -> StudyRow | None:
        """Return one study."""
        with self._database.reading() as connection:
            return search.one_study(connection, study)

    def as_received(self, rows: Iterable[StudyRow]) -> list[StudyRow]:
        """Return studies as their earliest received instances describe them, whatever was decided since."""
        with self._database.reading() as connection:
            return in_force.as_received(connection, rows)

    def received_since(self, moment: datetime, limit: int = PAGE_MAX) -> list[StudyRow]:
        """Return studies of which something was received at or after a moment, the oldest receipt first."""
        with self._database.reading() as connection:
            return search.received_since(connection, moment, limit)

    def day_sizes(self, first: str, last: str) -> list[DaySize]:
        """Return what is held of the studies of each day between two, these included.

        Raises:
            BadSearch: one of them is no date.
        """
        with self._database.reading() as connection:
            return search.day_sizes(connection, first, last)

    def studies_size(self) -> int:
        """Return the bytes of all studies, whatever their date; every study is looked at."""
        with self._database.reading() as connection:
            return search.studies_size(connection)

    def studies(self) -> Iterator[StudyRow]:
        """Give every study, in no order that means anything, a few hundred in memory at a time."""
        after = 0
        while True:
            with self._database.reading() as connection:
                found = search.all_studies(connection, after)
            yield from (row for _, row in found)
            if not found:
                return
            after = found[-1][0]

    def stored_studies(self, studies: Iterable[str]) -> set[str]:
        """Return those of which everything was sent here, and nothing seeded or pulled."""
        with self._database.reading() as connection:
            return ways.stored_studies(connection, studies)

    def series(self, study: str) -> list[SeriesRow]:
        """Return the series of a study."""
        with self._database.reading() as connection:
            return search.series_of(connection, study)

    def versions(
        self, study: str | None = None, series: str | None = None, instance: str | None = None
    ) -> list[VersionRow]:
        """Return every version that fits what is given, by instance and age."""
        assert study is not None or series is not None or instance is not None
        with self._database.reading() as connection:
            return versions.versions(connection, study, series, instance)

    def met(self, instances: Iterable[str]) -> set[str]:
        """Return which of these SOP Instance UIDs have any version here."""
        with self._database.reading() as connection:
            return versions.met(connection, instances)

    def disputed(self, instances: Iterable[str]) -> set[str]:
        """Return which of these instances have more than one version."""
        with self._database.reading() as connection:
            return versions.disputed(connection, instances)

    def instances(
        self, study: str | None = None, series: str | None = None, as_of: datetime | None = None
    ) -> list[VersionRow]:
        """Return of each instance the version that is current, or was at a moment."""
        assert study is not None or series is not None
        with self._database.reading() as connection:
            return versions.current(connection, versions.versions(connection, study, series), as_of)

    def custody(self, instances: Iterable[str]) -> dict[str, Custody]:
        """Return in how many whole copies these instances are kept; what is not held is absent."""
        with self._database.reading() as connection:
            return custody.custody(connection, instances)

    def opaque(self) -> Iterator[VersionRow]:
        """Give every version that belongs to no study, by digest."""
        after = b""
        while True:
            with self._database.reading() as connection:
                found = versions.opaque_versions(connection, after, PAGE_MAX)
            yield from found
            if len(found) < PAGE_MAX:
                return
            after = found[-1].digest

    def holdings(
        self,
        study: str | None = None,
        series: str | None = None,
        instance: str | None = None,
        digests: Iterable[bytes] | None = None,
    ) -> list[HoldingRow]:
        """Return where in the vault the versions lie that fit what is given, by instance and age."""
        assert study is not None or series is not None or instance is not None or digests is not None
        with self._database.reading() as connection:
            return versions.holdings(connection, study, series, instance, digests)

    # What sources claim

    def record_claims(self, source: str, run: str, told: Sequence[StudyClaim], at: datetime) -> list[ClaimChange]:
        """Record what a source says of some studies, compare those studies, and tell what changed."""
        with self._database.writing() as connection:
            return census_rows.record_claims(connection, source, run, told, at)

    def end_census(self, run: CensusRun, dates: tuple[str, str] | None = None) -> list[str]:
        """Record that a census run ended, and return the studies that the source no longer claims."""
        with self._database.writing() as connection:
            return census_rows.end_census(connection, run, dates)

    def census(
        self,
        outcomes: Iterable[CensusOutcome] | None = None,
        dates: tuple[str, str] | None = None,
        source: str | None = None,
        limit: int = 1000,
        offset: int = 0,
    ) -> list[CensusRow]:
        """Return compared studies, newest study date first; how many there are of each stands in the tally."""
        with self._database.reading() as connection:
            return census_rows.census_rows(connection, outcomes, dates, source, limit=limit, offset=offset)

    def held_studies(self, studies: Iterable[str]) -> dict[str, HeldStudy]:
        """Count what is held of studies, landed or packed; one that is not held is absent."""
        with self._database.reading() as connection:
            return claims.held_studies(connection, studies)

    def kept_claims(self, source: str, studies: Iterable[str]) -> dict[str, KeptClaim]:
        """Return what a source claimed of studies when it was last asked; what is gone is absent."""
        with self._database.reading() as connection:
            return claims.kept_claims(connection, source, studies)

    def claims_before(self, source: str, moment: datetime, dates: Dates | None = None) -> int:
        """Count the studies that a source claimed for the first time before a moment and has not taken back."""
        with self._database.reading() as connection:
            return claims.claims_before(connection, source, moment, dates)

    def vanished(self, source: str, moment: datetime, dates: Dates | None = None, limit: int = 1000) -> Counted:
        """Return the studies that a source claimed before a moment and not since."""
        with self._database.reading() as connection:
            return claims.vanished(connection, source, moment, dates, limit)

    def unclaimed(self, source: str, moment: datetime, dates: Dates | None = None, limit: int = 1000) -> Counted:
        """Return the studies that are held and that a source has not claimed since a moment."""
        with self._database.reading() as connection:
            return claims.unclaimed(connection, source, moment, dates, limit)

    def row_limit(self, source: str) -> int:
        """Return how many rows a source seemed to give at most at its last census; nought where nothing says so."""
        with self._database.reading() as connection:
            return census_rows.row_limit(connection, source)

    def series_claims(self, source: str, study: str) -> list[SeriesClaim]:
        """Return what a source says of the series of a study, as far as it was asked."""
        with self._database.reading() as connection:
            return census_rows.series_claims(connection, source, study)

    def exposure_inputs(self, copies_min: int) -> ExposureInputs:
        """Return what the exposure is computed from."""
        with self._database.reading() as connection:
            return exposure_inputs(connection, copies_min)

    # Facts of the journal

    def apply(self, facts: Iterable[Fact]) -> None:
        """Take journal entries into account, in journal order, in one commit; harmless when repeated."""
        several = list(facts)
        with self._database.writing() as connection:
            for fact in several:
                findings.apply(connection, fact)
            in_force.follow_choices(
                connection, (fact.facts["sop_instance"] for fact in several if fact.kind == "version-chosen")
            )
            noted = [fact.facts["instances"] for fact in several if fact.kind == "rejection-noted"]
            follow_rejections(connection, chain.from_iterable(noted))

    def open_finding(self, finding: Finding) -> bool:
        """Open a finding; return whether it was not open before."""
        with self._database.writing() as connection:
            return findings.open_finding(connection, finding)

    def close_finding(
        self, code: str, subject: str, at: datetime, because: str = "", journal_position: int = 0
    ) -> bool:
        """Close a finding; return whether it was open."""
        with self._database.writing() as connection:
            return findings.close_finding(
                connection, code, subject, at, because=because, journal_position=journal_position
            )

    def findings(self, *, open_only: bool = True, code: str | None = None, limit: int = 1000) -> list[Finding]:
        """Return findings, the gravest first, and of these the oldest."""
        with self._database.reading() as connection:
            return findings.findings(connection, open_only=open_only, code=code, limit=limit)

    def rejections(self, study: str | None = None, instances: Iterable[str] | None = None) -> list[Rejection]:
        """Return what rejection notes withdraw of a study, or of some instances."""
        with self._database.reading() as connection:
            return findings.rejections(connection, study, instances)

    # Callers, numbers, comparison

    def with_sightings(self, sightings: Sequence[CallerSighting]) -> Sighted:
        """Return the callers that were seen as they are with these sightings; nothing is written."""
        with self._database.reading() as connection:
            return callers.with_sightings(connection, sightings)

    def keep_callers(self, sighted: Sighted) -> None:
        """Take into the register what is told of callers; harmless when repeated."""
        with self._database.writing() as connection:
            callers.keep_callers(connection, sighted)

    def callers(self) -> list[CallerRow]:
        """Return everybody who was seen, by title and host."""
        with self._database.reading() as connection:
            return callers.callers(connection)

    def tally(self) -> Tally:
        """Return the numbers of the house; costs the same at any size."""
        with self._database.reading() as connection:
            return read_tally(connection)

    def dump(self, until: int | None = None) -> Iterator[str]:
        """Give the canonical dump; facts after the journal position ``until`` are left out."""
        with self._database.reading() as connection:
            yield from dump(connection, until)


def _look(connection: Connection, path: Path) -> None:
    """Check format, tables and numbers without reading what grows."""
    found = connection.execute(select(about_table.c.format)).scalar()
    if found != FORMAT:
        raise CatalogDamaged(path=str(path), format=found)
    touch(connection, schema.sorted_tables)
