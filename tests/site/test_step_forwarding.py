"""What modalities said during an outage, told to a RIS on pynetdicom, through kills on both sides."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from safelight.core.names import AETitle, Peer
from safelight.core.progress import silent
from safelight.gateway.dicom.client import PeerUnreachable
from safelight.site.acts import act
from safelight.site.opened import Site
from safelight.site.peers import name_peer
from safelight.site.saying import NotSigned
from safelight.site.step_forwarding import steps_document
from safelight.wire.dicom.uids import IMPLICIT_LITTLE_ENDIAN
from support.archive_door import open_archive
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.dicom_peers import free_port
from support.hl7_house import make_home, opened
from support.told_ris import COMPLETED, DAY, ORDER, Ris, keep

pytestmark = pytest.mark.peer
WHO = {"reason": "the RIS is back", "by": "A. Admin"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(make_home(tmp_path)) as site:
        yield site


@pytest.fixture
def ris(tmp_path: Path) -> Iterator[Ris]:
    with ExitStack() as stack:
        yield Ris(tmp_path, stack)


def forward(site: Site, ris: Ris, **told: Any) -> dict[str, Any]:
    asked = {"to": str(Peer(AETitle("RIS"), "127.0.0.1", ris.port)), **WHO, **told}
    return dict(act(site, "gateway.procedure-steps.forward", asked, silent))


def test_what_was_kept_is_told_in_order_and_once(site: Site, ris: Ris) -> None:
    keep(site, *DAY)
    assert forward(site, ris, dry_run=True)["waiting"] == 5 and ris.log == []
    told = forward(site, ris)
    assert (told["told"], told["waiting"], told["refused"], told["stopped"]) == (5, 0, 0, "")
    assert ris.log == ORDER and ris.seen("steps") == {"1.1": "COMPLETED", "1.2": "COMPLETED"}
    assert forward(site, ris)["told"] == 0 and ris.log == ORDER
    (first, _) = steps_document(site.home, "RIS")["steps"]
    assert (first["instance"], first["status"], first["notices"], first["waiting"]) == ("1.1", "COMPLETED", 3, 0)
    with pytest.raises(NotSigned):
        forward(site, ris, by="")


@pytest.mark.parametrize("leave_after", range(1, 6))
def test_a_ris_that_goes_away_before_it_answers_is_told_the_rest_later(site: Site, ris: Ris, leave_after: int) -> None:
    keep(site, *DAY)
    ris.put(leave_after=leave_after)
    told = forward(site, ris)
    assert told["stopped"] and told["told"] == leave_after - 1
    told = forward(site, ris)
    assert (told["stopped"], told["waiting"], told["refused"]) == ("", 0, 0)
    # The one without an answer is told again: the RIS can tell, by its UID and state.
    assert ris.log == ORDER[:leave_after] + ORDER[leave_after - 1 :]
    assert ris.seen("steps") == {"1.1": "COMPLETED", "1.2": "COMPLETED"}
    assert not site.catalog.findings(code="gateway.step-refused")


def test_a_refused_step_is_a_finding_and_goes_when_it_is_taken(site: Site, ris: Ris) -> None:
    keep(site, *DAY)
    ris.put(refuse={"create 1.1": 0x0106})
    told = forward(site, ris)
    assert (told["told"], told["refused"]) == (2, 3)
    (finding,) = site.catalog.findings(code="gateway.step-refused")
    assert finding.subject == "RIS 1.1"
    assert forward(site, ris)["told"] == 0
    ris.put(refuse={})
    assert forward(site, ris, retry=True)["told"] == 3
    assert not site.catalog.findings(code="gateway.step-refused")


def test_a_ris_from_an_old_backup_is_told_a_step_from_its_beginning(site: Site, ris: Ris) -> None:
    keep(site, *DAY[:2])
    forward(site, ris)
    ris.put(steps={"1.2": "IN PROGRESS"}, log=[])
    keep(site, ("1.1", None), ("1.1", COMPLETED))
    assert forward(site, ris)["refused"] == 0
    assert ris.log == ["set 1.1", "create 1.1", "set 1.1", "set 1.1"]
    keep(site, ("9.9", COMPLETED))
    assert forward(site, ris)["refused"] == 1


def test_attributes_are_written_in_a_syntax_that_the_ris_takes(site: Site, tmp_path: Path) -> None:
    keep(site, *DAY)
    with ExitStack() as stack:
        ris = Ris(tmp_path, stack, IMPLICIT_LITTLE_ENDIAN)
        assert forward(site, ris)["told"] == 5
        assert [status for _, _, status in ris.seen("log")] == ["IN PROGRESS", "IN PROGRESS", "", *["COMPLETED"] * 2]


def test_a_ris_that_is_not_there_is_told_later(site: Site, ris: Ris) -> None:
    keep(site, *DAY)
    with pytest.raises(PeerUnreachable):
        act(site, "gateway.procedure-steps.forward", {"to": f"RIS@127.0.0.1:{free_port()}", **WHO}, silent)
    assert steps_document(site.home, "RIS")["steps"][0]["waiting"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_power_cut_at_any_durable_write_tells_everything_and_the_ris_can_tell_what_came_twice(
    tmp_path: Path, ris: Ris, when: When
) -> None:
    prepared = tmp_path / "prepared"
    with opened(make_home(prepared)) as site:
        keep(site, *DAY)
    for number in itertools.count(1):
        ris.put(steps={}, log=[])
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                forward(site, ris)
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            told = forward(site, ris)
            assert (told["waiting"], told["refused"], told["stopped"]) == (0, 0, ""), number
        assert ris.seen("steps") == {"1.1": "COMPLETED", "1.2": "COMPLETED"}
        assert list(dict.fromkeys(ris.log)) == list(dict.fromkeys(ORDER)) and len(ris.log) <= len(ORDER) + 1
        if calls < number:
            break
    assert number > 5


def test_another_safelight_takes_them_and_tells_what_it_knows(site: Site, tmp_path: Path) -> None:
    keep(site, *DAY)
    with open_archive(tmp_path / "other") as door:
        name_peer(site.disk, site.home.peers, Peer(AETitle("OTHER"), "127.0.0.1", door.port))
        told = act(site, "gateway.procedure-steps.forward", {"to": "OTHER", **WHO}, silent)
        assert (told["told"], told["refused"]) == (5, 0)
        assert steps_document(door.site.home)["count"] == 2
        # As after a journal that was restored from before: everything is told once more, and nothing is refused.
        door.name("AGAIN", door.port)
        name_peer(site.disk, site.home.peers, Peer(AETitle("AGAIN"), "127.0.0.1", door.port))
        told = act(site, "gateway.procedure-steps.forward", {"to": "AGAIN", **WHO}, silent)
        assert (told["told"], told["refused"]) == (5, 0)
