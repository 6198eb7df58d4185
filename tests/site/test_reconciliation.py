"""Reconciling in a real home: from exams of an outage to an empty list, against an archive on real sockets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.search import StudySearch
from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.reconciliation.decision import StudyCommand
from safelight.reconciliation.state import Consequence, ReplacedAlready, UndoneAlready
from safelight.site.flushing import pack_everything
from safelight.site.reconciliation import DoesNotFit, IdentityUnknown, StillFolding, settle
from safelight.site.reconciliation_correcting import correct_study, replace_study
from safelight.site.reconciliation_sides import state_of
from safelight.site.reconciliation_target import TargetDesk
from safelight.site.reconciliation_view import UnknownDifference, decisions_document, differences_document
from safelight.site.reconciliation_work import record_done
from safelight.site.recovery_holdings import VaultHoldings
from safelight.site.saying import deciding
from safelight.site.verifying import rebuild
from support.archive_door import ArchiveDoor, open_archive
from support.reconciled_house import WHO, Hospital, acquire, hospital, image, local_now, order_message
from support.served_home import free_port


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[ArchiveDoor]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    # Like most: it keeps in sight what a note rejects.
    with open_archive(folder, settings="hide_rejected = false") as archive:
        yield archive


@pytest.fixture
def there(tmp_path: Path, pacs: ArchiveDoor) -> Iterator[Hospital]:
    with hospital(tmp_path, str(pacs.peer)) as opened:
        yield opened


def test_a_walk_in_meets_its_order_and_nothing_is_left_open(there: Hospital, pacs: ArchiveDoor) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA", birth_date="19700102", sex="F", procedure="head")
    there.scan(exam)
    there.step(exam["accession"], "acquired")
    there.step(exam["accession"], "read", text="Bleeding.\nCall surgery.", urgent=True)
    there.step(exam["accession"], "called", to="Dr. Ward", read_back=True)
    there.end()
    # The clerk enters the order afterwards, under the RIS's own numbers.
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    told = there.act("reconciliation.compare")
    assert told["by_kind"] == {
        "study-without-order": 1,
        "report-not-delivered": 1,
        "missing-at-target": 1,
        "order-without-study": 1,
    }
    (proposal,) = told["differences"][0]["proposals"]
    assert (proposal["order"], proposal["certain"], proposal["but"]) == ("RA1", False, "not enough agrees")
    decided = there.act("reconciliation.decide", differences=["DT01"], verdict="matched", order="RA1", **WHO)
    assert decided["decisions"][0]["identity"]["patient_id"] == "4711"
    told = there.act("reconciliation.send")
    assert not told["failed"], told
    there.reports.wait_for(1)
    there.patients.wait_for(1)
    merge, report = there.patients.got[0].decode(), there.reports.got[0].decode()
    assert "|ADT^A40^ADT_A39|" in merge and "PID|1||4711^^^H||" in merge and "MRG|DP01^^^H" in merge
    assert "OBR|1|PRA1|FRA1|" in report and "|P|" in report and "Told to Dr. Ward" in report and "read back" in report
    there.await_delivery()
    assert there.open() == []
    # The PACS has it under the identity of the order, under the modality's Study Instance UID.
    (row,) = pacs.site.catalog.find(StudySearch(study=exam["study"]))
    assert (row.patient_id.text, row.accession, row.instances) == ("4711", "RA1", 2)
    # Here both versions are held, and the corrected one is in force.
    assert len(there.site.catalog.versions(exam["study"])) == 4
    assert {one.versions for one in VaultHoldings(there.site).instances(exam["study"], None)} == {2}
    ours = there.site.catalog.study(exam["study"])
    assert ours is not None
    assert (ours.patient_id.text, ours.accession, ours.birth_date.text) == ("4711", "RA1", "19700102")
    for search in (
        StudySearch(patient_id="DP01"),
        StudySearch(accession=exam["accession"]),
        StudySearch(accession="RA1"),
    ):
        assert there.site.catalog.find(search) == [ours]
    pack_everything(there.site, silent)
    before = list(there.site.catalog.dump())
    rebuild(there.site, silent)
    assert list(there.site.catalog.dump()) == before
    there.act("downtime.say", event="closed", scopes=["pacs", "ris"], **WHO)


def test_a_dry_run_asks_the_target_and_writes_nothing(there: Hospital, pacs: ArchiveDoor) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA", birth_date="19700102", sex="F")
    there.scan(exam)
    there.end()
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    settle(there.site)
    there.act("reconciliation.decide", differences=["DT01"], verdict="matched", order="RA1", **WHO)
    before = _bytes_of(there)
    told = there.act("reconciliation.send", dry_run=True)
    assert _bytes_of(there) == before
    assert pacs.site.catalog.find(StudySearch(study=exam["study"])) == []
    assert told["target_error"] is None
    assert [one["what"].split()[0] for one in told["would_do"]] == ["merge", "correct"]
    # What it shows follows from what the PACS has now, not from what it had when somebody looked last.
    there.act("reconciliation.send")
    there.await_delivery()
    settle(there.site)
    before = _bytes_of(there)
    assert there.act("reconciliation.send", dry_run=True)["would_do"] == []
    away = there.act("reconciliation.send", target=f"AWAY@127.0.0.1:{free_port()}", dry_run=True)
    assert away["target_error"] == "reconciliation.target-away"
    assert _bytes_of(there) == before


def _bytes_of(there: Hospital) -> dict[str, bytes]:
    """Return what lies in the home; SQLite's index of its log is written by readers too."""
    folder = there.site.home.directory
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"}


