"""From messages on the wire to the worklist, through journal, restart and change of mapping."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from safelight.core.progress import silent
from safelight.gateway.hl7.mapping import BadMapping
from safelight.site.hl7_import import NoFolder, import_messages
from safelight.site.hl7_status import message_feeds, senders_document
from safelight.site.hl7_worklist import reports_document, worklist_document
from safelight.site.home import Home
from safelight.site.status import status_document
from safelight.wire.hl7.mllp import frame
from support.hl7_house import TODAY, House, Receiver, house, make_home, opened, order, send_to
from support.served_home import free_port

PROCEDURE = "OBR|1|P{0}|F{0}|CT1^CT head||||||||||||||A{0}|R{0}|S{0}||||CT\r"


def _order(number: int, patient: str = "77", control: str = "NW") -> bytes:
    raw = order(number, patient, more=PROCEDURE.format(number))
    return raw if control == "NW" else raw.replace(b"ORC|NW|", b"ORC|" + control.encode() + b"|")


def _fold(served: House, *messages: bytes) -> None:
    with served.sender() as sender:
        assert {sender.said(one) for one in messages} == {"AA"}
    served.settle()
    served.door.folding.stop()
    served.door.folding.settle()


def _accessions(home: Home, **asked: object) -> list[str]:
    return [row["attributes"]["AccessionNumber"] for row in worklist_document(home, asked)["steps"]]


def test_orders_become_a_worklist_and_reports_are_found(tmp_path: Path) -> None:
    report = order(9, event="ORU^R01", more="OBR|1|P1|F1|CT1^CT head||||||||||||||A1\r")
    with house(tmp_path) as served:
        home = served.site.home
        _fold(served, _order(1), _order(2, "88"), _order(2, "88", "CA").replace(b"|2|P|2.3.1", b"|3|P|2.3.1"), report)
        assert _accessions(home) == ["A1"]
        assert _accessions(home, states=["canceled"]) == ["A2"]
        (found,) = reports_document(home, "", "A1", "", 10)["reports"]
        assert served.site.messages.raw(found["message"]) == report
        assert served.site.messages.index.unfolded(10) == []


def test_what_cannot_be_understood_is_a_finding_and_the_rest_goes_on(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        strange = _order(1, control="QQ").replace(b"||SC\r", b"||QQ\r")
        _fold(
            served, strange, order(2, event="ORM^O01").replace(b"PID|", b"ZID|"), _order(3), order(4, event="ZZZ^Z01")
        )
        assert set(_accessions(served.site.home)) == {"A1", "A3"}
        told = [one.subject for one in served.site.catalog.findings(code="gateway.hl7-not-folded")]
        assert len(told) == 2 and all("RIS|H ORM^O01" in one for one in told)


def test_a_sender_that_missed_a_merge_is_told_and_the_patient_keeps_its_name(tmp_path: Path) -> None:
    def moment(raw: bytes, time: str) -> bytes:
        return raw.replace(f"|{TODAY}|".encode(), f"|{TODAY}{time}|".encode())

    with house(tmp_path) as served:
        merge = order(2, "9", event="ADT^A40", more="MRG|77^^^H\r").replace(b"Invented^Person", b"New^Name")
        _fold(
            served,
            moment(_order(1), "000001"),
            moment(merge, "000002"),
            moment(_order(3, "9").replace(b"Invented^Person", b"New^Name"), "000003"),
        )
        assert not served.site.catalog.findings(code="gateway.hl7-merge-missed")
        _fold(served, moment(_order(4), "000004"))
        (found,) = served.site.catalog.findings(code="gateway.hl7-merge-missed")
        assert found.subject == "RIS|H"
        told = worklist_document(served.site.home, {})["steps"]
        assert {(one["patient_id"], one["patient"]["PatientName"]) for one in told} == {("9", "New^Name")}
        assert len(told) == 3


def test_values_and_clocks_that_cannot_be_right_are_told_and_the_message_is_kept_as_it_came(tmp_path: Path) -> None:
    strange = _order(1).replace(b"|S1|", b"|" + b"S" * 300 + b"|").replace(f"|{TODAY}|".encode(), b"|20010101|")
    with house(tmp_path) as served:
        _fold(served, strange, _order(2))
        assert _accessions(served.site.home) == ["A1", "A2"]
        findings = {one.code: one.subject for one in served.site.catalog.findings() if one.code.startswith("gateway.")}
        assert findings == {
            "gateway.hl7-unfit-value": "RIS|H ORM^O01: ScheduledProcedureStepID: too long for DICOM",
            "gateway.hl7-clock-astray": "RIS|H: more than 30 days behind",
        }
        assert served.site.messages.raw(served.site.messages.index.messages()[0].position) == strange


def test_a_clock_is_not_judged_by_messages_from_files(tmp_path: Path) -> None:
    (tmp_path / "old.hl7").write_bytes(_order(1).replace(f"|{TODAY}|".encode(), b"|20010101|"))
    with house(tmp_path) as served:
        import_messages(served.site, {"folder": str(tmp_path / "old.hl7")}, silent)
        served.door.folding.stop()
        served.door.folding.settle()
        assert _accessions(served.site.home) == ["A1"]
        assert not served.site.catalog.findings(code="gateway.hl7-clock-astray")


def test_another_mapping_folds_everything_again_and_a_lost_index_gives_the_same(tmp_path: Path) -> None:
    with house(tmp_path) as served:
        _fold(served, *map(_order, range(1, 6)))
        home = served.site.home
    first = worklist_document(home, {})
    for path in home.directory.glob("messages.db*"):
        path.unlink()
    with house(tmp_path) as served:
        _fold(served, order(9, event="ZZZ^Z01"))
    assert worklist_document(home, {})["steps"] == first["steps"]
    home.order_mapping.write_text('[sender."RIS|H".order]\nAccessionNumber = ["ORC-2.1"]\n')
    with house(tmp_path) as served:
        _fold(served, order(8, event="ZZZ^Z01"))
    assert _accessions(home) == [f"P{number}" for number in range(1, 6)]


def test_an_order_without_a_start_is_on_the_day_of_the_clock_on_the_wall_however_often_it_is_folded(
    tmp_path: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        with house(tmp_path) as served:
            home = served.site.home
            _fold(served, _order(1))
            received = served.site.messages.index.messages()[0].received_at + timedelta(hours=14)
        first = worklist_document(home, {})["steps"]
        told = first[0]["attributes"]
        start = told["ScheduledProcedureStepStartDate"] + told["ScheduledProcedureStepStartTime"]
        assert start == f"{received:%Y%m%d%H%M%S}"
        for path in home.directory.glob("messages.db*"):
            path.unlink()
        with house(tmp_path) as served:
            _fold(served, order(9, event="ZZZ^Z01"))
        assert worklist_document(home, {})["steps"] == first
    time.tzset()


def test_a_mapping_that_means_nothing_keeps_serve_from_starting(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    home.order_mapping.write_text("[sender")
    with pytest.raises(BadMapping), house(tmp_path):
        pass


def test_a_home_without_messages_has_an_empty_worklist(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    assert worklist_document(home, {}) == {"as_of_position": 0, "lists": [], "steps": []}
    assert reports_document(home, "", "", "", 10) == {"reports": []}


def test_the_status_counts_messages_and_a_silent_sender_makes_the_exposure_unknown(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    send_to(home, Receiver())
    assert status_document(home)["messages_received"] == 0
    with house(tmp_path) as served:
        _fold(served, _order(1), _order(1), order(2, sender="LAB"))
    told = status_document(home)
    assert (told["messages_received"], told["messages_waiting"], told["messages_dead"]) == (3, 2, 0)
    assert [(one["sender"], one["messages"]) for one in senders_document(home)] == [("LAB|H", 1), ("RIS|H", 2)]
    assert [one.name for one in message_feeds(home, timedelta(hours=1))] == ["HL7 LAB|H", "HL7 RIS|H"]
    settings = home.settings_file.read_text().replace("feed_silence_hours_max = 24.0", "feed_silence_hours_max = 0.0")
    home.settings_file.write_text(settings)
    assert status_document(home)["exposure_seconds"] is None


def test_messages_in_files_are_kept_folded_and_forwarded_to_nobody(tmp_path: Path) -> None:
    files = tmp_path / "old" / "deeper"
    files.mkdir(parents=True)
    (files / "framed.hl7").write_bytes(frame(_order(1)) + b"\n" + frame(_order(2)))
    (files / "plain.txt").write_bytes(_order(3).replace(b"\r", b"\r\n") + b"\r\n" + _order(4).replace(b"\r", b"\n"))
    (files / "again.txt").write_bytes(frame(_order(1)))
    (files / "image.jpg").write_bytes(b"\xff\xd8 no message")
    (files / "empty").write_bytes(b"")
    home = make_home(tmp_path, free_port())
    send_to(home, Receiver())
    with house(tmp_path) as served:
        told = import_messages(served.site, {"folder": str(files.parent)}, silent)
        assert told == {"files": 5, "found": 5, "kept": 4, "known": 1, "not_messages": 1}
        _fold(served, order(9, event="ZZZ^Z01"))
        assert import_messages(served.site, {"folder": str(files)}, silent)["kept"] == 0
    assert _accessions(home) == ["A1", "A2", "A3", "A4"]
    assert status_document(home)["messages_waiting"] == 1
    with pytest.raises(NoFolder), opened(home) as site:
        import_messages(site, {"folder": str(tmp_path / "nowhere")}, silent)
