"""A recovery whose target does not answer: said at once, told while it waits, and gone on with."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.core.clock import SetClock
from safelight.core.progress import Progress
from safelight.recovery.facts import Paused, Probed, TargetLost
from safelight.recovery.recipes import MAY_BE_ORTHANC
from safelight.recovery.state import fold
from safelight.site.recoveries import document_of
from safelight.site.recovery_progress import Watch
from support.dicom_peers import free_port
from support.real_files import all_files
from support.recovery_journal import START, Rehearsal
from support.recovery_target import MemoryHoldings, held
from support.refilled_archive import dcmqrscp
from support.served_home import PROGRAM

WHO = ("--reason", "the array died", "--by", "K. Lee")


def one_study() -> Rehearsal:
    return Rehearsal(MemoryHoldings({"A": [held("1.1")]}))


def safelight(home: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [PROGRAM, *words, "--home", str(home), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    return done.returncode, json.loads(done.stdout or done.stderr.splitlines()[-1])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    safelight(home, "init", "--site", "S", "--ae-title", "SAFELIGHT", "--dicom-port", str(free_port()))
    return home


@pytest.mark.peer
def test_a_target_that_never_answered_is_said_at_once_and_nothing_is_begun(home: Path) -> None:
    port = free_port()
    code, told = safelight(home, "recovery", "start", "--target", f"PACS@127.0.0.1:{port}", *WHO)
    assert (code, told["error"]["code"]) == (20, "recovery.target-silent")
    assert told["error"]["facts"] == {
        "target": f"PACS@127.0.0.1:{port}",
        "calling": "SAFELIGHT_REFILL",
        "error": "gateway.peer-unreachable",
    }
    assert "--wait" in told["error"]["hint"]
    _, told = safelight(home, "recovery", "status")
    assert told["error"]["code"] == "recovery.none"


@pytest.mark.peer
def test_whoever_waits_is_told_each_attempt_and_a_resume_says_at_once_that_nothing_answers(
    home: Path, tmp_path: Path
) -> None:
    _hold_one_study(home, tmp_path)
    command = [PROGRAM, "recovery", "start", "--target", f"PACS@127.0.0.1:{free_port()}", *WHO, "--wait"]
    with subprocess.Popen([*command, "--home", str(home)], stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        line = next(one for one in waiting.stderr if one.startswith("target:"))
        waiting.kill()
    assert line.startswith("target: 1 of 10 attempts (it does not answer, next in")

    code, told = safelight(home, "recovery", "resume", *WHO)
    assert (code, told["error"]["code"]) == (20, "recovery.target-silent")
    _, told = safelight(home, "recovery", "status")
    assert told["target_silent"]["attempts"] >= 1
    assert told["target_silent"]["attempts_max"] == 10
    done = subprocess.run([PROGRAM, "recovery", "status", "--home", str(home)], stdout=subprocess.PIPE, check=True)
    assert b"the target does not answer: attempt" in done.stdout


@pytest.mark.peer
def test_what_the_probe_remarks_is_told_in_words(home: Path, tmp_path: Path) -> None:
    _hold_one_study(home, tmp_path)
    with dcmqrscp(tmp_path) as pacs:
        command = [PROGRAM, "recovery", "start", "--target", pacs.address, *WHO, "--accept-side-effects"]
        done = subprocess.run([*command, "--home", str(home)], stdout=subprocess.PIPE, check=False, timeout=60)
    assert b"the target may be an Orthanc: give --target-url" in done.stdout
    assert safelight(home, "recovery", "status")[1]["remarks"] == [MAY_BE_ORTHANC]


def test_a_pause_says_why_and_the_command_that_goes_on() -> None:
    it = one_study()
    it.archive.unreachable = 10
    document = document_of(it.run())
    assert (document["state"], document["paused_because"], document["paused_by"]) == (
        "paused",
        "target-unreachable",
        "safelight",
    )
    assert document["target_silent"] == {"attempts": 10, "attempts_max": 10, "next_at": None}
    assert "safelight recovery resume R1 --reason WHY --by NAME" in document["hint"]


def test_the_pause_of_a_person_is_not_told_as_trouble_with_the_target() -> None:
    it = one_study()
    it.recorder.coming.append(Paused("R1", START, "clinic opens", "K. Lee"))
    document = document_of(it.run())
    assert (document["paused_because"], document["target_silent"]) == ("clinic opens", None)
    assert document["hint"] == "Go on with: safelight recovery resume R1 --reason WHY --by NAME"


def test_a_recovery_that_goes_on_tells_neither_pause_nor_hint() -> None:
    it = one_study()
    document = document_of(it.run())
    assert [document[name] for name in ("paused_because", "paused_by", "target_silent", "hint")] == [None] * 4


def test_progress_tells_each_attempt_in_vain_and_that_the_target_answers_again() -> None:
    told: list[Progress] = []
    clock = SetClock(START)
    watch = Watch(clock, told.append)
    it = one_study()
    it.archive.unreachable = 10
    it.run()
    lost = [fact for fact in it.recorder.facts() if isinstance(fact, TargetLost)]
    state = it.recorder.state()
    state.target_lost, state.paused, state.probe_due = 0, None, None
    for fact in lost[:2]:
        clock.advance(fact.at - clock.now())
        watch(fold(state, fact))
        watch(state)
    clock.advance(timedelta(seconds=30))
    watch(fold(state, Probed("R1", clock.now(), "generic", "", "", ("get",), None)))
    watch(state)
    assert [(one.done, one.total, one.note) for one in told if one.stage == "target"] == [
        (1, 10, "it does not answer, next in 5 s"),
        (2, 10, "it does not answer, next in 10 s"),
        (2, 2, "it answers again"),
    ]


def _hold_one_study(home: Path, folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    (one,) = [path for path in all_files() if path.name == "MR_small.dcm"]
    (source / one.name).write_bytes(one.read_bytes())
    safelight(home, "protection", "seed", str(source))
