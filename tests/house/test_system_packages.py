"""Setting up a machine: what is missing is installed or named, and nothing is started."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / "tools").glob("debian-packages*.txt"))


@pytest.mark.parametrize("file", LISTS, ids=lambda path: path.name)
def test_every_package_says_what_it_is_needed_for(file: Path) -> None:
    lines = [line.split(maxsplit=1) for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert all(len(line) == 2 for line in lines)


def test_where_nothing_can_be_installed_the_missing_package_and_its_purpose_are_named(tmp_path: Path) -> None:
    wanted = tmp_path / "list.txt"
    wanted.write_text("# names\nno-such-package-here   a purpose of its own\nbash   the shell\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    # A machine where we are somebody else: `id` says so before anything is installed.
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "id").chmod(0o755)
    done = subprocess.run(
        [ROOT / "tools/system-packages", wanted],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "no-such-package-here" in done.stdout
    assert "a purpose of its own" in done.stdout
    assert "missing: bash" not in done.stdout