def _merge(number: str, patient: str, prior: str, at: str) -> bytes:
    return (
        f"MSH|^~\\&|ADT|H|SL|H|{at}||ADT^A40|{number}|P|2.3.1\rEVN|A40|{at}\r"
        f"PID|1||{patient}^^^H||Merged^Mia||19800203|F\rMRG|{prior}^^^H\r"
    ).encode()


def test_a_whole_day_ends_with_nothing_open(there: Hospital, pacs: ArchiveDoor) -> None:
    now, later = local_now(there.site), local_now(there.site, 0.4)
    there.tell(
        order_message("1", "100", "RA10", now, name="Plain^Paul", sex="M", study="1.2.10"),
        order_message("2", "111", "RA11", now, name="Merged^Mia", born="19800203", study="1.2.11"),
        order_message("3", "120", "RA12", later, name="Never^Nora"),
        order_message("4", "130", "RA13", later, name="Putoff^Pia"),
    )
    there.begin()
    # By the worklist, as on any day; one patient is merged while the RIS is away from the PACS.
    told = {"PatientName": "Plain^Paul", "PatientID": "100", "AccessionNumber": "RA10", "PatientSex": "M"}
    acquire(there.site, image("1.2.10", 1, now, **told))
    told = {"PatientName": "Merged^Mia", "PatientID": "111", "AccessionNumber": "RA11", "PatientSex": "F"}
    acquire(there.site, image("1.2.11", 1, now, **told))
    there.tell(_merge("5", "112", "111", later), order_message("6", "120", "RA12", later, control="CA"))
    # Two walk-ins, of whom one knows their number, and somebody whom nobody knows.
    first = there.register(name="WALK^WILMA", patient_id="140", birth_date="19500101", sex="F")
    second = there.register(name="OTHER^OTTO")
    trauma = there.register(way="unidentified", place="Trauma 1")
    for exam in (first, second, trauma):
        there.scan(exam)
        there.step(exam["accession"], "acquired")
    there.step(trauma["accession"], "read", text="Haematoma.", urgent=True)
    there.step(trauma["accession"], "called", to="Dr. Ward", read_back=True)
    there.end()
    # The clerk uses the downtime number for the first; the trauma patient turns out to be somebody.
    there.tell(
        order_message("7", "140", first["accession"], later, name="Walk^Wilma", born="19500101"),
        order_message("8", "4711", "RA14", later, study="1.2.14"),
    )
    told = there.act("reconciliation.send")
    assert (trauma["accession"], "identity") in {(one["exam"], one["waits_for"]) for one in told["differences"]}
    with pytest.raises(IdentityUnknown):
        there.decide(there.difference("study-without-order", trauma["accession"]), "no-order")
    there.step(trauma["accession"], "identified", patient_id="4711", reason="wallet")
    there.decide(trauma["accession"], "matched", order="RA14")
    there.decide(second["accession"], "no-order")
    there.decide("RA13", "not-done")
    there.act("reconciliation.send")
    there.await_delivery()
    assert there.open() == []
    held = {(one.patient_id.text, one.accession) for one in pacs.site.catalog.studies()}
    assert held == {("100", "RA10"), ("112", "RA11"), ("140", "DT01"), (second["patient_id"], "DT02"), ("4711", "RA14")}
    assert len(there.patients.got) == 1 and len(there.reports.got) == 1
    rules = [one for one in decisions_document(there.site.home)["decisions"] if one["by"] == "rule"]
    assert sorted(one["subject"] for one in rules) == ["1.2.10", "1.2.11", "DT01"]
    there.act("downtime.say", event="closed", scopes=["pacs", "ris"], **WHO)


