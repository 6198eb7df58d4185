"""The downtime commands as people and programs type them."""

import json
import subprocess
from pathlib import Path

import pytest

from support.hl7_house import make_home
from support.served_home import PROGRAM, free_port

WHO = ["--reason", "storage failed", "--by", "A. Admin"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path, free_port()).directory


def run(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "downtime", *arguments, "--home", str(home)]
    return subprocess.run(command, input=given, capture_output=True, check=False, text=True, timeout=60)


def test_an_outage_is_declared_in_any_case_told_and_refused_with_a_hint_when_said_twice(home: Path) -> None:
    done = run(home, "declare", "--scope", "PACS", "--since", "2026-01-02T03:04:05+01:00", *WHO, "--json")
    assert json.loads(done.stdout)["scopes"][0]["since"] == "2026-01-02T02:04:05.000000Z"
    again = run(home, "declare", "--scope", "pacs", *WHO, "--json")
    told = json.loads(again.stderr)["error"]
    assert again.returncode == told["exit"] == 10
    assert told["code"] == "downtime.outage-open"
    assert "A. Admin: storage failed" in run(home, "log").stdout


def test_an_outage_and_a_plan_are_not_said_in_one_breath(home: Path) -> None:
    moments = ["--since", "2026-01-02T03:04:05Z", "--planned-start", "2999-01-02T03:04:05Z"]
    assert run(home, "declare", "--scope", "ris", *moments, *WHO).returncode == 2


@pytest.mark.slow
def test_a_walk_in_is_registered_read_and_called_from_the_command_line(home: Path) -> None:
    for of, prefix in (("accession", "DT"), ("patient", "DP")):
        run(home, "numbers", "reserve", "--for", of, "--prefix", prefix, "--first", "1", "--last", "99", *WHO)
        run(home, "numbers", "allot", "--for", of, "--count", "9", "--site", "main", "--device", "CT1", *WHO)
    run(home, "declare", "--scope", "ris", *WHO)
    walk_in = ["--way", "walk-in", "--site", "main", "--device", "CT1", "--modality", "CT", "--name", "DOE^JANE"]
    assert "DT01" in run(home, "exam", "register", *walk_in, "--by", "T. Tech").stdout
    assert "waits for read" in run(home, "exam", "acquired", "DT01", "--by", "T. Tech").stdout
    read = run(home, "exam", "read", "DT01", "--urgent", "--text", "-", "--by", "R. Reader", given="bleeding\n")
    assert "waits for call" in read.stdout
    assert (
        "waits for nothing"
        in run(home, "exam", "called", "DT01", "--to", "Dr. Ward", "--read-back", "--by", "R. Reader").stdout
    )
    (exam,) = json.loads(run(home, "exam", "list", "--json").stdout)["exams"]
    assert [one["by"] for one in exam["steps"]] == ["T. Tech", "R. Reader", "R. Reader"]
    assert exam["steps"][1]["text"] == "bleeding"


def test_a_refusal_says_nothing_of_the_patient(home: Path) -> None:
    run(home, "declare", "--scope", "ris", *WHO)
    walk_in = ["--way", "walk-in", "--site", "main", "--device", "CT1", "--modality", "CT", "--name", "SECRET^NAME"]
    refused = run(home, "exam", "register", *walk_in, "--birth-date", "SECRET", "--by", "T. Tech")
    assert refused.returncode == 2
    assert "birth_date" in refused.stderr
    assert "SECRET" not in refused.stderr + refused.stdout
