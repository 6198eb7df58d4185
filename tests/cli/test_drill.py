"""The drill commands as people and programs type them."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from safelight.cli.drill import KINDS
from safelight.plan.words import DrillKind
from support.hl7_house import make_home
from support.served_home import PROGRAM, free_port

WHO = ["--reason", "practice", "--by", "A. Admin"]
SCRIPT = """title: Two calls
injects:
  - {id: one, tells: It is slow., it: Who says so?, radiology: Whom do you tell?}
  - {id: two, tells: It is gone., it: What now?, radiology: Where do you look?, roles: [radiology-lead, clerk]}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path, free_port()).directory


def run(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "drill", *arguments, "--home", str(home)]
    return subprocess.run(command, input=given, capture_output=True, check=False, text=True, timeout=60)


def test_every_type_of_the_plan_can_be_run() -> None:
    assert set(KINDS) == set(DrillKind)


@pytest.mark.slow
def test_a_table_top_is_played_from_the_terminal_cut_off_gone_on_with_and_ages(home: Path, tmp_path: Path) -> None:
    plan, script = tmp_path / "plan", tmp_path / "s.yaml"
    script.write_text(SCRIPT)
    subprocess.run([PROGRAM, "plan", "init", str(plan), "--example", "400-bed"], check=True, capture_output=True)
    before = run(home, "list", "--plan", str(plan), "--json")
    assert before.returncode == 1
    assert {one["why"] for one in json.loads(before.stdout)["planned"]} == {"never done"}

    dry = run(home, "run", "--type", "table-top", "--script", str(script), *WHO, "--dry-run")
    assert "Nothing was begun." in dry.stdout
    assert "would be asked: It is gone.\n      IT: What now?\n      Radiology: Where do you look?" in dry.stdout
    assert "not a success" not in dry.stdout

    table_top = ["run", "--plan", str(plan), "--rehearsal", "table-top", "--script", str(script), *WHO]
    cut = run(home, *table_top, given="Dr. Mei\n\nOmar\nPaula\nTry the pager\nomar\n\n")
    assert cut.stderr.count("Who is here as") == 2, "once for each role, before the clock runs"
    assert "radiology-lead: Dr. Mei; clerk: NOBODY HERE" in " ".join(cut.stderr.replace("│", " ").split())
    assert "Ask radiology" in cut.stderr
    assert cut.returncode == 130, "the terminal was gone before the second inject was answered"
    for option in ("--abandon", "--resume"):
        dry = run(home, "run", option, "1", "--dry-run", *WHO)
        assert (dry.returncode, "Nothing was recorded." in dry.stdout) == (0, True)
    again = run(home, "run", "--type", "table-top", *WHO, "--json")
    assert json.loads(again.stderr)["error"]["code"] == "drill.runs"

    answers = tmp_path / "a.yaml"
    answers.write_text("answers: [{inject: two, it: Restore, radiology: At the scanner}]")
    done = run(home, "run", "--resume", "1", "--answers", str(answers), *WHO, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["succeeded"]) == (0, "done", True)
    (item,) = told["open_items"]
    assert (item["item"], item["what"], item["owner"], item["inject"]) == ("1.1", "Try the pager", "omar", "one")
    assert [one["it"] for one in told["injects"]] == ["Omar", "Restore"]
    assert "Try the pager" in run(home, "report").stdout
    seats = [{"role": "radiology-lead", "name": "Dr. Mei"}, {"role": "clerk", "name": None}]
    assert [one["roles"] for one in told["injects"]] == [[], seats]
    with zipfile.ZipFile(home / "evidence/drill-1.zip") as members:
        assert any(b"Dr. Mei" in members.read(name) for name in members.namelist())
    _check_bundle(home, tmp_path)
    assert "1.1      no day yet" in run(home, "item", "list").stdout
    given = ["item", "assign", "1.1", "--owner", "paula", "--due", "2999-01-31", *WHO]
    assert run(home, *given, "--dry-run").stdout == "1.1 can be with paula, due 2999-01-31.\n"
    assert json.loads(run(home, "item", "list", "--json").stdout)["items"][0]["due_on"] is None
    assert run(home, *given).stdout == "1.1 is with paula, due 2999-01-31.\n"
    (item,) = json.loads(run(home, "item", "list", "--json").stdout)["items"]
    assert (item["owner"], item["due_on"], item["overdue"]) == ("paula", "2999-01-31", False)
    assert "1.1 Try the pager (one), owner: paula, due 2999-01-31" in run(home, "report").stdout
    assert _code(run(home, "item", "assign", "1.1", "--due", "2020-01-31", *WHO, "--json")) == "drill.bad-assignment"
    assert _code(run(home, "item", "assign", "1.7", "--due", "2999-01-31", *WHO, "--json")) == "drill.out-of-turn"
    assert run(home, "item", "close", "1.1", "--reason", "tried; it works", "--by", "Omar").returncode == 0
    assert json.loads(run(home, "item", "list", "--json").stdout) == {"items": [], "open": 0, "overdue": 0}
    assert _code(run(home, "item", "close", "1.1", *WHO, "--json")) == "drill.out-of-turn"
    assert _code(run(home, *given, "--json")) == "drill.out-of-turn", "what is closed is given to nobody"
    assert _code(run(home, "item", "close", "1.7", *WHO, "--json")) == "drill.out-of-turn"

    colours = _colours(run(home, "list", "--plan", str(plan), "--json"))
    assert colours == {"tier-restore": "red", "table-top": "green"}
    systems = plan / "systems.yaml"
    systems.write_text(systems.read_text().replace("name: PACS\n", "name: The new PACS\n"))
    assert _colours(run(home, "list", "--plan", str(plan), "--json"))["table-top"] == "red"


