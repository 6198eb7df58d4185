"""Modalities that call the PACS or the RIS by name, answered by us while those are away."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.downtime.alias import BadAlias
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import VERIFICATION_PROPOSAL, service_proposal
from safelight.site import cutover
from safelight.site.acts import act
from safelight.site.cutover import cutover_document
from safelight.site.devices import devices_document
from safelight.site.settings import BadSettings, read_settings
from safelight.wire.dicom.faults import AssociationRefused
from safelight.wire.dicom.uids import STUDY_ROOT_FIND
from support.archive_door import CALLER, ArchiveDoor, invented, open_archive
from support.dicom_peers import free_port, running

pytestmark = pytest.mark.peer
WHO = {"reason": "test", "by": "A. Admin"}
ALIASES = 'aliases = ["pacs PACS1", "ris RISWL", "pacs SPARE always"]'


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "LOOK_EVERY", timedelta(0))


def call(door: ArchiveDoor, called: str) -> bool:
    try:
        with connect(Peer(AETitle(called), "127.0.0.1", door.port), CALLER, [VERIFICATION_PROPOSAL]) as association:
            return association.echo().is_success
    except AssociationRefused:
        return False


def say(door: ArchiveDoor, event: str, scope: str) -> None:
    act(door.site, "downtime.say", {"event": event, "scopes": [scope], **WHO}, silent)


def answered(door: ArchiveDoor) -> set[str]:
    return {title for title in ("SAFELIGHT", "PACS1", "RISWL", "SPARE", "ELSE") if call(door, title)}


def test_titles_are_answered_while_their_systems_are_declared_away(tmp_path: Path) -> None:
    with open_archive(tmp_path, accept_any=False, settings=ALIASES) as door:
        door.name(CALLER.text, 104)
        assert answered(door) == {"SAFELIGHT", "SPARE"}
        say(door, "declared", "pacs")
        assert answered(door) == {"SAFELIGHT", "SPARE", "PACS1"}
        say(door, "recovery-started", "pacs")
        assert call(door, "PACS1")
        say(door, "ended", "pacs")
        say(door, "declared", "everything")
        assert answered(door) == {"SAFELIGHT", "SPARE", "PACS1", "RISWL"}
        say(door, "cancelled", "everything")
        assert answered(door) == {"SAFELIGHT", "SPARE"}
        door.book.flush()
        told: dict[str, Any] = {one["title"]: one for one in cutover_document(door.site.home)["aliases"]}
        assert {title: one["active"] for title, one in told.items()} == {"PACS1": False, "RISWL": False, "SPARE": True}
        (caller,) = told["PACS1"]["called_by"]
        assert (caller["device"], caller["calls"], caller["did"]) == ("MODALITY", 3, ["echo"])
        (device,) = devices_document(door.site.home)["devices"]
        assert device["called"] == {"PACS1": 3, "RISWL": 1, "SAFELIGHT": 4, "SPARE": 4}


def test_whoever_calls_the_pacs_is_answered_as_by_the_pacs(tmp_path: Path) -> None:
    with open_archive(tmp_path, settings=ALIASES) as door:
        door.store([invented(1)])
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
        for called, expected in (("PACS1", "PACS1"), ("SAFELIGHT", "SAFELIGHT"), ("ELSE", "SAFELIGHT")):
            peer = Peer(AETitle(called), "127.0.0.1", door.port)
            query.RetrieveAETitle = ""
            with connect(peer, CALLER, [service_proposal(STUDY_ROOT_FIND)]) as association:
                (found,) = association.find(STUDY_ROOT_FIND, query)
            assert found.RetrieveAETitle == expected


def test_instances_that_a_workstation_asks_the_pacs_for_come_from_that_title(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "calling"
    store = ["/usr/bin/storescp", "-od", tmp_path, "--exec-on-reception", f"echo #a >> {log}", "--exec-sync", str(port)]
    with open_archive(tmp_path, settings=ALIASES) as door, running(store, port):
        door.store([invented(1)])
        door.name("WORKSTATION", port)
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.826.0.1.3680043.9.9999.1"]
        asked = ["-S", "-aet", "WORKSTATION", "-aec", "PACS1", "-aem", "WORKSTATION", *keys, "127.0.0.1"]
        done = subprocess.run(
            ["/usr/bin/movescu", *asked, str(door.port)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert log.read_text().split() == ["PACS1"]


MODALITY = """
import sys, threading
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as PUSH
came = threading.Event()
def take(event):
    print(event.assoc.requestor.ae_title, event.event_information.get("RetrieveAETitle", ""), flush=True)
    came.set()
    return 0, None
ae = AE("MODALITY")
ae.add_requested_context(PUSH)
ae.add_supported_context(PUSH, scu_role=False, scp_role=True)
server = ae.start_server(("127.0.0.1", int(sys.argv[2])), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="PACS1")
item, asked = Dataset(), Dataset()
item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", sys.argv[3]
asked.TransactionUID, asked.ReferencedSOPSequence = "1.2.3", [item]
status, _ = association.send_n_action(asked, 1, PUSH, "1.2.840.10008.1.20.1.1")
association.release()
assert status.Status == 0 and came.wait(60)
server.shutdown()
"""


def test_a_modality_is_answered_by_the_title_that_it_asked_for_commitment(tmp_path: Path) -> None:
    port, instance = free_port(), invented(1)
    with open_archive(tmp_path, settings=f"{ALIASES}\ncommitment_minutes_max = 0.0") as door:
        door.store([instance])
        door.name(CALLER.text, port)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MODALITY, str(door.port), str(port), instance.sop_instance],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.split()) == (0, ["PACS1"]), done.stderr


@pytest.mark.parametrize(
    "aliases", ['["SAFELIGHT"]', '["pacs SAFELIGHT"]', '["pacs A", "ris A"]', "[1]", '["moon A"]', '"pacs A"']
)
def test_aliases_that_cannot_be_are_refused(tmp_path: Path, aliases: str) -> None:
    file = tmp_path / "safelight.toml"
    file.write_text(f'[gateway.dicom]\nae_title = "SAFELIGHT"\naliases = {aliases}\n')
    with pytest.raises((BadSettings, BadAlias)):
        read_settings(file)
