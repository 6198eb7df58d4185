"""Mirroring the worklist of a live RIS: DCMTK's, and one on pynetdicom that behaves badly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from safelight.core.clock import SystemClock
from safelight.core.disk import DiskFull
from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.gateway.dicom.client import PeerUnreachable, connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.gateway.dicom.worklist_asking import WorklistAsker, WorklistTooLong, read_steps
from safelight.site.acts import act
from safelight.site.hl7_worklist import lists_document, worklist_document
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.worklist_mirror import MirrorSchedule, NoWorklistSource
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost
from safelight.wire.dicom.uids import WORKLIST_FIND
from support.dicom_peers import free_port, running
from support.hl7_house import make_home, opened
from support.mirrored_ris import TODAY, OddRis, day, odd_ris, rows
from support.odd_ris import answer

pytestmark = pytest.mark.peer
WHO = {"reason": "the RIS has it right", "by": "A. Admin"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(make_home(tmp_path)) as site:
        yield site


@pytest.fixture(scope="module")
def ris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddRis]:
    folder = tmp_path_factory.mktemp("ris")
    with odd_ris(folder) as found:
        yield found


@contextmanager
def wlmscpfs(folder: Path) -> Iterator[Peer]:
    """DCMTK's worklist server; its worklist is a folder of files."""
    (folder / "RIS").mkdir(parents=True)
    (folder / "RIS" / "lockfile").touch()
    port = free_port()
    with running(["/usr/bin/wlmscpfs", "-dfp", folder, str(port)], port):
        yield Peer(AETitle("RIS"), "127.0.0.1", port)


def write_worklist(folder: Path, listed: list[tuple[int, str, str]]) -> None:
    for file in (folder / "RIS").glob("*.wl"):
        file.unlink()
    for row in listed:
        made = answer(*row)
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.file_meta.MediaStorageSOPClassUID = WORKLIST_FIND
        made.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{row[0]}"
        dcmwrite(folder / "RIS" / f"{row[0]}.wl", made, enforce_file_format=True)


def mirror(site: Site, peer: Peer, **told: Any) -> dict[str, Any]:
    return dict(act(site, "gateway.worklist.mirror", {"source": str(peer), **told}, silent))


def accessions(home: Home) -> list[str]:
    return [row["attributes"]["AccessionNumber"] for row in worklist_document(home, {"limit": 9999})["steps"]]


def findings(site: Site) -> list[str]:
    return [one.code for one in site.catalog.findings() if one.code.startswith("gateway.worklist")]


def test_the_worklist_of_dcmtk_is_mirrored_frozen_when_it_empties_and_taken_when_accepted(
    site: Site, tmp_path: Path
) -> None:
    with wlmscpfs(tmp_path / "ris") as peer:
        write_worklist(tmp_path / "ris", [*rows(3), (9, day(0), "080000")])
        first = mirror(site, peer)
        assert (first["changed"], first["steps"], first["new_or_other"], first["gone"]) == (True, 4, 4, 0)
        home = site.home
        assert accessions(home) == ["A9", "A1", "A2", "A3"]
        (row, *_) = worklist_document(home, {"accession": "A1"})["steps"]
        assert (row["patient"]["PatientName"], row["patient_id"]) == ("Müller^1", "P1")
        assert row["attributes"]["StudyInstanceUID"].endswith(".7.1")
        assert row["attributes"]["ScheduledPerformingPhysicianName"] == "Ward^A"
        before = worklist_document(home, {})
        write_worklist(tmp_path / "ris", [])
        empty = mirror(site, peer)
        assert (empty["changed"], empty["expected"], empty["got"]) == (False, 4, 0)
        assert worklist_document(home, {})["steps"] == before["steps"]
        assert findings(site) == ["gateway.worklist-shrunk"]
        assert lists_document(home)["lists"][0]["frozen"] == "gateway.worklist-shrunk"
        assert mirror(site, peer, accept=True, dry_run=True, **WHO)["gone"] == 4
        assert accessions(home) != []
        assert mirror(site, peer, accept=True, **WHO)["changed"]
        assert accessions(home) == [] and findings(site) == []
        assert lists_document(home)["lists"][0]["steps"] == 0
        write_worklist(tmp_path / "ris", rows(2))
        assert mirror(site, peer)["steps"] == 2
    with pytest.raises(PeerUnreachable):
        mirror(site, peer)
    assert findings(site) == ["gateway.worklist-source-failed"]
    assert accessions(home) == ["A1", "A2"]


def test_a_mirrored_worklist_is_computed_again_from_the_journal(site: Site, ris: OddRis) -> None:
    ris.behave(rows(3))
    mirror(site, ris.peer)
    ris.behave(rows(2))
    mirror(site, ris.peer)
    home = site.home
    before = worklist_document(home, {})["steps"]
    site.messages.close()
    for path in home.directory.glob("messages.db*"):
        path.unlink()
    from safelight.site.hl7_records import MessageRecords

    site.messages = MessageRecords.open(site.records, home.messages_index, site.large_messages)
    assert worklist_document(home, {})["steps"] == before and len(before) == 2


def test_a_day_with_nothing_new_costs_one_small_fact(site: Site, ris: OddRis) -> None:
    ris.behave(rows(20))
    mirror(site, ris.peer)
    mirror(site, ris.peer)
    first, second = site.records.journal.entries(kinds=["worklist-mirrored"])
    assert (len(first.facts["listed"]), second.facts["listed"], second.facts["gone"]) == (20, [], [])


