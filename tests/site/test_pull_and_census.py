"""Pull and census as whole commands, against a PACS that misbehaves and against Orthanc, killed and gone on with."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from safelight.core.clock import SystemClock
from safelight.journal.journal import Journal
from safelight.protection.pull_record import KINDS, RANGE_ANSWERED, RETRIEVE_ENDED
from support.dicom_peers import orthanc
from support.hostile_source import HostileSource, hostile_source
from support.raw_sender import RawAssociation, make_instance
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
        *(make_study(n, f"202602{1 + n % 28:02}", instances=1) for n in range(10)),
        *(make_study(100 + n, "20260110", time=f"{n % 24:02}{n % 60:02}00", instances=1) for n in range(30)),
        *(make_study(200 + n, "", patient=f"{n % 10}{n}", instances=1) for n in range(30)),
        make_study(300, "20260203", series=0),
    ]


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_hostile_source_is_pulled_and_counted_whole(home: ServedHome, way: str) -> None:
    home.start()
    misbehaviour = Misbehaviour(row_limit=25, duplicate_rows=True, early_move=True)
    with pacs(a_department(), home, misbehaviour) as source:
        code, census = safelight(home, "protection", "census", *named(source))
        assert (code, census["complete"], census["whole"], census["row_limit"]) == (1, True, True, 25)
        assert (census["unprotected"], census["protected"]) == (70, 1)
        code, told = safelight(home, "protection", "pull", *named(source), "--way", way)
        assert (code, told["pulled"], told["failed"], told["complete"]) == (0, 70, 0, True)
        code, census = safelight(home, "protection", "census", *named(source))
        assert (code, census["complete"], census["protected"], census["instances_missing"]) == (0, True, 71, 0)


def pull_facts(home: ServedHome) -> list[tuple[str, Mapping[str, Any]]]:
    """Read what pulls have recorded, also while one runs."""
    journal = Journal.open(home.home / "journal.db", SystemClock(), "any", read_only=True)
    try:
        return [(entry.kind, entry.facts) for entry in journal.entries(kinds=KINDS)]
    finally:
        journal.close()


def fill(port: int, studies: int, instances: int) -> dict[str, str]:
    """Store invented studies in a PACS and return the digests by study."""
    dice = random.Random(7)
    made = [make_instance(f"2.25.77{n}", 1, i, 96, dice) for n in range(studies) for i in range(1, instances + 1)]
    refused = []
    with RawAssociation(port, "ARCHIVE") as association:
        association.send(made, lambda instance, status: refused.append(instance.uid) if status else None)
    assert not refused
    return {instance.digest: instance.study for instance in made}


def test_a_killed_pull_goes_on_where_it_stopped(home: ServedHome, tmp_path: Path) -> None:
    with orthanc(tmp_path, home.port) as archive:
        expected = fill(archive.peer.port, studies=18, instances=5)
        source = ["--source", str(archive.peer)]
        command = [PROGRAM, "protection", "pull", *source, "--rate", "0.5", "--home", str(home.home), "--json"]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            pause = threading.Event()
            while sum(kind == RETRIEVE_ENDED for kind, _ in pull_facts(home)) < 6:
                assert killed.poll() is None, "the pull ended before it could be killed"
                pause.wait(0.02)
        finally:
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
        ranges = [facts for kind, facts in pull_facts(home) if kind == RANGE_ANSWERED]
        code, told = safelight(home, "protection", "pull", *source)
        assert (code, told["resumed"], told["pulled"], told["failed"]) == (0, True, 18, 0), told["unknown"]
        facts = pull_facts(home)
        again = [facts for kind, facts in facts if kind == RANGE_ANSWERED][len(ranges) :]
        assert not {_range(one) for one in ranges} & {_range(one) for one in again}
        fetched = Counter(facts["study"] for kind, facts in facts if kind == RETRIEVE_ENDED)
        assert set(fetched) == set(expected.values())
        assert set(fetched.values()) == {1}
        code, census = safelight(home, "protection", "census", *source, "--level", "instance")
        assert (code, census["complete"], census["protected"]) == (0, True, 18)
    assert home.held(tmp_path / "out") == set(expected)


def _range(facts: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(facts[key] for key in ("first", "last", "patient", "modality", "seconds"))


def test_a_census_remembers_and_asks_deeper_only_where_something_changed(home: ServedHome) -> None:
    studies = [make_study(n, f"202602{1 + n % 3:02}", series=2) for n in range(9)]
    with pacs(studies, home) as source:
        settings = home.home / "safelight.toml"
        name = f"PACS@127.0.0.1:{source.port}"
        settings.write_text(settings.read_text().replace('\nsource = ""', f'\nsource = "{name}"'))
        safelight(home, "protection", "pull")
        assert exposure(home)[0] is None
        changed = next(study for study in studies if study.date == "20260202")
        changed.series[f"{changed.uid}.2"].append(f"{changed.uid}.2.9")
        day = ["--from", "20260202", "--to", "20260202"]
        code, told = safelight(home, "protection", "census", *day)
        assert (code, told["complete"], told["whole"], told["protected"], told["differing"]) == (1, True, False, 2, 1)
        assert exposure(home)[0] is None, "a census of one day says nothing of the others"
        asked = source.finds
        code, again = safelight(home, "protection", "census", *day)
        assert (again["differing"], again["queries"]) == (1, 1)
        assert source.finds == asked + 1, "nothing changed, so nothing is asked about the series"
        code, told = safelight(home, "protection", "census")
        assert (code, told["complete"], told["protected"], told["differing"]) == (1, True, 8, 1)
        assert exposure(home)[0] is not None
        gone = studies.pop(0)
        source.model.studies = studies
        code, told = safelight(home, "protection", "census")
        assert (told["vanished"], told["vanished_studies"], told["only_in_vault"]) == (1, [gone.uid], 1)
        home.start()
        assert exposure(home)[0] is not None
        assert safelight(home, "catalog", "find", "--study", gone.uid)[1]["studies"]
        home.stop()
        safelight(home, "catalog", "rebuild")
        assert exposure(home)[0] is None, "what the census found is not in the vault"
        assert safelight(home, "protection", "census")[1]["differing"] == 1
        assert exposure(home)[0] is not None


def test_a_mass_deletion_at_the_source_is_told(home: ServedHome) -> None:
    studies = [make_study(n, f"202602{1 + n % 28:02}") for n in range(60)]
    with pacs(studies, home) as source:
        safelight(home, "protection", "census", *named(source))
        source.model.studies = studies[:30]
        told = safelight(home, "protection", "census", *named(source))[1]
        assert (told["vanished"], told["complete"]) == (30, True)
        codes = [one["code"] for one in safelight(home, "status")[1]["findings"]]
        assert "protection.mass-deletion" in codes


def exposure(home: ServedHome) -> tuple[int | None, list[str]]:
    told = safelight(home, "status")[1]
    return told["exposure_seconds"], told["exposure_because"]


def test_a_sender_that_changes_much_at_once_is_told_once(home: ServedHome) -> None:
    home.start()
    for roll in (1, 2):
        dice = random.Random(roll)
        made = [make_instance("2.25.7", 1, number, 4, dice) for number in range(1, 71)]
        with RawAssociation(home.port, "SAFELIGHT") as association:
            association.send(made, lambda instance, status: None)
    home.stop()
    home.start()
    codes = Counter(one["code"] for one in safelight(home, "status")[1]["findings"])
    assert (codes["protection.mass-change"], codes["protection.version-conflict"]) == (1, 49)


def test_a_copy_that_was_not_seen_in_time_is_told_without_serve(home: ServedHome) -> None:
    with pacs([make_study(1, "20260201")], home) as source:
        safelight(home, "protection", "pull", *named(source))
    safelight(home, "vault", "pack")
    with sqlite3.connect(home.home / "catalog.db") as catalog:
        catalog.execute("UPDATE copy SET checked_at = '2020-01-01T00:00:00.000000Z'")
    codes = [one["code"] for one in safelight(home, "status")[1]["findings"]]
    assert "protection.scrub-behind" in codes
