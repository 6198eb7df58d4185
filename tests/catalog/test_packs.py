"""Packs, their copies, and which copies count."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.errors import PackUnknown
from safelight.catalog.rows import CopyState, PackRow
from safelight.core.instance import Wrapper
from support.catalog_filler import START, arrival, digest_of, holding, pack_of


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    yield made
    made.close()


def test_a_pack_is_recorded_with_what_it_holds_and_only_once(catalog: Catalog) -> None:
    row, held = pack_of(arrival(1, 1, 1), arrival(1, 1, 2))
    assert catalog.record_packed(row, held)
    before = catalog.tally()
    assert not catalog.record_packed(row, held)
    assert catalog.tally() == before
    assert (before.packs, before.bytes_raw, before.bytes_packed, before.instances_packed) == (1, 2000, 1000, 2)
    assert catalog.pack(row.name) == row
    assert list(catalog.packs()) == [row]
    assert [(one.position, one.size, one.pixel_digest) for one in catalog.holdings(study="1.2.3.1")] == [
        (one.position, one.size, one.pixel_digest) for one in held
    ]
    study = catalog.study("1.2.3.1")
    assert study is not None
    assert study.packed == 2


def test_holdings_are_found_by_study_series_instance_and_digest(catalog: Catalog) -> None:
    one, two, other = arrival(1, 1, 1), arrival(1, 2, 1), arrival(2, 1, 1)
    for arrivals in ((one, two), (other,)):
        catalog.record_packed(*pack_of(*arrivals))
    assert len(catalog.holdings(study="1.2.3.1")) == 2
    assert [found.version.digest for found in catalog.holdings(study="1.2.3.1", series="1.2.3.1.2")] == [two.digest]
    assert [found.version.digest for found in catalog.holdings(instance="1.2.3.2.1.1")] == [other.digest]
    assert {found.version.digest for found in catalog.holdings(digests=[one.digest, other.digest, b"x"])} == {
        one.digest,
        other.digest,
    }
    assert catalog.holdings(study="9.9") == []


def test_one_data_set_with_two_prefixes_is_one_version_and_two_holdings(catalog: Catalog) -> None:
    first, second = arrival(wrapper=Wrapper(132)), arrival(wrapper=Wrapper(200))
    row, _ = pack_of(first, second)
    catalog.record_packed(row, [holding(first, row.name, 0), holding(second, row.name, 1)])
    assert [found.wrapper.prefix_size for found in catalog.holdings(digests=[first.digest])] == [132, 200]
    assert catalog.tally().instances_packed == 1


def test_a_copy_of_an_unknown_pack_is_refused(catalog: Catalog) -> None:
    with pytest.raises(PackUnknown):
        catalog.record_copy("00" * 32, "home", CopyState.VERIFIED, START)


@pytest.mark.parametrize("state", list(CopyState))
def test_only_a_verified_copy_counts(catalog: Catalog, state: CopyState) -> None:
    row, held = pack_of(arrival())
    catalog.record_packed(row, held)
    assert catalog.packs_lacking(1) == [row]
    catalog.record_copy(row.name, "home", state, START)
    assert catalog.packs_lacking(1) == ([] if state is CopyState.VERIFIED else [row])
    assert catalog.packs_lacking(2) == [row]
    (copy,) = catalog.copies(row.name)
    assert (copy.state, copy.whole, copy.checked_at) == (state, state is CopyState.VERIFIED, START)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_copy_counts_only_where_every_pack_it_refers_to_is_verified_too(
    catalog: Catalog, order: tuple[int, ...]
) -> None:
    base, _ = pack_of(arrival(1))
    middle, _ = pack_of(arrival(2), refers_to=(base.name,))
    top, _ = pack_of(arrival(3), refers_to=(middle.name, base.name))
    rows = [base, middle, top]
    for number, row in enumerate(rows, 1):
        catalog.record_packed(row, [holding(arrival(number), row.name, 0)])
    for number in order:
        catalog.record_copy(rows[number].name, "home", CopyState.VERIFIED, START)
        catalog.record_copy(rows[number].name, "second", CopyState.VERIFIED, START)
    assert catalog.packs_lacking(2) == []
    catalog.record_copy(base.name, "second", CopyState.DAMAGED, START)
    assert {row.name for row in catalog.packs_lacking(2)} == {row.name for row in rows}
    assert catalog.packs_lacking(1) == []
    catalog.record_copy(base.name, "second", CopyState.VERIFIED, START)
    assert catalog.packs_lacking(2) == []


def test_packs_that_refer_to_each_other_do_not_hang_the_catalog(catalog: Catalog) -> None:
    one, two = PackRow("a" * 64, 1, 1, START, ("b" * 64,)), PackRow("b" * 64, 1, 1, START, ("a" * 64,))
    for row in (one, two):
        catalog.record_packed(row, [])
        catalog.record_copy(row.name, "home", CopyState.VERIFIED, START)
    assert len(catalog.packs_lacking(1)) == 2


def test_the_copy_checked_longest_ago_is_checked_next(catalog: Catalog) -> None:
    rows = []
    for number in range(1, 5):
        row, held = pack_of(arrival(number))
        catalog.record_packed(row, held)
        rows.append(row.name)
    for name, minutes in zip(rows, (30, 10, None, 20), strict=True):
        at = None if minutes is None else START + timedelta(minutes=minutes)
        catalog.record_copy(name, "home", CopyState.WRITTEN if at is None else CopyState.VERIFIED, at)
    order = [rows[2], rows[1], rows[3], rows[0]]
    assert [copy.pack for copy in catalog.least_recently_verified("home")] == order
    assert [copy.pack for copy in catalog.least_recently_verified("home", 2)] == order[:2]
    assert catalog.least_recently_verified("second") == []


def test_packs_missing_from_a_placement_are_named(catalog: Catalog) -> None:
    rows = [pack_of(arrival(number)) for number in (1, 2, 3, 4)]
    for (row, held), state in zip(rows, (CopyState.VERIFIED, CopyState.WRITTEN, CopyState.MISSING, None), strict=True):
        catalog.record_packed(row, held)
        if state is not None:
            catalog.record_copy(row.name, "second", state, START)
    assert {row.name for row in catalog.packs_not_in("second")} == {rows[2][0].name, rows[3][0].name}
    (copy,) = catalog.copies_in_state("second", CopyState.MISSING)
    assert copy.pack == rows[2][0].name


def test_nothing_comes_to_depend_on_pixels_without_a_whole_copy(catalog: Catalog) -> None:
    one = arrival()
    row, _ = pack_of(one)
    pixels = digest_of("same pixels")
    catalog.record_packed(row, [holding(one, row.name, 0, pixels=pixels)])
    assert catalog.pixels_known([pixels]) == {}
    catalog.record_copy(row.name, "home", CopyState.VERIFIED, START)
    assert catalog.pixels_known([pixels, b"other"]) == {pixels: (row.name, 0)}
    catalog.record_copy(row.name, "home", CopyState.DAMAGED, START)
    assert catalog.pixels_known([pixels]) == {}


def test_pixels_are_found_where_they_lie_and_not_where_they_are_referred_to(catalog: Catalog) -> None:
    one, two = arrival(1), arrival(2)
    pixels = digest_of("same pixels")
    base, _ = pack_of(one)
    catalog.record_packed(base, [holding(one, base.name, 0, pixels=pixels)])
    other, _ = pack_of(two, refers_to=(base.name,))
    catalog.record_packed(other, [holding(two, other.name, 0, pixels=pixels, refers_to=base.name)])
    for row in (other, base):
        catalog.record_copy(row.name, "home", CopyState.VERIFIED, START)
    assert catalog.pixels_known([pixels]) == {pixels: (base.name, 0)}


def test_packs_that_would_lose_most_time_come_first(catalog: Catalog) -> None:
    for study, minutes in ((1, 50), (2, 10), (3, 30)):
        row, held = pack_of(arrival(study, minutes=minutes))
        catalog.record_packed(row, held)
    found = [catalog.holdings(study=f"1.2.3.{study}")[0].pack for study in (2, 3, 1)]
    assert [row.name for row in catalog.packs_lacking(1)] == found
    assert [row.name for row in catalog.packs_lacking(1, limit=1)] == found[:1]
    assert catalog.exposure_inputs(1).oldest_lacking_copies_at == START + timedelta(minutes=10)