def test_a_wrong_match_that_went_home_is_undone_and_replaced(there: Hospital, pacs: ArchiveDoor) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA", sex="F")
    there.scan(exam)
    there.end()
    now = local_now(there.site)
    there.tell(
        order_message("1", "999", "RA9", now, name="Wrong^Walt"), order_message("2", "4711", "RA1", now, study="1.2.7")
    )
    there.act("reconciliation.compare")
    there.decide("DT01", "matched", order="RA9")
    there.act("reconciliation.send")
    (row,) = pacs.site.catalog.studies()
    assert row.patient_id.text == "999"
    there.await_delivery()
    there.act("reconciliation.undo", decision=1, **WHO)
    # Here it is as it was received again, and the order is free.
    assert {one.sender for one in there.site.catalog.instances(exam["study"])} == {"10.0.0.7"}
    (ours,) = there.site.catalog.studies()
    assert (ours.patient_id.text, ours.accession) == ("DP01", exam["accession"])
    assert there.site.catalog.find(StudySearch(patient_id="999")) == []
    with pytest.raises(UndoneAlready):
        there.act("reconciliation.undo", decision=1, **WHO)
    there.decide("DT01", "matched", order="RA1")
    there.decide("RA9", "not-done")
    # What the wrong match told the patient index stays open until somebody has mended it there.
    there.decide(there.difference("identity-differs", "decision 1 merge DP01 to MPI"), "left")
    told = there.act("reconciliation.send")
    # It stands under another person's own number there: that is never merged.
    assert ("identity-differs", "decision") in there.open()
    assert not any(b"MRG|999" in raw for raw in there.patients.got)
    there.decide(there.difference("identity-differs", f"study {exam['study']}"), "replaced")
    told = there.act("reconciliation.send")
    assert not told["failed"], told
    there.await_delivery()
    # This PACS keeps rejected instances in sight: that stays open until somebody has hidden them there.
    there.decide(there.difference("identity-differs", f"shown {exam['study']}"), "left")
    assert there.open() == []
    (new,) = pacs.site.catalog.find(StudySearch(study="1.2.7"))
    assert (new.patient_id.text, new.accession, new.instances) == ("4711", "RA1", 2)
    rejected = pacs.site.catalog.rejections(exam["study"])
    assert {one.reason for one in rejected} == {"113038"} and len(rejected) == 2
    # What was received is here still, and the journal says what became of it.
    kept = {one.digest.hex() for one in there.site.catalog.versions(exam["study"])}
    (entry,) = there.site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
    assert {row[1] for row in entry.facts["instances"]} <= kept
    # And wrong once more: a note is not taken back, and the copies are replaced in their turn.
    with pytest.raises(ReplacedAlready):
        there.act("reconciliation.undo", decision=5, **WHO)
    there.tell(order_message("3", "5000", "RA5", now, name="Third^Thea", study="1.2.8"))
    there.act("reconciliation.undo", decision=2, **WHO)
    there.decide("DT01", "matched", order="RA5")
    there.decide("RA1", "not-done")
    there.act("reconciliation.compare")
    there.decide(there.difference("identity-differs", "study 1.2.7"), "replaced")
    assert not there.act("reconciliation.send")["failed"]
    there.await_delivery()
    there.decide(there.difference("identity-differs", "shown 1.2.7"), "left")
    there.decide(there.difference("identity-differs", "decision 2 merge DP01 to MPI"), "left")
    assert there.open() == []
    (last,) = pacs.site.catalog.find(StudySearch(study="1.2.8"))
    assert (last.patient_id.text, last.accession, last.instances) == ("5000", "RA5", 2)


