"""What rejection notes withdrew is hidden from who asks for studies and series, by DCMTK and over DICOMweb."""

import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite

from safelight.core.instance import MemorySource
from safelight.core.progress import silent
from safelight.gateway.dicom.client import Outgoing
from safelight.site.verifying import rebuild
from safelight.wire.dicom.part10 import read_prefix
from safelight.wire.dicom.rejection import KEY_OBJECT_SELECTION, RejectedInstance
from safelight.wire.dicom.rejection_note import RejectionNote, write_rejection_note
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN
from support.archive_door import ArchiveDoor, invented, open_archive
from support.dicom_files import image
from support.web_house import web_house

pytestmark = pytest.mark.peer
ROOT = "1.2.826.0.1.3680043.9.9999"
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
CODES = ["113001", "113037", "113038", "113039"]
WHEN = datetime(2026, 1, 5, tzinfo=UTC)


def note(study: str, told: dict[str, str], rejected: Sequence[str], code: str, sop_class: str = SECONDARY) -> Dataset:
    """Return a note that rejects instances, for any of the reasons."""
    named = tuple(RejectedInstance(study, uid.rpartition(".")[0], sop_class, uid) for uid in rejected)
    asked = RejectionNote("113037", f"{study}.9.{code}", f"{study}.9", WHEN, named, "wrong")
    raw = write_rejection_note(asked, {"StudyInstanceUID": study, **told})
    made = pydicom.dcmread(BytesIO(raw), force=True)
    made.ConceptNameCodeSequence[0].CodeValue = code
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    return made


def sent(made: Dataset) -> Outgoing:
    raw = _file(made)
    data = MemorySource(raw[read_prefix(MemorySource(raw)).prefix_size :])
    return Outgoing(KEY_OBJECT_SELECTION, made.SOPInstanceUID, EXPLICIT_LITTLE_ENDIAN, data)


def _file(made: Dataset) -> bytes:
    out = BytesIO()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def reject(door: ArchiveDoor, study: int, numbers: Sequence[tuple[int, int]], code: str) -> None:
    uid = f"{ROOT}.{study}"
    told = {"PatientID": f"P{study // 2}", "PatientName": f"Berg^Ana{study // 2}", "StudyDate": f"202601{study:02d}"}
    told |= {"AccessionNumber": f"A{study:03d}", "PatientBirthDate": "19700101", "PatientSex": "F"}
    door.store([sent(note(uid, told, [f"{uid}.{series}.{number}" for series, number in numbers], code))])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path_factory.mktemp("archive")) as door:
        for study in range(2, 6):
            door.store([invented(study, series, number) for series in (1, 2) for number in (1, 2, 3)])
        # One instance of the first series and the whole of the second; each study for another reason.
        for study, code in zip(range(2, 6), CODES, strict=True):
            reject(door, study, [(1, 2), (2, 1), (2, 2), (2, 3)], code)
        yield door


def findscu(door: ArchiveDoor, folder: Path, *keys: str, model: str = "-S") -> list[Dataset]:
    folder = folder / str(len(list(folder.iterdir())))
    folder.mkdir()
    named = [part for key in keys for part in ("-k", key)]
    address = ["-aec", "SAFELIGHT", "127.0.0.1", str(door.port)]
    done = subprocess.run(
        ["/usr/bin/findscu", model, *named, "-X", "-od", str(folder), *address],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]


