"""I7 for reconciliation: the power goes at every durable write between looking, deciding, doing and recording."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from safelight.catalog.message_rows import DeliveryState
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.reconciliation.state import DecidedAlready
from safelight.site.acts import act
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.reconciliation_sides import state_of
from safelight.site.reconciliation_target import TargetDesk
from safelight.site.reconciliation_view import UnknownDifference, differences_document
from safelight.site.recovery_holdings import VaultHoldings
from support.crash_disk import PowerCut
from support.crash_site import Machine, copy_machine
from support.dicom_peers import Archive, dcmqrscp
from support.outage_over import NAMES, STUDY, as_anothers, walk_in
from support.reconciled_house import (
    WHO,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    with dcmqrscp(folder, 1) as archive:
        yield archive


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


def _every_cut(
    prepared: Path, tmp_path: Path, work: Callable[[Site], None], check: Callable[[Site, Home], None]
) -> int:
    """Cut the power at every durable write of some work in turn, do it again, and check; return how many there are."""
    storage, before = tmp_path / "pacs" / "storage", tmp_path / "pacs before"
    shutil.copytree(storage, before)
    for number in itertools.count(1):
        shutil.rmtree(storage)
        shutil.copytree(before, storage)
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number)
            with suppress(PowerCut), machine.site() as site:
                work(site)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            work(site)
            check(site, Home.at(root / "home"))
            assert site.records.journal.verify() == []
        shutil.rmtree(root)
        if calls < number:
            return number
    raise AssertionError


@pytest.mark.timeout(600)
def test_a_power_cut_anywhere_leaves_nothing_done_twice_or_not_at_all(tmp_path: Path, pacs: Archive) -> None:
    study = walk_in(tmp_path / "prepared", pacs.peer)
    number = _every_cut(tmp_path / "prepared", tmp_path, _reconcile, lambda site, home: _check(site, home, study))
    assert number > 20
    print(f"{number} durable writes")


# An object-level correction: copies under new UIDs, the note, what is sent, and the record of each.


def _decided(site: Site, difference: str, verdict: str) -> None:
    """Do as a person does, who after a crash decides unless it was, and has it done."""
    with suppress(DecidedAlready, UnknownDifference):
        told = {"differences": [difference], "verdict": verdict, **WHO}
        act(site, "reconciliation.decide", told, silent)
    told = dict(act(site, "reconciliation.send", {}, silent))
    assert not told["failed"], told


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("verdict", "patient", "replaced"), [("replaced", "999", NAMES), ("ours", "4711", {f"{STUDY}.1.1"})]
)
def test_a_power_cut_anywhere_in_a_replacement_leaves_one_copy_of_each_and_one_note(
    tmp_path: Path, pacs: Archive, verdict: str, patient: str, replaced: set[str]
) -> None:
    difference = as_anothers(tmp_path / "prepared", pacs.peer, patient)

    def check(site: Site, home: Home) -> None:
        assert len(state_of(site.records.journal).decisions) == 2
        rows = [
            row
            for entry in site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
            for row in entry.facts["instances"]
        ]
        assert sorted(row[0] for row in rows) == sorted(replaced)
        copies = {row[2]: row[3] for row in rows}
        held = {one.sop_instance: one for one in VaultHoldings(site).instances(STUDY, None)}
        notes = [one for one in held.values() if one.is_rejection_note]
        assert len(notes) == 1
        # Whatever was written before the cut was written once: the same UIDs, the same bytes.
        assert held.keys() == NAMES | copies.keys() | {notes[0].sop_instance}
        assert {name: held[name].digest.hex() for name in copies} == copies
        assert all(one.versions == 1 for one in held.values())
        assert {one.sop_instance for one in site.catalog.rejections(STUDY)} == replaced
        with TargetDesk(site, pacs.peer) as desk:
            came: list[str] = []
            wanted = [*copies, notes[0].sop_instance]
            desk.versions(STUDY, wanted, lambda one: came.append(one.sop_instance))
        assert sorted(came) == sorted(wanted)
        # This PACS shows what the note rejects.
        assert {one["waits_for"] for one in differences_document(home)["differences"]} == {"mending"}

    number = _every_cut(tmp_path / "prepared", tmp_path, lambda site: _decided(site, difference, verdict), check)
    assert number > 8
    print(f"{number} durable writes")


@pytest.mark.timeout(600)
def test_a_power_cut_anywhere_while_the_targets_content_is_taken_in_leaves_both_and_theirs_in_force(
    tmp_path: Path, pacs: Archive
) -> None:
    difference = as_anothers(tmp_path / "prepared", pacs.peer, "4711")

    def check(site: Site, home: Home) -> None:
        held = {one.sop_instance: one for one in VaultHoldings(site).instances(STUDY, None)}
        assert {name: one.versions for name, one in held.items()} == {f"{STUDY}.1.1": 2, f"{STUDY}.1.2": 1}
        source = held[f"{STUDY}.1.1"].open()
        assert bytes(source.read(0, source.size)).endswith(bytes(128))
        assert differences_document(home)["differences"] == []

    number = _every_cut(tmp_path / "prepared", tmp_path, lambda site: _decided(site, difference, "theirs"), check)
    assert number > 5
