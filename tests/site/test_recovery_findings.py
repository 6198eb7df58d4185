"""What a recovery asks of people: one finding while it is held, one for each study that was tried in vain."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.dicom_peers import free_port
from support.real_files import all_files
from support.refilled_archive import dcmqrscp
from support.served_home import PROGRAM, ServedHome

pytestmark = pytest.mark.peer
WHO = ("--reason", "clinic opens", "--by", "K. Lee")
NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")


def safelight(home: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [PROGRAM, *words, "--home", str(home), "--json"], stdout=subprocess.PIPE, check=False, timeout=120
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def recovery_findings(home: Path) -> list[tuple[str, str]]:
    found = safelight(home, "status")["findings"]
    return [(one["code"], one["subject"]) for one in found if one["code"].startswith("recovery.")]


def test_a_pause_is_one_finding_and_no_study_that_was_not_tried_is_one(tmp_path: Path) -> None:
    port, ours = free_port(), free_port()
    home, source = tmp_path / "home", tmp_path / "source"
    source.mkdir()
    for path in all_files():
        if path.name in NAMES:
            (source / path.name).write_bytes(path.read_bytes())
    subprocess.run(
        [PROGRAM, "init", "--home", str(home), "--site", "S", "--ae-title", "SAFELIGHT", "--dicom-port", str(ours)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    safelight(home, "protection", "seed", str(source))
    served = ServedHome(home, tmp_path / "serve.log")
    served.port = ours
    with served:
        served.start()
        start = ["recovery", "start", "--target", f"PACS@127.0.0.1:{port}", *WHO, "--accept-side-effects", "--wait"]
        with subprocess.Popen([PROGRAM, *start, "--home", str(home)], stderr=subprocess.PIPE, text=True) as waiting:
            assert waiting.stderr is not None
            next(line for line in waiting.stderr if line.startswith("target: 1 of"))
            safelight(home, "recovery", "pause", *WHO)
            assert waiting.wait(60) == 1
        assert recovery_findings(home) == [("recovery.paused", "1")]

        with dcmqrscp(tmp_path, port=port):
            assert safelight(home, "recovery", "resume", *WHO)["all_confirmed"]
        assert recovery_findings(home) == []
        served.stop()
