"""The census is complete or says what it does not know."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.clock import SetClock
from safelight.protection.census import CensusScope, CensusSummary, Listed, take_census
from safelight.protection.comparison import Depth, Standing
from safelight.protection.enumeration import EnumerationSettings, begin_days, begin_whole
from safelight.protection.finding import FindingCode
from safelight.protection.source import QueryKey, StudyQuery
from support.source_model import MemoryBook, Misbehaviour, ModelSource, ModelStudy, SourceModel, make_study

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
SETTINGS = EnumerationSettings()


class Census:
    def __init__(self, studies: list[ModelStudy], misbehaviour: Misbehaviour | None = None) -> None:
        self.book = MemoryBook()
        self.clock = SetClock(NOW)
        self.source = ModelSource(SourceModel(studies, misbehaviour or Misbehaviour()), self.book)

    def hold(self, *studies: ModelStudy, leave_out: int = 0) -> None:
        for study in studies:
            pairs = [(series, instance) for series, part in study.series.items() for instance in part]
            for series, instance in pairs[: len(pairs) - leave_out]:
                self.book.arrive(study.uid, series, instance, study.date)

    def take(self, depth: Depth = Depth.DIFFERING, row_limit: int | None = None) -> CensusSummary:
        self.clock.advance(timedelta(hours=1))
        scope = CensusScope(begin_whole(SETTINGS, TODAY), depth=depth, row_limit=row_limit)
        return take_census(self.source, self.book, scope, self.clock)

    def take_days(self, first: date, last: date) -> CensusSummary:
        self.clock.advance(timedelta(hours=1))
        days = ((first, last),)
        scope = CensusScope(begin_days(SETTINGS, days), days)
        return take_census(self.source, self.book, scope, self.clock)

    @property
    def claimed(self) -> set[str]:
        return {study for _, study in self.book.kept}


def spread(count: int, *, days: int = 1000) -> list[ModelStudy]:
    return [make_study(n, (TODAY - timedelta(days=n % days)).strftime("%Y%m%d")) for n in range(count)]


def on_one_day(count: int, *, time: str | None = None) -> list[ModelStudy]:
    return [
        make_study(n, "20260201", time=f"{n * 37 % 24:02}{n * 7 % 60:02}{n % 60:02}" if time is None else time)
        for n in range(count)
    ]


@pytest.mark.parametrize("limit", [None, 23, 100, 200, 317])
@pytest.mark.parametrize("counts", [True, False])
def test_every_study_is_found_whatever_the_row_limit(limit: int | None, counts: bool) -> None:
    studies = [
        *spread(300, days=3000),
        *(study for n, study in enumerate(on_one_day(1400)) if n >= 1000),
        *(make_study(3000 + n, "") for n in range(330)),
        *(make_study(4000 + n, "20260202", time="") for n in range(120)),
        make_study(5000, "20990101"),
        make_study(5001, "18991231"),
        make_study(5002, "00000000"),
    ]
    census = Census(studies, Misbehaviour(row_limit=limit, counts=counts))
    summary = census.take()
    assert census.claimed == {study.uid for study in studies}
    assert summary.complete, summary.unknown
    assert summary.speaks_for_source
    assert summary.studies == len(studies)
    assert limit is None or summary.row_limit == limit
    assert summary.instances_missing == 2 * len(studies)


def test_an_open_source_is_asked_few_questions() -> None:
    census = Census(spread(2871, days=3650))
    summary = census.take()
    assert summary.complete
    assert summary.queries < 300


def test_an_empty_source_is_known_to_be_empty() -> None:
    summary = Census([]).take()
    assert (summary.complete, summary.studies, summary.only_in_vault) == (True, 0, Listed())
    assert summary.queries < 30


@settings(max_examples=40)
@given(
    limit=st.integers(20, 60),
    rows=st.lists(
        st.tuples(
            st.sampled_from(["", "20260228", "20260101", "20200101", "19000101"]),
            st.sampled_from(["", "000000", "120000", "1201", "235959.5"]),
            st.text("AB19-_#", min_size=1, max_size=4),
        ),
        max_size=300,
    ),
)
def test_any_source_with_patient_ids_is_found_whole(limit: int, rows: list[tuple[str, str, str]]) -> None:
    studies = [make_study(n, day, time=time, patient=patient) for n, (day, time, patient) in enumerate(rows)]
    census = Census(studies, Misbehaviour(row_limit=limit))
    summary = census.take()
    known = {study.uid for study in studies} == census.claimed
    assert known or not summary.complete
    if not summary.complete:
        # Only a patient with more studies than the limit cannot be taken apart any further.
        assert any(sum(p == q for _, _, q in rows) >= limit for _, _, p in rows)


def test_a_patient_id_with_unusual_characters_reopens_what_was_split() -> None:
    studies = [make_study(n, "", patient=f"A{n:04}") for n in range(300)]
    studies += [make_study(1000 + n, "", patient=f"Aß{n}") for n in range(30)]
    studies.append(make_study(2000, "20260101", patient="Bß"))
    census = Census(studies, Misbehaviour(row_limit=50))
    assert census.take().complete
    assert len(census.claimed) == 331


def test_a_source_that_says_it_left_rows_out_is_believed() -> None:
    census = Census(on_one_day(15), Misbehaviour(row_limit=10, says_truncated=True))
    summary = census.take()
    assert summary.complete
    assert len(census.claimed) == 15


def test_rows_given_twice_count_once() -> None:
    census = Census(spread(400), Misbehaviour(row_limit=100, duplicate_rows=True))
    summary = census.take()
    assert (summary.complete, summary.studies) == (True, 400)


@pytest.mark.parametrize("ignores", [{QueryKey.TIME}, {QueryKey.DATE}, {QueryKey.DATE, QueryKey.TIME}])
def test_a_source_that_ignores_dates_or_times_is_split_by_patient(ignores: set[QueryKey]) -> None:
    studies = [*on_one_day(500), *(make_study(1000 + n, "20250101") for n in range(100))]
    census = Census(studies, Misbehaviour(row_limit=60, ignores=frozenset(ignores)))
    summary = census.take()
    assert summary.complete
    assert len(census.claimed) == 600


def test_what_cannot_be_split_is_told() -> None:
    misbehaviour = Misbehaviour(row_limit=60, ignores=frozenset({QueryKey.PATIENT, QueryKey.MODALITY}))
    census = Census([make_study(n, "") for n in range(500)], misbehaviour)
    summary = census.take()
    assert not summary.complete
    assert not summary.speaks_for_source
    assert summary.only_in_vault is None
    assert any("capped" in unknown for unknown in summary.unknown)
    assert [finding.code for finding in summary.findings()] == [FindingCode.CENSUS_INCOMPLETE]


def test_a_range_that_fails_again_and_again_is_told_and_the_others_are_counted() -> None:
    census = Census(spread(300))
    bad = date(2025, 10, 10)

    def refuses(query: StudyQuery) -> bool:
        return query.dated and (query.first or date.min) <= bad <= (query.last or date.max)

    census.source.refuses = refuses
    summary = census.take()
    assert not summary.complete
    assert any("failed" in unknown for unknown in summary.unknown)
    assert summary.studies == 300, "the sweep without dates finds them all the same"


def test_a_source_that_vanishes_leaves_everything_open_unknown() -> None:
    census = Census(spread(300))
    census.source.unreachable = True
    summary = census.take()
    assert not summary.complete
    assert any(unknown.startswith("any date") for unknown in summary.unknown)
    assert census.claimed == set()


def test_studies_stand_protected_unprotected_differing_empty_or_only_in_the_vault() -> None:
    whole, none, part, gone = (make_study(n, "20260101", instances=3) for n in range(4))
    empty = make_study(5, "20260101", series=0)
    census = Census([whole, none, part, empty])
    census.hold(whole, gone)
    census.hold(part, leave_out=1)
    summary = census.take()
    standings = {study: row.comparison.standing for (_, study), row in census.book.kept.items()}
    assert standings == {
        whole.uid: Standing.PROTECTED,
        none.uid: Standing.UNPROTECTED,
        part.uid: Standing.DIFFERING,
        empty.uid: Standing.EMPTY,
    }
    assert summary.only_in_vault == Listed(1, (gone.uid,))
    assert (summary.instances_claimed, summary.instances_missing) == (9, 4)
    assert summary.facts()["studies_only_in_vault"] == 1


def test_equal_counts_of_other_instances_are_found_at_full_depth() -> None:
    study = make_study(1, "20260101", instances=3)
    census = Census([study])
    census.hold(study, leave_out=1)
    census.book.arrive(study.uid, f"{study.uid}.1", "2.25.999", study.date)
    assert census.take().standings == {Standing.PROTECTED: 1}
    assert census.take(Depth.ALL).standings == {Standing.DIFFERING: 1}


def test_a_series_longer_than_the_row_limit_is_judged_by_its_count() -> None:
    long = make_study(900, "20260101", instances=150)
    studies = [*on_one_day(200), long]
    census = Census(studies, Misbehaviour(row_limit=50))
    census.hold(long, leave_out=1)
    census.take()
    assert census.book.kept["PACS", long.uid].comparison.missing == 1
    census.hold(long)
    census.take()
    assert census.book.kept["PACS", long.uid].comparison.standing is Standing.PROTECTED


def test_a_long_series_without_any_count_is_unknown() -> None:
    long = make_study(900, "20250101", instances=150)
    census = Census([*on_one_day(200), long], Misbehaviour(row_limit=50, counts=False))
    census.hold(long)
    first = census.take()
    assert not first.complete
    assert first.unknown == ("1 series: answers of 50 instances may be cut short",)
    second = census.take(row_limit=first.row_limit)
    assert census.book.kept["PACS", long.uid].comparison.standing is Standing.UNKNOWN
    assert any(long.uid in unknown for unknown in second.unknown)


def test_a_second_census_asks_nothing_again_of_studies_that_did_not_change() -> None:
    studies = [make_study(n, "20260101", series=2) for n in range(40)]
    census = Census(studies)
    census.hold(*studies, leave_out=1)
    census.take()
    asked = census.source.series_queries
    assert asked == 40
    census.take()
    assert census.source.series_queries == asked
    census.hold(studies[0])
    summary = census.take()
    assert census.source.series_queries == asked
    assert summary.standings == {Standing.PROTECTED: 1, Standing.DIFFERING: 39}


def test_a_census_of_one_day_asks_for_that_day_only_and_does_not_speak_for_the_source() -> None:
    census = Census(spread(300))
    gone, elsewhere = make_study(900, "20260228"), make_study(901, "20260101")
    census.hold(gone, elsewhere)
    summary = census.take_days(date(2026, 2, 28), date(2026, 2, 28))
    assert (summary.complete, summary.whole, summary.speaks_for_source) == (True, False, False)
    assert summary.queries == 1
    assert summary.only_in_vault == Listed(1, (gone.uid,))


def test_days_of_a_source_that_ignores_dates_are_unknown() -> None:
    census = Census(spread(300), Misbehaviour(ignores=frozenset({QueryKey.DATE})))
    assert not census.take_days(date(2026, 2, 28), date(2026, 2, 28)).complete