def test_what_only_the_pacs_has_is_told_and_what_has_other_content_there_only_a_deep_look_shows(
    there: Hospital, pacs: ArchiveDoor
) -> None:
    there.begin()
    now = local_now(there.site)
    ours = image("1.2.20", 1, now, PatientID="100", AccessionNumber="RA20")
    acquire(there.site, ours)
    # The same UID with other pixels, a study that never came here, and one of another day that is none of ours.
    theirs = image("1.2.20", 1, now, PatientID="100", AccessionNumber="RA20")
    theirs.add_new(0x7FE00010, "OW", bytes(128))
    acquire(pacs.site, theirs, image("1.2.21", 1, now), image("1.2.22", 1, "20200101120000"))
    there.end()
    there.tell(order_message("1", "100", "RA20", now, study="1.2.20"))
    assert there.act("reconciliation.compare")["by_kind"] == {"unknown-to-vault": 1}
    told = there.act("reconciliation.compare", deep=True)
    assert told["by_kind"] == {"same-uid-other-bytes": 1, "unknown-to-vault": 1}
    for kind in told["by_kind"]:
        there.decide(there.difference(kind), "left")
    assert there.open() == []
    with pytest.raises(DoesNotFit):
        there.tell(order_message("2", "100", "RA21", now))
        there.decide("RA21", "no-order")


def test_what_came_meanwhile_and_is_older_is_none_of_the_outage(there: Hospital) -> None:
    there.begin()
    acquire(there.site, image("1.2.30", 1, "20200101120000", PatientID="100"))
    there.end()
    assert there.act("reconciliation.compare")["open"] == 0


def test_a_pacs_that_missed_a_merge_is_told_of_it_and_never_of_one_that_nobody_made(
    there: Hospital, pacs: ArchiveDoor
) -> None:
    now = local_now(there.site)
    there.tell(order_message("1", "111", "RA11", now, name="Merged^Mia", born="19800203", study="1.2.11"))
    there.begin()
    made = image("1.2.11", 1, now, PatientID="111", PatientName="Merged^Mia", AccessionNumber="RA11")
    acquire(there.site, made)
    acquire(pacs.site, made)
    there.tell(_merge("2", "112", "111", now))
    there.end()
    there.act("reconciliation.send")
    there.patients.wait_for(1)
    assert b"PID|1||112^^^H||" in there.patients.got[0] and b"MRG|111^^^H" in there.patients.got[0]
    there.await_delivery()
    # It has the message, and what it has is not changed yet.
    assert there.open() == [("identity-differs", "look")]


