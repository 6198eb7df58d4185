"""A pull whose power is cut before or after any record goes on where it stopped."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.core.clock import SetClock
from safelight.core.progress import silent
from safelight.journal.journal import Journal
from safelight.protection.pull import Fact, PullSettings, PullState, Window
from safelight.protection.source import RetrieveWay, SourceUnreachable
from safelight.site.pull_log import PullLog, PullScope
from safelight.site.pulling import PullCrew, open_pull
from safelight.site.records import Records
from safelight.site.sources import Pace, PoliteSource, windows_told
from support.crash_disk import PowerCut
from support.source_model import MemoryBook, Misbehaviour, ModelSource, ModelStudy, SourceModel, make_study

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCOPE = PullScope("PACS", "20260201", "20260228")
DAYS = [(date(2026, 2, 1), date(2026, 2, 28))]
STUDIES = [make_study(n, f"2026020{n}", series=2) for n in range(1, 5)]
RECORDS_MADE = 1 + 2 * len(STUDIES)


class Pull:
    """One home's records and a source; commands come one at a time, so that each record is one commit."""

    def __init__(self, folder: Path, studies: list[ModelStudy], misbehaviour: Misbehaviour | None = None) -> None:
        self.clock = SetClock(NOW)
        self.journal = folder / "journal.db"
        self.catalog = folder / "catalog.db"
        Records(Journal.create(self.journal, self.clock, "node"), Catalog.create(self.catalog)).close()
        self.book = MemoryBook()
        self.source = ModelSource(SourceModel(studies, misbehaviour or Misbehaviour()), self.book)
        self.rests: list[float] = []

    def run(
        self,
        cut: Callable[[], None] = lambda: None,
        *,
        after: bool = False,
        settings: PullSettings | None = None,
        limit: int | None = None,
        scope: PullScope = SCOPE,
    ) -> tuple[bool, PullState]:
        """Pull as a new process would; say whether it went on, and where it ended."""
        with Records(Journal.open(self.journal, self.clock, "node"), Catalog.open(self.catalog)) as records:
            log = PullLog(records)
            opened, state = open_pull(log, scope, settings or PullSettings(), DAYS, self.clock)

            def record(facts: list[Fact]) -> None:
                if not after:
                    cut()
                log.record(opened, facts)
                if after:
                    cut()

            crew = PullCrew(self.source, self.book, self.clock, silent, pause=self._rest)
            state = crew.run(state, record, limit)
            if state.finished:
                log.finish(opened, {})
            return opened.resumed, state

    def _rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))
        while self.source.late:
            self.source.late.pop(0)()


def cut_at(count: int) -> Callable[[], None]:
    left = [count]

    def cut() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise PowerCut

    return cut


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("count", range(1, RECORDS_MADE + 1))
def test_a_pull_that_was_cut_fetches_at_most_one_study_again(tmp_path: Path, count: int, after: bool) -> None:
    pull = Pull(tmp_path, STUDIES, Misbehaviour(early_move=True))
    settings = PullSettings(ways=(RetrieveWay.MOVE,))
    with pytest.raises(PowerCut):
        pull.run(cut_at(count), after=after, settings=settings)
    resumed, state = pull.run(settings=settings)
    assert resumed
    assert (state.finished, state.settled, state.unfinished) == (True, len(STUDIES), ())
    for study in STUDIES:
        assert pull.book.instances(study.uid) == {series: set(part) for series, part in study.series.items()}
    fetched = Counter(study for study, _, _ in pull.source.retrieves)
    assert sum(fetched.values()) <= len(STUDIES) + 1
    assert len(pull.source.queries) <= 2 if count == 1 and not after else len(pull.source.queries) == 1
    assert pull.run(settings=settings)[0] is False


def test_a_pull_ends_at_its_limit_and_the_next_one_goes_on(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES)
    first = [pull.run(limit=2) for _ in range(2)]
    assert [(resumed, state.settled, state.finished) for resumed, state in first] == [
        (False, 2, False),
        (True, 4, True),
    ]
    assert len(pull.source.queries) == 1


@pytest.mark.parametrize("way", RetrieveWay)
def test_a_limit_holds_for_studies_that_do_not_come_too(tmp_path: Path, way: RetrieveWay) -> None:
    all_of_it = frozenset(one for study in STUDIES for part in study.series.values() for one in part)
    pull = Pull(tmp_path, STUDIES, Misbehaviour(never_sends=all_of_it))
    _, state = pull.run(settings=PullSettings(ways=(way,)), limit=2)
    assert (state.settled, len(state.unfinished), len(state.studies)) == (0, 2, len(STUDIES) - 2)
    assert {study for study, _, _ in pull.source.retrieves} == set(state.unfinished)


def test_a_limit_holds_for_studies_that_come_late(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES, Misbehaviour(early_move=True))
    _, state = pull.run(settings=PullSettings(ways=(RetrieveWay.MOVE,)), limit=1)
    assert (state.settled, len(pull.source.retrieves)) == (1, 1)


def test_a_pull_of_other_days_does_not_go_on_with_it(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES)
    pull.run(limit=1)
    assert pull.run(scope=PullScope("PACS"))[0] is False
    assert pull.run()[0] is True


def test_nothing_is_asked_outside_the_window_and_a_waiting_pull_begins_when_it_opens(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES)
    local = NOW.astimezone().replace(tzinfo=None)
    opens = (local + timedelta(minutes=2)).time()
    window = Window(opens, (local + timedelta(hours=1)).time())
    asked: list[timedelta] = []
    pull.source.refuses = lambda query: bool(asked.append(pull.clock.elapsed()))
    pull.run(settings=PullSettings(windows=(window,)))
    assert timedelta(minutes=2) <= asked[0] < timedelta(minutes=3)
    assert windows_told("22:00 - 06:00")[0].opens.hour == 22


def test_a_source_that_is_not_there_ends_the_pull_and_one_that_fails_for_long_ends_it_for_now(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES)
    pull.source.unreachable = True
    with pytest.raises(SourceUnreachable):
        pull.run()
    assert pull.rests == []
    pull.source.unreachable = False

    def gone() -> None:
        pull.source.unreachable = True

    with pytest.raises(SourceUnreachable):
        pull.run(gone, after=True)
    assert pull.clock.elapsed() > timedelta(minutes=10)
    pull.source.unreachable = False
    resumed, state = pull.run()
    assert (resumed, state.settled) == (True, len(STUDIES))


def test_a_polite_source_rests_before_each_question(tmp_path: Path) -> None:
    pull = Pull(tmp_path, STUDIES)
    rests: list[float] = []
    source = PoliteSource(pull.source, 0.25, rests.append)
    source.find_series(STUDIES[0].uid)
    source.find_instances(STUDIES[0].uid, f"{STUDIES[0].uid}.1")
    source.retrieve(STUDIES[0].uid, None, RetrieveWay.GET)
    assert (source.name, rests) == ("PACS", [0.25] * 3)


def test_receiving_threads_share_one_bucket() -> None:
    class Bucket:
        taken = 0

        def take(self, count: int) -> timedelta:
            self.taken += count
            return timedelta(seconds=self.taken / 1000)

    rests: list[float] = []
    pace = Pace(Bucket(), rests.append)  # type: ignore[arg-type]
    for _ in range(3):
        pace.keep(500)
    assert rests == [0.5, 1.0, 1.5]
