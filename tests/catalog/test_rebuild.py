"""A catalog is noticed when it is damaged, and made again it says the same."""

import random
import sqlite3
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.errors import CatalogDamaged, CatalogMissing, CatalogThere
from safelight.catalog.rows import CopyState, PackRow
from safelight.catalog.search import StudySearch
from safelight.core.database import DatabaseRefused
from safelight.core.errors import SafelightError
from safelight.core.instance import Arrival, Head, Holding, Wrapper
from support.catalog_filler import START, arrival, fill, head, holding, hospital, pack_of

Pack = tuple[PackRow, list[Holding]]


def house() -> list[Pack]:
    """Studies with conflicts, other names, opaque files, two prefixes of one data set, references."""
    arrivals: list[Sequence[Arrival]] = list(hospital(6, 2, 3))
    arrivals.append([arrival(1, 1, 1, version=1, minutes=50), arrival(1, 1, 1, version=2, minutes=0.5)])
    arrivals.append([arrival(3, 9, 1, minutes=-4, of=head(3, 9, 1, name="Ö^É".encode(), charset=b"ISO_IR 192"))])
    arrivals.append([arrival(7, wrapper=Wrapper(opaque=True), of=Head("", "", "", "", "", ""))])
    packs = [pack_of(*several) for several in arrivals]
    twin = arrival(2, 1, 1, wrapper=Wrapper(132), minutes=2, size=500_132)
    row, _ = pack_of(twin, refers_to=(packs[2][0].name,))
    return [*packs, (row, [holding(twin, row.name, 0, refers_to=packs[2][0].name)])]


def dump_after(path: Path, packs: Sequence[Pack], landed_first: bool) -> list[str]:
    catalog = Catalog.create(path)
    if landed_first:
        for arrivals in hospital(6, 2, 3):
            catalog.record_landed(arrivals)
    for row, held in packs:
        catalog.record_packed(row, held)
    try:
        return list(catalog.dump())
    finally:
        catalog.close()


@pytest.mark.parametrize("seed", range(6))
def test_packs_recorded_in_any_order_make_the_same_catalog(tmp_path: Path, seed: int) -> None:
    packs = house()
    expected = dump_after(tmp_path / "first.db", packs, landed_first=True)
    random.Random(seed).shuffle(packs)
    assert dump_after(tmp_path / "second.db", packs, landed_first=False) == expected
    assert len(expected) > 80


def test_a_dump_tells_of_a_difference(tmp_path: Path) -> None:
    packs = house()
    assert dump_after(tmp_path / "a.db", packs, False) != dump_after(tmp_path / "b.db", packs[:-1], False)


def test_what_only_lies_in_landing_is_not_in_the_dump(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    catalog.record_landed([arrival()])
    assert list(catalog.dump()) == []


def test_a_missing_catalog_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogMissing):
        Catalog.open(tmp_path / "catalog.db")
    (tmp_path / "catalog.db").touch()
    with pytest.raises(CatalogMissing):
        Catalog.open(tmp_path / "catalog.db")


def test_a_catalog_is_not_made_over_another(tmp_path: Path) -> None:
    Catalog.create(tmp_path / "catalog.db").close()
    with pytest.raises(CatalogThere):
        Catalog.create(tmp_path / "catalog.db")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"x",
        lambda content: b"\0" * len(content),
        lambda content: content[:100] + b"\xff" * (len(content) - 100),
        lambda content: content[:4096],
        lambda content: content[: len(content) // 2],
    ],
)
def test_a_damaged_catalog_is_told_on_opening(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "catalog.db"
    Catalog.create(path).close()
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(CatalogDamaged):
        Catalog.open(path)


def test_a_flipped_bit_never_ends_in_anything_but_damage_told_or_answers(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalog = Catalog.create(path)
    fill(catalog, 3, 2, 4)
    catalog.close()
    content = path.read_bytes()
    seed = random.randrange(2**32)
    choice = random.Random(seed)
    for number in range(80):
        bit = choice.randrange(len(content) * 8)
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        here = tmp_path / f"{number}.db"
        here.write_bytes(changed)
        try:
            again = Catalog.open(here)
        except CatalogDamaged:
            continue
        assert isinstance(again.faults(), list), f"seed {seed}, bit {bit}"
        again.close()


def test_damage_in_the_middle_is_found_by_the_thorough_look(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalog = Catalog.create(path)
    fill(catalog, 20, 2, 20)
    assert catalog.faults() == []
    catalog.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xaa" * 4096
    path.write_bytes(content)
    try:
        again = Catalog.open(path)
    except CatalogDamaged:
        return
    assert again.faults() != []
    again.close()


def test_a_reader_sees_commits_and_cannot_write(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    reader = Catalog.open(tmp_path / "catalog.db", read_only=True)
    assert reader.tally().instances_landed == 0
    catalog.record_landed([arrival()])
    assert reader.tally().instances_landed == 1
    with pytest.raises(DatabaseRefused):
        reader.record_landed([arrival(2)])
    catalog.close()
    reader.close()
    alone = Catalog.open(tmp_path / "catalog.db", read_only=True)
    assert len(alone.find(StudySearch())) == 1
    alone.close()


def test_a_failed_batch_leaves_nothing_behind(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    row, held = pack_of(arrival(), arrival(2))
    with pytest.raises(Exception, match="UNIQUE"):
        catalog.record_packed(row, [held[0], held[0]])
    assert catalog.tally().instances_landed == 0
    assert list(catalog.studies()) == []
    assert catalog.record_packed(row, held)


def test_an_error_of_the_engine_carries_no_name_of_a_patient(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    row, held = pack_of(arrival(of=head(name=b"Secret^Name")))
    with pytest.raises(Exception, match="UNIQUE") as told:
        catalog.record_packed(row, [held[0], held[0]])
    assert "Secret" not in str(told.value)
    assert "Secret" not in repr(told.value)


def test_text_that_cannot_be_decoded_is_damage_and_is_not_quoted(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    catalog.record_landed([arrival(of=head(name=b"Secret^Name"))])
    catalog.close()
    connection = sqlite3.connect(tmp_path / "catalog.db")
    connection.execute("UPDATE study SET patient_name = CAST(X'536563726574FF' AS TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(CatalogDamaged) as told:
        Catalog.open(tmp_path / "catalog.db").find(StudySearch())
    assert "Secret" not in "".join(traceback.format_exception(told.value))


def test_threads_write_and_read_at_once(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db")
    wrong: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for arrivals in hospital(5, 2, 5, first=first):
                catalog.record_landed(arrivals)
                row, held = pack_of(*arrivals)
                catalog.record_packed(row, held)
                catalog.record_copy(row.name, "home", CopyState.VERIFIED, START)
                catalog.find(StudySearch(name="berg*"))
        except SafelightError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    tally = catalog.tally()
    assert (tally.instances_packed, tally.instances_waiting, tally.packs, tally.series) == (150, 0, 30, 30)
    catalog.close()
