"""The program around the commands: every failure has words, a code and the exit code of who must act."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from safelight.cli import main as program
from support.served_home import PROGRAM

INIT = ["--site", "Test", "--ae-title", "SAFELIGHT", "--dicom-port", "11112"]


def run(*arguments: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        input=given or "",
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_the_first_steps_stand_on_lines_of_their_own_in_the_help() -> None:
    lines = run("--help").stdout.splitlines()
    assert "    safelight serve --home DIR" in lines
    assert not [line for line in lines if "\\b" in line]


def test_a_wrong_command_line_is_a_json_document_for_a_program() -> None:
    done = run("status", "--json")
    told = json.loads(done.stderr)["error"]
    assert done.returncode == told["exit"] == 2
    assert told["code"] == "cli.bad-command-line"
    assert "--home" in told["facts"]["told"]


def test_a_path_that_the_system_refuses_is_the_machine_owners_affair(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    done = run("init", "--home", tmp_path / "file" / "home", *INIT, "--json")
    told = json.loads(done.stderr)["error"]
    assert done.returncode == told["exit"] == 30
    assert told["code"] == "core.system-refused"
    assert told["facts"]["where"] == str(tmp_path / "file")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_defect_ends_with_70_and_never_with_the_code_of_a_missed_objective(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(program.program, "main", broken)
    monkeypatch.setattr("sys.argv", ["safelight", "status", *(["--json"] if as_json else [])])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 70
    told = capsys.readouterr().err
    assert "core.defect" in told
    assert "ZeroDivisionError" in told


def test_a_reader_that_is_gone_is_no_defect(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", "--home", home, *INIT).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [PROGRAM, "status", "--home", home], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


def test_the_recovery_key_is_confirmed_by_its_words_and_by_no_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = json.loads(run("init", "--home", home, *INIT, "--json").stdout)["recovery_words"]
    other = json.loads(run("init", "--home", tmp_path / "other", *INIT, "--json").stdout)["recovery_words"]

    wrong = run("vault", "confirm-key", "--home", home, "--json", given=other)
    assert (wrong.returncode, json.loads(wrong.stdout)) == (1, {"confirmed": False})
    assert "vault.recovery-key-unconfirmed" in run("status", "--home", home).stdout

    nonsense = run("vault", "confirm-key", "--home", home, "--json", given="abandon " * 23)
    assert json.loads(nonsense.stderr)["error"]["code"] == "vault.bad-recovery-words"

    right = run("vault", "confirm-key", "--home", home, "--json", given=words.upper())
    assert (right.returncode, json.loads(right.stdout)) == (0, {"confirmed": True})
    assert "vault.recovery-key-unconfirmed" not in run("status", "--home", home).stdout
