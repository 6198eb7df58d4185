"""Pull and census as whole commands, against a PACS that misbehaves and against Orthanc, killed and gone on with."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.hostile_source import HostileSource, hostile_source
from support.served_home import PROGRAM, ServedHome
from support.source_model import Misbehaviour, ModelStudy, SourceModel, make_study

pytestmark = pytest.mark.peer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServedHome]:
    with ServedHome(tmp_path / "home", tmp_path / "serve.log") as served:
        served.init()
        yield served


def safelight(home: ServedHome, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [PROGRAM, *words, "--home", str(home.home), "--json"], capture_output=True, check=False, timeout=300
    )
    assert done.stdout, done.stderr.decode()[-3000:]
    return done.returncode, json.loads(done.stdout)


@contextmanager
def pacs(
    studies: list[ModelStudy], home: ServedHome, misbehaviour: Misbehaviour | None = None
) -> Iterator[HostileSource]:
    with hostile_source(SourceModel(studies, misbehaviour or Misbehaviour())) as source:
        source.destination = ("127.0.0.1", home.port)
        source.release.set()
        yield source


def named(source: HostileSource) -> list[str]:
    return ["--source", f"PACS@127.0.0.1:{source.port}"]


def a_department() -> list[ModelStudy]:
    return [
        *(make_study(n, f"202602{1 + n % 28:02}") for n in range(40)),
        *(make_study(100 + n, "20260110", time=f"{n % 24:02}{n % 60:02}00") for n in range(40)),
        *(make_study(200 + n, "") for n in range(40)),
        make_study(300, "20260203", series=0),
    ]


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_hostile_source_is_pulled_and_counted_whole(home: ServedHome, way: str) -> None:
    home.start()
    misbehaviour = Misbehaviour(row_limit=25, duplicate_rows=True, early_move=True)
    with pacs(a_department(), home, misbehaviour) as source:
        code, census = safelight(home, "protection", "census", *named(source))
        assert (code, census["complete"], census["whole"], census["row_limit"]) == (1, True, True, 25)
        assert (census["unprotected"], census["protected"]) == (120, 1)
        code, told = safelight(home, "protection", "pull", *named(source), "--way", way)
        assert (code, told["pulled"], told["failed"], told["complete"]) == (0, 120, 0, True)
        code, census = safelight(home, "protection", "census", *named(source))
        assert (code, census["complete"], census["protected"], census["instances_missing"]) == (0, True, 121, 0)
