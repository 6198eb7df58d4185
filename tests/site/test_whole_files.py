"""Seeded files leave as they came, byte for byte: by study where they have UIDs, by digest where they do not."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Final

import pydicom
import pytest

from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.rehearsal.hospital import generate
from safelight.site.rehearsal.objects import PRIVATE_SOP_CLASS, PRIVATE_TRANSFER_SYNTAX
from safelight.wire.dicom.part10 import write_prefix
from support.crash_acts import found_home
from support.real_files import all_files
from support.served_home import PROGRAM


def _real_files(folder: Path) -> None:
    for number, path in enumerate(all_files()):
        if data := path.read_bytes():
            (folder / f"{number:04}-{path.name}").write_bytes(data)


def _generated_files(folder: Path) -> None:
    """A hospital with its vendor's own objects, and what a vendor's software may leave beside them."""
    generate(folder / "made", size_bytes=3_000_000, with_real_files=False)
    vendor = [pydicom.dcmread(path) for path in sorted((folder / "made" / "images" / "vendor").rglob("*.dcm"))]
    assert {one.SOPClassUID for one in vendor} == {PRIVATE_SOP_CLASS}
    assert PRIVATE_TRANSFER_SYNTAX in {one.file_meta.TransferSyntaxUID for one in vendor}
    del vendor[0].StudyInstanceUID
    vendor[0].save_as(folder / "no study.dcm")
    for number, data in enumerate((b"in no encoding that anybody knows", b"\xff" * 4099)):
        prefix = write_prefix(PRIVATE_SOP_CLASS, f"2.25.{number}", PRIVATE_TRANSFER_SYNTAX)
        (folder / f"{number}.raw").write_bytes(prefix + data)


SOURCES: Final = {"real": _real_files, "generated": _generated_files}


def _digests(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", SOURCES)
def test_every_file_leaves_as_it_came_by_study_or_by_digest(tmp_path: Path, source: str) -> None:
    files, listing = tmp_path / "files", tmp_path / "list"
    files.mkdir()
    SOURCES[source](files)
    (files / "not dicom.txt").write_text("a letter")
    found_home(tmp_path / "machine")
    home = Home.at(tmp_path / "machine" / "home")
    with Site.open(home) as site:
        told = {"folder": str(files), "label": "files", "list": str(listing)}
        summary = act(site, "protection.seed", told, silent)
        assert (summary["not_kept"], summary["found"]) == (0, sum(one.is_file() for one in files.rglob("*")))
        lines = [json.loads(line) for line in listing.read_text().splitlines()]
        without_uids = {str(line["digest"]): str(line["locator"]) for line in lines if line["reason"]}
        with_uids = {str(line["locator"]) for line in lines if not line["reason"]}
        by_study = _exported(site, tmp_path / "by study", [{"study": row.study} for row in site.catalog.studies()])
        by_digest = _exported(site, tmp_path / "by digest", [{"digest": digest} for digest in without_uids])
    assert {hashlib.sha256((files / one).read_bytes()).hexdigest() for one in with_uids} <= by_study
    assert by_digest >= {hashlib.sha256((files / one).read_bytes()).hexdigest() for one in without_uids.values()}
    assert by_study | by_digest == _digests(files), "nothing else came out"
    assert with_uids and len(without_uids) >= 4


def _exported(site: Site, folder: Path, wanted: list[dict[str, str]]) -> set[str]:
    """Export each into a folder of its own, and return the SHA-256 of all files that came out."""
    for number, one in enumerate(wanted):
        told = {"study": None, "digest": None, **one, "to": str(folder / str(number)), "dry_run": False}
        assert not act(site, "vault.export", told, silent)["failed"], one
    return _digests(folder)


def test_a_vendors_own_objects_leave_by_the_command_line(tmp_path: Path) -> None:
    files, home = tmp_path / "files", ["--home", str(tmp_path / "machine" / "home")]
    files.mkdir()
    _generated_files(files)
    found_home(tmp_path / "machine")
    seeded = subprocess.run(
        [PROGRAM, "protection", "seed", str(files), *home], check=True, capture_output=True, text=True
    )
    numbers = [line[:9].strip().replace(",", "") for line in seeded.stdout.splitlines()]
    found, *ended = [int(number) for number in numbers if number.isdigit()]
    assert (found, len(ended)) == (sum(ended), 3), seeded.stdout
    vendor = sorted((files / "made" / "images" / "vendor").rglob("*.dcm"))
    study = str(pydicom.dcmread(vendor[0]).StudyInstanceUID)
    digest = hashlib.sha256((files / "1.raw").read_bytes()).hexdigest()
    for name, which in (("study", ["--study", study]), ("digest", ["--digest", digest])):
        subprocess.run([PROGRAM, "vault", "export", *which, "--to", str(tmp_path / name), *home], check=True)
    assert _digests(tmp_path / "study") == {hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor}
    assert _digests(tmp_path / "digest") == {digest}
