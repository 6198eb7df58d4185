"""I7 for reconciliation: the power goes at every durable write between looking, deciding, doing and recording."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.message_rows import DeliveryState
from safelight.core.progress import silent
from safelight.reconciliation.state import DecidedAlready
from safelight.site.acts import act
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.reconciliation_sides import state_of
from safelight.site.reconciliation_view import UnknownDifference, differences_document
from safelight.site.recovery_holdings import VaultHoldings
from support.crash_disk import PowerCut
from support.crash_site import Machine, copy_machine
from support.dicom_peers import Archive, dcmqrscp
from support.hl7_house import Receiver, make_home, opened, send_to
from support.reconciled_house import WHO, acquire, image, local_now, order_message

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    with dcmqrscp(folder, 1) as archive:
        yield archive


def _prepare(folder: Path, pacs: Archive) -> str:
    """Make a home whose outage is over: a walk-in with images, a read, and an order elsewhere; return its study."""
    folder.mkdir()
    home = make_home(folder)
    send_to(home, Receiver(port=2575), "RIS", events=("NONE",))
    send_to(home, Receiver(port=2576), "MPI", events=("NONE",))
    told = f'\n[reconciliation]\ntarget = "{pacs.peer}"\nidentities_to = ["MPI"]\nreports_to = "RIS"\n'
    home.settings_file.write_text(home.settings_file.read_text() + told)
    with opened(home) as site:

        def do(what: str, **told: Any) -> dict[str, Any]:
            return dict(act(site, what, {**WHO, **told}, silent))

        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            do("downtime.numbers.reserve", of=of, prefix=prefix, first=1, last=9)
            do("downtime.numbers.allot", of=of, count=5, site="main", device="CT1")
        do("downtime.say", event="declared", scopes=["pacs"])
        exam = do("downtime.exam.register", way="walk-in", site="main", device="CT1", modality="CT", name="REAL^RITA")
        of_exam = {"PatientID": "DP1", "PatientName": "REAL^RITA", "AccessionNumber": "DT1"}
        acquire(site, *(image(str(exam["study"]), number, local_now(site), **of_exam) for number in (1, 2)))
        do("downtime.exam.step", accession="DT1", step="acquired")
        do("downtime.exam.step", accession="DT1", step="read", text="Nothing acute.")
        do("downtime.say", event="ended", scopes=["pacs"])
        messages = folder / "messages"
        messages.mkdir()
        (messages / "1.hl7").write_bytes(order_message("1", "4711", "RA1", local_now(site)))
        do("gateway.import", folder=str(messages))
    return str(exam["study"])


def _reconcile(site: Site) -> None:
    """Do as a person does, who after a crash looks what is open and goes on."""
    act(site, "reconciliation.compare", {}, silent)
    with suppress(DecidedAlready, UnknownDifference):
        told = {"differences": ["DT1"], "verdict": "matched", "order": "RA1", **WHO}
        act(site, "reconciliation.decide", told, silent)
    told = dict(act(site, "reconciliation.send", {}, silent))
    assert not told["failed"], told


def _check(site: Site, home: Home, study: str) -> None:
    """Whatever was cut off: one decision, each message queued once, two corrected instances there and in force here."""
    (decision,) = state_of(site.records.journal).decisions.values()
    assert len(decision.done) == 4, sorted(decision.done)
    for destination in ("MPI", "RIS"):
        queued = site.messages.index.deliveries(destination)
        assert [row.state for row in queued] == [DeliveryState.WAITING]
    held = VaultHoldings(site).instances(study, None)
    assert [one.versions for one in held] == [2, 2]
    assert len(site.catalog.versions(study)) == 4
    assert {one["waits_for"] for one in differences_document(home)["differences"]} == {"delivery"}
    assert site.records.journal.verify() == []


@pytest.mark.timeout(600)
def test_a_power_cut_anywhere_leaves_nothing_done_twice_or_not_at_all(tmp_path: Path, pacs: Archive) -> None:
    prepared = tmp_path / "prepared"
    study = _prepare(prepared, pacs)
    for number in itertools.count(1):
        storage = tmp_path / "pacs" / "storage"
        shutil.rmtree(storage)
        storage.mkdir()
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number)
            with suppress(PowerCut), machine.site() as site:
                _reconcile(site)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            _reconcile(site)
            _check(site, Home.at(root / "home"), study)
        shutil.rmtree(root)
        if calls < number:
            break
    assert number > 20
    print(f"{number} durable writes")
