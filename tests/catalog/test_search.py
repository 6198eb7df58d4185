"""Studies are found the way people ask, in any script."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.catalog.catalog import Catalog
from safelight.catalog.description import decode, describe, fold, folded_names
from safelight.catalog.errors import BadSearch
from safelight.catalog.search import StudySearch
from safelight.core.instance import Head
from support.catalog_filler import START, arrival, head, hospital, pack_of

NAMES = {
    1: (b"", b"Smith^John^Q"),
    2: (b"", b"SMITHERS^Ann "),
    3: (b"ISO_IR 100", "Müller^Jürgen".encode("latin-1")),
    4: (b"ISO_IR 192", "Wang^XiaoDong=王^小東=".encode()),
    5: (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    6: (b"GB18030", "Zhang^XiaoDong=张^小东".encode("gb18030")),
    7: (b"ISO_IR 144", "Люкceмбypг".encode("iso8859_5")),
    8: (b"", b"O'Brien_50%^Pat"),
    9: (b"", b""),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path_factory.mktemp("search") / "catalog.db")
    made.record_landed(
        [
            arrival(study, study % 3 + 1, of=head(study, study % 3 + 1, name=name or b" ", charset=charset))
            for study, (charset, name) in NAMES.items()
        ]
    )
    yield made
    made.close()


def found(catalog: Catalog, **wanted: object) -> set[int]:
    rows = catalog.find(StudySearch(**wanted))  # type: ignore[arg-type]
    return {int(row.study.rsplit(".", 1)[1]) for row in rows}


@pytest.mark.parametrize(
    ("name", "studies"),
    [
        ("Smith", {1}),
        ("smith", {1}),
        ("SMITH^JOHN", {1}),
        ("Smith, John", {1}),
        ("smith^jo", set()),
        ("smith^jo*", {1}),
        ("smith*", {1, 2}),
        ("*ann", {2}),
        ("smith?rs^*", {2}),
        ("muller", {3}),
        ("MÜLLER, jurgen", {3}),
        ("王^小東", {4}),
        ("王*", {4}),
        ("山田^太郎", {5}),
        ("yamada", {5}),
        ("やまだ*", {5}),
        ("张*", {6}),
        ("люк*", {7}),
        ("o'brien_50%", {8}),
        ("o'brien?50%^pat", {8}),
        ("o_brien*", set()),
        ("*", {1, 2, 3, 4, 5, 6, 7, 8}),
    ],
)
def test_a_name_is_found_in_any_case_script_and_spelling(catalog: Catalog, name: str, studies: set[int]) -> None:
    assert found(catalog, name=name) == studies


@pytest.mark.parametrize(
    ("wanted", "studies"),
    [
        ({}, set(NAMES)),
        ({"patient_id": "P000001"}, {2, 3}),
        ({"patient_id": "P*1"}, {2, 3}),
        ({"accession": "A0000004"}, {4}),
        ({"accession": "A000000?", "modality": "mr"}, {3, 6, 9}),
        ({"study": "1.2.3.5"}, {5}),
        ({"date_from": "2020-01-05"}, {4, 5, 6, 7, 8, 9}),
        ({"date_from": "20200105", "date_to": "20200106"}, {4, 5}),
        ({"date_to": "20200102"}, {1}),
        ({"name": "smith*", "patient_id": "P000000"}, {1}),
        ({"modality": "PT"}, set()),
    ],
)
def test_criteria_are_joined(catalog: Catalog, wanted: dict[str, str], studies: set[int]) -> None:
    assert found(catalog, **wanted) == studies


def test_the_newest_study_comes_first_a_page_at_a_time(catalog: Catalog) -> None:
    pages = [catalog.find(StudySearch(limit=4, offset=offset)) for offset in (0, 4, 8)]
    dates = [row.study_date for page in pages for row in page]
    assert dates == sorted(dates, reverse=True)
    assert [len(page) for page in pages] == [4, 4, 1]


@pytest.mark.parametrize(
    "bad",
    [
        {"limit": 0},
        {"limit": 10**9},
        {"offset": -1},
        {"date_from": "yesterday"},
        {"date_to": "2020"},
        {"date_to": "20260230"},
    ],
)
def test_a_search_that_cannot_be_is_refused(catalog: Catalog, bad: dict[str, object]) -> None:
    with pytest.raises(BadSearch):
        found(catalog, **bad)


def test_a_study_without_a_date_is_found_but_not_by_dates(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    dateless = head(1)
    catalog.record_landed([arrival(of=replace(dateless, values={**dateless.values, 0x00080020: b""}))])
    assert found(catalog) == {1}
    assert found(catalog, date_from="19000101") == set()
    assert found(catalog, date_to="29991231") == set()


def test_a_date_of_the_old_form_is_found_by_its_day(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    old = head(1)
    catalog.record_landed([arrival(of=replace(old, values={**old.values, 0x00080020: b"1997.04.24"}))])
    assert found(catalog, date_from="19970424", date_to="19970424") == {1}


def test_a_name_that_was_corrected_within_a_study_is_found_by_both(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    catalog.record_landed([arrival(1, 1, 1, of=head(1, 1, 1, name=b"Wrong^A"))])
    catalog.record_landed([arrival(1, 1, 2, minutes=1, of=head(1, 1, 2, name=b"Right^A"))])
    assert found(catalog, name="wrong*") == found(catalog, name="right*") == {1}


def test_no_name_or_identifier_of_a_patient_shows_in_a_repr(catalog: Catalog) -> None:
    told = repr(catalog.find(StudySearch())) + repr(StudySearch(name="Smith")) + repr(describe(head(1, name=b"Smith")))
    told = re.sub(r"0x[0-9a-f]+", "", told)
    for secret in ("Smith", "smith", "P00000", "1970"):
        assert secret not in told


@given(raw=st.binary(max_size=64), charset=st.binary(max_size=32), is_name=st.booleans())
def test_any_bytes_become_text_that_can_be_stored(raw: bytes, charset: bytes, is_name: bool) -> None:
    decode(raw, charset, is_name=is_name).encode()


@given(
    values=st.dictionaries(st.sampled_from([0x00080005, 0x00080020, 0x00100010, 0x00100020]), st.binary(max_size=40))
)
def test_any_head_is_described(values: dict[int, bytes]) -> None:
    folded_names(describe(Head("", "", "", "1.2", "1.3", "", values)).patient_name)


@given(text=st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_every_study_is_given_once(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    catalog.record_landed([one for arrivals in hospital(1200, 1, 1) for one in arrivals])
    assert sorted(int(row.study.rsplit(".", 1)[1]) for row in catalog.studies()) == list(range(1, 1201))


def test_the_version_current_at_a_moment_is_the_first_received_by_then(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    first, second, later = arrival(version=0), arrival(version=1, minutes=10, offset=1), arrival(1, 1, 2, minutes=20)
    catalog.record_packed(*pack_of(second, later))
    catalog.record_packed(*pack_of(first))

    def digests(minutes: float | None) -> set[bytes]:
        as_of = None if minutes is None else START + timedelta(minutes=minutes)
        return {version.digest for version in catalog.instances(study="1.2.3.1", as_of=as_of)}

    assert digests(-1) == set()
    assert digests(0) == digests(15) == {first.digest}
    assert digests(None) == digests(20) == {first.digest, later.digest}
