"""What a source claimed is remembered until its next census, with what came of comparing it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import CensusRun, ClaimChange, Verdict, judge_verdict
from safelight.catalog.claims import Counted, HeldStudy
from support.catalog_filler import START, arrival, claim, pack_of

LATER = START + timedelta(days=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    yield made
    made.close()


@pytest.mark.parametrize(("missing", "since", "packed"), list(product(range(3), range(3), [False, True])))
def test_what_came_since_counts_for_what_was_missing_once_it_is_packed(missing: int, since: int, packed: bool) -> None:
    then = CensusOutcome.DIFFERING if missing else CensusOutcome.PROTECTED
    verdict = Verdict(then, claimed=4 + missing, held=4, missing=missing, by_name=True)
    found = judge_verdict(verdict, 4 + since, 4 + since if packed else 3)
    assert found is (CensusOutcome.PROTECTED if packed and since >= missing else CensusOutcome.DIFFERING)


def test_more_than_is_claimed_is_no_protection_while_nobody_has_looked_at_names() -> None:
    by_count = Verdict(CensusOutcome.DIFFERING, claimed=3, held=4, missing=0, by_name=False)
    assert judge_verdict(by_count, 4, 4) is CensusOutcome.DIFFERING
    by_name = replace(by_count, outcome=CensusOutcome.PROTECTED, by_name=True)
    assert judge_verdict(by_name, 4, 4) is CensusOutcome.PROTECTED
    untold = Verdict(CensusOutcome.UNCOUNTED, claimed=None, held=4, missing=0, by_name=False)
    assert judge_verdict(untold, 4, 4) is CensusOutcome.UNCOUNTED
    assert judge_verdict(untold, 4, 0) is CensusOutcome.UNPROTECTED
    empty = Verdict(CensusOutcome.EMPTY, claimed=0, held=0, missing=0, by_name=False)
    assert judge_verdict(empty, 0, 0) is CensusOutcome.EMPTY


def test_a_claim_comes_back_with_its_verdict(catalog: Catalog) -> None:
    verdict = Verdict(CensusOutcome.DIFFERING, claimed=2, held=1, missing=1, by_name=True)
    told = replace(claim(1, 2), modalities=("CT", "MR"), series=1, verdict=verdict)
    catalog.record_claims("PACS", "run-1", [told, claim(2, None)], START)
    kept = catalog.kept_claims("PACS", ["1.2.3.1", "1.2.3.2", "1.2.3.3"])
    assert {study: one.claim for study, one in kept.items()} == {"1.2.3.1": told, "1.2.3.2": claim(2, None)}
    assert kept["1.2.3.1"].claimed_at == START
    assert catalog.kept_claims("OTHER", ["1.2.3.1"]) == {}
    assert catalog.record_claims("PACS", "run-2", [told], LATER) == [ClaimChange.SAME]
    assert catalog.kept_claims("PACS", ["1.2.3.1"])["1.2.3.1"].claimed_at == LATER


def test_another_verdict_on_the_same_claim_settles_the_study_anew(catalog: Catalog) -> None:
    catalog.record_packed(*pack_of(arrival()))
    doubtful = Verdict(CensusOutcome.UNCOUNTED, claimed=None, held=1, missing=0, by_name=False)
    for verdict, outcome in (
        (doubtful, CensusOutcome.UNCOUNTED),
        (replace(doubtful, outcome=CensusOutcome.PROTECTED, claimed=1), CensusOutcome.PROTECTED),
    ):
        catalog.record_claims("PACS", "run", [replace(claim(1, None), verdict=verdict)], START)
        assert [row.outcome for row in catalog.census()] == [outcome]


def test_what_is_held_is_counted_landed_or_packed(catalog: Catalog) -> None:
    catalog.record_packed(*pack_of(arrival(1, 1, 1), arrival(1, 2, 1)))
    catalog.record_landed([arrival(2)])
    assert catalog.held_studies(["1.2.3.1", "1.2.3.2", "1.2.3.3"]) == {
        "1.2.3.1": HeldStudy(2, 2, 2000),
        "1.2.3.2": HeldStudy(1, 1, 1000),
    }


def test_what_a_source_no_longer_claims_is_told_once(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "run-1", [claim(number, 1) for number in range(1, 6)], START)
    catalog.record_claims("PACS", "run-2", [claim(1, 1), claim(9, 1)], LATER)
    assert catalog.claims_before("PACS", LATER) == 5
    assert catalog.vanished("PACS", LATER, limit=2) == Counted(4, ("1.2.3.2", "1.2.3.3"))
    assert catalog.vanished("PACS", LATER, ("20200103", "20200104")) == Counted(2, ("1.2.3.2", "1.2.3.3"))
    catalog.end_census(CensusRun("PACS", "run-2", LATER, complete=True, studies=2))
    assert catalog.vanished("PACS", LATER) == Counted(0, ())
    assert catalog.claims_before("PACS", LATER) == 1


def test_what_is_held_and_not_claimed_is_told_by_source_and_day(catalog: Catalog) -> None:
    for number in (1, 2, 3):
        catalog.record_packed(*pack_of(arrival(number)))
    catalog.record_claims("PACS", "run-1", [claim(1, 1), claim(2, 1)], START)
    catalog.record_claims("PACS", "run-2", [claim(1, 1)], LATER)
    assert catalog.unclaimed("PACS", LATER) == Counted(2, ("1.2.3.2", "1.2.3.3"))
    assert catalog.unclaimed("PACS", START) == Counted(1, ("1.2.3.3",))
    assert catalog.unclaimed("PACS", LATER, ("20200104", "20200104")) == Counted(1, ("1.2.3.3",))
    assert catalog.unclaimed("OTHER", START).count == 3


def test_only_a_census_of_everything_whose_claims_are_there_sets_the_age_of_the_exposure(catalog: Catalog) -> None:
    catalog.record_claims("PACS", "run-1", [claim(1, 1)], START)
    some_days = CensusRun("PACS", "run-1", START, complete=True, studies=1, whole=False)
    catalog.end_census(some_days, ("20200101", "20200103"))
    assert catalog.exposure_inputs(1).last_complete_census == {}
    lost = CensusRun("PACS", "run-2", LATER, complete=True, studies=7)
    assert catalog.end_census(lost) == []
    assert catalog.exposure_inputs(1).last_complete_census == {}
    whole = CensusRun("PACS", "run-1", LATER, complete=True, studies=1, began_at=START, row_limit=200)
    catalog.end_census(whole)
    assert catalog.exposure_inputs(1).last_complete_census == {"PACS": whole}
    assert (catalog.row_limit("PACS"), catalog.row_limit("OTHER")) == (0, 0)
