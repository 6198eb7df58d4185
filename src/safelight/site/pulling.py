"""Pulling from a PACS and counting what it holds: protection's procedures on a DICOM source and our catalog."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import StudyClaim as KeptClaim
from safelight.core.clock import to_text
from safelight.core.errors import UsageError
from safelight.core.instance import Way
from safelight.core.names import Peer
from safelight.core.progress import Progress, Report
from safelight.journal.kinds import FactKind
from safelight.protection.census import CensusScope, CensusSummary, ClaimRow, take_census
from safelight.protection.comparison import Depth, Standing
from safelight.protection.enumeration import EnumerationSettings, begin_days, begin_whole
from safelight.protection.pull import (
    Command,
    Enumerate,
    PullSettings,
    PullState,
    RangeAnswered,
    RetrieveEnded,
    Window,
    decide,
    do_command,
    fold,
    next_moment,
)
from safelight.protection.source import HeldCount, RetrieveWay
from safelight.site.intake import LandingIntake
from safelight.site.opened import Site
from safelight.site.peers import find_peer
from safelight.site.retrieval import DicomSource

EARLIEST: Final = date(1895, 1, 1)
LISTED_MAX: Final = 10_000
WAIT_SECONDS: Final = 0.2


class NoSource(UsageError):
    """There is no PACS to pull from or to count."""

    code: ClassVar[str] = "protection.no-source"
    hint: ClassVar[str] = "Give --source AET@HOST:PORT, or set protection.source in safelight.toml."


class BadRange(UsageError):
    """A date or an hour is not written as it must be."""

    code: ClassVar[str] = "protection.bad-range"
    hint: ClassVar[str] = "Write dates as YYYYMMDD and pull_window as HH:MM-HH:MM."


class CatalogBook:
    """Claims and holdings as the catalog keeps them, for one census."""

    def __init__(self, catalog: Catalog, run: str) -> None:
        self._catalog = catalog
        self._run = run
        self._seen: dict[str, ClaimRow] = {}
        self.asked: set[str] = set()
        """Every study that was ever counted."""

    def counts(self, studies: Sequence[str]) -> Mapping[str, HeldCount]:
        """Count by study; a study that is not held is absent."""
        self.asked.update(studies)
        rows = {study: self._catalog.study(study) for study in studies}
        return {study: HeldCount(row.series, row.instances) for study, row in rows.items() if row and row.instances}

    def instances(self, study: str) -> Mapping[str, AbstractSet[str]]:
        """Name the instances of a study, by series."""
        named: dict[str, set[str]] = {}
        for version in self._catalog.versions(study):
            named.setdefault(version.series, set()).add(version.sop_instance)
        return named

    def claims(self, source: str, studies: Sequence[str]) -> Mapping[str, ClaimRow]:
        """Return what this census has seen of these studies already."""
        del source
        return {study: self._seen[study] for study in studies if study in self._seen}

    def record_claims(self, source: str, rows: Sequence[ClaimRow]) -> None:
        """Keep rows, each in place of an older one of its study."""
        for row in rows:
            self._seen[row.claim.study] = row
        kept = [
            KeptClaim(
                row.claim.study,
                row.claim.date_text,
                row.claim.time_text,
                row.claim.modalities,
                series=row.claim.series_count,
                instances=row.claim.instance_count,
            )
            for row in rows
        ]
        if kept:
            self._catalog.record_claims(source, self._run, kept, rows[0].at)

    def unclaimed(self, source: str, since: datetime, days: Sequence[tuple[date, date]] | None) -> Iterable[str]:
        """Name studies that are held and that no source claims."""
        del source, since
        dates = (_text(days[0][0]), _text(days[-1][1])) if days else None
        rows = self._catalog.census([CensusOutcome.ONLY_IN_VAULT], dates, limit=LISTED_MAX)
        return [row.study for row in rows]

    def differing(self) -> Iterator[ClaimRow]:
        """Give the studies that are not protected."""
        yield from (row for row in self._seen.values() if row.comparison.standing is not Standing.PROTECTED)


def census(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Count what the source says it holds against what we hold."""
    source = _source(site, told)
    run = to_text(site.clock.now())
    book = CatalogBook(site.catalog, run)
    days = _days(told)
    today = datetime.now().date()
    settings = EnumerationSettings()
    scope = CensusScope(
        begin_days(settings, days) if days else begin_whole(settings, today),
        tuple(days) if days else None,
        {"study": Depth.COUNTS, "series": Depth.DIFFERING}.get(str(told.get("level")), Depth.DIFFERING),
    )
    summary = take_census(source, book, scope, site.clock, pause=lambda: None, report=report)
    _record_census(site, run, summary, days)
    return {
        "source": summary.source,
        "complete": summary.complete,
        "protected": summary.standings.get(Standing.PROTECTED, 0) + summary.standings.get(Standing.EMPTY, 0),
        "unprotected": summary.standings.get(Standing.UNPROTECTED, 0),
        "differing": summary.standings.get(Standing.DIFFERING, 0),
        "not_known": summary.standings.get(Standing.UNKNOWN, 0),
        "only_in_vault": len(summary.only_in_vault or ()),
        "instances_claimed": summary.instances_claimed,
        "instances_missing": summary.instances_missing,
        "queries": summary.queries,
        "unknown": list(summary.unknown),
        "assumes": list(summary.assumes),
        "studies": [
            {
                "study": row.claim.study,
                "state": row.comparison.standing.value,
                "told": f"claimed {row.comparison.claimed}, held {row.comparison.held}",
            }
            for row in book.differing()
        ],
    }


