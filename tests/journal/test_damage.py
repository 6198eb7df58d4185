"""Damage in a journal is found, named by position, and healed from sealed segments."""

import random
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.signing import SigningKey, VerifyKey
from safelight.journal.entry import Entry
from safelight.journal.errors import JournalDamaged, SegmentDamaged, SegmentDoesNotFit, SegmentsDisagree
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.journal.restoration import restore_journal
from safelight.journal.segment import Segment, SignatureCheck, read_segment
from safelight.journal.verification import DamageKind, JournalDamage

CLOCK = SetClock(datetime(2026, 3, 1, 7, 30, tzinfo=UTC))
NODE = "node-a"
KEY = SigningKey.generate()
COUNT = 30
PAGE = 4096
LEAF_OF_A_TABLE = 13


def check_by(key: VerifyKey) -> SignatureCheck:
    def check(key_id: str, message: bytes, signature: bytes) -> bool:
        if key_id != key.key_id:
            return False
        key.verify(signature, message)
        return True

    return check


def filled(path: Path, count: int = COUNT) -> Journal:
    journal = Journal.create(path, CLOCK, NODE, KEY)
    journal.append_all(
        [("served-start", {"number": number, "text": "ä" * (number % 7 * 40)}) for number in range(count)]
    )
    return journal


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry], Segment]:
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    journal = filled(path)
    segment = journal.seal()
    assert segment is not None
    entries = list(journal.entries())
    journal.close()
    assert not path.with_name("journal.db-wal").exists()
    return path, entries, segment


def damaged(path: Path, **changes: bytes | str | int | None) -> list[JournalDamage]:
    """Change stored columns of entry 7, as a flipped bit would, and verify."""
    connection = sqlite3.connect(path)
    for column, value in changes.items():
        connection.execute(f"UPDATE entry SET {column} = ? WHERE position = 7", (value,))
    connection.commit()
    connection.close()
    journal = Journal.open(path, CLOCK, NODE)
    try:
        return journal.verify()
    finally:
        journal.close()


@pytest.fixture
def copy(sound: tuple[Path, list[Entry], Segment], tmp_path: Path) -> Path:
    return Path(shutil.copy(sound[0], tmp_path / "journal.db"))


def test_a_sound_journal_has_no_damage(copy: Path) -> None:
    assert damaged(copy) == []


@pytest.mark.parametrize("column", ["line", "hash"])
def test_any_bit_of_a_stored_entry_is_told_by_position(
    sound: tuple[Path, list[Entry], Segment], copy: Path, column: str
) -> None:
    connection = sqlite3.connect(copy)
    (stored,) = connection.execute(f"SELECT {column} FROM entry WHERE position = 7").fetchone()
    connection.close()
    journal = Journal.open(copy, CLOCK, NODE)
    for bit in range(0, len(stored) * 8, 53):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        assert damaged(copy, **{column: bytes(changed)}) == [JournalDamage(DamageKind.CONTENT, 7, 7)], bit
    journal.mend(7, sound[2])
    assert journal.verify() == []
    assert list(journal.entries()) == sound[1]
    journal.close()


@pytest.mark.parametrize("changes", [{"kind": "served-stop"}, {"line": "text"}, {"line": b""}, {"hash": b"\0" * 32}])
def test_a_changed_entry_is_told(copy: Path, changes: dict[str, bytes | str]) -> None:
    assert [(one.kind, one.first, one.last) for one in damaged(copy, **changes)] == [(DamageKind.CONTENT, 7, 7)]


def test_an_entry_at_another_position_leaves_a_gap_that_is_told(copy: Path) -> None:
    found = damaged(copy, position=70)
    assert JournalDamage(DamageKind.MISSING, 7, 7) in found
    assert JournalDamage(DamageKind.CONTENT, 70, 70) in found


