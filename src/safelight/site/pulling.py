"""Pulling from a PACS: protection's procedure, with a crew of threads at the source and its facts in the journal."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar, Final, Protocol

from safelight.core.clock import Clock
from safelight.core.errors import StateError
from safelight.core.progress import Progress, Report, silent
from safelight.gateway.control import is_serving
from safelight.protection.enumeration import begin_days
from safelight.protection.finding import FindingCode
from safelight.protection.pull import (
    Command,
    Enumerate,
    Fact,
    PullSettings,
    PullState,
    Retrieve,
    RetrieveEnded,
    SourceFailed,
    StudyCompared,
    begin_pull,
    decide,
    do_command,
    fold,
    next_moment,
)
from safelight.protection.source import HeldStudies, RetrieveWay, SourceArchive, SourceUnreachable
from safelight.site.census_book import CatalogHeld
from safelight.site.flushing import pack_everything
from safelight.site.opened import Site
from safelight.site.pull_log import OpenPull, PullLog, PullScope
from safelight.site.records import Records
from safelight.site.sources import Wait, days_told, local_time, source_told, windows_told

LISTED_MAX: Final = 100
FAILURES_MAX: Final = 8
"""So often in a row, each time after a longer pause, a source may be out of reach; then the pull ends for now."""
LANDING_SHARE_MAX: Final = 0.5
"""With more of the landing log taken, nothing more is asked for until it is packed."""
WAIT_SECONDS: Final = 0.2
BYTES_IN_MEGABYTE: Final = 1_000_000


class PullRuns(StateError):
    """A pull from this source is under way already."""

    code: ClassVar[str] = "protection.pull-runs"
    hint: ClassVar[str] = "Wait for it, or stop the command that runs it; then try again."


class NobodyListens(StateError):
    """With C-MOVE the source sends to our listener, and no `serve` runs."""

    code: ClassVar[str] = "protection.nobody-listens"
    hint: ClassVar[str] = "Start `safelight serve` on this home first, or pull with: --way get"


_running: set[str] = set()
_running_lock = threading.Lock()


def pull(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Pull what we lack, newest first; return when everything claimed has arrived or was given up.

    A pull that was stopped, by a limit or a crash, is gone on with.

    Raises:
        PullRuns: one from this source is under way.
        NobodyListens: by C-MOVE, and nothing of ours would receive.
    """
    way = RetrieveWay(str(told.get("way") or "get"))
    if way is RetrieveWay.MOVE and not is_serving(site.home.control_socket):
        raise NobodyListens
    rate = float(told.get("rate") or site.settings.protection.pull_megabytes_per_second) * BYTES_IN_MEGABYTE
    source = source_told(site, told, rate)
    with _running_lock:
        if source.name in _running:
            raise PullRuns(source=source.name)
        _running.add(source.name)
    try:
        return _pull_from(site, source, _settings(site, way, rate), told, report)
    finally:
        with _running_lock:
            _running.discard(source.name)


def _settings(site: Site, way: RetrieveWay, bytes_per_second: float) -> PullSettings:
    return PullSettings(
        ways=(way,),
        windows=windows_told(site.settings.protection.pull_window),
        bytes_per_second_max=bytes_per_second or None,
        settle_seconds=0.1 if way is RetrieveWay.GET else 1.0,
        backoff_seconds=5.0,
    )


def _pull_from(
    site: Site, source: SourceArchive, settings: PullSettings, told: Mapping[str, Any], report: Report
) -> dict[str, Any]:
    held = CatalogHeld(site.catalog)
    scope = PullScope(source.name, str(told.get("date_from") or ""), str(told.get("date_to") or ""))
    days = days_told(told, site.clock)
    slots = max(1, site.settings.protection.pull_associations)
    crew = PullCrew(source, held, site.clock, report, slots, room=lambda: _has_room(site))
    if told.get("dry_run"):
        begun = begin(settings, local_time(site.clock).date(), days)
        return _document(source.name, crew.ask_only(begun), held, crew.troubles, resumed=False)
    log = PullLog(site.records)
    opened, state = open_pull(log, scope, settings, days, site.clock, anew=bool(told.get("anew")))
    findings = _Unfinished(site.records, source.name)
    state = crew.run(state, findings.watch(lambda facts: log.record(opened, facts)), limit=told.get("limit"))
    site.arrivals.settle()
    findings.tell(state)
    document = _document(source.name, state, held, crew.troubles, resumed=opened.resumed)
    if state.finished:
        log.finish(opened, {**document, "unknown": document["unknown"][:LISTED_MAX]})
    return document


