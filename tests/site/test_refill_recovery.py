"""Whole recoveries with the real program: into archives that lose files, that only move, that nothing was sent to."""

import json
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from support.dicom_peers import free_port
from support.real_files import all_files
from support.refilled_archive import Refilled, dcmqrscp, orthanc
from support.served_home import PROGRAM, ServedHome

pytestmark = pytest.mark.peer
WHO = ("--reason", "the array died", "--by", "K. Lee")
NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")
PRIVATE_ENCODING = "1.2.826.0.1.3680.99"
PRIVATE_CLASS = "1.2.826.0.1.3680.98"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


@dataclass
class Told:
    code: int
    document: dict[str, Any]
    warnings: str


def safelight(home: Path, *words: str) -> Told:
    done = subprocess.run(
        [PROGRAM, *words, "--home", str(home), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
        text=True,
    )
    document = json.loads(done.stdout) if done.stdout else json.loads(done.stderr.splitlines()[-1])
    return Told(done.returncode, document, done.stderr)


def make_home(folder: Path, port: int, *, files: bool = True) -> Path:
    home, source = folder / "home", folder / "source"
    source.mkdir()
    if files:
        for path in all_files():
            if path.name in NAMES:
                (source / path.name).write_bytes(path.read_bytes())
    safelight(home, "init", "--site", "S", "--ae-title", "SAFELIGHT", "--dicom-port", str(port))
    if files:
        assert safelight(home, "protection", "seed", str(source)).document["not_kept"] == 0
    return home


def start(home: Path, archive: Refilled, *more: str) -> Told:
    return safelight(home, "recovery", "start", "--target", archive.address, *WHO, *more)


def files_of(archive: Refilled) -> list[Path]:
    return [one for one in archive.storage.rglob("*-*-*-*-*") if one.is_file()]


def test_files_lost_under_an_orthanc_that_answers_success_are_never_a_silent_success(tmp_path: Path) -> None:
    with orthanc(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        assert start(home, pacs).document["all_confirmed"]
        held = len(files_of(pacs))
        assert held == len(NAMES)
        for file in files_of(pacs):
            file.unlink()

        told = start(home, pacs)
        assert told.code == 1
        assert not told.document["all_confirmed"]
        assert {(one["state"], one["told"]) for one in told.document["open"]} == {
            ("differs", "success-without-storing")
        }
        assert len(told.document["open"]) == told.document["studies"]
        assert files_of(pacs) == [], "this Orthanc stores a resend: the trap is gone"
        open_findings = {one["code"] for one in safelight(home, "status").document["findings"]}
        assert "recovery.study-open" in open_findings

        repaired = start(home, pacs, "--target-url", f"http://127.0.0.1:{pacs.http_port}", "--repair-target")
        assert repaired.code == 0, repaired.document
        assert repaired.document["all_confirmed"]
        assert len(files_of(pacs)) == held


def test_one_lost_file_among_many_is_found_and_restored_alone(tmp_path: Path) -> None:
    with orthanc(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        assert start(home, pacs).code == 0
        lost = files_of(pacs)[0]
        lost.unlink()
        told = start(home, pacs)
        assert (told.code, len(told.document["open"])) == (1, 1)
        told = start(home, pacs, "--target-url", f"http://127.0.0.1:{pacs.http_port}", "--repair-target")
        assert told.code == 0
        assert len(files_of(pacs)) == len(NAMES)


@pytest.mark.parametrize("archive", [orthanc, dcmqrscp], ids=["orthanc", "dcmqrscp"])
def test_a_target_without_c_get_is_confirmed_by_c_move_though_nobody_serves(archive: Any, tmp_path: Path) -> None:
    with archive(tmp_path, may_get=False) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        told = start(home, pacs)
        assert told.code == 0, told.document
        assert told.document["confirmed"] == told.document["studies"] > 2
        assert _ways(home, tmp_path) == ["move", "find"]
        assert safelight(home, "status").document["instances_landed"] == len(NAMES)


def test_what_comes_back_to_a_serving_home_is_compared_and_not_kept(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path, may_get=False) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        served = ServedHome(home, tmp_path / "serve.log")
        served.port = pacs.our_port
        with served:
            served.start()
            told = start(home, pacs)
            assert told.code == 0, told.document
            # The archive was let in for what was asked for; as a sender it is still unknown.
            (sent,) = [one for one in all_files() if one.name == "MR_small.dcm"]
            store = [
                "/usr/bin/storescu",
                "-aec",
                "SAFELIGHT",
                "-aet",
                "PACS",
                "127.0.0.1",
                str(pacs.our_port),
                str(sent),
            ]
            assert subprocess.run(store, check=False, capture_output=True).returncode != 0
            status = safelight(home, "status").document
            assert status["instances_landed"] == len(NAMES)
            # It did not become a feed whose silence would alarm.
            assert not any(one["subject"].startswith("PACS@") for one in status["findings"])
            assert safelight(home, "gateway", "callers").document["callers"][-1]["title"] == "PACS"
            served.stop()


def test_a_target_that_gives_nothing_back_is_unconfirmable_and_no_success(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path, may_get=False, knows=["SOMEBODY"]) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        told = start(home, pacs)
        assert told.code == 1
        assert {(one["state"], one["told"]) for one in told.document["open"]} == {
            ("unconfirmable", "nothing-came-back")
        }


def test_what_an_orthanc_does_not_take_is_told_with_what_it_refuses(tmp_path: Path) -> None:
    source = tmp_path / "private"
    source.mkdir()
    by_name = {path.name: path for path in all_files()}
    image = by_name["CT_small.dcm"].read_bytes()
    assert image.count(ExplicitVRLittleEndian.encode()) == 1
    (source / "encoding.dcm").write_bytes(image.replace(ExplicitVRLittleEndian.encode(), PRIVATE_ENCODING.encode()))
    private = pydicom.dcmread(by_name["MR_small.dcm"])
    private.SOPClassUID = private.file_meta.MediaStorageSOPClassUID = PRIVATE_CLASS
    private.save_as(source / "class.dcm")
    encoding, of_class = f"{CT_IMAGE} in {PRIVATE_ENCODING}", f"{PRIVATE_CLASS} in {ExplicitVRLittleEndian}"
    with orthanc(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port, files=False)
        assert safelight(home, "protection", "seed", str(source)).document["not_kept"] == 0
        told = start(home, pacs)
        assert (told.code, len(told.document["open"])) == (1, 2)
        assert {one["told"] for one in told.document["open"]} == {"encoding-refused"}
        assert [said for one in told.document["open"] for said in one["not_taken"]] == [
            {"code": "encoding-refused", "detail": refused, "instances": 1} for refused in (of_class, encoding)
        ]
        shown = subprocess.run([PROGRAM, "recovery", "status", "--home", home], stdout=subprocess.PIPE, check=True)
        for refused in (encoding, of_class):
            assert f"the target does not accept {refused}: 1 of 1 instances".encode() in shown.stdout


def test_a_recovery_of_nothing_is_no_success(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port, files=False)
        told = start(home, pacs)
        assert told.code == 1
        assert told.document["nothing_matched"]
        assert not told.document["all_confirmed"]
        dry = start(home, pacs, "--dry-run")
        assert (dry.code, dry.document["nothing_matched"]) == (1, True)
        assert not _manifest(home, tmp_path)["all_confirmed"]


def test_unanswered_questions_are_told_at_the_start_and_stand_in_the_evidence(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        told = start(home, pacs)
        assert "nobody answered these questions" in told.warnings
        assert told.document["side_effects"] == "unanswered"
        assert "routing" in told.document["questions_open"]
        assert _manifest(home, tmp_path)["asked"]["side_effects"] == "unanswered"
        told = start(home, pacs, "--accept-side-effects")
        assert "nobody answered" not in told.warnings
        assert (told.document["side_effects"], told.document["questions_open"]) == ("accepted", [])
        assert _manifest(home, tmp_path)["asked"]["side_effects"] == "accepted"


def test_rejected_instances_stay_here_until_a_named_person_releases_them(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path) as pacs:
        home = make_home(tmp_path, pacs.our_port)
        (rejected,) = [pydicom.dcmread(one) for one in all_files() if one.name == "MR_small.dcm"]
        note = tmp_path / "notes"
        note.mkdir()
        _rejection_of(rejected).save_as(note / "note.dcm", enforce_file_format=True)
        safelight(home, "protection", "seed", str(note))
        study = str(rejected.StudyInstanceUID)

        told = start(home, pacs)
        assert told.code == 1
        assert [(one["study"], one["state"], one["told"]) for one in told.document["open"]] == [
            (study, "withheld", "rejected")
        ]
        assert _manifest(home, tmp_path)["remarks"]["rejected"] == 1

        dry = safelight(home, "recovery", "release", study, *WHO, "--dry-run")
        assert (dry.code, dry.document["released"]) == (0, 0)
        assert dry.document["studies"][0]["rejected_go_too"]
        assert safelight(home, "recovery", "status").document["open"]

        assert safelight(home, "recovery", "release", "1.2.3", *WHO).code == 10
        assert safelight(home, "recovery", "release", study, *WHO).document["released"] == 1
        assert not safelight(home, "recovery", "status").document["all_confirmed"]
        told = safelight(home, "recovery", "resume", *WHO)
        assert told.code == 0, told.document
        again = safelight(home, "recovery", "release", study, *WHO)
        assert (again.code, again.document["error"]["code"]) == (10, "recovery.nothing-to-release")
        manifest = _manifest(home, tmp_path)
        assert manifest["all_confirmed"]
        assert manifest["remarks"] == {"sent-though-rejected": 1}
        found = [one["code"] for one in safelight(home, "status").document["findings"]]
        assert "recovery.study-open" not in found


def _ways(home: Path, folder: Path) -> list[str]:
    ways: list[str] = _manifest(home, folder)["target"]["ways"]
    return ways


def _manifest(home: Path, folder: Path) -> dict[str, Any]:
    """Return the manifest of the evidence of the last recovery, once the whole bundle is proven."""
    bundle = folder / f"evidence-{free_port()}.zip"
    assert safelight(home, "evidence", "export", "--to", str(bundle)).code == 0
    checked = subprocess.run([PROGRAM, "evidence", "verify", str(bundle), "--json"], stdout=subprocess.PIPE, check=True)
    assert json.loads(checked.stdout)["whole"]
    with zipfile.ZipFile(bundle) as members:
        manifest: dict[str, Any] = json.loads(members.read("manifest.json"))
    return manifest


def _rejection_of(image: Dataset) -> pydicom.FileDataset:
    """Return a rejection note for quality reasons. Source: IHE IOCM, PS3.16 CID 7011."""
    uid = f"{image.SOPInstanceUID}.9"[:64]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = KEY_OBJECT, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    note = pydicom.FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    note.SOPClassUID, note.SOPInstanceUID = KEY_OBJECT, uid
    note.StudyInstanceUID, note.SeriesInstanceUID = f"{image.StudyInstanceUID}.1"[:64], f"{uid}.1"[:64]
    note.Modality, note.PatientID, note.StudyDate, note.ValueType = "KO", "X1", "20260301", "CONTAINER"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator = "113001", "DCM"
    title.CodeMeaning = "Rejected for Quality Reasons"
    note.ConceptNameCodeSequence = [title]
    one, series, study = Dataset(), Dataset(), Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = image.SeriesInstanceUID, [one]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = image.StudyInstanceUID, [series]
    note.CurrentRequestedProcedureEvidenceSequence = [study]
    return note
