"""What sources claim is laid beside what packs hold, study by study, as either changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import CensusRun, ClaimChange, SeriesClaim, StudyClaim, judge
from support.catalog_filler import START, arrival, claim, pack_of

LATER = START + timedelta(hours=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    yield made
    made.close()


def outcomes(catalog: Catalog) -> dict[tuple[str, str], CensusOutcome]:
    rows = {(row.study, row.source): row.outcome for row in catalog.census()}
    counted = {outcome.value: sum(found is outcome for found in rows.values()) for outcome in CensusOutcome}
    assert catalog.tally().census == counted
    return rows


@pytest.mark.parametrize(("claimed", "held"), list(product([None, 0, 1, 2, 3], [0, 1, 2])))
def test_a_count_is_compared_with_what_is_held(claimed: int | None, held: int) -> None:
    found = judge(claimed, [], {"s": {f"1.{number}" for number in range(held)}} if held else {})
    if held == 0:
        assert found is (CensusOutcome.EMPTY if claimed == 0 else CensusOutcome.UNPROTECTED)
    elif claimed is None:
        assert found is CensusOutcome.UNCOUNTED
    else:
        assert found is (CensusOutcome.PROTECTED if claimed == held else CensusOutcome.DIFFERING)


def test_a_listed_study_is_compared_by_uid_and_not_by_number() -> None:
    held = {"s": {"1.1", "1.2"}}
    listed = [SeriesClaim("s", sop_instances=("1.1", "1.3"))]
    assert judge(2, listed, held) is CensusOutcome.DIFFERING
    assert judge(2, [SeriesClaim("s", sop_instances=("1.1",))], held) is CensusOutcome.PROTECTED


def test_series_counts_find_what_a_right_total_hides() -> None:
    held = {"a": {"1.1", "1.2"}, "b": {"1.3"}}
    assert judge(3, [SeriesClaim("a", instances=1), SeriesClaim("b", instances=2)], held) is CensusOutcome.DIFFERING
    assert judge(3, [SeriesClaim("a", instances=2), SeriesClaim("b", instances=1)], held) is CensusOutcome.PROTECTED


def test_a_study_becomes_protected_when_it_is_packed_and_not_when_it_lands(catalog: Catalog) -> None:
    assert catalog.record_claims("PACS", "run-1", [claim(1, 1)], START) == [ClaimChange.NEW]
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.UNPROTECTED}
    catalog.record_landed([arrival()])
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.UNPROTECTED}
    catalog.record_packed(*pack_of(arrival()))
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.PROTECTED}


def test_a_claim_that_grows_makes_the_study_differ_again(catalog: Catalog) -> None:
    catalog.record_packed(*pack_of(arrival()))
    assert outcomes(catalog) == {("1.2.3.1", ""): CensusOutcome.ONLY_IN_VAULT}
    catalog.record_claims("PACS", "run-1", [claim(1, 1)], START)
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.PROTECTED}
    assert catalog.record_claims("PACS", "run-2", [claim(1, 1)], LATER) == [ClaimChange.SAME]
    assert catalog.record_claims("PACS", "run-3", [claim(1, 2)], LATER) == [ClaimChange.CHANGED]
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.DIFFERING}
    (row,) = catalog.census(outcomes=[CensusOutcome.DIFFERING])
    assert (row.claimed, row.held, row.claimed_at) == (2, 1, START)


def test_a_changed_count_drops_what_was_said_of_the_series(catalog: Catalog) -> None:
    listed = replace(claim(1, 1), detail=(SeriesClaim("1.2.3.1.1", "CT", 1, ("1.2.3.1.1.1",)),))
    catalog.record_claims("PACS", "run-1", [listed], START)
    assert catalog.series_claims("PACS", "1.2.3.1") == list(listed.detail or ())
    catalog.record_claims("PACS", "run-2", [claim(1, 1)], START)
    assert len(catalog.series_claims("PACS", "1.2.3.1")) == 1
    catalog.record_claims("PACS", "run-3", [claim(1, 2)], START)
    assert catalog.series_claims("PACS", "1.2.3.1") == []


def test_only_a_complete_run_says_that_something_is_gone(catalog: Catalog) -> None:
    catalog.record_packed(*pack_of(arrival(1)))
    catalog.record_claims("PACS", "run-1", [claim(1, 1), claim(2, 5)], START)
    catalog.record_claims("PACS", "run-2", [claim(2, 5)], LATER)
    assert catalog.end_census(CensusRun("PACS", "run-2", LATER, complete=False, studies=1)) == []
    assert outcomes(catalog)["1.2.3.1", "PACS"] is CensusOutcome.PROTECTED
    assert catalog.exposure_inputs(1).last_complete_census == {}
    run = CensusRun("PACS", "run-2", LATER, complete=True, studies=1)
    assert catalog.end_census(run) == ["1.2.3.1"]
    assert outcomes(catalog) == {
        ("1.2.3.1", ""): CensusOutcome.ONLY_IN_VAULT,
        ("1.2.3.2", "PACS"): CensusOutcome.UNPROTECTED,
    }
    assert catalog.exposure_inputs(1).last_complete_census == {"PACS": run}
    assert catalog.study("1.2.3.1") is not None
    assert catalog.record_claims("PACS", "run-3", [claim(1, 1)], LATER) == [ClaimChange.NEW]


def test_a_run_over_some_days_says_nothing_of_others(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "run-1", [claim(1, 1), claim(2, 1), claim(3, 1)], START)
    run = CensusRun("PACS", "run-2", LATER, complete=True, studies=0)
    assert catalog.end_census(run, ("20200103", "20200103")) == ["1.2.3.2"]


def test_two_sources_are_compared_each_for_itself(catalog: Catalog) -> None:
    catalog.record_packed(*pack_of(arrival()))
    catalog.record_claims("PACS", "a", [claim(1, 1)], START)
    catalog.record_claims("OLD", "b", [claim(1, 2)], START)
    assert outcomes(catalog) == {
        ("1.2.3.1", "PACS"): CensusOutcome.PROTECTED,
        ("1.2.3.1", "OLD"): CensusOutcome.DIFFERING,
    }
    catalog.end_census(CensusRun("OLD", "c", LATER, complete=True, studies=0))
    assert outcomes(catalog) == {("1.2.3.1", "PACS"): CensusOutcome.PROTECTED}


def test_a_study_listed_twice_counts_once(catalog: Catalog) -> None:
    assert catalog.record_claims("PACS", "a", [claim(1, 1), claim(1, 1)], START) == [ClaimChange.NEW, ClaimChange.SAME]
    assert len(outcomes(catalog)) == 1


def test_a_study_without_images_is_empty_and_not_unprotected(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "a", [claim(1, 0), claim(2, None)], START)
    assert outcomes(catalog) == {
        ("1.2.3.1", "PACS"): CensusOutcome.EMPTY,
        ("1.2.3.2", "PACS"): CensusOutcome.UNPROTECTED,
    }


def test_the_census_of_one_day_is_asked_by_date(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "a", [claim(number, 1) for number in range(1, 10)], START)
    assert [row.study for row in catalog.census(dates=("20200103", "20200104"))] == ["1.2.3.3", "1.2.3.2"]
    assert len(catalog.census(limit=3, offset=7)) == 2
    assert catalog.census(source="OTHER") == []


def test_exposure_is_read_from_what_is_oldest(catalog: Catalog) -> None:
    nothing = catalog.exposure_inputs(2)
    assert (nothing.oldest_unpacked_at, nothing.oldest_lacking_copies_at) == (None, None)
    assert (nothing.oldest_claimed_unprotected_at, nothing.claimed_unprotected) == (None, 0)
    catalog.record_landed([arrival(1, minutes=3), arrival(2, minutes=7)])
    catalog.record_claims("PACS", "a", [claim(7, 1)], LATER)
    catalog.record_claims("PACS", "b", [StudyClaim("9.9", instances=4)], START)
    inputs = catalog.exposure_inputs(2)
    assert inputs.oldest_unpacked_at == START + timedelta(minutes=3)
    assert (inputs.oldest_claimed_unprotected_at, inputs.claimed_unprotected) == (START, 2)
