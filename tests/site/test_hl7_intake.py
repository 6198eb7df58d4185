"""Messages on their way from the door into the journal: what is kept, found again, suppressed, told."""

from datetime import timedelta
from pathlib import Path

import pytest

from safelight.catalog.message_index import MessageIndex
from safelight.core.disk import DiskFull
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.site.hl7_intake import IN_JOURNAL_BYTES_MAX
from safelight.site.home import Home
from safelight.site.sealing import seal_journal
from safelight.site.verifying import rebuild
from safelight.wire.hl7.mllp import frame
from support.hl7_house import House, Sender, house, opened, order


def _codes(served: House) -> set[str]:
    return {one.code for one in served.site.catalog.findings() if one.code.startswith("gateway.hl7")}


def _raws(served: House) -> list[bytes]:
    return [served.site.messages.raw(row.position) for row in served.site.messages.index.messages()]


def test_what_was_answered_is_a_fact_with_its_bytes_and_can_be_found(tmp_path: Path) -> None:
    hostile = order(2, more="OBX|1|TX|||\xff\x00 \x85|\n").replace(b"Invented", b"M\xfcller\\X0D\\")
    with house(tmp_path) as served, served.sender() as sender:
        assert [sender.said(one) for one in (order(1), hostile)] == ["AA", "AA"]
        served.settle()
        assert _raws(served) == [order(1), hostile]
        first = served.site.messages.index.messages()[0]
        assert (first.event, first.sender, first.control_id, first.patients) == ("ORM^O01", "RIS|H", "1", ("77",))
        assert served.site.records.journal.verify() == []
        assert not list(served.site.home.messages.glob("*.draft"))


def test_a_repeat_is_answered_and_kept_as_one_and_other_bytes_under_its_name_are_another(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        for message in (order(1), order(1), order(1, more="NTE|1||changed\r"), order(1), order(1, sender="OTHER")):
            assert sender.said(message) == "AA"
        served.settle()
        rows = served.site.messages.index.messages()
        assert [row.duplicate_of is not None for row in rows] == [False, True, False, False, False]
        assert _raws(served)[1] == order(1)
        assert _codes(served) == {"gateway.hl7-control-id-reused"}


def test_a_burst_with_repeats_inside_is_sorted_out_too(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        sender.socket.sendall(b"".join(frame(order(number % 3)) for number in range(30)))
        for _ in range(30):
            sender.answer()
        served.settle()
        rows = served.site.messages.index.messages()
        assert len(rows) == 30 and sum(row.duplicate_of is None for row in rows) == 3


def test_fragments_and_rejected_bytes_are_facts_and_findings_and_are_no_messages(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        with served.sender() as sender:
            assert sender.said(b"no header") == "AR"
            sender.socket.sendall(b"stray\x0bMSH|half")
        with served.sender() as sender:
            assert sender.said(order(1)) == "AA"
        served.door.listener.stop(timedelta(seconds=2))  # type: ignore[union-attr]
        served.settle()
        facts = [entry.facts for entry in served.site.records.journal.entries(kinds=[FactKind.HL7_RECEIVED])]
        assert sorted((str(one["arrived"]), str(one["raw"]).encode("latin-1")) for one in facts) == [
            ("message", order(1)),
            ("stray", b"stray"),
            ("unreadable", b"no header"),
            ("unterminated", b"MSH|half"),
        ]
        assert _codes(served) == {"gateway.hl7-unreadable", "gateway.hl7-stray", "gateway.hl7-unterminated"}
        assert len(served.site.messages.index.messages()) == 1


def test_odd_messages_are_accepted_and_told(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        assert sender.said(order("")) == "AA"
        assert sender.said(order(1).replace(b"Invented", b"\xff\xfe")) == "AA"
        served.settle()
        assert _codes(served) == {"gateway.hl7-no-control-id", "gateway.hl7-charset"}
        assert served.site.messages.index.count() == 2


def test_a_large_message_lies_in_a_pack_and_comes_back_whole(tmp_path: Path) -> None:
    large = order("BIG", more="OBX|1|ED|||" + "A1b" * IN_JOURNAL_BYTES_MAX + "\r")
    with house(tmp_path) as served, served.sender() as sender:
        assert sender.said(large) == "AA"
        served.settle()
        assert _raws(served) == [large]
        assert [row.kind for row in served.site.catalog.packs()] == ["hl7"]
    with opened(Home.at(tmp_path / "home")) as site:
        assert site.messages.raw(site.messages.index.messages()[0].position) == large
        rebuild(site, silent)
        assert site.messages.raw(site.messages.index.messages()[0].position) == large


def test_the_index_that_is_lost_is_computed_again(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        for number in range(20):
            sender.send(order(number, patient=str(number % 3)))
        served.settle()
        before = served.site.messages.index.messages()
    for path in (tmp_path / "home").glob("messages.db*"):
        path.unlink()
    with house(tmp_path) as served:
        assert served.site.messages.index.messages() == before
        with served.sender() as sender:
            sender.send(order(3, patient="0"))
            served.settle()
        assert served.site.messages.index.messages()[-1].duplicate_of == before[3].position


def test_an_index_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "messages.db"
    path.write_bytes(b"SQLite format 3\0 but not really")
    index = MessageIndex.open(path)
    assert index.count() == 0 and index.journal_place == (0, b"")
    index.close()


def test_while_the_journal_cannot_be_written_messages_are_answered_and_follow_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        real = served.site.records.record_all

        def refuse(*facts: object, **more: object) -> None:
            raise DiskFull(where="journal")

        monkeypatch.setattr(served.site.records, "record_all", refuse)
        for number in range(5):
            assert sender.said(order(number)) == "AA"
        assert served.site.messages.index.count() == 0
        monkeypatch.setattr(served.site.records, "record_all", real)
        served.settle()
        assert _raws(served) == [order(number) for number in range(5)]


def test_what_the_journal_had_not_taken_when_serve_stopped_is_taken_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path) as served:
        monkeypatch.setattr(served.site.records, "record_all", _refuse)
        with Sender(served.port) as sender:
            assert sender.said(order(1)) == "AA"
    monkeypatch.undo()
    with house(tmp_path) as served:
        served.settle()
        assert _raws(served) == [order(1)]
        assert not served.site.catalog.findings(code="gateway.hl7-message-log-damaged")


def _refuse(*facts: object, **more: object) -> None:
    raise DiskFull(where="journal")


def test_a_lost_journal_comes_back_from_the_vault_and_the_message_log(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        for number in range(10):
            sender.send(order(number))
        served.settle()
        seal_journal(served.site)
        served.site.records.record(FactKind.SERVED_START, {"port": 1})
        for number in range(10, 15):
            sender.send(order(number))
        served.settle()
    for path in (tmp_path / "home").glob("journal.db*"):
        path.unlink()
    with house(tmp_path) as served:
        served.settle()
        assert _raws(served) == [order(number) for number in range(15)]
        assert served.site.records.journal.verify() == []
        with served.sender() as sender:
            assert sender.said(order(3)) == "AA"
            served.settle()
        assert served.site.messages.index.messages()[-1].duplicate_of is not None


def test_the_message_log_is_let_go_of_once_the_vault_holds_the_messages(tmp_path: Path) -> None:
    with house(tmp_path) as served, served.sender() as sender:
        sender.send(order(1))
        served.settle()
        home = served.site.home
    assert list(home.messages.iterdir())
    with house(tmp_path) as served:
        seal_journal(served.site)
    assert not list(home.messages.iterdir())
