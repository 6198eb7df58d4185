"""Facts go in order, are durable, and are read back as they were written."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.database import DatabaseRefused
from safelight.core.signing import SigningKey
from safelight.journal.entry import JsonValue, canonical
from safelight.journal.errors import BadFact, JournalDamaged, JournalMissing, JournalThere
from safelight.journal.journal import Journal
from safelight.journal.journal import _read as read_entry
from safelight.journal.kinds import FactKind

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
NODE = "node-a"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest.fixture
def journal(tmp_path: Path, clock: SetClock) -> Journal:
    return Journal.create(tmp_path / "journal.db", clock, NODE, SigningKey.generate())


def test_an_entry_is_read_back_as_it_was_appended(journal: Journal) -> None:
    facts: dict[str, JsonValue] = {"ä": "Ω\n", "list": [1, 2.5, None, True], "deep": {"b": 1, "a": ""}}
    written = journal.append(FactKind.HOME_MADE, facts)
    assert written.position == 1
    assert written.at == START
    assert list(journal.entries()) == [written]
    assert written.facts == facts
    assert journal.last() == written


def test_entries_are_still_there_after_closing(journal: Journal, tmp_path: Path, clock: SetClock) -> None:
    entries = journal.append_all([("home-made", {}), ("served-start", {"port": 104})])
    journal.close()
    again = Journal.open(tmp_path / "journal.db", clock, NODE)
    assert list(again.entries()) == entries
    assert again.append("served-stop", {}).position == 3
    assert again.verify() == []


def test_entries_are_chosen_by_position_and_kind(journal: Journal) -> None:
    journal.append_all([("even" if number % 2 == 0 else "odd", {"n": number}) for number in range(1, 1205)])
    assert [entry.facts["n"] for entry in journal.entries(after=1200)] == [1201, 1202, 1203, 1204]
    assert [entry.facts["n"] for entry in journal.entries(after=3, until=6)] == [4, 5, 6]
    assert [entry.position for entry in journal.entries(kinds=["even"])] == list(range(2, 1205, 2))
    assert list(journal.entries(kinds=[])) == []


def test_entries_before_a_moment_are_passed_over_without_reading_them(
    journal: Journal, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert journal.position_before(START) == 0
    for number in range(1000):
        journal.append("asked", {"n": number})
        clock.advance(timedelta(minutes=1))
    read: list[int] = []
    monkeypatch.setattr("safelight.journal.journal._read", lambda *row: read.append(row[0]) or read_entry(*row))
    for number in (0, 1, 499, 999):
        assert journal.position_before(START + timedelta(minutes=number)) == number
    assert journal.position_before(clock.now()) == 1000
    assert len(read) < 80


def test_a_clock_that_was_set_back_costs_time_and_loses_nothing(journal: Journal, clock: SetClock) -> None:
    for days in (0, 1, 2, -400, 401, 1):
        clock.advance(timedelta(days=days))
        journal.append("asked", {})
    assert journal.position_before(clock.now() - timedelta(days=30)) <= 4


def test_a_batch_with_one_bad_fact_records_nothing(journal: Journal) -> None:
    with pytest.raises(BadFact):
        journal.append_all([("home-made", {}), ("Bad Kind", {})])
    with pytest.raises(ValueError, match="JSON"):
        journal.append_all([("home-made", {}), ("home-made", {"n": float("nan")})])
    assert journal.last() is None
    assert journal.append("home-made", {}).position == 1


def test_a_fact_that_is_too_large_is_refused(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safelight.journal.entry.LINE_BYTES_MAX", 200)
    with pytest.raises(BadFact):
        journal.append("home-made", {"x": "y" * 200})
    assert journal.last() is None


def test_a_missing_or_empty_journal_is_never_started_anew(tmp_path: Path, clock: SetClock) -> None:
    with pytest.raises(JournalMissing):
        Journal.open(tmp_path / "journal.db", clock, NODE)
    (tmp_path / "journal.db").touch()
    with pytest.raises(JournalMissing):
        Journal.open(tmp_path / "journal.db", clock, NODE)


@pytest.mark.parametrize("content", [b"not a database" * 400, b"SQLite format 3\0" + b"\xff" * 8176, b"x"])
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, clock: SetClock, content: bytes) -> None:
    (tmp_path / "journal.db").write_bytes(content)
    with pytest.raises(JournalDamaged):
        Journal.open(tmp_path / "journal.db", clock, NODE)
    assert (tmp_path / "journal.db").read_bytes() == content


def test_creating_over_a_journal_is_refused(journal: Journal, tmp_path: Path, clock: SetClock) -> None:
    with pytest.raises(JournalThere):
        Journal.create(tmp_path / "journal.db", clock, NODE)


def test_the_file_is_readable_by_its_owner_alone(journal: Journal, tmp_path: Path) -> None:
    journal.append("home-made", {})
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def test_threads_and_a_second_opening_share_one_chain(journal: Journal, tmp_path: Path, clock: SetClock) -> None:
    other = Journal.open(tmp_path / "journal.db", clock, NODE)

    def work(one: Journal, name: str) -> None:
        for number in range(20):
            one.append("served-start", {"who": name, "n": number})

    threads = [threading.Thread(target=work, args=(one, f"{i}")) for i, one in enumerate([journal, journal, other])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = list(journal.entries())
    assert [entry.position for entry in entries] == list(range(1, 61))
    assert journal.verify() == []
    for name in "012":
        assert [entry.facts["n"] for entry in entries if entry.facts["who"] == name] == list(range(20))


def test_a_reader_sees_what_a_writer_committed_and_cannot_write(
    journal: Journal, tmp_path: Path, clock: SetClock
) -> None:
    entry = journal.append("home-made", {})
    reader = Journal.open(tmp_path / "journal.db", clock, NODE, read_only=True)
    assert list(reader.entries()) == [entry]
    newer = journal.append("served-start", {})
    assert reader.last() == newer
    with pytest.raises(DatabaseRefused):
        reader.append("served-stop", {})
    journal.close()
    reader.close()
    alone = Journal.open(tmp_path / "journal.db", clock, NODE, read_only=True)
    assert alone.last() == newer


def test_an_entry_has_the_time_of_the_clock(journal: Journal, clock: SetClock) -> None:
    clock.advance(timedelta(microseconds=1))
    assert journal.append("home-made", {}).at == START + timedelta(microseconds=1)


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()


def test_every_kind_is_a_kind_that_can_be_appended(journal: Journal) -> None:
    entries = journal.append_all([(kind, {"last": 0}) for kind in FactKind])
    assert [entry.kind for entry in entries] == [kind.value for kind in FactKind]
