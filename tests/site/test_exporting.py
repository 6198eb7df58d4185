"""Everything comes out again by several workers, also from a damaged pack and when a worker dies."""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from safelight.core.names import AETitle
from safelight.core.progress import Progress, silent
from safelight.site.exporting import WORTH_WORKERS_BYTES, Wanted, export
from safelight.site.founding import Founding, found
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.seeding import seed_folder
from safelight.site.workers import Workers

STUDIES = 4
SLICES = 10
SIDE = 512


def _slice(folder: Path, study: int, number: int) -> None:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.826.0.1.{study}.1.{number}"
    data.StudyInstanceUID, data.SeriesInstanceUID = f"1.2.826.0.1.{study}", f"1.2.826.0.1.{study}.1"
    data.Modality, data.PatientID, data.PatientName = "CT", f"P{study}", "Sample^Export"
    data.Rows = data.Columns = SIDE
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 16, 16, 15
    data.PixelRepresentation, data.PhotometricInterpretation = 0, "MONOCHROME2"
    row = b"".join(((column * (study + 3) + number) % 4096).to_bytes(2, "little") for column in range(SIDE))
    data.PixelData = row * SIDE
    data.save_as(folder / f"{study}-{number}.dcm", enforce_file_format=True)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for study in range(STUDIES):
        for number in range(SLICES):
            _slice(folder, study, number)
    assert sum(path.stat().st_size for path in folder.iterdir()) > 2 * WORTH_WORKERS_BYTES
    return folder


@pytest.fixture
def site(tmp_path: Path, images: Path) -> Iterator[Site]:
    found(Founding(tmp_path / "home", "Test", AETitle("SAFELIGHT"), 11112, tmp_path / "second"))
    with Workers(niceness=0, ahead=2) as workers, Site.open(Home.at(tmp_path / "home"), workers=workers) as site:
        told = seed_folder(site, {"folder": str(images), "label": "test"}, silent)
        assert told["kept"] == STUDIES * SLICES
        yield site


def _digests(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _exported(site: Site, images: Path, folder: Path, report: Any = silent) -> None:
    told = export(site, Wanted(None, None), folder, dry_run=False, report=report)
    assert (told["files"], told["failed"]) == (STUDIES * SLICES, [])
    assert _digests(folder) == _digests(images)


def test_workers_write_every_file_as_it_came(site: Site, images: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    _exported(site, images, tmp_path / "out", seen.append)
    assert (seen[-1].done, seen[-1].total) == (STUDIES * SLICES, STUDIES * SLICES)


def test_what_a_damaged_pack_holds_comes_from_its_other_copy(site: Site, images: Path, tmp_path: Path) -> None:
    packs = sorted((site.home.vault / "packs").rglob("*.age"), key=lambda path: path.stat().st_size)
    for pack in packs[-2:]:
        with pack.open("r+b") as file:
            file.seek(pack.stat().st_size // 2)
            file.write(bytes(70_000))
    _exported(site, images, tmp_path / "out")
    assert {one.subject for one in site.catalog.findings(code="vault.copy-damaged")} == {
        f"home/{pack.name.partition('.')[0]}" for pack in packs[-2:]
    }


def test_an_export_goes_on_when_its_workers_die(site: Site, images: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_children(_progress: Progress) -> None:
        if not killed:
            killed.extend(_descendants(os.getpid()))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    _exported(site, images, tmp_path / "out", kill_children)
    assert killed


def _descendants(process: int) -> list[int]:
    children = [
        int(child)
        for thread in Path(f"/proc/{process}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return children + [one for child in children for one in _descendants(child)]


def test_a_folder_that_cannot_be_written_fails_each_file_by_name(site: Site, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for holding in site.catalog.holdings(study="1.2.826.0.1.1"):
        (tmp_path / "out" / f"{holding.version.digest.hex()}.dcm").mkdir()
    told = export(site, Wanted(None, None), tmp_path / "out", dry_run=False, report=silent)
    assert [one["code"] for one in told["failed"]] == ["vault.folder-not-writable"] * SLICES
    assert told["files"] == (STUDIES - 1) * SLICES
    assert not list((tmp_path / "out").glob("*.part"))
