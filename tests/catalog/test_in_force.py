"""A study is described by the versions in force: what a decision chose, and the originals when it is undone."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.search import StudySearch
from safelight.core.instance import Arrival
from safelight.core.query import Exactly, QueryLevel, Selection
from support.catalog_filler import START, arrival, head, pack_of, receipt


@dataclass(frozen=True)
class Entry:
    position: int
    kind: str
    facts: Mapping[str, Any]
    at: datetime = START


PATIENT_ID, NAME, BIRTH_DATE, ACCESSION = 0x00100020, 0x00100010, 0x00100030, 0x00080050
TOLD = (PATIENT_ID, NAME, BIRTH_DATE, ACCESSION)
ORIGINAL = ("DP01", "Unknown^Walkin", "", "DA1")
CORRECTED = ("4711", "Real^Rita", "19700102", "RA1")


def _arrival(number: int, told: Sequence[str], version: int, minutes: float) -> Arrival:
    made = head(1, 1, number)
    values = {**made.values, **{tag: value.encode() for tag, value in zip(TOLD, told, strict=True)}}
    offset = number * 10 + version
    return arrival(1, 1, number, version=version, minutes=minutes, offset=offset, of=replace(made, values=values))


ORIGINALS = [_arrival(number, ORIGINAL, 0, number) for number in (1, 2, 3)]
COPIES = [_arrival(number, CORRECTED, 1, 60 + number) for number in (1, 2, 3)]
OF_THE_PATIENT = [arrival(9, 1, 1, minutes=-90, of=head(9, 1, 1, name=b"Real^Rita"))]


def _chosen(first: int, several: Sequence[Arrival]) -> list[Entry]:
    return [
        Entry(first + place, "version-chosen", {"sop_instance": one.head.sop_instance, "digest": one.digest.hex()})
        for place, one in enumerate(several)
    ]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    made.record_landed(ORIGINALS)
    made.record_landed(COPIES)
    yield made
    made.close()


@pytest.mark.parametrize("level", list(QueryLevel)[:3])
def test_what_is_in_force_is_answered_and_found_by_its_own_numbers_alone(catalog: Catalog, level: QueryLevel) -> None:
    tags = [PATIENT_ID, NAME] if level is QueryLevel.PATIENT else [PATIENT_ID, NAME, ACCESSION]
    wanted = {PATIENT_ID: 0, NAME: 1, ACCESSION: 3}

    def answered(tag: int, told: Sequence[str]) -> list[tuple[str, ...]]:
        keys = catalog.level_keys(Selection(level, {tag: Exactly(told[wanted[tag]])}), 10)
        given = TOLD[:3] if level is QueryLevel.PATIENT else TOLD
        return catalog.level_rows(level, given, keys)

    def told(of: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(of[:3] if level is QueryLevel.PATIENT else of)]

    assert all(answered(tag, ORIGINAL) == told(ORIGINAL) for tag in (PATIENT_ID, NAME))
    catalog.apply(_chosen(1, COPIES))
    for tag in tags:
        assert answered(tag, CORRECTED) == told(CORRECTED)
        assert answered(tag, ORIGINAL) == []
    catalog.apply(_chosen(10, ORIGINALS))
    for tag in tags:
        assert answered(tag, ORIGINAL) == told(ORIGINAL)
        assert answered(tag, CORRECTED) == []


def test_people_find_it_by_the_numbers_it_was_received_under_and_not_by_those_of_a_decision_taken_back(
    catalog: Catalog,
) -> None:
    old = [StudySearch(patient_id="DP01"), StudySearch(accession="DA*"), StudySearch(name="unknown, walkin")]
    new = [StudySearch(patient_id="4711"), StudySearch(accession="RA1"), StudySearch(name="real")]
    catalog.apply(_chosen(1, COPIES))
    for search in (*old, *new):
        (row,) = catalog.find(search)
        assert (row.patient_id.text, row.patient_name.text, row.birth_date.text, row.accession) == CORRECTED
    assert catalog.find(StudySearch(patient_id="DP01", accession="X")) == []
    catalog.apply(_chosen(10, ORIGINALS))
    assert [len(catalog.find(search)) for search in (*old, *new)] == [1, 1, 1, 0, 0, 0]
    assert catalog.tally().patients == 1


def test_a_late_instance_of_the_outage_does_not_bring_the_wrong_patient_back(catalog: Catalog) -> None:
    catalog.apply(_chosen(1, COPIES))
    catalog.record_landed([_arrival(4, ORIGINAL, 0, -5)])
    (row,) = catalog.studies()
    assert (row.patient_id.text, row.instances) == ("4711", 4)
    # What was first there when does not change by a decision: a recovery as of then has it.
    assert row.first_received_at == receipt(-5).received_at
    (before,) = catalog.as_received([row])
    assert (before.patient_id.text, before.patient_name.text, before.birth_date.text, before.accession) == ORIGINAL


def test_a_decision_for_what_is_not_held_changes_nothing(catalog: Catalog) -> None:
    catalog.apply([Entry(1, "version-chosen", {"sop_instance": "1.2.3.1.1.1", "digest": "00" * 32})])
    (row,) = catalog.studies()
    assert row.patient_id.text == "DP01"


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_packs_and_decisions_in_any_order_make_the_same_catalog(tmp_path: Path, seed: int, undone: bool) -> None:
    packs = [pack_of(*ORIGINALS[:2]), pack_of(*ORIGINALS[2:], *COPIES[1:]), pack_of(*COPIES[:1])]
    packs.append(pack_of(*OF_THE_PATIENT))
    facts = _chosen(1, COPIES) + (_chosen(10, ORIGINALS) if undone else [])
    dumps = []
    for number in range(2):
        catalog = Catalog.create(tmp_path / f"{number}.db")
        cut = 0 if number == 0 else random.Random(seed).randrange(len(facts) + 1)
        catalog.apply(facts[:cut])
        for row, held in packs:
            catalog.record_packed(row, held)
        catalog.apply(facts)
        dumps.append(list(catalog.dump()))
        catalog.close()
        random.Random(seed).shuffle(packs)
    assert dumps[0] == dumps[1]