def open_pull(
    log: PullLog,
    scope: PullScope,
    settings: PullSettings,
    days: Sequence[tuple[date, date]],
    clock: Clock,
    *,
    anew: bool = False,
) -> tuple[OpenPull, PullState]:
    """Go on with the pull of this scope that did not end, from its recorded facts; or begin one."""
    unfinished = None if anew else log.unfinished(scope)
    opened = unfinished or log.begin(scope, clock.now(), local_time(clock).date(), settings.ways[0].value)
    state = begin(settings, opened.today, days)
    if unfinished is not None:
        for fact in log.facts(opened):
            state = fold(state, fact)
    return opened, state


def begin(settings: PullSettings, today: date, days: Sequence[tuple[date, date]]) -> PullState:
    """Return the state before the first question, for some days or for all."""
    state = begin_pull(settings, today)
    return replace(state, enumeration=begin_days(settings.enumeration, days)) if days else state


def _has_room(site: Site) -> bool:
    """Whether the landing log has room for more; where no `serve` packs, what waits is packed here."""
    usage = site.landing.usage()
    if usage.bytes_held <= LANDING_SHARE_MAX * usage.bytes_max:
        return True
    if is_serving(site.home.control_socket):
        return False
    pack_everything(site, silent)
    return True


def _document(
    source: str, state: PullState, held: CatalogHeld, troubles: Mapping[str, int], *, resumed: bool
) -> dict[str, Any]:
    claimed = max(len(held.asked), state.wanted)
    return {
        "source": source,
        "resumed": resumed,
        "claimed": claimed,
        "wanted": state.wanted,
        "pulled": state.settled,
        "held_already": claimed - state.wanted,
        "failed": len(state.unfinished),
        "failed_studies": list(state.unfinished[:LISTED_MAX]),
        "troubles": dict(troubles),
        "waiting": len(state.studies),
        "complete": state.enumeration.complete and state.finished,
        "unknown": [f"{part.query.in_words}: {part.doubt}" for part in state.enumeration.unknown],
    }


class Room(Protocol):
    """Says whether more may be asked for; makes room where it can."""

    def __call__(self) -> bool:
        """Return whether there is room now."""


class Record(Protocol):
    """Makes facts durable."""

    def __call__(self, facts: list[Fact]) -> None:
        """Return when they are."""


class _Unfinished:
    """The findings about studies that a source claims and does not deliver."""

    def __init__(self, records: Records, source: str) -> None:
        self._records = records
        self._source = source
        self._open = {one.subject for one in records.catalog.findings(code=FindingCode.PULL_UNFINISHED)}

    def watch(self, record: Record) -> Record:
        """Close the finding about a study that has arrived after all."""

        def recorded(facts: list[Fact]) -> None:
            record(facts)
            for fact in facts:
                if isinstance(fact, StudyCompared) and fact.missing == 0 and fact.study in self._open:
                    self._records.close_finding(FindingCode.PULL_UNFINISHED, fact.study, "it has arrived")

        return recorded

    def tell(self, state: PullState) -> None:
        """Open a finding about each study that was given up."""
        for finding in state.findings(self._source):
            self._records.open_finding(str(finding.code), finding.subject, "serious", **dict(finding.facts))