@pytest.mark.parametrize("flips", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_any_flipped_bit_in_the_file_is_found_or_harmless_and_can_be_healed(
    sound: tuple[Path, list[Entry], Segment], tmp_path: Path, flips: int
) -> None:
    path, entries, segment = sound
    content = path.read_bytes()
    seed = random.randrange(2**32)
    choice = random.Random(seed)
    found = healed_in_place = 0
    for number in range(flips):
        bit = choice.randrange(len(content) * 8)
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        here = tmp_path / f"{number}.db"
        here.write_bytes(changed)
        told = f"seed {seed}, bit {bit}"
        try:
            journal = Journal.open(here, CLOCK, NODE, KEY)
        except JournalDamaged:
            found += 1
        else:
            damage = journal.verify()
            if not damage:
                assert list(journal.entries()) == entries, told
                assert list(journal.entries(kinds=["served-start"])) == entries, told
                journal.close()
                continue
            found += 1
            positions = [place for one in damage for place in range(one.first, min(one.last, COUNT) + 1) if place]
            try:
                for position in positions:
                    journal.mend(position, segment)
                healed_in_place += not journal.verify() and list(journal.entries()) == entries
            except JournalDamaged:
                pass
            finally:
                journal.close()
        again = restore_journal(tmp_path / f"{number}.new", CLOCK, NODE, [segment], signer=KEY, salvage=here)
        assert list(again.entries(until=COUNT)) == entries, told
        assert again.verify() == [], told
        again.close()
    assert found > flips // 10
    assert healed_in_place > 0


@pytest.mark.parametrize("field", [3, 26])
def test_a_page_that_leads_the_engine_astray_is_told_at_once_and_does_not_hold_the_walk_up(
    sound: tuple[Path, list[Entry], Segment], tmp_path: Path, field: int
) -> None:
    """The last page's count of entries (byte 3), and where its tenth entry begins (byte 26)."""
    path, entries, segment = sound
    content = path.read_bytes()
    page = len(content) - PAGE
    assert content[page] == LEAF_OF_A_TABLE
    for bit in range(16):
        changed = bytearray(content)
        changed[page + field + bit // 8] ^= 1 << bit % 8
        here = tmp_path / f"{bit}.db"
        here.write_bytes(changed)
        journal = Journal.open(here, CLOCK, NODE, KEY)
        damage = journal.verify()
        assert damage != [], bit
        assert sum(one.kind is not DamageKind.STRUCTURE for one in damage) <= COUNT, bit
        with suppress(JournalDamaged):
            assert len(list(journal.entries())) < 2 * COUNT, bit
        journal.close()
        again = restore_journal(tmp_path / f"{bit}.new", CLOCK, NODE, [segment], signer=KEY, salvage=here)
        assert list(again.entries(until=COUNT)) == entries
        again.close()


def test_entries_lost_from_the_end_are_told_to_whoever_knows_of_them(copy: Path) -> None:
    journal = Journal.open(copy, CLOCK, NODE)
    assert journal.verify(at_least=COUNT) == []
    assert journal.verify(at_least=COUNT + 2) == [JournalDamage(DamageKind.MISSING, COUNT + 1, COUNT + 2)]


def test_bytes_that_a_flipped_bit_made_text_are_damage_and_no_defect(copy: Path) -> None:
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE entry SET line = CAST(line AS TEXT) WHERE position = ?", (COUNT,))
    connection.execute("UPDATE entry SET hash = CAST('abc' AS TEXT) WHERE position = ?", (COUNT - 1,))
    connection.commit()
    connection.close()
    journal = Journal.open(copy, CLOCK, NODE)
    for ask in (journal.last, journal.seal, lambda: journal.append("served-stop", {}), lambda: list(journal.entries())):
        with pytest.raises(JournalDamaged):
            ask()
    assert journal.verify() != []


def test_nothing_is_chained_on_a_damaged_last_entry_until_somebody_decides(copy: Path) -> None:
    connection = sqlite3.connect(copy)
    connection.execute(
        "UPDATE entry SET line = CAST(replace(line, 'number', 'numbeR') AS BLOB) WHERE position = ?", (COUNT,)
    )
    connection.commit()
    connection.close()
    journal = Journal.open(copy, CLOCK, NODE)
    with pytest.raises(JournalDamaged):
        journal.append("served-stop", {})
    assert journal.go_on_after_damage("no copy of it", "A. Person").position == COUNT + 1
    journal.append("served-stop", {})
    assert [(one.first, one.kind) for one in journal.verify()] == [(COUNT, DamageKind.CONTENT)]


def test_a_column_that_lost_its_name_is_damage_for_whoever_reads_or_mends(
    sound: tuple[Path, list[Entry], Segment], tmp_path: Path
) -> None:
    content = sound[0].read_bytes()
    assert content.count(b"\tline BLOB") == 1
    here = tmp_path / "journal.db"
    here.write_bytes(content.replace(b"\tline BLOB", b"\tlinf BLOB"))
    with closing(Journal.open(here, CLOCK, NODE, KEY)) as journal:
        with pytest.raises(JournalDamaged):
            list(journal.entries())
        with pytest.raises(JournalDamaged):
            journal.mend(1, sound[2])


def test_a_journal_of_another_node_does_not_hold(copy: Path) -> None:
    assert [one.first for one in Journal.open(copy, CLOCK, "node-b").verify()] == [1]


def test_a_segment_is_read_back_and_proven(sound: tuple[Path, list[Entry], Segment]) -> None:
    _, entries, segment = sound
    again = read_segment(segment.content, check_by(KEY.verify_key))
    assert again == segment
    assert list(again.entries()) == entries
    assert (again.first, again.last, again.name) == (1, COUNT, "journal-000000000001-000000000030.jsonl")


def test_any_flipped_bit_of_a_segment_is_found(sound: tuple[Path, list[Entry], Segment]) -> None:
    content = sound[2].content
    check = check_by(KEY.verify_key)
    choice = random.Random(7)
    for bit in choice.sample(range(len(content) * 8), 500):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Exception) as told:
            read_segment(bytes(changed), check)
        assert told.type.__name__ in ("SegmentDamaged", "BadSignature"), bit


@pytest.mark.parametrize("keep", [0, 1, 50, -1, -2, -200])
def test_a_segment_cut_short_is_refused(sound: tuple[Path, list[Entry], Segment], keep: int) -> None:
    with pytest.raises(SegmentDamaged):
        read_segment(sound[2].content[:keep])


def test_a_segment_signed_by_somebody_else_is_refused(sound: tuple[Path, list[Entry], Segment]) -> None:
    with pytest.raises(SegmentDamaged):
        read_segment(sound[2].content, check_by(SigningKey.generate().verify_key))


def test_a_segment_mends_only_what_it_covers(sound: tuple[Path, list[Entry], Segment], copy: Path) -> None:
    journal = Journal.open(copy, CLOCK, NODE)
    with pytest.raises(SegmentDoesNotFit):
        journal.mend(COUNT + 1, sound[2])
    with pytest.raises(SegmentDoesNotFit):
        Journal.open(copy, CLOCK, "node-b").mend(1, sound[2])


def test_sealing_goes_on_where_it_ended_and_stops_when_nothing_happened(tmp_path: Path) -> None:
    journal = filled(tmp_path / "journal.db", 3)
    assert journal.unsealed() == (3, CLOCK.now())
    assert journal.seal(4) is None
    first = journal.seal(3)
    assert first is not None
    assert journal.seal() == first
    journal.mark_sealed(first, "a" * 64)
    assert journal.unsealed() == (0, None)
    assert journal.seal() is None
    journal.append("served-stop", {})
    second = journal.seal()
    assert second is not None
    assert (second.first, second.last, second.previous) == (4, 5, first.hash)
    assert read_segment(second.content, check_by(KEY.verify_key)) == second


def test_a_long_tail_is_sealed_in_several_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safelight.journal.journal.SEGMENT_ENTRIES_MAX", 4)
    journal = filled(tmp_path / "journal.db", 10)
    segments = []
    while (segment := journal.seal()) is not None:
        journal.mark_sealed(segment, f"{len(segments):064x}")
        segments.append(segment)
    assert [(one.first, one.last) for one in segments] == [(1, 4), (5, 8), (9, 12)]
    again = restore_journal(tmp_path / "again.db", CLOCK, NODE, reversed(segments), signer=KEY)
    assert list(again.entries(until=12)) == list(journal.entries(until=12))
    last = again.last()
    assert last is not None
    assert (last.kind, last.facts["last"], last.facts["segments"]) == (FactKind.JOURNAL_RESTORED, 12, 3)
    assert again.unsealed() == (0, None)
    assert again.verify() == []


def test_a_damaged_entry_is_never_sealed(copy: Path) -> None:
    damaged(copy, line=b"{}")
    with pytest.raises(JournalDamaged):
        Journal.open(copy, CLOCK, NODE).seal()


def test_a_gap_between_segments_and_a_fork_are_refused(tmp_path: Path) -> None:
    journal = filled(tmp_path / "journal.db", 4)
    first = journal.seal()
    assert first is not None
    journal.mark_sealed(first, "a" * 64)
    journal.append("served-stop", {})
    second = journal.seal()
    assert second is not None
    with pytest.raises(SegmentsDisagree):
        restore_journal(tmp_path / "gap.db", CLOCK, NODE, [second])
    with pytest.raises(SegmentsDisagree):
        restore_journal(tmp_path / "node.db", CLOCK, "node-b", [first])
    fork = Journal.create(tmp_path / "fork.db", CLOCK, NODE, KEY)
    fork.append("served-stop", {})
    other = fork.seal()
    assert other is not None
    with pytest.raises(SegmentsDisagree):
        restore_journal(tmp_path / "forked.db", CLOCK, NODE, [first, second, other])


def test_salvage_takes_what_still_holds_after_the_last_segment(tmp_path: Path) -> None:
    journal = filled(tmp_path / "journal.db", 4)
    segment = journal.seal()
    assert segment is not None
    journal.append_all([("served-stop", {"number": number}) for number in range(5)])
    entries = list(journal.entries())
    journal.close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("UPDATE entry SET hash = zeroblob(32) WHERE position IN (2, 8)")
    connection.commit()
    connection.close()
    again = restore_journal(tmp_path / "again.db", CLOCK, NODE, [segment], signer=KEY, salvage=tmp_path / "journal.db")
    assert list(again.entries(until=7)) == entries[:7]
    last = again.last()
    assert last is not None
    assert (last.position, last.facts["salvaged"]) == (8, 3)