def _check_bundle(home: Path, folder: Path) -> None:
    """Check a drill's bundle as an auditor does: with the script in it, isolated from us, and with a bit turned."""
    bundle, script = home / "evidence/drill-1.zip", folder / "verify_bundle.py"
    with zipfile.ZipFile(bundle) as members:
        script.write_bytes(members.read("verify_bundle.py"))
    check = [sys.executable, "-I", "-S", str(script)]
    key = ["--public-key", str(home / "keys/signing.pub")]
    done = subprocess.run([*check, str(bundle), *key], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "bent.zip").write_bytes(data)
    assert subprocess.run([*check, str(folder / "bent.zip"), *key], capture_output=True, check=False).returncode == 1


def _colours(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {one["rehearsal"]: one["colour"] for one in json.loads(done.stdout)["planned"]}


@pytest.mark.slow
def test_a_restore_is_refused_without_a_target_into_production_and_in_an_outage(home: Path) -> None:
    restore = ["run", "--type", "restore-tier", *WHO, "--json"]
    assert _code(run(home, *restore)) == "drill.no-rehearsal-target"
    with (home / "safelight.toml").open("a") as settings:
        settings.write('\n[reconciliation]\ntarget = "PACS@127.0.0.1:104"\n')
    assert _code(run(home, *restore, "--rehearsal-target", "X@localhost:104")) == "drill.production-target"
    dry = run(home, *restore, "--rehearsal-target", "X@localhost:105", "--dry-run")
    assert dry.returncode == 0
    assert json.loads(run(home, "list", "--json").stdout)["drills"] == [], "nothing of this was recorded"
    subprocess.run(
        [PROGRAM, "downtime", "declare", "--scope", "pacs", *WHO, "--home", str(home)], check=True, capture_output=True
    )
    assert _code(run(home, *restore, "--rehearsal-target", "X@localhost:105")) == "drill.hospital-away"


def _code(done: subprocess.CompletedProcess[str]) -> str:
    return str(json.loads(done.stderr)["error"]["code"])
