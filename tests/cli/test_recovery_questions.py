"""Before a refill begins, somebody at a terminal is asked what it may set off."""

import os
import pty
import subprocess
from pathlib import Path

from support.served_home import PROGRAM


def test_whoever_says_no_at_the_terminal_begins_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"n\n")
        command = [PROGRAM, "recovery", "start", "--target", "PACS@127.0.0.1:1", "--reason", "r", "--by", "b"]
        done = subprocess.run(
            [*command, "--home", str(tmp_path / "none")], stdin=theirs, capture_output=True, check=False, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"Will the target forward what it receives" in done.stderr
    assert b"recovery.side-effects-not-accepted" in done.stderr


def test_where_nobody_can_be_asked_it_is_told_and_goes_on(tmp_path: Path) -> None:
    command = [PROGRAM, "recovery", "start", "--target", "PACS@127.0.0.1:1", "--reason", "r", "--by", "b"]
    done = subprocess.run(
        [*command, "--home", str(tmp_path / "none")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert b"nobody answered these questions" in done.stderr
    # It went on as far as there is a home.
    assert b"recovery.side-effects-not-accepted" not in done.stderr
    assert b"site." in done.stderr


def test_a_recovery_to_a_folder_asks_nothing(tmp_path: Path) -> None:
    command = [PROGRAM, "recovery", "start", "--to", str(tmp_path / "out"), "--reason", "r", "--by", "b"]
    done = subprocess.run(
        [*command, "--home", str(tmp_path / "none")], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert b"Will the target" not in done.stderr
