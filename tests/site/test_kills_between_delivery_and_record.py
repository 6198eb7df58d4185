"""I7: `serve` is killed between a delivery and its record: nothing is lost, and what comes twice bears its own name.

The power cuts at durable writes are in `test_step_forwarding.py` and `test_reconciliation_crash.py`. Here real
programs run, and the one that delivers dies at an answer of the one that takes.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.message_rows import DeliveryState
from safelight.core.names import AETitle, Peer
from safelight.downtime.step_forwarding import Told
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.journal.kinds import FactKind
from safelight.site.home import Home
from safelight.site.reconciliation_sides import state_of
from safelight.site.reconciliation_view import differences_document
from safelight.site.recovery_holdings import VaultHoldings
from safelight.site.retrieval import identifier
from safelight.site.step_forwarding import steps_document
from safelight.wire.dicom.dimse import CommandField
from safelight.wire.dicom.uids import STUDY_ROOT_FIND
from support.crash_site import copy_machine
from support.dicom_peers import dcmqrscp, free_port
from support.hl7_house import Receiver, make_home, opened
from support.killing_relay import ACKNOWLEDGED, Killed, KillingRelay, response
from support.outage_over import NAMES, STUDY, as_anothers, walk_in
from support.served_home import PROGRAM, ServedHome
from support.told_ris import DAY, ORDER, Ris, keep

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]
WHO = ("--reason", "the RIS is back", "--by", "A. Admin")
STORED, FETCHED = response(CommandField.C_STORE_RSP), response(CommandField.C_GET_RSP)
CREATED, CHANGED = response(CommandField.N_CREATE_RSP), response(CommandField.N_SET_RSP)


def _told(home: Path, *words: str) -> dict[str, Any]:
    """Run a command to its end; return what it printed, empty where who does it was killed."""
    command = [PROGRAM, *words, "--home", str(home), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return dict(json.loads(done.stdout)) if done.returncode in (0, 1) else {}


def _killed_and_started(
    served: ServedHome, relay: KillingRelay, answer: bytes, number: int, killed: Killed, *words: str
) -> None:
    """Serve, give a command, have `serve` killed at an answer, and serve again."""
    served.start()
    relay.kill_at(answer, number, killed, served.kill)
    _told(served.home, *words)
    assert relay.killed.wait(60)
    served.start()


# Procedure steps, to a RIS on pynetdicom.


@pytest.mark.parametrize("killed", Killed)
@pytest.mark.parametrize(
    ("answer", "number", "place"),
    [(CREATED, 1, 1), (CREATED, 2, 2), (CHANGED, 1, 3), (CHANGED, 2, 4), (CHANGED, 3, 5)],
    ids=[f"{place}-{told}" for place, told in enumerate(ORDER, 1)],
)
def test_a_step_whose_answer_was_not_recorded_is_told_once_more_under_its_own_uid(
    tmp_path: Path, answer: bytes, number: int, place: int, killed: Killed
) -> None:
    home = make_home(tmp_path, dicom_port=free_port())
    with opened(home) as site:
        keep(site, *DAY)
    with ExitStack() as stack:
        ris = Ris(tmp_path, stack)
        relay = stack.enter_context(KillingRelay(ris.port))
        served = stack.enter_context(ServedHome(home.directory, tmp_path / "log"))
        words = ("gateway", "procedure-steps", "forward", "--to", f"RIS@127.0.0.1:{relay.port}", *WHO)
        _killed_and_started(served, relay, answer, number, killed, *words)
        told = _told(home.directory, *words)
        assert (told["waiting"], told["refused"], told["stopped"]) == (0, 0, "")
        served.stop()
        once_more = ORDER[:place] + ORDER[place - 1 :]
        assert ris.log == once_more or (killed is Killed.AFTER and ris.log == ORDER)
        assert ris.seen("steps") == {"1.1": "COMPLETED", "1.2": "COMPLETED"}
    assert [one["waiting"] for one in steps_document(home, "RIS")["steps"]] == [0, 0]
    with opened(home) as site:
        # Each notice has one record, in order.
        recorded = [Told.from_body(entry.facts).notice for entry in site.records.journal.entries(kinds=[Told.kind])]
        assert len(recorded) == len(DAY) and recorded == sorted(set(recorded))
        assert not site.catalog.findings(code="gateway.step-refused")


# What follows from reconciling: studies to DCMTK's archive, messages to receivers.


@dataclass
class Over:
    """The other systems after an outage, each behind a line of its own, and homes that are copied for each test."""

    folder: Path
    pacs: Peer
    lines: dict[str, KillingRelay]
    receivers: dict[str, Receiver]
    study: str
    difference: str

    def begin(self, prepared: str, folder: Path) -> Home:
        """Return a copy of a home, with the other systems as they were when it was made."""
        shutil.rmtree(self.folder / "storage")
        shutil.copytree(self.folder / f"storage of {prepared}", self.folder / "storage")
        for one in self.receivers.values():
            one.got.clear()
        return Home.at(copy_machine(self.folder / prepared, folder / "copy") / "home")

    def held(self, study: str) -> list[str]:
        """Return every instance that the archive names, as often as it names it."""
        with connect(self.pacs, AETitle("CHECK"), [service_proposal(STUDY_ROOT_FIND)]) as association:
            series = list(association.find(STUDY_ROOT_FIND, _asked("SERIES", study, SeriesInstanceUID="")))
            return sorted(
                str(one.SOPInstanceUID)
                for found in series
                for one in association.find(
                    STUDY_ROOT_FIND,
                    _asked("IMAGE", study, SeriesInstanceUID=str(found.SeriesInstanceUID), SOPInstanceUID=""),
                )
            )

    def identity(self, study: str) -> tuple[str, str]:
        """Return under which patient and number the archive has a study."""
        with connect(self.pacs, AETitle("CHECK"), [service_proposal(STUDY_ROOT_FIND)]) as association:
            asked = _asked("STUDY", study, PatientID="", AccessionNumber="")
            (found,) = association.find(STUDY_ROOT_FIND, asked)
        return str(found.PatientID), str(found.AccessionNumber)


def _asked(level: str, study: str, **keys: str) -> Any:
    return identifier(level, StudyInstanceUID=study, **keys)


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Over]:
    folder = tmp_path_factory.mktemp("over")
    with ExitStack() as stack:
        pacs = stack.enter_context(dcmqrscp(folder, 1)).peer
        receivers = {name: stack.enter_context(Receiver()) for name in ("patients", "reports")}
        ports = {"pacs": pacs.port, **{name: one.port for name, one in receivers.items()}}
        lines = {name: stack.enter_context(KillingRelay(port)) for name, port in ports.items()}
        line = Peer(pacs.title, "127.0.0.1", lines["pacs"].port)
        told = {name: lines[name].port for name in receivers}
        study = walk_in(folder / "walk-in", pacs, line=line, **told)
        shutil.copytree(folder / "storage", folder / "storage of walk-in")
        difference = as_anothers(folder / "anothers", pacs, "999", line=line)
        shutil.copytree(folder / "storage", folder / "storage of anothers")
        yield Over(folder, pacs, lines, receivers, study, difference)


def _settled(home: Home, waits_for: set[str]) -> None:
    """Return when what is open waits for nothing else."""
    deadline = time.monotonic() + 60
    while {one["waits_for"] for one in differences_document(home)["differences"]} != waits_for:
        assert time.monotonic() < deadline, differences_document(home)["differences"]
        time.sleep(0.1)


@pytest.mark.parametrize("killed", Killed)
@pytest.mark.parametrize(
    ("line", "answer", "number"),
    [
        ("pacs", STORED, 1),
        ("pacs", STORED, 2),
        ("pacs", FETCHED, 1),
        ("patients", ACKNOWLEDGED, 1),
        ("reports", ACKNOWLEDGED, 1),
    ],
    ids=["first stored", "last stored", "fetched back", "patients told", "report told"],
)
def test_what_follows_from_a_match_arrives_and_bears_the_same_names_when_it_comes_twice(
    tmp_path: Path, over: Over, line: str, answer: bytes, number: int, killed: Killed
) -> None:
    home = over.begin("walk-in", tmp_path)
    with ServedHome(home.directory, tmp_path / "log") as served:
        served.start()
        _told(home.directory, "reconciliation", "compare")
        assert _told(home.directory, "reconciliation", "match", "DT1", "--order", "RA1", *WHO)["decisions"]
        served.stop()
        _killed_and_started(served, over.lines[line], answer, number, killed, "reconciliation", "send")
        told = _told(home.directory, "reconciliation", "send")
        assert told["failed"] == [] and told["target_error"] is None
        _settled(home, set())
        served.stop()
    names = [f"{over.study}.1.{number}" for number in (1, 2)]
    assert over.held(over.study) == names and over.identity(over.study) == ("4711", "RA1")
    for name, receiver in over.receivers.items():
        # Twice at most, with the same control id and otherwise the same too.
        assert len(set(receiver.got)) == 1
        times = {2} if killed is Killed.BEFORE else {1, 2}
        assert len(receiver.got) in (times if name == line else {1})
    with opened(home) as site:
        (decision,) = state_of(site.records.journal).decisions.values()
        assert len(decision.done) == 4
        for destination in ("MPI", "RIS"):
            queued = site.messages.index.deliveries(destination)
            assert [row.state for row in queued] == [DeliveryState.DELIVERED]
        held = VaultHoldings(site).instances(over.study, None)
        assert [one.versions for one in held] == [2, 2]
        assert site.records.journal.verify() == []


@pytest.mark.parametrize("killed", Killed)
@pytest.mark.parametrize(
    ("answer", "number"),
    [(STORED, 1), (STORED, 2), (STORED, 3), (FETCHED, 1)],
    ids=["first stored", "second stored", "last stored", "fetched back"],
)
def test_corrected_copies_that_come_twice_are_the_same_instances_and_one_note(
    tmp_path: Path, over: Over, answer: bytes, number: int, killed: Killed
) -> None:
    home = over.begin("anothers", tmp_path)
    with ServedHome(home.directory, tmp_path / "log") as served:
        served.start()
        words = ("reconciliation", "decide", over.difference, "--as", "replaced", *WHO)
        assert _told(home.directory, *words)["decisions"]
        served.stop()
        _killed_and_started(served, over.lines["pacs"], answer, number, killed, "reconciliation", "send")
        told = _told(home.directory, "reconciliation", "send")
        assert told["failed"] == [] and told["target_error"] is None
        # This PACS shows what the note rejects.
        _settled(home, {"mending"})
        served.stop()
    with opened(home) as site:
        replaced = site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
        rows = [row for entry in replaced for row in entry.facts["instances"]]
        copies = {row[2] for row in rows}
        assert {row[0] for row in rows} == NAMES and len(copies) == len(NAMES)
        held = {one.sop_instance: one for one in VaultHoldings(site).instances(STUDY, None)}
        (note,) = (one.sop_instance for one in held.values() if one.is_rejection_note)
        assert all(one.versions == 1 for one in held.values())
        assert site.records.journal.verify() == []
    assert over.held(STUDY) == sorted([*NAMES, *copies, note])