def getscu(door: ArchiveDoor, folder: Path, *keys: str) -> set[str]:
    """Return the last parts of the UIDs that came."""
    folder = folder / str(len(list(folder.iterdir())))
    folder.mkdir()
    named = [part for key in keys for part in ("-k", key)]
    address = ["-aec", "SAFELIGHT", "127.0.0.1", str(door.port)]
    done = subprocess.run(
        ["/usr/bin/getscu", "-S", *named, "-od", str(folder), *address], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    uids = [str(pydicom.dcmread(path, force=True).SOPInstanceUID) for path in folder.iterdir()]
    return {".".join(uid.rsplit(".", 2)[1:]) for uid in uids}


COUNTS = ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy", "SOPClassesInStudy")


@pytest.mark.parametrize(("study", "code"), list(zip(range(2, 6), CODES, strict=True)))
def test_findscu_and_getscu_see_what_is_left_and_the_note(
    door: ArchiveDoor, tmp_path: Path, study: int, code: str
) -> None:
    uid = f"{ROOT}.{study}"
    (found,) = findscu(door, tmp_path, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={uid}", *COUNTS)
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 3)
    assert sorted(found.ModalitiesInStudy) == ["KO", "MR"]
    series = findscu(
        door, tmp_path, "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={uid}", "SeriesInstanceUID",
        "NumberOfSeriesRelatedInstances",
    )  # fmt: skip
    assert {one.SeriesInstanceUID: one.NumberOfSeriesRelatedInstances for one in series} == {
        f"{uid}.1": 2,
        f"{uid}.9": 1,
    }
    images = findscu(door, tmp_path, "QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={uid}", "SOPInstanceUID")
    assert {one.SOPInstanceUID for one in images} == {f"{uid}.1.1", f"{uid}.1.3", f"{uid}.9.{code}"}
    assert findscu(door, tmp_path, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={uid}", "ModalitiesInStudy=US") == []
    whole = getscu(door, tmp_path, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={uid}")
    assert whole == {"1.1", "1.3", f"9.{code}"}
    named = ("QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={uid}", f"SeriesInstanceUID={uid}.2")
    assert getscu(door, tmp_path, *named, f"SOPInstanceUID={uid}.2.1") == {"2.1"}


def test_a_study_of_which_all_is_withdrawn_is_gone_with_its_patient_until_more_comes(
    door: ArchiveDoor, tmp_path: Path
) -> None:
    uid = f"{ROOT}.8"
    person = {"PatientID": "GONE", "PatientName": "Gone^Gil"}
    asked = ("QueryRetrieveLevel=STUDY", "PatientID=GONE", "StudyInstanceUID", "NumberOfStudyRelatedInstances")
    patient = ("QueryRetrieveLevel=PATIENT", "PatientID=GONE", "NumberOfPatientRelatedStudies")
    made = note(uid, person, [f"{uid}.1.1"], "113037")
    # The note comes first, and lies in another study, as some archives write it.
    made.StudyInstanceUID = f"{ROOT}.7"
    made.PatientID = "OTHER"
    door.store([sent(made)])
    door.store([invented(8, 1, 1, **person)])
    assert findscu(door, tmp_path, *asked) == []
    assert findscu(door, tmp_path, *patient, model="-P") == []
    door.store([invented(8, 1, 2, **person)])
    (found,) = findscu(door, tmp_path, *asked)
    assert found.NumberOfStudyRelatedInstances == 1
    (found,) = findscu(door, tmp_path, *patient, model="-P")
    assert found.NumberOfPatientRelatedStudies == 1


def test_a_rebuilt_catalog_hides_the_same(tmp_path: Path) -> None:
    with open_archive(tmp_path) as door:
        door.store([invented(2, 1, number) for number in (1, 2, 3)])
        reject(door, 2, [(1, 2)], "113001")
        door.pack()
        before = list(door.site.catalog.dump())
        rebuild(door.site, silent)
        assert list(door.site.catalog.dump()) == before
        (found,) = findscu(
            door, tmp_path, "QueryRetrieveLevel=STUDY", "StudyInstanceUID", "NumberOfStudyRelatedInstances"
        )
        assert found.NumberOfStudyRelatedInstances == 3
        assert door.site.catalog.tally().instances_packed == 4


def test_a_site_may_have_everything_shown(tmp_path: Path) -> None:
    with open_archive(tmp_path, settings="hide_rejected = false") as door:
        door.store([invented(2, 1, number) for number in (1, 2, 3)])
        reject(door, 2, [(1, 2)], "113001")
        (found,) = findscu(
            door, tmp_path, "QueryRetrieveLevel=STUDY", "StudyInstanceUID", "NumberOfStudyRelatedInstances"
        )
        assert found.NumberOfStudyRelatedInstances == 4
        assert getscu(door, tmp_path, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={ROOT}.2") == {
            "1.1", "1.2", "1.3", "9.113001",
        }  # fmt: skip


def test_dicomweb_lists_and_gives_what_is_left_and_the_named_instance(tmp_path: Path) -> None:
    with web_house(tmp_path) as house:
        house.land(image(1, series, number) for series in (1, 2) for number in (1, 2))
        uid = f"{ROOT}.7.1"
        rejected = [f"{uid}.1.1", f"{uid}.2.1", f"{uid}.2.2"]
        made = note(uid, {"PatientID": "P01"}, rejected, "113039", "1.2.840.10008.5.1.4.1.1.2")
        house.land([_file(made)])
        client = DICOMwebClient(house.url)
        (study,) = client.search_for_studies(fields=["NumberOfStudyRelatedInstances", "ModalitiesInStudy"])
        told = Dataset.from_json(study)
        assert (told.NumberOfStudyRelatedInstances, list(told.ModalitiesInStudy)) == (2, ["KO", "MR"])
        assert {one["0020000E"]["Value"][0] for one in client.search_for_series(uid)} == {f"{uid}.1", f"{uid}.9"}
        left = {f"{uid}.1.2", made.SOPInstanceUID}
        assert {one["00080018"]["Value"][0] for one in client.search_for_instances(uid)} == left
        assert {str(one.SOPInstanceUID) for one in client.retrieve_study(uid)} == left
        assert {one["00080018"]["Value"][0] for one in client.retrieve_study_metadata(uid)} == left
        assert house.get(f"/studies/{uid}/series/{uid}.2").status == 404
        assert str(client.retrieve_instance(uid, f"{uid}.2", f"{uid}.2.1").SOPInstanceUID) == f"{uid}.2.1"
