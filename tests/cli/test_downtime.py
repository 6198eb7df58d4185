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


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "downtime", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)


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
