"""Drills that people hold: calls, the recovery key, a shift; what they measure reaches the plan."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from safelight.drill.phone_book import calls_of
from safelight.site.rehearsal.program import RehearsalHome
from support.served_home import PROGRAM, free_port

pytestmark = pytest.mark.slow
WHO = ["--reason", "practice", "--by", "A. Admin"]


class Bench:
    """A home with a second copy, a plan, and commands upon them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.plan = folder, folder / "home", folder / "plan"
        self.port = free_port()
        made = self.program(
            "init", "--site", "Test", "--ae-title", "HERE", "--dicom-port", str(self.port), "--open",
            "--second", str(folder / "second"), "--home", str(self.home), "--json",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        self.founded = json.loads(made.stdout)
        self.program("plan", "init", str(self.plan), "--example", "400-bed")

    def program(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments], input=given, capture_output=True, check=False, text=True, timeout=120
        )

    def drill(self, *arguments: str, given: str = "", plan: bool = True) -> tuple[int, dict[str, Any], str]:
        with_plan = ["--plan", str(self.plan)] if plan else []
        done = self.program(
            "drill", "run", *with_plan, *arguments, *WHO, "--home", str(self.home), "--json", given=given
        )
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def verified(self, number: str) -> None:
        bundle, script = self.home / f"evidence/drill-{number}.zip", self.folder / "verify_bundle.py"
        with zipfile.ZipFile(bundle) as members:
            script.write_bytes(members.read("verify_bundle.py"))
        key = ["--public-key", str(self.home / "keys/signing.pub")]
        done = subprocess.run(
            [sys.executable, "-I", "-S", script, bundle, *key], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def assessed(self, rule: str, *, with_home: bool) -> set[str]:
        home = ["--home", str(self.home)] if with_home else []
        done = self.program("plan", "assess", str(self.plan), "--json", *home)
        return {one["subject"] for one in json.loads(done.stdout)["findings"] if one["rule"] == rule}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_calls_from_the_terminal_and_from_a_file_measure_when_every_role_was_reached(bench: Bench) -> None:
    status, told, screen = bench.drill("--type", "notification", given="\nno\n")
    assert (status, told) == (130, {}), "the terminal was gone before the second call"
    assert "Enter when it rings" in screen

    first = json.loads(bench.program("drill", "report", "--home", str(bench.home), "--json").stdout)
    (silent,) = first["notification"]["calls"]
    assert silent["answered_at"] is None
    roles = {one["role"] for one in first["notification"]["roles"]}
    now = datetime.now(UTC) - timedelta(minutes=10)
    plan = _plan(bench.plan)
    names = {name for one in calls_of(plan) for name in (one.person, one.deputy) if name}
    rows = [
        f"  - {{person: {name}, called_at: {now.isoformat()}, answered_at: {(now + timedelta(minutes=2)).isoformat()}}}"
        for name in sorted(names - {silent["person"]})
    ]
    answers = bench.folder / "a.yaml"
    answers.write_text("calls:\n" + "\n".join(rows) + "\n")
    status, told, screen = bench.drill("--resume", "1", "--answers", str(answers))
    alone = {one.id for one in plan.roles if one.person == silent["person"] and not one.deputy}
    reached = {one["role"] for one in told["notification"]["roles"] if one["by"]}
    assert reached == roles - alone, screen
    assert told["succeeded"] == (not alone)
    assert told["state"] == "done"
    bench.verified("1")
    numbers = [one["number"] for one in told["notification"]["calls"]]
    assert not any(any(sign.isdigit() for sign in one or "") for one in numbers), "telephone numbers stay in the plan"


def test_a_call_that_cannot_have_been_so_is_refused_before_anything_begins(bench: Bench) -> None:
    answers = bench.folder / "a.yaml"
    answers.write_text(
        "calls: [{person: omar, called_at: 2026-01-02T03:00:00+01:00, answered_at: 2026-01-02T02:00:00+01:00}]"
    )
    status, told, screen = bench.drill("--type", "notification", "--answers", str(answers))
    assert (status, json.loads(screen)["error"]["code"], told) == (2, "drill.bad-call", {})
    listed = bench.program("drill", "list", "--home", str(bench.home), "--json")
    assert json.loads(listed.stdout)["drills"] == []


def _plan(folder: Path) -> Any:
    from safelight.site.plan_folder import PlanFolder

    return PlanFolder(folder).read().plan


def test_a_person_who_answered_is_verified_and_the_finding_is_gone_only_beside_the_home(bench: Bench) -> None:
    for file in bench.plan.glob("*.yaml"):
        text = file.read_text()
        if "verified_on" in text:
            file.write_text(re.sub(r"verified_on: \d{4}-\d{2}-\d{2}", "verified_on: 2020-01-01", text))
    before = bench.assessed("R08", with_home=True)
    assert any(one.startswith("people/") for one in before)
    listed = json.loads(
        bench.program("drill", "list", "--plan", str(bench.plan), "--home", str(bench.home), "--json").stdout
    )
    (suggested,) = [one for one in listed["not_rehearsed"] if one["type"] == "notification"]
    assert {one["rule"] for one in suggested["closes"]} >= {"R08"}
    plan, now = _plan(bench.plan), datetime.now(UTC) - timedelta(minutes=5)
    names = sorted({one.person for one in calls_of(plan)})
    rows = [f"  - {{person: {one}, called_at: {now.isoformat()}, answered_at: {now.isoformat()}}}" for one in names]
    answers = bench.folder / "a.yaml"
    answers.write_text("calls:\n" + "\n".join(rows) + "\n")
    status, told, screen = bench.drill("--type", "notification", "--answers", str(answers))
    assert (status, told["notification"]["seconds_until_all"]) == (0, 0.0), screen
    assert bench.assessed("R08", with_home=False) == before, "the plan says what it said"
    assert before - bench.assessed("R08", with_home=True) == {f"people/{one}" for one in names} & before


def test_vendors_are_called_by_their_numbers_and_one_that_does_not_answer_fails_the_drill(bench: Bench) -> None:
    plan = _plan(bench.plan)
    people = list(dict.fromkeys(one.person for one in plan.roles))
    vendors = [f"vendors/{one.id}" for one in plan.vendors]
    given = "\n\n" * len(people) + "\n\n" + "\nno\n" * (len(vendors) - 1)
    status, told, screen = bench.drill("--type", "notification", given=given)
    for line in (
        "Call PACS vendor (vendors/pacs-vendor)",
        "  emergency     0800 1",
        "  contract P-77, responds within 30 min, on site within 4 h, at night and on weekends too",
    ):
        assert line in screen
    roles = {one["role"]: (one["side"], one["by"]) for one in told["notification"]["roles"]}
    assert roles[vendors[0]] == ("vendor", vendors[0])
    assert {roles[one] for one in vendors[1:]} == {("vendor", None)}
    assert (status, told["state"], told["succeeded"]) == (1, "done", False)
    assert f"Nobody was reached for {vendors[1]}" in told["not_executed"]
    assert "0800" not in json.dumps(told), "numbers stay in the plan"
    bench.verified("1")
    written = bench.program(
        "drill", "report", "1", "--write", str(bench.plan), "--home", str(bench.home), "--json", "--dry-run"
    )
    assert "sides: [it, radiology]" in json.loads(written.stdout)["written"]["text"]


def test_the_recovery_key_alone_opens_a_pack_in_each_placement_and_is_recorded_nowhere(bench: Bench) -> None:
    images = bench.folder / "images"
    images.mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm", download=False)), images)
    assert bench.program("protection", "seed", str(images), "--home", str(bench.home)).returncode == 0
    key_file, words = bench.folder / "key.txt", bench.founded["recovery_words"]
    key_file.write_text(words)
    status, told, screen = bench.drill("--type", "escrow-key", given=f"{bench.home}/keys/node.key\n{words}\n")
    assert "drill.not-the-recovery-key" in screen or "vault." in screen, "the node's own key proves nothing"
    assert status == 0, screen
    copies = told["escrow_key"]["copies"]
    assert [(one["placement"], one["opened"]) for one in copies] == [("home", True), ("second", True)]
    assert all(one["after_seconds"] >= 0 for one in copies)
    bench.verified("1")
    for file in bench.home.rglob("*"):
        if file.is_file():
            assert words.encode() not in file.read_bytes(), file
            assert bench.founded["recovery_identity"].encode() not in file.read_bytes(), file

    for one in (bench.folder / "second").rglob("*.age"):
        one.write_bytes(one.read_bytes()[:-40] + bytes(40))
    status, told, _ = bench.drill("--type", "escrow-key", "--recovery-key", str(key_file))
    assert (status, told["succeeded"]) == (1, False)
    assert [one["opened"] for one in told["escrow_key"]["copies"]] == [True, False]
    assert "The recovery key opened nothing at second" in told["not_executed"]
    bench.verified("2")


def _extract(folder: Path, count: int) -> str:
    """Write an extract of a schedule with so many exams of today and one of a week from now."""
    file, today = folder / "extract.csv", datetime.now().astimezone().date()
    days = [*([today] * count), today + timedelta(days=7)]
    rows = [f"P{number},Berg^Ana,A{number},CT,{day:%Y%m%d},08:00\n" for number, day in enumerate(days)]
    file.write_text("MRN,Name,Accession,Modality,Date,Time\n" + "".join(rows))
    return str(file)


def test_a_shift_finds_the_worklist_and_the_numbers_ready_while_the_home_is_served_and_not_without_it(
    bench: Bench,
) -> None:
    home, answers = ["--home", str(bench.home)], bench.folder / "a.yaml"
    answers.write_text("steps: []")
    for what in ("patient", "accession"):
        one = ["--for", what, "--prefix", "DT", "--first", "1", "--last", "99", *WHO, *home]
        assert bench.program("downtime", "numbers", "reserve", *one).returncode == 0

    def looked() -> dict[str, tuple[bool, str]]:
        _, told, screen = bench.drill("--type", "downtime-shift", "--answers", str(answers))
        assert told, screen
        seen = {one["step"]: one for one in told["shift"] if one["looked_at_by_safelight"]}
        return {step: (one["executed"], one["note"]) for step, one in seen.items()}

    numbers = (True, "99 for patient, 99 for accession")
    with RehearsalHome(bench.home, bench.port).served(bench.folder / "serve.log"):
        imported = bench.program("gateway", "worklist", "import", _extract(bench.folder, 2), *home)
        assert imported.returncode == 0, imported.stderr
        assert looked() == {"worklist": (True, "2 steps of today"), "numbers": numbers}
    nobody = (False, "no answer: gateway.peer-unreachable")
    assert looked() == {"worklist": nobody, "numbers": numbers}, "what is on record is no worklist that answers"


def test_a_shift_names_what_was_not_executed_and_is_written_into_the_plan_once(bench: Bench) -> None:
    answers = bench.folder / "a.yaml"
    answers.write_text(
        "steps:\n"
        "  - {step: paper-forms, executed: yes}\n"
        "  - {step: labels, executed: no, note: the printer, open: [{what: Toner, owner: paula}]}\n"
    )
    status, told, screen = bench.drill("--type", "downtime-shift", "--answers", str(answers))
    assert (status, told["state"], told["succeeded"]) == (1, "done", False), screen
    done = {one["step"]: one["executed"] for one in told["shift"]}
    assert done["paper-forms"]
    assert not done["labels"]
    assert not done["worklist"], "nothing is served here, so nothing answered"
    assert not done["downtime-first-day-1"]
    assert any("Hand out the packs" in one for one in told["not_executed"])
    bench.verified("1")

    home = ["--home", str(bench.home), "--json"]
    report = ["drill", "report", "1", "--write", str(bench.plan), *home]
    lint = ["plan", "lint", str(bench.plan), *home]
    assert json.loads(bench.program(*lint).stdout)["drills_not_written"] == ["1"]
    assert json.loads(bench.program(*report, "--dry-run").stdout)["written"]["file"] is None
    assert json.loads(bench.program(*report).stdout)["written"]["file"] == "drill-1.yaml"
    assert json.loads(bench.program(*lint).stdout)["drills_not_written"] == []
    again = bench.program(*report)
    assert json.loads(again.stderr)["error"]["code"] == "drill.written-already"
    (written,) = [one for one in _plan(bench.plan).drills if one.evidence]
    assert (written.kind, written.evidence) == ("downtime-shift", told["evidence_sha256"])
