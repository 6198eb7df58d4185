"""Who retrieves a study by C-MOVE or C-GET stands in the journal: once a request, and no retrieve waits for it."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight.core.disk import DiskFull
from safelight.core.names import AETitle
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.journal.kinds import FactKind
from safelight.site.dicom_readings import RetrievalBook
from safelight.site.home import Home
from safelight.site.readings import readings_document
from support.archive_door import ArchiveDoor, invented, open_archive
from support.dicom_peers import free_port

pytestmark = pytest.mark.peer
ROOT = "1.2.826.0.1.3680043.9.9999"
INSTANCES = 12


@pytest.fixture
def door(tmp_path: Path) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path) as door:
        door.store([invented(study, 1, number) for study in (1, 2, 3) for number in range(1, INSTANCES + 1)])
        yield door


def retrieve(
    door: ArchiveDoor, program: str, folder: Path, calling: str, *more: str
) -> subprocess.CompletedProcess[str]:
    """Run DCMTK's program as a reader does, over the patient root."""
    folder.mkdir(exist_ok=True)
    command = [f"/usr/bin/{program}", "-P", "-od", str(folder), "-aet", calling, "-aec", "SAFELIGHT", *more]
    return subprocess.run(
        [*command, "127.0.0.1", str(door.port)], capture_output=True, text=True, check=False, timeout=60
    )


def of_patient(patient: str) -> list[str]:
    return ["-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={patient}"]


def facts(door: ArchiveDoor) -> list[dict[str, Any]]:
    for write in door.site.kept_in_memory:
        write()
    return [dict(one.facts) for one in door.site.records.journal.entries(kinds=[FactKind.STUDY_RETRIEVED])]


def test_each_study_of_a_request_is_one_fact_with_who_asked_and_where_it_went(
    door: ArchiveDoor, tmp_path: Path
) -> None:
    got = retrieve(door, "getscu", tmp_path / "got", "READER", *of_patient("P0"))
    assert got.returncode == 0, got.stderr
    port = free_port()
    door.name("STATION", port)
    moved = retrieve(
        door, "movescu", tmp_path / "moved", "PLANNER", "--port", str(port), "-aem", "STATION", *of_patient("P1")
    )
    assert moved.returncode == 0, moved.stderr
    assert len(list((tmp_path / "moved").iterdir())) == 2 * INSTANCES
    told = facts(door)
    assert [(one["calling"], one["destination"], one["study"]) for one in told] == [
        ("READER", "READER", f"{ROOT}.1"),
        ("PLANNER", "STATION", f"{ROOT}.2"),
        ("PLANNER", "STATION", f"{ROOT}.3"),
    ]
    assert {one["address"] for one in told} == {"127.0.0.1"}
    # Who asks once more is recorded once more.
    retrieve(door, "getscu", tmp_path / "got", "READER", *of_patient("P0"))
    assert len(facts(door)) == 4


def test_what_is_refused_or_matches_nothing_is_no_fact(door: ArchiveDoor, tmp_path: Path) -> None:
    retrieve(door, "movescu", tmp_path / "moved", "READER", "-aem", "NOBODY", *of_patient("P0"))
    retrieve(door, "getscu", tmp_path / "got", "READER", *of_patient("P99"))
    assert facts(door) == []


def test_no_retrieve_waits_for_the_journal_and_what_cannot_be_written_is_written_later(
    door: ArchiveDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, given_up = threading.Event(), threading.Event()

    def stuck_and_full(*_: object) -> None:
        tried.set()
        given_up.wait()
        raise DiskFull(where="journal")

    with monkeypatch.context() as patched:
        patched.setattr(door.site.records, "record_all", stuck_and_full)
        try:
            for number in range(2):
                got = retrieve(door, "getscu", tmp_path / f"{number}", f"READER{number}", *of_patient("P0"))
                assert got.returncode == 0 and len(list((tmp_path / f"{number}").iterdir())) == INSTANCES
            assert tried.wait(30)
        finally:
            given_up.set()
    assert [one["calling"] for one in facts(door)] == ["READER0", "READER1"]


def test_no_more_is_kept_than_there_is_room_for_and_the_span_of_the_rest_is_recorded(
    door: ArchiveDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safelight.site.dicom_readings.UNWRITTEN_MAX", 2)
    book = RetrievalBook(door.site)
    caller = AssociationFacts(AETitle.parse("READER"), AETitle.parse("SAFELIGHT"), "10.0.0.7", "", "")
    with monkeypatch.context() as full:
        full.setattr(door.site.records, "record_all", _no_room)
        for number in range(4):
            book.going_out(caller, [f"1.{number}"], AETitle.parse("READER"))
            with pytest.raises(DiskFull):
                book.write()
    book.write()
    book.write()
    assert [one["study"] for one in facts(door)] == ["1.0", "1.1"]
    (missed,) = door.site.records.journal.entries(kinds=[FactKind.READINGS_MISSED])
    assert str(missed.facts["since"]) <= str(missed.facts["until"])


def _no_room(*_: object) -> None:
    raise DiskFull(where="journal")


def test_what_was_retrieved_a_moment_before_the_end_is_shown_with_all_other_readings(tmp_path: Path) -> None:
    with open_archive(tmp_path) as door:
        door.store([invented(1), invented(2)])
        retrieve(door, "getscu", tmp_path / "got", "READER", *of_patient("P0"))
        retrieve(door, "getscu", tmp_path / "got", "OTHER", *of_patient("P1"))
        opened = {"account": "viewer", "study": f"{ROOT}.1", "at": "2026-01-01T00:00:00Z"}
        door.site.records.record(FactKind.CONSOLE_STUDY_OPENED, opened)
    home = Home.at(tmp_path / "home")
    told = readings_document(home, {"limit": 10})["readings"]
    assert {(one["account"], one["calling"]) for one in told} == {(None, "READER"), (None, "OTHER"), ("viewer", None)}
    (mine,) = readings_document(home, {"limit": 10, "calling": "READER"})["readings"]
    assert (mine["study"], mine["address"], mine["destination"]) == (f"{ROOT}.1", "127.0.0.1", "READER")
    assert len(readings_document(home, {"limit": 10, "study": f"{ROOT}.1"})["readings"]) == 2
