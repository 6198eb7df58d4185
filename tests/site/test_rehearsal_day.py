"""The rehearsal day, whole: a real PACS is lost and comes back, and nothing of what was done meanwhile stays open."""

import json
import subprocess
from pathlib import Path

import pytest

from support.served_home import PROGRAM

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def test_a_day_without_pacs_and_ris_ends_with_nothing_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "rehearsal", "day", tmp_path / "day"], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "day/report.json").read_text())
    assert report["differences_open"] == []
    assert all(one["as_it_must_be"] for one in report["exams"])
    by_story = {one["story"]: one for one in report["exams"]}
    assert len(by_story) == 8
    assert report["reports_delivered"] == report["procedure_steps_kept"] == 7, "all but the morning's and the cancelled"
    done = [one for one in report["exams"] if one["step_told_to_ris"]]
    assert len(done) == 7
    # Each was told once and in order: the RIS refuses a step that comes twice, or whose beginning it does not know.
    assert all(one["step_told_to_ris"] == ["IN PROGRESS", "COMPLETED"] for one in done)
    trauma = by_story["an unidentified trauma patient"]
    assert trauma["done_as"].startswith("DTA")
    assert trauma["at_pacs"]["patient_id"] == "RH-20010"
    merged = by_story["two records of one patient are merged in the outage"]
    assert merged["at_pacs"]["patient_id"] == "RH-20004"
    assert by_story["the order is cancelled in the outage"]["at_pacs"] is None
