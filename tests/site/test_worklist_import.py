"""Importing a nightly extract into a real home."""

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog import listed_step
from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.hl7_worklist import lists_document, worklist_document
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.worklist_import import BadSourceName, ExtractNotUnderstood, ExtractOlder
from support.crash_disk import PowerCut, When
from support.crash_site import Machine, copy_machine
from support.hl7_house import house, make_home, opened, order

HEAD = "Patient ID,Patient name,Accession,Modality,Start date,Start time\n"
WHO = {"reason": "holiday", "by": "A. Admin"}
TOMORROW = f"{datetime.now().astimezone() + timedelta(days=1):%Y-%m-%d}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(make_home(tmp_path)) as site:
        yield site


def extract(folder: Path, numbers: range, *more: str) -> Path:
    file = folder / "extract.csv"
    lines = [f"P{n},Berg^Ana{n},A{n},CT,{TOMORROW},08:{n % 60:02d}\n" for n in numbers]
    file.write_text(HEAD + "".join([*lines, *more]))
    return file


def take(site: Site, file: Path, source: str = "nightly", **told: Any) -> dict[str, Any]:
    return dict(act(site, "gateway.worklist.import", {"file": str(file), "source": source, **told}, silent))


def accessions(site: Site) -> list[str]:
    return [row["attributes"]["AccessionNumber"] for row in worklist_document(site.home, {"limit": 999})["steps"]]


def test_a_newer_extract_replaces_what_came_from_the_same_source_and_nothing_else(site: Site, tmp_path: Path) -> None:
    told = take(site, extract(tmp_path, range(1, 4), "P9,,A9,CT,x,y\n"))
    assert (told["steps"], told["not_understood"], told["bad_lines"][0]["line"]) == (3, 1, 5)
    assert accessions(site) == ["A1", "A2", "A3"]
    take(site, extract(tmp_path, range(20, 22)), "another")
    told = take(site, extract(tmp_path, range(2, 6)))
    assert (told["new_or_other"], told["gone"]) == (2, 1)
    assert accessions(site) == ["A2", "A3", "A4", "A5", "A20", "A21"]
    assert take(site, extract(tmp_path, range(2, 6)))["new_or_other"] == 0
    assert [(one["source"], one["steps"]) for one in lists_document(site.home)["lists"]] == [
        ("import another", 2),
        ("import nightly", 4),
    ]


def test_a_dry_run_shows_what_is_understood_and_changes_nothing(site: Site, tmp_path: Path) -> None:
    told = take(site, extract(tmp_path, range(1, 4), "P9,,A9,CT,x,y\n"), dry_run=True)
    assert told["columns"]["Accession"] == "AccessionNumber" and told["by_day"] == {TOMORROW.replace("-", ""): 3}
    file = tmp_path / "nothing.csv"
    file.write_text("MRN,Date\nP1,soon\n")
    told = take(site, file, dry_run=True)
    assert (told["steps"], told["not_understood"]) == (0, 1)
    with pytest.raises(ExtractNotUnderstood):
        take(site, file)
    file.write_text("a,b\n1,2\n")
    for dry_run in (True, False):
        with pytest.raises(ExtractNotUnderstood):
            take(site, file, dry_run=dry_run)
    assert accessions(site) == []
    with pytest.raises(BadSourceName):
        take(site, file, "x" * 65)


def test_an_extract_that_is_far_shorter_or_older_waits_for_a_person(site: Site, tmp_path: Path) -> None:
    take(site, extract(tmp_path, range(1, 40)))
    short = extract(tmp_path, range(1, 4))
    told = take(site, short)
    assert (told["changed"], told["expected"], told["got"]) == (False, 39, 3)
    assert len(accessions(site)) == 39
    assert lists_document(site.home)["lists"][0]["frozen"] == "gateway.worklist-shrunk"
    assert take(site, short, accept=True, **WHO)["changed"] and len(accessions(site)) == 3
    assert lists_document(site.home)["lists"][0]["frozen"] == ""
    os.utime(short, (1_000_000_000, 1_000_000_000))
    with pytest.raises(ExtractOlder):
        take(site, short)
    assert take(site, short, accept=True, **WHO)["changed"]


def test_messages_in_a_file_become_steps_as_if_they_had_been_sent(tmp_path: Path) -> None:
    appointment = order(1, event="SIU^S12").split(b"\rORC")[0]
    appointment += b"\rSCH|P1|F1|||||CT1^CT head|||||^^^20990302081500\rAIS|1||CT1^CT head|20990302081500"
    file = tmp_path / "siu.hl7"
    file.write_bytes(appointment)
    with house(tmp_path) as served:
        told = take(served.site, file, dry_run=True)["messages"]
        assert (told["found"], told["kept"], served.site.messages.index.count()) == (1, 0, 0)
        assert take(served.site, file)["messages"]["kept"] == 1
        served.door.folding.stop()
        served.door.folding.settle()
        (row,) = worklist_document(served.site.home, {})["steps"]
        assert row["attributes"]["ScheduledProcedureStepStartDate"] == "20990302"


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_power_cut_at_any_durable_write_leaves_one_edition_or_the_other(
    tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_step, "IN_FACT_MAX", 2)
    prepared, files = tmp_path / "prepared", tmp_path / "files"
    files.mkdir()
    make_home(prepared)
    editions = [[f"A{n}" for n in range(1, 6)], [f"A{n}" for n in range(4, 11)]]
    with opened(Home.at(prepared / "home")) as site:
        take(site, extract(files, range(1, 6)))
    newer = extract(files, range(4, 11))
    for number in itertools.count(1):
        root = copy_machine(prepared, tmp_path / f"cut{number}")
        taken = False
        with Machine(root) as machine:
            machine.disk.cut_at(number, when)
            with suppress(PowerCut), machine.site() as site:
                taken = bool(take(site, newer)["changed"])
            calls = len(machine.disk.calls)
            machine.lose_power(number)
        with Machine(root) as machine, machine.site() as site:
            assert accessions(site) in ([editions[1]] if taken else editions), number
            assert take(site, newer)["changed"] and accessions(site) == editions[1]
        if calls < number:
            break
    assert taken and number > 4
