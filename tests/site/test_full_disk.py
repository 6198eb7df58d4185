"""A full disk: senders are told to wait, what is held is still given out, and receiving goes on by itself."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.power import Memory, can_mount
from support.real_files import all_files
from support.served_home import PROGRAM, ServedHome

pytestmark = pytest.mark.peer
KEPT_FREE = 1_000_000
"""Below the reserve, which is a twentieth of the disk; SQLite still has room."""

needs_mounts = pytest.mark.skipif(not can_mount(), reason="a small disk needs root, to be mounted")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Memory]:
    mounted = Memory(tmp_path / "disk", 96)
    yield mounted
    mounted.remove()


def _file(name: str) -> Path:
    return next(path for path in all_files() if path.name == name)


def _store(port: int, *paths: Path) -> list[str]:
    """Return the names of the statuses that DCMTK's storescu was answered with, over one association."""
    command = ["/usr/bin/storescu", "-v", "-nh", "-aec", "SAFELIGHT", "127.0.0.1", str(port), *map(str, paths)]
    said = subprocess.run(command, check=False, text=True, capture_output=True, timeout=60)
    lines = [line for line in (said.stdout + said.stderr).splitlines() if "Received Store Response" in line]
    assert len(lines) == len(paths), said.stderr
    return [line.partition("(")[2].rstrip(")") for line in lines]


def _findings(home: Path) -> list[str]:
    told = subprocess.run(
        [PROGRAM, "status", "--home", str(home), "--json"], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return [finding["code"] for finding in json.loads(told.stdout)["findings"]]


@needs_mounts
@pytest.mark.parametrize("left", [KEPT_FREE, 0])
def test_a_full_disk_answers_out_of_resources_and_goes_on_when_there_is_room(
    disk: Memory, tmp_path: Path, left: int
) -> None:
    with ServedHome(disk.mount / "home", tmp_path / "serve.log") as home:
        home.init()
        home.start()
        assert _store(home.port, _file("CT_small.dcm")) == ["Success"]
        home.pack_everything()
        assert _store(home.port, _file("rtplan.dcm")) == ["Success"]
        assert "vault.landing-full" not in _findings(home.home)

        # One of both lies in a pack, the other still in the landing log, unless it was packed just now.
        disk.fill(left)
        for _ in range(3):
            assert _store(home.port, _file("MR_small.dcm")) == ["Refused: OutOfResources"]
        held = home.held(tmp_path / "while full")
        assert len(held) == 2
        assert "vault.landing-full" in _findings(home.home)

        disk.free()
        assert _store(home.port, _file("MR_small.dcm")) == ["Success"]
        assert "vault.landing-full" not in _findings(home.home)
        after = home.held(tmp_path / "after")
        assert len(after) == 3
        assert held < after
        home.pack_everything()
        home.verify_deep()
        home.stop()


def test_a_landing_log_at_its_limit_answers_out_of_resources_until_it_is_packed(tmp_path: Path) -> None:
    with ServedHome(tmp_path / "home", tmp_path / "serve.log") as home:
        home.init()
        settings = home.home / "safelight.toml"
        settings.write_text(settings.read_text().replace("landing_bytes_max = 8589934592", "landing_bytes_max = 30000"))
        home.start()
        # The limit is looked at before an instance is taken in; the first one alone is longer.
        answers = _store(home.port, _file("CT_small.dcm"), _file("rtplan.dcm"))
        assert answers == ["Success", "Refused: OutOfResources"]
        assert len(home.held(tmp_path / "held")) == 1
        home.pack_everything()
        assert _store(home.port, _file("rtplan.dcm")) == ["Success"]
        assert len(home.held(tmp_path / "after")) == 2
        home.stop()
