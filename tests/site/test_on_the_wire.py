"""What other vendors' senders put on the wire leaves the vault as it was there, whatever they made of the file."""

import json
import subprocess
import urllib.error
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from support.dicom_peers import NAGLE_OFF, Rest, orthanc_with_rest
from support.real_files import all_files
from support.served_home import ServedHome
from support.tap import Tap

pytestmark = pytest.mark.peer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServedHome]:
    with ServedHome(tmp_path / "home", tmp_path / "serve.log") as served:
        served.init()
        served.start()
        yield served


def _by_dcmsend(port: int, folder: Path) -> None:
    options = ["--no-halt", "--no-uid-checks", "--decompress-never"]
    _run(["/usr/bin/dcmsend", *options, "-aec", "SAFELIGHT", "127.0.0.1", str(port), *map(str, all_files())])


def _by_storescu(port: int, folder: Path) -> None:
    # It ends at the first file that it cannot read or that nobody takes, and proposes one compressed transfer syntax
    # at most: one call for each of what it can propose.
    for proposed in ("-xe", "-xs", "-xy", "-xv", "-xw", "-xr", "-xd"):
        options = ["--no-halt", "--required", proposed, "-aec", "SAFELIGHT"]
        _run(["/usr/bin/storescu", *options, "127.0.0.1", str(port), *map(str, all_files())])


def _by_orthanc(port: int, folder: Path) -> None:
    with orthanc_with_rest(folder, port) as rest:
        taken = [one for path in all_files() if (one := _taken(rest, path.read_bytes()))]
        rest.ask("/modalities/safelight/store", json.dumps({"Resources": taken, "Permissive": True}).encode())


def _taken(rest: Rest, data: bytes) -> str:
    """Give a file to Orthanc and return by which name it keeps it; nothing where it does not."""
    try:
        return str(rest.ask("/instances", data)["ID"])
    except (urllib.error.HTTPError, TypeError):
        return ""


def _run(command: Sequence[str]) -> None:
    # Some of these files no sender can send: it says so by its exit code, and goes on.
    subprocess.run(
        command, check=False, env=NAGLE_OFF, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240
    )


SENDERS: Final = {"dcmsend": (_by_dcmsend, 180), "storescu": (_by_storescu, 300), "orthanc": (_by_orthanc, 130)}
"""Each with how many different data sets it makes of the real files at least."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sender", SENDERS)
def test_what_is_sent_is_exported_as_it_was_on_the_wire(home: ServedHome, tmp_path: Path, sender: str) -> None:
    send, least = SENDERS[sender]
    tap = Tap(home.port)
    send(tap.port, tmp_path)
    answers = tap.data_sets()
    passed = {digest for digest, status in answers.items() if status == 0}
    assert len(passed) >= least
    assert home.held(tmp_path / "landed") == passed
    home.pack_everything()
    assert home.held(tmp_path / "packed") == passed
    home.stop()
