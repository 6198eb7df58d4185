"""The reconciliation commands as people and programs type them, against a running `serve` that stands for the PACS."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.core.progress import silent
from safelight.site.acts import act_alone
from safelight.site.home import Home
from support.archive_door import ArchiveDoor, open_archive
from support.hl7_house import make_home, opened
from support.reconciled_house import acquire, image, local_now, order_message
from support.served_home import PROGRAM

WHO = ["--reason", "same patient", "--by", "A. Admin"]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[ArchiveDoor]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    with open_archive(folder) as archive:
        yield archive


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path).directory


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "reconciliation", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)


def _outage(home: Path, messages: Path) -> str:
    """An outage with one study, and an order under another number; return the study."""
    who = {"reason": "test", "by": "A. Admin"}
    with opened(Home(home)) as site:
        now = local_now(site)
    act_alone(Home(home), "downtime.say", {"event": "declared", "scopes": ["pacs"], **who}, silent)
    with opened(Home(home)) as site:
        told = {"PatientID": "4711", "PatientName": "REAL^RITA", "PatientBirthDate": "19700102", "PatientSex": "F"}
        acquire(site, image("1.2.5", 1, now, **told))
    act_alone(Home(home), "downtime.say", {"event": "ended", "scopes": ["pacs"], **who}, silent)
    messages.mkdir()
    (messages / "1.hl7").write_bytes(order_message("1", "4711", "RA1", now))
    act_alone(Home(home), "gateway.import", {"folder": str(messages)}, silent)
    return "1.2.5"


def test_a_home_without_an_outage_has_nothing_open(home: Path) -> None:
    done = run(home, "list", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["differences"] == []
    assert run(home, "status").returncode == 0
    refused = run(home, "compare", "--json")
    assert (refused.returncode, json.loads(refused.stderr)["error"]["code"]) == (2, "reconciliation.no-target")


@pytest.mark.slow
def test_a_study_is_matched_sent_and_told_of_from_the_command_line(
    home: Path, pacs: ArchiveDoor, tmp_path: Path
) -> None:
    study = _outage(home, tmp_path / "messages")
    target = ["--target", str(pacs.peer)]
    compared = run(home, "compare", *target, "--json")
    assert compared.returncode == 1 and json.loads(compared.stdout)["by_kind"]["missing-at-target"] == 1
    shown = run(home, "show", study)
    assert "order RA1" in shown.stdout and "same patient ID" in shown.stdout and "reconciliation match" in shown.stdout
    dry = run(home, "match", study, "--order", "RA1", "--dry-run", *WHO)
    assert "Nothing was recorded" in dry.stdout and json.loads(run(home, "log", "--json").stdout) == {"decisions": []}
    matched = run(home, "match", study, *WHO, "--json")
    assert json.loads(matched.stdout)["decisions"][0]["identity"]["accession"] == "RA1"
    told = run(home, "send", *target, "--dry-run")
    assert told.returncode == 0 and f"would correct {study}" in told.stdout and "Nothing was recorded" in told.stdout
    away = run(home, "send", "--target", "AWAY@127.0.0.1:1", "--dry-run")
    assert away.returncode == 0 and "The PACS was not asked: reconciliation.target-away" in away.stdout
    sent = run(home, "send", *target)
    assert sent.returncode == 0 and "0 differences open" in sent.stdout, sent.stdout + sent.stderr
    assert [one.accession for one in pacs.site.catalog.studies()] == ["RA1"]
    log = run(home, "log").stdout
    assert "A. Admin: same patient" in log and f"send {study}" in log
    undone = run(home, "undo", "1", "--reason", "mistake", "--by", "A. Admin")
    assert f"was done before: send {study}" in undone.stdout
    assert "REAL" not in run(home, "decide", "nothing", "--as", "left", *WHO).stderr
