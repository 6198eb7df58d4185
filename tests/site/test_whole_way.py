"""From the door, or a folder, into the vault and out again, with the real program and real peers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.real_files import all_files
from support.served_home import PROGRAM, ServedHome, free_port

pytestmark = pytest.mark.peer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServedHome]:
    with ServedHome(tmp_path / "home", tmp_path / "serve.log") as served:
        served.init()
        served.start()
        yield served


def _sendable() -> list[Path]:
    """Real images of the commonest kinds that DCMTK sends as they are."""
    names = ("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "rtplan.dcm", "test-SR.dcm")
    return [path for path in all_files() if path.name in names]


def _safelight(*words: str, home: Path) -> dict[str, object]:
    done = subprocess.run(
        [PROGRAM, *words, "--home", str(home), "--json"], stdout=subprocess.PIPE, check=False, timeout=120
    )
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_an_unknown_caller_is_refused_and_a_named_one_is_not(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    init = ["init", "--site", "S", "--ae-title", "HERE", "--dicom-port", str(port)]
    _safelight(*init, home=home)
    served = ServedHome(home, tmp_path / "log")
    served.port = port
    with served:
        served.start()
        echo = ["/usr/bin/echoscu", "-aec", "HERE", "-aet", "CT1", "127.0.0.1", str(port)]
        assert subprocess.run(echo, check=False, stderr=subprocess.DEVNULL).returncode != 0
        subprocess.run([PROGRAM, "gateway", "peer", "add", "CT1", "127.0.0.1:104", "--home", str(home)], check=True)
        assert subprocess.run(echo, check=False).returncode == 0
        wrong = ["/usr/bin/echoscu", "-aec", "OTHER", "-aet", "CT1", "127.0.0.1", str(port)]
        assert subprocess.run(wrong, check=False, stderr=subprocess.DEVNULL).returncode != 0
        served.stop()


def test_a_second_serve_on_one_home_refuses(home: ServedHome) -> None:
    second = subprocess.run([PROGRAM, "serve", "--home", str(home.home)], capture_output=True, check=False, timeout=60)
    assert second.returncode == 10
    assert b"site.home-in-use" in second.stderr
    home.stop()


def test_a_rebuilt_catalog_says_the_same(tmp_path: Path) -> None:
    from safelight.catalog.catalog import Catalog

    source = tmp_path / "source"
    source.mkdir()
    for path in _sendable():
        (source / path.name).write_bytes(path.read_bytes())
    home = tmp_path / "home"
    _safelight("init", "--site", "S", "--ae-title", "S", "--dicom-port", "11112", home=home)
    _safelight("protection", "seed", str(source), home=home)
    before = _dump(Catalog, home)
    for file in home.glob("catalog.db*"):
        file.unlink()
    _safelight("vault", "verify", home=home)
    after = _dump(Catalog, home)
    assert before == after
    assert len(before) > 10


def _dump(catalog_type: type, home: Path) -> list[str]:
    catalog = catalog_type.open(home / "catalog.db", read_only=True)
    try:
        return list(catalog.dump())
    finally:
        catalog.close()


def test_a_flipped_bit_in_either_placement_is_named_and_healed(tmp_path: Path) -> None:
    home, second, source = tmp_path / "home", tmp_path / "second", tmp_path / "source"
    source.mkdir()
    for path in _sendable():
        (source / path.name).write_bytes(path.read_bytes())
    init = ["init", "--site", "S", "--ae-title", "S", "--dicom-port", "11112", "--second", str(second)]
    _safelight(*init, home=home)
    _safelight("protection", "seed", str(source), home=home)
    for place in (home / "vault", second):
        pack = sorted(place.rglob("*.age"))[0]
        whole = pack.read_bytes()
        pack.write_bytes(whole[:700] + bytes([whole[700] ^ 4]) + whole[701:])
        told = _safelight("vault", "verify", home=home)
        damaged = told["damaged"]
        assert isinstance(damaged, list)
        assert [(one["name"], one["healed"]) for one in damaged] == [(pack.name.partition(".")[0], True)]
        assert pack.read_bytes() == whole
        assert told["whole"]


def test_a_killed_recovery_goes_on_and_ends_confirmed(tmp_path: Path) -> None:
    source, out, home = tmp_path / "source", tmp_path / "out", tmp_path / "home"
    source.mkdir()
    for path in _sendable():
        (source / path.name).write_bytes(path.read_bytes())
    _safelight("init", "--site", "S", "--ae-title", "S", "--dicom-port", "11112", home=home)
    _safelight("protection", "seed", str(source), home=home)
    who = ["--reason", "test", "--by", "me"]
    command = [sys.executable, "-m", "safelight", "recovery", "start", "--to", str(out), *who, "--home", str(home)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    look = [PROGRAM, "recovery", "status", "--home", str(home), "--json"]
    while running.poll() is None and subprocess.run(look, capture_output=True, check=False).returncode != 0:
        pass
    running.kill()
    running.wait()
    begun = _safelight("recovery", "status", home=home)
    ended = begun if begun["state"] == "finished" else _safelight("recovery", "resume", *who, home=home)
    assert ended["all_confirmed"], ended
    bundle = tmp_path / "evidence.zip"
    _safelight("evidence", "export", "--to", str(bundle), home=home)
    checked = subprocess.run([PROGRAM, "evidence", "verify", str(bundle), "--json"], stdout=subprocess.PIPE, check=True)
    assert json.loads(checked.stdout)["whole"]
