"""Asking an archive for storage commitment (I3, I7): the power goes at every durable write, and the archive goes on."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.commitment_asks import NOT_GIVEN, commitments_document
from safelight.site.opened import Site
from support.archive_door import invented, open_archive
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.dicom_peers import free_port, running

pytestmark = [pytest.mark.peer, pytest.mark.slow]
WHO = {"reason": "after the refill", "by": "A. Admin"}
PROGRAM = Path(__file__).parents[1] / "support/commitment_archive.py"
INSTANCES = [invented(1, 1, number) for number in (1, 2, 3)]
NAMES = [one.sop_instance for one in INSTANCES]
STUDY = "1.2.826.0.1.3680043.9.9999.1"


class Archive:
    """The other archive, in a process that no power cut of ours reaches."""

    def __init__(self, port: int, file: Path) -> None:
        self.address = f"PACS@127.0.0.1:{port}"
        self._file = file
        self.put(holds=[], asked={}, acknowledged={})

    def put(self, **told: Any) -> None:
        """Change what it knows."""
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._file.write_text(json.dumps(known | told))

    def known(self) -> dict[str, Any]:
        """Return what it holds, what it was asked and what it was told of its answers."""
        return dict(json.loads(self._file.read_text()))

    def answer_again(self, port: int) -> None:
        """Have it answer everything once more, as archives do that heard nothing."""
        command = [sys.executable, "-W", "ignore", PROGRAM, "again", self._file, str(port)]
        subprocess.run(command, check=True, timeout=60)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    port, file = free_port(), tmp_path / "archive.json"
    found = Archive(port, file)
    with running([sys.executable, "-W", "ignore", PROGRAM, str(port), file], port):
        yield found


def _ask(site: Site, archive: Archive) -> dict[str, Any]:
    told = {"to": archive.address, "studies": [STUDY], "wait_seconds": 20, **WHO}
    return dict(act(site, "gateway.commitment.ask", told, silent))


def _is_open(site: Site) -> bool:
    return bool(site.catalog.findings(code=NOT_GIVEN))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("gives", [True, False], ids=["it vouches now", "it does not vouch any more"])
def test_no_answer_is_lost_and_no_finding_closed_by_a_power_cut_at_any_durable_write(
    tmp_path: Path, archive: Archive, when: When, gives: bool
) -> None:
    before, after = (NAMES[:2], NAMES) if gives else (NAMES, NAMES[1:])
    with open_archive(tmp_path / "prepared") as door:
        door.store(INSTANCES)
        door.site.arrivals.settle()
        archive.put(holds=before)
        assert _ask(door.site, archive)["failed"] == len(NAMES) - len(before)
        assert _is_open(door.site) is gives
    archive.put(holds=after)
    first = archive.known()
    seen = set()
    for number in itertools.count(1):
        archive.put(**first)
        root = copy_machine(tmp_path / "prepared", tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                _ask(site, archive)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        seen.add(_check(root, archive, gives=gives))
        if calls < number:
            break
    # Not asked, asked without an answer that we know of, and answered: every state was met.
    assert number > 4 and seen >= {(0, 0), (1, 0), (1, 1)}
    print(f"{number} durable writes")


def _check(root: Path, archive: Archive, *, gives: bool) -> tuple[int, int]:
    """Look after a cut, have the archive answer again and ask it once more; return how far the cut let it come."""
    with open_archive(root) as door:
        site = door.site
        requests = {one["transaction"]: one for one in commitments_document(site.home)["requests"]}
        known = archive.known()
        # Whatever the archive was asked finds its request, and what it was told that we know, we know.
        assert known["asked"].keys() <= requests.keys()
        assert all(requests[one]["answered_at"] for one, status in known["acknowledged"].items() if status == 0)
        answered = [one for one in requests.values() if one["answered_at"]]
        if gives:
            # It is closed by nothing but an answer that gives everything.
            assert _is_open(site) or answered[-1]["failed"] == {}
        reached = len(known["asked"]) - 1, len(answered) - 1
        archive.answer_again(door.port)
        assert set(archive.known()["acknowledged"].values()) == {0}
        waiting = {one["transaction"] for one in commitments_document(site.home)["requests"] if not one["answered_at"]}
        # Only what never reached the archive waits on, and counts as no answer.
        assert waiting == requests.keys() - known["asked"].keys()
        if reached[0]:
            assert _is_open(site) is not gives
        assert _ask(site, archive)["failed"] == (0 if gives else 1)
        archive.answer_again(door.port)
        assert _is_open(site) is not gives
        assert site.records.journal.verify() == []
    return reached