def _record_census(site: Site, run: str, summary: CensusSummary, days: Sequence[tuple[date, date]]) -> None:
    facts = {
        **summary.facts(),
        "run": run,
        "complete": summary.speaks_for_source if not days else summary.complete,
        "not_covered": "; ".join(summary.unknown)[:2000],
    }
    if days:
        facts["date_from"], facts["date_to"] = _text(days[0][0]), _text(days[-1][1])
    site.records.record(FactKind.SOURCE_CLAIMED, facts)
    for finding in summary.findings():
        site.records.open_finding(str(finding.code), finding.subject, "serious", **dict(finding.facts))
    if summary.complete:
        site.records.close_finding("protection.census-incomplete", summary.source, "a complete census was taken")


def pull(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Pull what we lack, newest first; return when everything claimed has arrived or was given up."""
    source = _source(site, told)
    run = to_text(site.clock.now())
    site.records.record(FactKind.PULL_STARTED, {"source": source.name, "run": run, "way": str(told.get("way", "get"))})
    state, tally = _Pull(site, source, told, report).run()
    site.arrivals.settle()
    unknown = [f"{part.query.in_words}: {part.doubt}" for part in state.enumeration.unknown]
    for finding in state.findings(source.name):
        site.records.open_finding(str(finding.code), finding.subject, "serious", **dict(finding.facts))
    document = {
        "source": source.name,
        "claimed": tally.claimed,
        "pulled": state.settled,
        "held_already": max(tally.claimed - len(tally.wanted), 0),
        "failed": len(state.unfinished),
        "waiting": len(state.studies),
        "complete": state.enumeration.complete and state.finished,
        "unknown": unknown,
    }
    site.records.record(FactKind.PULL_FINISHED, {"run": run, **document, "unknown": unknown[:100]})
    return document


class _Tally:
    def __init__(self) -> None:
        self.claimed = 0
        self.wanted: set[str] = set()
        self.instances = 0


class _Pull:
    """One pull: asks `decide`, has commands done by a few threads, folds their facts."""

    def __init__(self, site: Site, source: DicomSource, told: Mapping[str, Any], report: Report) -> None:
        self._site = site
        self._source = source
        self._report = report
        self._limit = told.get("limit")
        self._dry_run = bool(told.get("dry_run"))
        self._book = CatalogBook(site.catalog, "")
        protection = site.settings.protection
        way = RetrieveWay(str(told.get("way") or "get"))
        settings = PullSettings(
            ways=(way,),
            windows=_windows(protection.pull_window),
            settle_seconds=0.1 if way is RetrieveWay.GET else 1.0,
            backoff_seconds=5.0,
        )
        days = _days(told)
        today = datetime.now().date()
        enumeration = EnumerationSettings()
        begun = begin_days(enumeration, days) if days else begin_whole(enumeration, today)
        self._state = PullState(settings, begun)
        self._tally = _Tally()
        self._wake = threading.Event()
        self._slots = max(1, protection.pull_associations)

    def run(self) -> tuple[PullState, _Tally]:
        """Go on until nothing is left to do."""
        under_way: dict[Future[Any], Command] = {}
        with ThreadPoolExecutor(self._slots, thread_name_prefix="pull") as crew:
            while not self._over(under_way):
                now = self._site.clock.now()
                local = datetime.now()
                free = self._slots - len(under_way)
                commands = () if self._enough() else decide(self._state, free, now, local, set(under_way.values()))
                for command in commands:
                    if self._dry_run and not isinstance(command, Enumerate):
                        continue
                    job = crew.submit(do_command, command, self._source, self._book, self._site.clock)
                    under_way[job] = command
                if not under_way:
                    if self._dry_run and self._state.enumeration.finished:
                        break
                    due = next_moment(self._state, now)
                    self._wake.wait(min(max((due - now).total_seconds(), 0.01), 1.0) if due else WAIT_SECONDS)
                    continue
                done, _ = wait(under_way, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                for job in done:
                    del under_way[job]
                    self._take(job.result())
        return self._state, self._tally

    def _over(self, under_way: Mapping[Future[Any], Command]) -> bool:
        return not under_way and (self._state.finished or self._enough())

    def _enough(self) -> bool:
        return self._limit is not None and self._state.settled >= self._limit

    def _take(self, fact: Any) -> None:
        if isinstance(fact, RangeAnswered):
            self._tally.wanted.update(claim.study for claim, _ in fact.wanted)
            self._tally.claimed = len(self._book.asked)
        if isinstance(fact, RetrieveEnded):
            self._tally.instances += fact.completed
        self._state = fold(self._state, fact)
        note = f"{self._tally.instances} instances"
        self._report(Progress("pull", self._state.settled, len(self._tally.wanted), "studies", note))


def _source(site: Site, told: Mapping[str, Any]) -> DicomSource:
    text = str(told.get("source") or site.settings.protection.source)
    if not text:
        raise NoSource
    peer: Peer = find_peer(site.home.peers, text)
    intake = LandingIntake(site.landing, site.clock, site.arrivals.put, Way.PULL)
    return DicomSource(peer, site.settings.dicom.ae_title, intake, site.arrivals.settle)


def _days(told: Mapping[str, Any]) -> list[tuple[date, date]]:
    first, last = str(told.get("date_from") or ""), str(told.get("date_to") or "")
    if not first and not last:
        return []
    today = datetime.now(UTC).date() + timedelta(days=1)
    return [(_day(first) if first else EARLIEST, _day(last) if last else today)]


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError as error:
        raise BadRange(given=text) from error


def _text(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _windows(text: str) -> tuple[Window, ...]:
    if not text:
        return ()
    try:
        opens, closes = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError as error:
        raise BadRange(pull_window=text) from error
    return (Window(opens, closes),)
