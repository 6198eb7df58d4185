"""Storage commitment at our door: a yes follows the copies, survives restarts, and reaches whoever asked."""

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from safelight.catalog.callers import CallerAct
from safelight.journal.kinds import FactKind
from safelight.site.commitment_asks import commitments_document
from safelight.site.dicom_commitments import UNDELIVERED
from support.archive_door import ArchiveDoor, invented, open_archive
from support.dicom_peers import free_port, running

pytestmark = pytest.mark.peer
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
ROOT = "1.2.826.0.1.3680043.9.9999"

MODALITY = """
import json, sys, threading
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel as PUSH
port, listens, stays, transaction, references = json.loads(sys.argv[1])
came = threading.Event()
def take(event):
    told = event.event_information
    print(json.dumps({
        "type": event.event_type,
        "transaction": told.TransactionUID,
        "committed": [one.ReferencedSOPInstanceUID for one in told.get("ReferencedSOPSequence") or []],
        "failed": {one.ReferencedSOPInstanceUID: one.FailureReason for one in told.get("FailedSOPSequence") or []},
    }), flush=True)
    came.set()
    return 0, None
ae = AE("MODALITY")
ae.add_requested_context(PUSH)
ae.add_supported_context(PUSH, scu_role=False, scp_role=True)
if listens:
    server = ae.start_server(("127.0.0.1", listens), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
if references:
    association = ae.associate("127.0.0.1", port, ae_title="SAFELIGHT", evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    asked = Dataset()
    asked.TransactionUID = transaction
    asked.ReferencedSOPSequence = []
    for sop_class, instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        asked.ReferencedSOPSequence.append(item)
    status, _ = association.send_n_action(asked, 1, PUSH, "1.2.840.10008.1.20.1.1")
    print(json.dumps({"asked": status.Status}), flush=True)
    if not stays:
        association.release()
else:
    print(json.dumps({"asked": 0}), flush=True)
if stays or listens:
    assert came.wait(40), "no answer"
if stays:
    association.release()
if listens:
    server.shutdown()
"""


class Modality:
    """A pynetdicom program that asks for commitment and prints what it is told."""

    def __init__(
        self, door: ArchiveDoor, references: list[tuple[str, str]], *, listens: int = 0, stays: bool = False
    ) -> None:
        told = json.dumps([door.port, listens, stays, "1.2.3.4.1", references])
        self._program = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", MODALITY, told], stdout=subprocess.PIPE, text=True
        )
        self.asked = self.told()["asked"]

    def told(self) -> dict[str, object]:
        assert self._program.stdout is not None
        return dict(json.loads(self._program.stdout.readline()))

    def end(self) -> None:
        try:
            assert self._program.wait(60) == 0
        finally:
            self._program.kill()
            self._program.wait()
            assert self._program.stdout is not None
            self._program.stdout.close()


@contextmanager
def archive(folder: Path, settings: str = "commitment_minutes_max = 60.0") -> Iterator[ArchiveDoor]:
    with open_archive(folder, second=folder / "second", settings=settings) as door:
        yield door


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come about")


def facts(door: ArchiveDoor, kind: FactKind) -> list[dict[str, object]]:
    return [dict(entry.facts) for entry in door.site.records.journal.entries(kinds=[kind])]


def listed(door: ArchiveDoor, peer: str = "", *, only_open: bool = False) -> list[tuple[object, ...]]:
    told = commitments_document(door.site.home, peer, only_open=only_open)["requests"]
    assert all(one["age_seconds"] > 0 for one in told)
    return [tuple(one[name] for name in ("direction", "peer", "instances", "state", "failed")) for one in told]


def stored(door: ArchiveDoor, count: int = 3) -> list[tuple[str, str]]:
    instances = [invented(1, 1, number) for number in range(1, count + 1)]
    door.store(instances)
    return [(one.sop_class, one.sop_instance) for one in instances]


def test_a_yes_waits_for_the_copies_and_comes_on_the_association_that_asked(tmp_path: Path) -> None:
    with archive(tmp_path) as door:
        references = stored(door)
        modality = Modality(door, references, stays=True)
        assert modality.asked == 0
        threading.Event().wait(1.5)
        assert not facts(door, FactKind.COMMITMENT_DECIDED), "nothing is packed yet"
        door.pack()
        told = modality.told()
        assert told == {
            "type": 1,
            "transaction": "1.2.3.4.1",
            "committed": [uid for _, uid in references],
            "failed": {},
        }
        modality.end()
        until(lambda: len(facts(door, FactKind.COMMITMENT_DELIVERED)) == 1)
        assert facts(door, FactKind.COMMITMENT_DECIDED)[0]["copies_min"] == 2
        door.book.flush()
        (row,) = [row for row in door.site.catalog.callers() if row.title == "MODALITY"]
        assert row.counts[CallerAct.COMMITMENT] == 1


def test_a_modality_that_hangs_up_is_called_back(tmp_path: Path) -> None:
    with archive(tmp_path) as door:
        references = stored(door)
        port = free_port()
        door.name("MODALITY", port)
        modality = Modality(door, references, listens=port)
        door.pack()
        assert modality.told()["type"] == 1
        modality.end()
        until(lambda: len(facts(door, FactKind.COMMITMENT_DELIVERED)) == 1)