@dataclass(slots=True)
class PullCrew:
    """Asks `decide`, has commands done by a few threads, has their facts recorded, and folds them."""

    source: SourceArchive
    held: HeldStudies
    clock: Clock
    report: Report
    slots: int = 1
    room: Room = lambda: True
    pause: Wait = time.sleep
    instances: int = 0
    reached: bool = False
    troubles: Counter[str] = field(default_factory=Counter)
    """What the source answered to retrieves that it did not fulfil, and how often."""
    asked_for: set[str] = field(default_factory=set)
    """Studies that this run asked for."""

    def run(self, state: PullState, record: Record, limit: int | None = None) -> PullState:
        """Go on until nothing is left to do, or ``limit`` studies were asked for and have come or were given up.

        Raises:
            SourceUnreachable: at the first question, or for long. What was recorded is gone on with later.
        """
        under_way: dict[Future[Fact], Command] = {}
        with ThreadPoolExecutor(self.slots, thread_name_prefix="pull") as crew:
            while True:
                is_full = limit is not None and len(self.asked_for) >= limit
                is_enough = is_full and not any(study in state.studies for study in self.asked_for)
                if not is_enough and self.room():
                    for command in self._commands(state, under_way.values(), limit):
                        job = crew.submit(do_command, command, self.source, self.held, self.clock)
                        under_way[job] = command
                if under_way:
                    state = self._take(state, under_way, record)
                elif is_enough or state.finished:
                    return state
                else:
                    self._rest(state)

    def ask_only(self, state: PullState) -> PullState:
        """Enumerate the source and fetch nothing."""
        while not state.enumeration.finished:
            query = state.enumeration.pending[0]
            fact = do_command(Enumerate(query), self.source, self.held, self.clock)
            if isinstance(fact, SourceFailed):
                raise SourceUnreachable(source=self.source.name)
            state = fold(state, fact)
            self._tell(state)
        return state

    def _commands(self, state: PullState, under_way: Iterable[Command], limit: int | None) -> Iterator[Command]:
        busy = frozenset(under_way)
        if limit is not None and len(self.asked_for) >= limit:
            left = {name: study for name, study in state.studies.items() if name in self.asked_for}
            state = replace(state, studies=left)
        for command in decide(state, self.slots - len(busy), self.clock.now(), local_time(self.clock), busy):
            if limit is not None and not self._is_within(command, limit):
                continue
            if isinstance(command, Retrieve):
                self.asked_for.add(command.study)
            yield command

    def _is_within(self, command: Command, limit: int) -> bool:
        if isinstance(command, Retrieve):
            return command.study in self.asked_for or len(self.asked_for) < limit
        return not isinstance(command, Enumerate) or len(self.asked_for) < limit

    def _take(self, state: PullState, under_way: dict[Future[Fact], Command], record: Record) -> PullState:
        """Wait for commands to be done; record what they brought before anything else is asked for."""
        done, _ = wait(under_way, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        facts = [job.result() for job in done]
        for job in done:
            del under_way[job]
        if facts:
            record(facts)
        for fact in facts:
            state = fold(state, fact)
            if isinstance(fact, RetrieveEnded):
                self.instances += fact.completed
            self.troubles.update(_trouble(fact))
            self._tell(state)
            self._judge(fact, state)
        return state

    def _judge(self, fact: Fact, state: PullState) -> None:
        if isinstance(fact, SourceFailed) and fact.study is None:
            if not self.reached or state.failures_in_row >= FAILURES_MAX:
                raise SourceUnreachable(source=self.source.name, failures=state.failures_in_row)
        else:
            self.reached = True

    def _rest(self, state: PullState) -> None:
        """Wait until something becomes due; outside the windows, a little at a time."""
        windows, local = state.settings.windows, local_time(self.clock)
        if windows and not any(window.holds(local) for window in windows):
            self._tell(state, "waiting for pull_window")
        now = self.clock.now()
        due = next_moment(state, now)
        self.pause(min(max((due - now).total_seconds(), 0.01), 1.0) if due else WAIT_SECONDS)

    def _tell(self, state: PullState, note: str = "") -> None:
        told = note or f"{self.instances} instances"
        self.report(Progress("pull", state.settled, state.wanted, "studies", told))


def _trouble(fact: Fact) -> list[str]:
    """Say in words what a source answered to a retrieve that it did not fulfil."""
    if isinstance(fact, SourceFailed):
        return [fact.code]
    if not isinstance(fact, RetrieveEnded) or (fact.accepted and not fact.failed):
        return []
    return ["sub-operations failed" if fact.accepted or fact.failed else "retrieve refused"]
