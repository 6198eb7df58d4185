"""Damage to a home that the commands of the program must find, name and, where another copy is, heal."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from safelight.core.progress import silent
from safelight.site.flushing import pack_everything
from support.crash_acts import Day, found_home, receive
from support.crash_site import Machine
from support.raw_sender import RawInstance, make_instance
from support.served_home import PROGRAM, ServedHome

STUDY = "2.25.911"


def _instances() -> list[RawInstance]:
    return [make_instance(STUDY, 1, number, 40, random.Random(number)) for number in (1, 2, 3)]


def _received(folder: Path, *, packed: bool) -> Path:
    """Make a home that received three instances; return where it lies."""
    root = folder / "root"
    found_home(root)
    with Machine(root) as machine, machine.site() as site:
        receive(site, Day(), _instances())
        if packed:
            pack_everything(site, silent)
    return root / "home"


def _told(home: Path, *words: str, exit_code: int = 0) -> Any:
    done = subprocess.run([PROGRAM, *words, "--home", str(home), "--json"], capture_output=True, check=False)
    assert done.returncode == exit_code, done.stderr.decode()
    return json.loads(done.stdout)


def _flip(file: Path, near: bytes, offset: int = 0) -> None:
    data = bytearray(file.read_bytes())
    place = data.find(near)
    assert place >= 0
    data[place + offset] ^= 4
    file.write_bytes(data)


@pytest.mark.parametrize("number", range(3))
def test_a_bit_that_flips_in_a_landed_record_is_named_until_the_instance_comes_again(
    tmp_path: Path, number: int
) -> None:
    home, instances = _received(tmp_path, packed=False), _instances()
    _flip(home / "landing" / "000001.log", instances[number].data, 3000)
    for _ in range(2):
        told = _told(home, "vault", "verify", exit_code=1)
        assert [(one["what"], one["name"], one["healed"]) for one in told["damaged"]] == [
            ("landing-record", instances[number].uid, False)
        ]
    with Machine(home.parent) as machine, machine.site() as site:
        receive(site, Day(), [instances[number]])
        pack_everything(site, silent)
    told = _told(home, "vault", "verify")
    assert [one["healed"] for one in told["damaged"]] == [True]
    assert _told(home, "vault", "verify")["damaged"] == []
    assert _told(home, "vault", "export", "--all", "--to", str(tmp_path / "out"))["files"] == 3


def test_a_bit_that_flips_in_a_sealed_journal_entry_is_named_by_check_and_healed_by_verify(tmp_path: Path) -> None:
    home = _received(tmp_path, packed=True)
    _flip(home / "journal.db", b'"recovery_recipient"', 25)
    looks = {one["what"]: one["ok"] for one in _told(home, "check", exit_code=1)["checks"]}
    assert not looks["journal"]
    told = _told(home, "vault", "verify")
    assert [(one["what"], one["name"], one["healed"]) for one in told["damaged"]] == [("journal-entry", "1", True)]
    assert _told(home, "vault", "verify")["damaged"] == []


def test_a_copy_that_is_gone_from_the_second_placement_is_named_and_made_again(tmp_path: Path) -> None:
    home = _received(tmp_path, packed=True)
    packs = sorted((tmp_path / "root" / "second" / "packs").rglob("*.age"))
    packs[0].unlink()
    told = _told(home, "vault", "verify")
    assert [(one["name"], one["place"], one["healed"]) for one in told["damaged"]] == [
        (packs[0].name.partition(".")[0], "second", True)
    ]
    assert packs[0].exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut short"])
def test_a_catalog_that_is_no_longer_one_is_rebuilt_by_whoever_opens_the_home(tmp_path: Path, damage: str) -> None:
    home = _received(tmp_path, packed=True)
    catalog = home / "catalog.db"
    whole = catalog.read_bytes()
    spoiled = {"empty": b"", "garbage": random.Random(1).randbytes(len(whole)), "cut short": whole[:8192]}
    if damage == "missing":
        catalog.unlink()
    else:
        catalog.write_bytes(spoiled[damage])
    rebuilt = _told(home, "catalog", "rebuild")
    assert rebuilt["instances"] == 3
    assert [one["study"] for one in _told(home, "catalog", "find", "--study", STUDY)["studies"]] == [STUDY]
    assert _told(home, "vault", "verify")["damaged"] == []


@pytest.mark.peer
def test_a_server_that_starts_on_a_spoiled_catalog_rebuilds_it_and_serves(tmp_path: Path) -> None:
    home = _received(tmp_path, packed=True)
    (home / "catalog.db").write_bytes(random.Random(1).randbytes(20_000))
    with ServedHome(home, tmp_path / "serve.log") as served:
        settings = home / "safelight.toml"
        settings.write_text(settings.read_text().replace("11112", str(served.port)))
        served.start()
        wanted = {one.digest for one in _instances()}
        assert served.held(tmp_path / "out", STUDY) == wanted
        served.stop()
