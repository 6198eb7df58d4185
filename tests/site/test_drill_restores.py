"""Drills that restore into a real scratch PACS, of every type that does, and the whole of one with people in it."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.drill.phone_book import calls_of
from safelight.site.plan_folder import PlanFolder
from safelight.site.rehearsal.hospital import generate
from safelight.site.rehearsal.pacs import pacs_in
from safelight.site.rehearsal.program import RehearsalHome
from support.served_home import PROGRAM, free_port

SCRIPT = "title: One call\ninjects: [{id: one, tells: It is gone., it: What now?, radiology: Where do you look?}]\n"
CALLED_BEFORE = timedelta(minutes=5)

pytestmark = [pytest.mark.peer, pytest.mark.slow]


class House:
    """A hospital whose images are protected, its plan, and a PACS that nobody works with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plan = folder, folder / "plan"
        self.rehearsal_home = RehearsalHome(folder / "home", free_port())
        made = generate(folder / "hospital", size_bytes=2_000_000, with_real_files=False)
        self.patients, self.studies = made.patients, made.studies
        self.recovery_words = self._founded()
        self.program("protection", "seed", str(made.images))
        self.program("plan", "init", str(self.plan), "--example", "400-bed", with_home=False)
        self.scratch = pacs_in(folder, own_port=self.rehearsal_home.dicom_port, title="REHEARSAL")

    @property
    def home(self) -> Path:
        return self.rehearsal_home.directory

    def _founded(self) -> str:
        made = self.program(
            "init", "--site", "Test", "--ae-title", "SAFELIGHT", "--dicom-port", str(self.rehearsal_home.dicom_port),
            "--open", "--second", str(self.folder / "second"),
        )  # fmt: skip
        return str(made["recovery_words"])

    def program(self, *arguments: str, with_home: bool = True, allow: Sequence[int] = (0,)) -> dict[str, Any]:
        home = ["--home", str(self.home)] if with_home else []
        done = subprocess.run(
            [PROGRAM, *arguments, *home, "--json"], capture_output=True, check=False, text=True, timeout=120
        )
        assert done.returncode in allow, done.stdout + done.stderr
        return dict(json.loads(done.stdout or "{}"))

    def drill(self, kind: str, *arguments: str, allow: Sequence[int] = (0,)) -> dict[str, Any]:
        target = f"REHEARSAL@127.0.0.1:{self.scratch.port}"
        return self.program(
            "drill", "run", "--type", kind, "--plan", str(self.plan), "--rehearsal-target", target,
            "--patients", str(self.patients), "--reason", "practice", "--by", "A. Admin", *arguments, allow=allow,
        )  # fmt: skip

    def manifest_of(self, number: str) -> dict[str, Any]:
        """Return what a drill's bundle tells, once the script in it has found that all of it holds."""
        bundle, script = self.home / f"evidence/drill-{number}.zip", self.folder / "verify_bundle.py"
        with zipfile.ZipFile(bundle) as members:
            script.write_bytes(members.read("verify_bundle.py"))
            manifest = json.loads(members.read("manifest.json"))
        key = ["--public-key", str(self.home / "keys/signing.pub")]
        done = subprocess.run([sys.executable, "-I", script, bundle, *key], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(manifest)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.scratch.start()
    with house.rehearsal_home.served(tmp_path / "serve.log"):
        yield house
    house.scratch.stop()


def test_a_sample_is_restored_and_proves_that_it_comes_back_and_no_time(house: House) -> None:
    told = house.drill("restore-sample", "--limit", "3")
    assert (told["state"], told["succeeded"], told["objectives"]) == ("done", True, [])
    assert [(tier["studies"], tier["confirmed"], tier["rto_seconds"]) for tier in told["tiers"]] == [(3, 3, None)]
    manifest = house.manifest_of("1")
    assert manifest["drill"]["tiers"] == told["tiers"]
    assert manifest["totals"]["studies"] == 3

    limited = house.drill("restore-tier", "--limit", "1", allow=(1,))
    assert {one["rto"] for one in limited["objectives"]} == {"not-measured"}, "one study is no tier"


def test_a_full_drill_calls_tries_the_key_restores_and_talks_and_is_one_bundle(house: House) -> None:
    answers, key, script = (house.folder / name for name in ("answers.yaml", "key.txt", "script.yaml"))
    key.write_text(house.recovery_words)
    script.write_text(SCRIPT)
    people = {one.person for one in calls_of(PlanFolder(house.plan).read().plan)}
    answers.write_text(_answers(people, datetime.now(UTC) - CALLED_BEFORE))
    told = house.drill(
        "full", "--answers", str(answers), "--recovery-key", str(key), "--script", str(script), allow=(1,)
    )
    assert told["state"] == "done"
    assert told["notification"]["seconds_until_all"] == 60
    assert [(one["placement"], one["opened"]) for one in told["escrow_key"]["copies"]] == [
        ("home", True),
        ("second", True),
    ]
    (tier,) = told["tiers"]
    assert tier["confirmed"] == tier["studies"]
    assert tier["rto_seconds"] >= CALLED_BEFORE.total_seconds(), "the time runs from the first call"
    assert {one["rto"] for one in told["objectives"]} == {"met"}
    assert {one["rpo"] for one in told["objectives"]} == {"not-measured"}, "nobody counted what the PACS holds"
    assert [(one["it"], one["owner"]) for one in _zipped(told)] == [("Restore", "omar")]
    assert not told["succeeded"], "an RPO that nobody measured is not met"

    manifest = house.manifest_of("1")
    shown = manifest["drill"]
    for part in ("tiers", "objectives", "notification", "escrow_key", "table_top", "not_executed"):
        assert shown[part] == told[part], part
    with zipfile.ZipFile(house.home / "evidence/drill-1.zip") as members:
        entries = members.read("journal.jsonl").decode()
        page = members.read("report.html").decode()
    kinds = [json.loads(line)["kind"] for line in entries.splitlines()]
    order = ["drill-started", "drill-called", "drill-key-tried", "recovery-finished", "drill-measured"]
    assert sorted(order, key=kinds.index) == order
    assert kinds.index("drill-inject-answered") > kinds.index("drill-measured")
    for word in (house.recovery_words, "+49"):
        assert word not in entries + page
    assert "Evidence of a drill" in page


def _zipped(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**inject, **item} for inject, item in zip(told["injects"], told["open_items"], strict=True)]


def _answers(people: set[str], called_at: datetime) -> str:
    answered_at = called_at + timedelta(minutes=1)
    rows = [
        f"  - {{person: {one}, called_at: {called_at.isoformat()}, answered_at: {answered_at.isoformat()}}}"
        for one in sorted(people)
    ]
    table = "answers: [{inject: one, it: Restore, radiology: At the scanner, open: [{what: Buy radios, owner: omar}]}]"
    return "\n".join(["calls:", *rows, table])