def test_what_is_open_is_not_told_while_messages_are_unread(there: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    there.begin()
    there.end()
    # As in `serve`, where a thread reads them behind everything else; it does not come to it.
    there.house.door.folding.stop()
    there.site.awaited.is_served = True
    monkeypatch.setattr("safelight.site.reconciliation.FOLDED_WITHIN", timedelta(milliseconds=100))
    told = {"event": "closed", "scopes": ["pacs", "ris"], **WHO}
    assert there.act("downtime.say", **told, dry_run=True)["dry_run"]
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    assert there.site.messages.index.unfolded(1)
    for asked in (lambda: there.act("downtime.say", **told), lambda: there.act("reconciliation.compare")):
        with pytest.raises(StillFolding):
            asked()
    assert not deciding.locked()


def test_messages_that_we_wrote_are_no_feed_that_may_fall_silent(there: Hospital) -> None:
    there.begin()
    there.scan(there.register(name="REAL^RITA", patient_id="4711"))
    there.step("DT01", "acquired")
    there.step("DT01", "read", text="Nothing.")
    there.end()
    there.act("reconciliation.compare")
    there.decide("DT01", "no-order")
    there.act("reconciliation.send")
    there.reports.wait_for(1)
    assert there.site.messages.index.senders() == []
    assert there.reports.controls()[0].startswith("SLR")


def test_what_cannot_be_sent_now_holds_up_nothing_else_and_goes_later(there: Hospital) -> None:
    there.begin()
    there.scan(there.register(name="REAL^RITA", patient_id="4711"))
    there.step("DT01", "acquired")
    there.step("DT01", "read", text="Nothing.")
    there.end()
    there.act("reconciliation.compare")
    there.decide("DT01", "no-order")
    known = there.site.home.destinations.read_text()
    there.site.home.destinations.write_text("")
    told = there.act("reconciliation.send")
    assert [one["error"] for one in told["failed"]] == ["gateway.hl7-unknown-destination"]
    assert told["by_kind"] == {"report-not-delivered": 1}
    there.site.home.destinations.write_text(known)
    there.act("reconciliation.send")
    there.await_delivery()
    assert there.open() == []


@pytest.mark.parametrize("patient_id", ["", "4711"])
def test_a_replacement_that_was_cut_off_is_the_same_when_it_is_repeated(there: Hospital, patient_id: str) -> None:
    there.begin()
    # Of one patient the copies stay in the study.
    exam = there.register(name="REAL^RITA", **({"patient_id": patient_id} if patient_id else {}))
    there.scan(exam)
    there.end()
    there.tell(order_message("1", "4711", "RA1", local_now(there.site), study="1.2.7"))
    there.act("reconciliation.compare")
    there.decide("DT01", "matched", order="RA1")
    decided = state_of(there.site.records.journal).decisions[1].fact
    first = replace_study(there.site, exam["study"], decided)
    held = {one.digest for study in ("1.2.7", exam["study"]) for one in there.site.catalog.versions(study)}
    # The power went before it was recorded as done.
    assert replace_study(there.site, exam["study"], decided) == first
    again = {one.digest for study in ("1.2.7", exam["study"]) for one in there.site.catalog.versions(study)}
    assert again == held and len(held) == 5


def test_a_decision_taken_back_while_its_correction_is_written_never_comes_into_force(there: Hospital) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA")
    there.scan(exam)
    there.end()
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    there.act("reconciliation.compare")
    there.decide("DT01", "matched", order="RA1")
    decision = state_of(there.site.records.journal).decisions[1]
    outcome = correct_study(there.site, exam["study"], decision.fact)
    there.act("reconciliation.undo", decision=1, **WHO)
    assert not record_done(there.site, StudyCommand(1, Consequence.CORRECT, exam["study"]), outcome)
    (ours,) = there.site.catalog.studies()
    assert (ours.patient_id.text, ours.accession) == ("DP01", exam["accession"])
    assert {one.sender for one in there.site.catalog.instances(exam["study"])} == {"10.0.0.7"}
    assert len(there.site.catalog.versions(exam["study"])) == 4


def test_a_replacement_whose_note_is_written_and_not_recorded_is_not_taken_back(there: Hospital) -> None:
    there.begin()
    exam = there.register(name="REAL^RITA", patient_id="999")
    there.scan(exam)
    there.end()
    there.tell(order_message("1", "4711", "RA1", local_now(there.site)))
    there.act("reconciliation.compare")
    there.decide("DT01", "no-order")
    there.act("reconciliation.send")
    there.act("reconciliation.undo", decision=1, **WHO)
    there.decide("DT01", "matched", order="RA1")
    there.act("reconciliation.compare")
    there.decide(there.difference("identity-differs", f"study {exam['study']}"), "replaced")
    replaced = max(state_of(there.site.records.journal).decisions.values(), key=lambda one: one.fact.number)
    replace_study(there.site, exam["study"], replaced.fact)
    with pytest.raises(ReplacedAlready):
        there.act("reconciliation.undo", decision=replaced.fact.number, **WHO)
    assert not there.act("reconciliation.send")["failed"]
    assert len(there.site.catalog.rejections(exam["study"])) == 2


@contextmanager
def _refusing_duplicates(study: str, instances: list[str]) -> Iterator[Peer]:
    """A PACS that has these instances, refuses what it has, and lets nobody fetch."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelFind, Verification

    def find(event: Any) -> Iterator[tuple[int, Dataset]]:
        for name in instances:
            row = Dataset()
            row.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
            row.StudyInstanceUID, row.SeriesInstanceUID, row.SOPInstanceUID = study, f"{study}.1", name
            yield 0xFF00, row

    entity = AE("PACS")
    for served in (Verification, CTImageStorage, StudyRootQueryRetrieveInformationModelFind):
        entity.add_supported_context(served)
    handlers = [(evt.EVT_C_STORE, lambda _: 0x0111), (evt.EVT_C_FIND, find)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield Peer(AETitle("PACS"), "127.0.0.1", server.socket.getsockname()[1])
    finally:
        server.shutdown()


@pytest.mark.peer
def test_what_a_pacs_refuses_since_it_has_it_is_seen_to_be_there(there: Hospital) -> None:
    acquire(there.site, *(image("1.2.5", number, local_now(there.site)) for number in (1, 2)))
    names = {"1.2.5.1.1", "1.2.5.1.2"}
    with (
        _refusing_duplicates("1.2.5", sorted(names)) as peer,
        TargetDesk(there.site, peer) as desk,
    ):
        sent = desk.send("1.2.5", frozenset(names))
    assert (sent.stored, sent.level, sent.lacking) == (names, "listed", frozenset())


class _SetBack:
    """A clock on the wall that is set back between any two looks at it."""

    def __init__(self) -> None:
        # Ahead, so that the outage began before whatever it shows.
        self._now = datetime.now(UTC) + timedelta(minutes=5)

    def now(self) -> datetime:
        """Return a moment before the last one."""
        self._now -= timedelta(milliseconds=10)
        return self._now

    def elapsed(self) -> timedelta:
        """Return the machine's monotonic clock."""
        return timedelta(seconds=time.monotonic())


def test_a_clock_that_is_set_back_has_nothing_done_twice(there: Hospital) -> None:
    there.begin()
    there.scan(there.register(name="REAL^RITA", patient_id="4711"))
    there.end()
    there.act("reconciliation.compare")
    there.decide("DT01", "no-order")
    there.site.clock = _SetBack()
    done = [one["what"] for one in there.act("reconciliation.send")["done"]]
    assert [what.split()[0] for what in done] == ["send"]


def test_of_a_kind_what_waits_for_something_else_is_passed_over_and_named(there: Hospital) -> None:
    there.begin()
    now = local_now(there.site)
    there.tell(order_message("1", "4711", "RA1", now), order_message("2", "4712", "RA2", now, name="Other^Ona"))
    waiting = there.register(name="LATE^LEA")["accession"]
    there.end()
    there.act("reconciliation.compare")
    listed = differences_document(there.site.home)["differences"]
    assert sorted(one["subject"] for one in listed) == ["RA1", "RA2", f"exam {waiting}"]
    (late,) = [one["id"] for one in listed if one["waits_for"] == "images"]

    with pytest.raises(DoesNotFit, match=f"difference={late} .*exam={waiting} waits_for=images"):
        there.decide(late, "not-done")
    told = there.act("reconciliation.decide", verdict="not-done", all_of="order-without-study", **WHO)
    assert len(told["decisions"]) == 2
    (passed,) = told["passed_over"]
    assert (passed["id"], passed["exam"]) == (late, waiting)
    assert f"safelight downtime exam cancel {waiting}" in passed["advice"][0]
    assert there.open() == [("order-without-study", "images")]
    with pytest.raises(DoesNotFit, match=late):
        there.act("reconciliation.decide", verdict="not-done", all_of="order-without-study", **WHO)
    there.step(waiting, "cancelled", reason="never came")
    assert there.open() == []


def test_messages_go_although_the_pacs_is_away_again_and_a_kind_is_decided_at_once(
    there: Hospital, pacs: ArchiveDoor
) -> None:
    there.begin()
    for number in (1, 2):
        there.scan(there.register(name=f"REAL^R{number}"))
        there.step(f"DT0{number}", "acquired")
        there.step(f"DT0{number}", "read", text="Nothing.")
    there.end()
    there.act("reconciliation.compare")
    with pytest.raises(UnknownDifference):
        there.act("reconciliation.decide", verdict="no-order", differences=[], **WHO)
    told = there.act("reconciliation.decide", verdict="no-order", all_of="study-without-order", **WHO)
    assert [one["subject"] for one in told["decisions"]] == ["DT01", "DT02"]
    told = there.act("reconciliation.send", target="GONE@127.0.0.1:1")
    assert told["target_error"] == "reconciliation.target-away" and not told["failed"]
    there.reports.wait_for(2)
    assert there.act("reconciliation.send")["target_error"] is None
    there.await_delivery()
    assert there.open() == []
    assert pacs.site.catalog.tally().studies == 2
