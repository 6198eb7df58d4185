"""A drill from plan to evidence, into a real scratch PACS."""

import json
import math
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from safelight.core.span import span_text
from support.served_home import PROGRAM

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def test_a_drill_measures_a_tier_moves_no_phase_and_seals_what_it_measured(tmp_path: Path) -> None:
    folder = tmp_path / "drill"
    done = subprocess.run(
        [PROGRAM, "rehearsal", "drill", folder, "--megabytes", "2"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["target"].startswith("REHEARSAL@")
    assert len(report["tiers"]) == 1, "the first tier and no other"
    assert {one["rto"] for one in report["objectives"]} == {"met"}
    # A vault that pulls is as old as its last census: a claim of zero is disproved unless that was just now.
    shows_zero = report["exposure_seconds"] == 0
    assert {one["rpo"] for one in report["objectives"]} == {"met" if shows_zero else "not-met"}
    assert report["exposure_because"]
    assert report["not_executed"]

    with zipfile.ZipFile(folder / "evidence.zip") as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        kinds = [json.loads(line)["kind"] for line in bundle.read("journal.jsonl").splitlines()]
    assert manifest["drill"]["tiers"] == report["tiers"]
    assert {"drill-started", "drill-measured", "recovery-finished"} <= set(kinds)

    home = ["--home", str(folder / "home"), "--json"]
    status = subprocess.run([PROGRAM, "status", *home], capture_output=True, check=True)
    assert json.loads(status.stdout)["phase"] == "normal"
    listed = subprocess.run(
        [PROGRAM, "drill", "list", "--plan", folder / "plan", *home], capture_output=True, check=False
    )
    assert {one["rehearsal"]: one["colour"] for one in json.loads(listed.stdout)["planned"]} == {
        "tier-restore": "green" if shows_zero else "red",
        "table-top": "red",
    }

    show = [PROGRAM, "plan", "show", folder / "plan", "--json"]
    alone, beside = (
        {
            held["rto"]
            for one in json.loads(subprocess.run([*show, *more], capture_output=True, check=True).stdout)["objectives"]
            for held in one["measured"]
            if held["drill"].startswith("drill-1-of-")
        }
        for more in ([], ["--home", str(folder / "home")])
    )
    assert alone == set(), "nobody wrote it into the plan"
    rto = math.ceil(report["tiers"][0]["rto_seconds"])
    assert beside == {span_text(timedelta(seconds=rto))}, "rounded up, never shown better than it was"
