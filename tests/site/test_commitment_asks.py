"""Asking other archives for storage commitment: Orthanc, which answers by an association of its own, and ourselves."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.gateway.dicom.exchange import Exchange
from safelight.journal.kinds import FactKind
from safelight.site import commitment_asks
from safelight.site.acts import act
from safelight.site.commitment_asks import (
    NOT_GIVEN,
    NothingToCommit,
    UnknownTransaction,
    commitments_document,
    take_report,
)
from safelight.wire.dicom.commitment import Reported
from safelight.wire.dicom.dimse import Command
from support.archive_door import ArchiveDoor, invented, open_archive
from support.dicom_peers import free_port, running

pytestmark = pytest.mark.peer
WHO = {"reason": "after the refill", "by": "A. Admin"}
STUDY = "1.2.826.0.1.3680043.9.9999.1"


@contextmanager
def orthanc(folder: Path, our_port: int) -> Iterator[Peer]:
    folder.mkdir()
    port = free_port()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "Plugins": [],
        "HttpServerEnabled": False,
        "DicomAet": "PACS",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"us": ["SAFELIGHT", "127.0.0.1", our_port]},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running(["Orthanc", folder / "orthanc.json"], port):
        yield Peer(AETitle("PACS"), "127.0.0.1", port)


def ask(door: ArchiveDoor, peer: Peer, **told: Any) -> dict[str, Any]:
    return dict(act(door.site, "gateway.commitment.ask", {"to": str(peer), "studies": [STUDY], **WHO, **told}, silent))


def send(peer: Peer, *instances: Any) -> None:
    from safelight.gateway.dicom.client import connect
    from safelight.gateway.dicom.contexts import contexts_for

    (proposals,) = contexts_for([(one.sop_class, one.transfer_syntax) for one in instances])
    with connect(peer, AETitle("SAFELIGHT"), proposals) as association:
        assert all(one.is_stored for one in association.store_all(instances))


def await_answers(door: ArchiveDoor) -> dict[str, Any]:
    pause = Event()
    for _ in range(300):
        document = commitments_document(door.site.home)
        if not document["waiting"]:
            return document
        pause.wait(0.1)
    raise AssertionError("no answer came")


def await_findings(door: ArchiveDoor, subjects: list[str]) -> None:
    """Wait until these stand open: a finding follows the record of the answer."""
    deadline = time.monotonic() + 20
    while [one.subject for one in door.site.catalog.findings(code="gateway.commitment-not-given")] != subjects:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_orthanc_answers_over_its_own_association_what_it_holds_and_what_not(tmp_path: Path) -> None:
    instances = [invented(1, 1, number) for number in range(1, 4)]
    with open_archive(tmp_path) as door, orthanc(tmp_path / "orthanc", door.site.settings.dicom.port) as peer:
        door.store(instances)
        door.site.arrivals.settle()
        assert ask(door, peer, dry_run=True)["instances"] == 3
        send(peer, *instances[:2])
        told = ask(door, peer)
        assert (told["instances"], told["answered"]) == (3, 0)
        (request,) = await_answers(door)["requests"]
        assert request["failed"] == {instances[2].sop_instance: "0112H"}
        await_findings(door, [f"PACS {STUDY}"])
        send(peer, instances[2])
        ask(door, peer)
        assert [one["failed"] for one in await_answers(door)["requests"]][1] == {}
        await_findings(door, [])
        # What a rejection note withdrew is nobody's to keep.
        withdrawn = {"note": "1.2.9", "study": STUDY, "reason": "113037", "instances": [instances[0].sop_instance]}
        door.site.records.record(FactKind.REJECTION_NOTED, withdrawn)
        assert ask(door, peer, dry_run=True)["instances"] == 2


def test_another_safelight_answers_on_the_same_association(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = invented(1)
    order: list[str] = []
    send_as_ever, keep_as_ever = Exchange.send, commitment_asks.take_report

    def send(exchange: Exchange, context: Any, command: Command, *more: Any) -> None:
        order.append(command.field.name)
        send_as_ever(exchange, context, command, *more)

    def keep(*told: Any) -> None:
        keep_as_ever(*told)
        order.append("kept")

    monkeypatch.setattr(Exchange, "send", send)
    monkeypatch.setattr(commitment_asks, "take_report", keep)
    with (
        open_archive(tmp_path / "ours") as door,
        open_archive(tmp_path / "theirs", settings="commitment_minutes_max = 0.0") as other,
    ):
        door.store([instance])
        door.site.arrivals.settle()
        peer = Peer(AETitle("SAFELIGHT"), "127.0.0.1", other.port)
        told = ask(door, peer, wait_seconds=30)
        assert (told["answered"], told["failed"]) == (1, 1)
        assert order == ["C_STORE_RQ", "N_ACTION_RQ", "kept", "N_EVENT_REPORT_RSP"]
        (request,) = commitments_document(door.site.home)["requests"]
        assert request["failed"] == {instance.sop_instance: "0112H"}
        again = Reported(request["transaction"], (instance.sop_instance,), {})
        # As after a cut behind the answer's fact: what it means for people is said when it comes again.
        door.site.records.close_finding(NOT_GIVEN, f"SAFELIGHT {STUDY}", "test")
        take_report(door.site, "SAFELIGHT", again)
        assert commitments_document(door.site.home)["requests"] == [request]
        assert [one.subject for one in door.site.catalog.findings(code=NOT_GIVEN)] == [f"SAFELIGHT {STUDY}"]
        for to, transaction in (("ELSE", request["transaction"]), ("SAFELIGHT", "1.2.3")):
            with pytest.raises(UnknownTransaction):
                take_report(door.site, to, Reported(transaction, (), {}))
        with pytest.raises(NothingToCommit):
            ask(door, peer, studies=["1.2.3"])
        with pytest.raises(NothingToCommit):
            ask(door, peer, studies=[], refilled=True)