def test_a_worklist_that_shrinks_too_much_stays_and_finished_steps_may_go(
    site: Site, ris: OddRis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ris.behave(rows(12) + rows(30, ahead=-1))
    mirror(site, ris.peer)
    ris.behave(rows(12))
    assert mirror(site, ris.peer)["changed"]
    ris.behave(rows(5))
    told = mirror(site, ris.peer)
    assert (told["changed"], told["expected"], told["got"]) == (False, 12, 5)
    with monkeypatch.context() as full, pytest.raises(DiskFull):
        full.setattr(site.messages, "record_all", _no_room)
        mirror(site, ris.peer, accept=True, **WHO)
    assert findings(site) == ["gateway.worklist-shrunk"]
    ris.behave(rows(11))
    assert mirror(site, ris.peer)["changed"] and findings(site) == []


def _no_room(facts: object) -> None:
    del facts
    raise DiskFull


@pytest.mark.parametrize(("way", "whole"), [("well", True), ("refuses more", True), ("ignores times", False)])
def test_a_limit_on_answers_is_got_round_or_told(site: Site, ris: OddRis, way: str, whole: bool) -> None:
    ris.behave(rows(130, minutes=10), way, cap=50)
    told = mirror(site, ris.peer)
    assert told["changed"] and (told["steps"] == 130) == whole
    assert findings(site) == ([] if whole else ["gateway.worklist-may-be-cut"])


def test_a_ris_that_looks_at_no_dates_is_asked_once(site: Site, ris: OddRis) -> None:
    ris.behave([*rows(3), (9, day(3), "080000")], "ignores dates")
    assert mirror(site, ris.peer)["steps"] == 4
    assert ris.queries == 1


def test_bad_answers_are_counted_and_the_others_kept(site: Site, ris: OddRis) -> None:
    ris.behave(rows(3), "malformed")
    told = mirror(site, ris.peer)
    assert (told["steps"], told["not_understood"]) == (2, 1)
    assert findings(site) == ["gateway.worklist-rows-unreadable"]
    ris.behave(rows(3), "without names")
    told = mirror(site, ris.peer)
    assert (told["changed"], told["not_understood"]) == (False, 3)
    assert accessions(site.home) == ["A2", "A3"]


@pytest.mark.parametrize(
    ("way", "error"), [("fails", QueryFailed), ("goes away", (AssociationAborted, AssociationLost))]
)
def test_a_query_that_does_not_end_well_changes_nothing(site: Site, ris: OddRis, way: str, error: Any) -> None:
    ris.behave(rows(3))
    mirror(site, ris.peer)
    ris.behave(rows(2), way)
    with pytest.raises(error):
        mirror(site, ris.peer)
    assert accessions(site.home) == ["A1", "A2", "A3"] and findings(site) == ["gateway.worklist-source-failed"]
    ris.behave(rows(4))
    mirror(site, ris.peer)
    assert findings(site) == []


class HurriedClock(SystemClock):
    """Each look at it is a minute later."""

    minutes = 0

    def elapsed(self) -> timedelta:
        self.minutes += 1
        return timedelta(minutes=self.minutes)


def test_a_ris_that_never_ends_is_left(ris: OddRis) -> None:
    ris.behave(rows(40))
    days = [TODAY.date() + timedelta(days=1)]
    for clock, rows_max, go_on in (
        (HurriedClock(), 1000, True),
        (SystemClock(), 10, True),
        (SystemClock(), 1000, False),
    ):
        with connect(ris.peer, AETitle("HERE"), [service_proposal(WORKLIST_FIND)]) as association:
            asker = WorklistAsker(association, clock, rows_max, lambda go_on=go_on: go_on)
            with pytest.raises(WorklistTooLong):
                asker.ask(days)


def test_an_answer_with_several_steps_or_none_is_read_step_by_step() -> None:
    several = answer(1, day(), "080000")
    second = answer(2, day(), "090000").ScheduledProcedureStepSequence[0]
    second.ScheduledStationAETitle = ["CT1", "CT2"]
    several.ScheduledProcedureStepSequence.append(second)
    first, other = read_steps(several)
    assert (first.attributes["AccessionNumber"], other.attributes["AccessionNumber"]) == ("A1", "A1")
    assert (first.attributes["ScheduledProcedureStepID"], other.attributes["ScheduledProcedureStepID"]) == ("S1", "S2")
    assert other.attributes["ScheduledStationAETitle"] == "CT1\\CT2"
    del several.ScheduledProcedureStepSequence
    assert [one.names_itself for one in read_steps(several)] == [True]


def test_a_ris_that_is_declared_away_is_not_believed(site: Site, ris: OddRis) -> None:
    ris.behave(rows(3))
    mirror(site, ris.peer)
    act(site, "downtime.say", {"event": "declared", "scopes": ["ris"], **WHO}, silent)
    ris.behave([])
    assert mirror(site, ris.peer)["because"] == "declared-away"
    assert len(accessions(site.home)) == 3 and ris.queries == 0
    act(site, "downtime.say", {"event": "ended", "scopes": ["ris"], **WHO}, silent)
    ris.behave(rows(4))
    assert mirror(site, ris.peer)["changed"]


def test_it_is_mirrored_on_a_schedule_while_served(tmp_path: Path, ris: OddRis) -> None:
    home = make_home(tmp_path)
    with opened(home) as site, pytest.raises(NoWorklistSource):
        act(site, "gateway.worklist.mirror", {}, silent)
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace('source = ""', f'source = "{ris.peer}"', 1))
    ris.behave(rows(2))
    with opened(home) as site:
        schedule = MirrorSchedule(site)
        done = schedule_once(site)
        schedule.start()
        assert done.wait(30)
        schedule.stop()
        assert accessions(home) == ["A1", "A2"]


def schedule_once(site: Site) -> Any:
    done = threading.Event()
    record_all = site.messages.record_all

    def recorded(facts: Any) -> Any:
        entries = record_all(facts)
        done.set()
        return entries

    site.messages.record_all = recorded  # type: ignore[method-assign]
    return done
