import subprocess
from collections import Counter
from datetime import date
from hashlib import sha256
from pathlib import Path

import pydicom
import pytest
from pydicom.valuerep import PersonName

from safelight.core.instance import LayoutKind, MemorySource
from safelight.recovery.patients import read_patients
from safelight.site.rehearsal.hospital import FolderInUse, RehearsalSummary, generate
from safelight.site.rehearsal.studies import plan_studies
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.layout import find_layout
from safelight.wire.dicom.part10 import read_prefix
from safelight.wire.dicom.rejection import KEY_OBJECT_SELECTION, read_rejection

TODAY = date(2026, 3, 2)
SIZE = 2_000_000


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> RehearsalSummary:
    return generate(tmp_path_factory.mktemp("hospital"), seed=7, size_bytes=SIZE, today=TODAY, with_real_files=False)


def files_of(hospital: RehearsalSummary) -> list[Path]:
    return sorted(path for path in hospital.images.rglob("*") if path.is_file())


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_size_and_day_make_the_same_hospital(hospital, tmp_path):
    again = generate(tmp_path / "new", seed=7, size_bytes=SIZE, today=TODAY, with_real_files=False)
    assert digests(again.images) == digests(hospital.images)
    assert again.patients.read_bytes() == hospital.patients.read_bytes()
    other = generate(tmp_path / "other", seed=8, size_bytes=SIZE, today=TODAY, with_real_files=False)
    assert not set(digests(other.images).values()) & set(digests(hospital.images).values())


def test_pydicom_reads_every_file_and_finds_what_was_meant(hospital):
    modalities: Counter[str] = Counter()
    character_sets, uids = set(), set()
    for path in files_of(hospital):
        read = pydicom.dcmread(path)
        for element in read.iterall():
            assert element.value is not None
        modalities[read.Modality] += 1
        character_sets.add(str(read.get("SpecificCharacterSet")))
        uids.add(read.SOPInstanceUID)
        assert isinstance(read.PatientName, PersonName)
        if "PixelData" in read:
            assert read.pixel_array.std() > 5
    assert len(uids) == hospital.instances == len(files_of(hospital))
    assert set(modalities) == {"CT", "MR", "CR", "DX", "MG", "US", "SR", "KO", "PR", "DOC", "OT"}
    assert len(character_sets) == 6


@pytest.mark.peer
def test_one_object_of_every_standard_class_passes_dciodvfy(hospital: RehearsalSummary) -> None:
    by_class = {pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID: path for path in files_of(hospital)}
    standard = {uid: path for uid, path in by_class.items() if not uid.is_private}
    assert len(standard) >= 11
    for uid, path in standard.items():
        judge = ["/usr/bin/dciodvfy", str(path)]
        told = subprocess.run(judge, check=False, capture_output=True, text=True, errors="replace")
        faults = [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]
        assert not faults, (uid.name, faults)


def test_names_survive_their_character_sets(hospital):
    names = {str(pydicom.dcmread(path).PatientName) for path in files_of(hospital)}
    assert any("山田" in name or "鈴木" in name for name in names)
    assert any("王" in name or "张" in name for name in names)
    assert any("Образцов" in name or "Примерова" in name for name in names)
    assert not any("\ufffd" in name for name in names)


def test_images_have_pixels_that_the_vault_can_take_apart(hospital):
    kinds: Counter[LayoutKind] = Counter()
    for path in files_of(hospital):
        source = MemorySource(path.read_bytes())
        prefix = read_prefix(source)
        head = scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
        layout = find_layout(source, prefix.prefix_size, prefix.transfer_syntax)
        kinds[layout.kind] += 1
        assert (layout.kind is LayoutKind.NATIVE) == (head.modality in {"CT", "MR", "CR", "DX", "MG", "US"})
    assert kinds[LayoutKind.NATIVE] > 200


def test_the_note_rejects_the_bad_image_and_nothing_else(hospital):
    rejected = []
    for path in files_of(hospital):
        source = MemorySource(path.read_bytes())
        prefix = read_prefix(source)
        if prefix.sop_class == KEY_OBJECT_SELECTION:
            rejection = read_rejection(source, prefix.transfer_syntax, prefix.prefix_size)
            if rejection:
                assert rejection.code == "113001"
                rejected += [each.sop_instance for each in rejection.instances]
    assert tuple(rejected) == hospital.rejected
    assert len(rejected) == 1


def test_vendor_objects_have_a_class_and_a_syntax_that_nobody_knows(hospital):
    found = [read_prefix(MemorySource(path.read_bytes())) for path in files_of(hospital) if "vendor" in path.parts]
    assert {prefix.sop_class[:5] for prefix in found} == {"2.25."}
    assert sum(prefix.transfer_syntax.startswith("2.25.") for prefix in found) == 1


def test_recovery_reads_the_list_of_patients(hospital):
    with hospital.patients.open(encoding="utf-8") as lines:
        listed = read_patients(lines)
    assert listed.columns_unused == ()
    assert {str(patient.patient_class) for patient in listed.patients} == {"E", "I", "O"}
    assert any(patient.scheduled == TODAY for patient in listed.patients)
    known = {pydicom.dcmread(path).PatientID for path in files_of(hospital)}
    assert {patient.patient.text for patient in listed.patients} <= known


def test_studies_lie_between_today_and_three_years_ago_and_one_has_no_date():
    plans = plan_studies(7, 300_000_000, TODAY)
    days = [(TODAY - plan.frame.when.date()).days for plan in plans if plan.frame.when]
    assert len(plans) - len(days) == 1
    assert min(days) == 0
    assert 300 < max(days) <= 3 * 365
    assert sum(day <= 1 for day in days) >= 5
    assert len(plans) >= 30


@pytest.mark.parametrize("size_bytes", [50_000_000, 300_000_000, 2_000_000_000])
def test_a_hospital_of_any_size_has_every_kind_of_study_and_no_uid_twice(size_bytes):
    plans = plan_studies(7, size_bytes, TODAY)
    assert len({plan.frame.uid for plan in plans}) == len(plans)
    assert {plan.kind for plan in plans} == {"CT", "MR", "CR", "DX", "MG", "US", "OT"}


def test_a_small_hospital_comes_to_about_the_size_asked_for(hospital):
    assert 0.5 * SIZE < hospital.size_bytes < 1.6 * SIZE


def test_real_files_with_sound_uids_are_copied_once(tmp_path):
    whole = generate(tmp_path / "new", seed=7, size_bytes=SIZE, today=TODAY)
    real = [path for path in files_of(whole) if "real" in path.parts]
    assert len(real) == whole.real_files > 100
    instances = []
    for path in real:
        source = MemorySource(path.read_bytes())
        prefix = read_prefix(source)
        instances.append(scan_head(source, prefix.transfer_syntax, prefix.prefix_size).sop_instance)
    assert len(set(instances)) == len(instances)
    assert "rtplan_truncated.dcm" not in {path.name for path in real}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(FolderInUse):
        generate(tmp_path, size_bytes=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
