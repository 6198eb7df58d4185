"""What was acknowledged is found by whoever looks next, and a `serve` that hangs hides nothing."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from support.raw_sender import RawAssociation, make_instance
from support.served_home import PROGRAM, ServedHome

pytestmark = pytest.mark.peer
STUDY = "1.2.826.0.1.3680043.8.498.77"


def _told(home: ServedHome, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [PROGRAM, *words, "--json", "--home", str(home.home)], capture_output=True, check=True, timeout=120, text=True
    )
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def test_every_instance_that_was_just_answered_is_counted_and_found(tmp_path: Path) -> None:
    dice = random.Random(4)
    with ServedHome(tmp_path / "home", tmp_path / "log") as home:
        home.init()
        home.start()
        for sent in range(1, 61):
            instance = make_instance(STUDY, 1, sent, 16, dice)
            with RawAssociation(home.port, "SAFELIGHT") as association:
                association.send([instance], lambda _, status: None)
                association.drain(lambda _, status: None)
            if sent % 20 == 0:
                status = _told(home, "status")
                assert status["instances_landed"] == sent
                found = _told(home, "catalog", "find", "--study", STUDY)["studies"]
                assert isinstance(found, list)
                assert found[0]["instances"] == sent


def test_a_serve_that_does_not_answer_keeps_nobody_from_looking(tmp_path: Path) -> None:
    with ServedHome(tmp_path / "home", tmp_path / "log") as home:
        home.init()
        home.start()
        home.freeze()
        assert _told(home, "status")["instances_landed"] == 0
