"""DCMTK's own query and retrieve programs say what a refilled archive holds, and bring its instances home by C-MOVE."""

import re
import subprocess
from pathlib import Path

import pydicom
import pytest

from support.dicom_peers import ARCHIVES
from support.real_files import real_file
from support.served_home import PROGRAM, ServedHome

pytestmark = pytest.mark.peer
NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")


def _dcmtk(program: str, address: tuple[str, int], *options: str) -> str:
    command = [f"/usr/bin/{program}", "-v", "-S", "-aet", "SAFELIGHT", "-aec", "ARCHIVE", *options]
    done = subprocess.run(
        [*command, address[0], str(address[1])],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        errors="replace",
    )
    return done.stdout + done.stderr


def _safelight(home: ServedHome, *words: str) -> None:
    subprocess.run([PROGRAM, *words, "--home", str(home.home)], check=True, capture_output=True, timeout=120)


def _pixels(folder: Path) -> dict[str, bytes | None]:
    """Return the instances of a folder and their pixels; Orthanc writes the rest anew when it sends."""
    instances = [pydicom.dcmread(path) for path in folder.rglob("*") if path.is_file()]
    return {str(one.SOPInstanceUID): one.get("PixelData") for one in instances}


def _study_keys(study: str) -> tuple[str, ...]:
    return ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")


@pytest.mark.parametrize("archive", ["orthanc", "dcmqrscp"])
def test_what_a_refill_brought_back_is_found_fetched_and_moved_by_dcmtk(archive: str, tmp_path: Path) -> None:
    source, fetched = tmp_path / "source", tmp_path / "fetched"
    source.mkdir()
    fetched.mkdir()
    for name in NAMES:
        (source / name).write_bytes(real_file(name).read_bytes())
    studies = sorted({str(pydicom.dcmread(path).StudyInstanceUID) for path in source.iterdir()})
    (tmp_path / "archive").mkdir()
    with (
        ServedHome(tmp_path / "home", tmp_path / "serve.log") as home,
        ServedHome(tmp_path / "other", tmp_path / "other.log") as other,
    ):
        home.init()
        other.init()
        home.start()
        other.start()
        _safelight(home, "protection", "seed", str(source))
        # The archive knows SAFELIGHT under the address of the other home, which holds nothing yet.
        with ARCHIVES[archive](tmp_path / "archive", other.port) as there:
            address = there.peer.host, there.peer.port
            _safelight(home, "recovery", "start", "--target", str(there.peer), "--reason", "drill", "--by", "K. Lee")
            found = _dcmtk("findscu", address, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
            assert sorted(re.findall(r"\[([0-9.]+)\0? *\].*StudyInstanceUID", found)) == studies, found
            for study in studies:
                _dcmtk("getscu", address, "-od", str(fetched), "+B", *_study_keys(study))
                _dcmtk("movescu", address, "-aem", "SAFELIGHT", *_study_keys(study))
        assert other.held(tmp_path / "moved")
    assert _pixels(tmp_path / "moved") == _pixels(fetched) == _pixels(source)