def test_a_request_outlives_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with archive(tmp_path) as door:
        references = stored(door)
        Modality(door, references).end()
        assert len(facts(door, FactKind.COMMITMENT_ASKED)) == 1
        assert listed(door) == [("of-us", "MODALITY", 3, "waiting", None)]
    with archive(tmp_path) as door:
        door.pack()
        # Nobody listens there yet, and nobody is named: the answer is kept, and somebody is told.
        until(lambda: any(one.code == UNDELIVERED for one in door.site.catalog.findings()))
        assert len(facts(door, FactKind.COMMITMENT_DECIDED)) == 1
        assert listed(door, only_open=True) == [("of-us", "MODALITY", 3, "decided", {})]
    with archive(tmp_path) as door:
        door.name("MODALITY", port)
        listening = Modality(door, [], listens=port)
        told = listening.told()
        listening.end()
        assert told["committed"] == [uid for _, uid in references]
        until(lambda: len(facts(door, FactKind.COMMITMENT_DELIVERED)) == 1)
        assert len(facts(door, FactKind.COMMITMENT_DECIDED)) == 1
        until(lambda: not any(one.code == UNDELIVERED for one in door.site.catalog.findings()))
        assert listed(door) == [("of-us", "MODALITY", 3, "answered", {})]
        assert listed(door, only_open=True) == listed(door, "PACS") == []


def test_what_lacks_its_copies_when_time_is_up_is_a_no(tmp_path: Path) -> None:
    # Without a second placement there can never be two copies.
    with open_archive(tmp_path, settings="commitment_minutes_max = 0.03") as door:
        references = stored(door)
        door.pack()
        modality = Modality(door, references, stays=True)
        told = modality.told()
        modality.end()
        assert (told["type"], told["committed"]) == (2, [])
        assert told["failed"] == {uid: 0x0110 for _, uid in references}


def test_what_is_not_held_or_is_of_another_class_is_a_no_with_its_reason(tmp_path: Path) -> None:
    with archive(tmp_path) as door:
        references = stored(door, 2)
        door.pack()
        wrong = [references[0], ("1.2.840.10008.5.1.4.1.1.2", references[1][1]), (SECONDARY, "1.2.3")]
        modality = Modality(door, wrong, stays=True)
        told = modality.told()
        modality.end()
        assert (told["type"], told["committed"]) == (2, [references[0][1]])
        assert told["failed"] == {references[1][1]: 0x0119, "1.2.3": 0x0112}
        until(lambda: len(facts(door, FactKind.COMMITMENT_DELIVERED)) == 1)
        assert listed(door) == [("of-us", "MODALITY", 3, "answered", {references[1][1]: "0119H", "1.2.3": "0112H"})]


def test_a_second_version_that_lacks_copies_holds_the_yes_back(tmp_path: Path) -> None:
    with archive(tmp_path, "commitment_minutes_max = 0.05") as door:
        references = stored(door, 1)
        door.pack()
        door.store([invented(1, 1, 1, PatientComments="other content")])
        modality = Modality(door, references, stays=True)
        told = modality.told()
        modality.end()
        assert told["failed"] == {references[0][1]: 0x0110}


def test_a_request_that_names_nothing_is_refused(tmp_path: Path) -> None:
    with archive(tmp_path) as door:
        modality = Modality(door, [("", "1.2.3")])
        assert modality.asked == 0x0115
        modality.end()
        assert not facts(door, FactKind.COMMITMENT_ASKED)


def test_orthanc_gets_commitment(tmp_path: Path) -> None:
    http, dicom = free_port(), free_port()
    with archive(tmp_path) as door:
        references = stored(door)
        door.pack()
        door.name("ORTHANC", dicom)
        settings = {
            "Name": "modality",
            "StorageDirectory": str(tmp_path / "storage"),
            "IndexDirectory": str(tmp_path / "storage"),
            "Plugins": [],
            "HttpPort": http,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": "ORTHANC",
            "DicomPort": dicom,
            "DicomCheckCalledAet": False,
            "DicomModalities": {
                "us": {"AET": "SAFELIGHT", "Host": "127.0.0.1", "Port": door.port, "AllowStorageCommitment": True}
            },
        }
        configuration = tmp_path / "orthanc.json"
        configuration.write_text(json.dumps(settings))
        with running(["Orthanc", configuration], http):
            asked = json.dumps({"DicomInstances": [list(one) for one in references]}).encode()
            url = f"http://127.0.0.1:{http}"
            with urllib.request.urlopen(f"{url}/modalities/us/storage-commitment", asked) as answer:
                transaction = json.loads(answer.read())["ID"]

            def outcome() -> dict[str, object]:
                with urllib.request.urlopen(f"{url}/storage-commitment/{transaction}") as answer:
                    return dict(json.loads(answer.read()))

            until(lambda: outcome()["Status"] != "Pending")
            told = outcome()
            assert told["Status"] == "Success"
            assert len(told["Success"]) == 3  # type: ignore[arg-type]
