"""Corrected objects as others judge them: dciodvfy on each, Orthanc as the PACS that had the wrong ones."""

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from safelight.core.instance import MemorySource
from safelight.journal.kinds import FactKind
from safelight.site.recovery_holdings import VaultHoldings
from safelight.site.rehearsal.hospital import generate
from safelight.wire.dicom.correction import Correction, corrected
from safelight.wire.dicom.part10 import read_prefix, write_prefix
from support.dicom_peers import orthanc
from support.reconciled_house import WHO, Hospital, acquire_encoded, hospital, local_now, order_message

pytestmark = pytest.mark.peer
IDENTITY = {
    "PatientID": "4711",
    "PatientName": "Grün^Änne=漢^字",
    "PatientBirthDate": "19700102",
    "AccessionNumber": "RA1",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = generate(
        tmp_path_factory.mktemp("made"), seed=7, size_bytes=2_000_000, today=date(2026, 3, 2), with_real_files=False
    )
    return sorted(path for path in made.images.rglob("*") if path.is_file())


def _errors(folder: Path, raw: bytes) -> set[str]:
    file = folder / "judged.dcm"
    file.write_bytes(raw)
    told = subprocess.run(["/usr/bin/dciodvfy", file], check=False, capture_output=True).stderr.decode(errors="replace")
    return {line for line in told.splitlines() if line.startswith("Error")}


def test_no_class_of_object_gets_worse_by_a_correction(files: list[Path], tmp_path: Path) -> None:
    seen = set()
    for file in files:
        raw = file.read_bytes()
        prefix = read_prefix(MemorySource(raw))
        before = dcmread(BytesIO(raw), force=True)
        kind = (prefix.sop_class, prefix.transfer_syntax, str(before.get("SpecificCharacterSet")))
        if kind in seen:
            continue
        seen.add(kind)
        uids = {prefix.sop_instance: "2.25.1", str(before.SeriesInstanceUID): "2.25.2"}
        correction = Correction(IDENTITY, datetime(2026, 3, 1, tzinfo=UTC), "SAFELIGHT", uids)
        data = corrected(MemorySource(raw), prefix.transfer_syntax, correction, prefix.prefix_size)
        whole = write_prefix(prefix.sop_class, "2.25.1", prefix.transfer_syntax) + bytes(data.read(0, data.size))
        after = dcmread(BytesIO(whole))
        assert (str(after.PatientName), after.PatientID, after.SOPInstanceUID) == (
            IDENTITY["PatientName"],
            "4711",
            "2.25.1",
        )
        assert after.get("PixelData") == before.get("PixelData")
        assert after.get("StudyDescription") == before.get("StudyDescription")
        (original,) = after.OriginalAttributesSequence[0].ModifiedAttributesSequence
        assert (original.PatientID, original.PatientName, original.SOPInstanceUID) == (
            before.PatientID, before.PatientName, before.SOPInstanceUID,
        )  # fmt: skip
        assert _errors(tmp_path, whole) <= _errors(tmp_path, raw), kind
    assert len(seen) >= 10


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Hospital]:
    with orthanc(tmp_path, 1) as archive, hospital(tmp_path, str(archive.peer)) as opened:
        yield opened


def _with_references(files: list[Path]) -> list[bytes]:
    """Return a study that holds images and objects that refer to them."""
    studies: dict[str, dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        raw = file.read_bytes()
        read = dcmread(BytesIO(raw), force=True, stop_before_pixels=True)
        studies[str(read.StudyInstanceUID)][str(read.Modality)].append(raw)
    found = next(one for one in studies.values() if {"SR", "PR", "KO"} & one.keys() and len(one) > 2)
    return [raw for several in found.values() for raw in several]


def _made_at(raw: bytes, started: str) -> bytes:
    read, changed = dcmread(BytesIO(raw)), BytesIO()
    read.StudyDate, read.StudyTime = started[:8], started[8:]
    read.save_as(changed)
    return changed.getvalue()


def _uids_in(data_set: Dataset) -> Iterator[str]:
    for element in data_set:
        if element.VR == "SQ":
            for item in element.value:
                yield from _uids_in(item)
        elif element.VR == "UI":
            yield from [str(one) for one in (element.value if element.VM > 1 else [element.value])]


def test_instances_that_orthanc_has_under_a_wrong_patient_are_replaced_with_all_their_references(
    there: Hospital, files: list[Path], tmp_path: Path
) -> None:
    raws = [_made_at(raw, local_now(there.site)) for raw in _with_references(files)]
    before = [dcmread(BytesIO(raw)) for raw in raws]
    study = str(before[0].StudyInstanceUID)
    there.begin()
    acquire_encoded(there.site, raws)
    there.end()
    now = local_now(there.site)
    there.tell(order_message("1", "4711", "RA1", now, study="1.2.77"))
    there.act("reconciliation.compare")
    # It goes home under the identity that the modality wrote, which turns out to be another patient's.
    there.decide(study, "no-order")
    there.act("reconciliation.send")
    there.act("reconciliation.undo", decision=1, **WHO)
    there.decide(study, "matched", order="RA1")
    there.act("reconciliation.compare")
    there.decide(there.difference("identity-differs", f"study {study}"), "replaced-for-safety")
    told = there.act("reconciliation.send")
    assert not told["failed"], told
    # Orthanc does not honour the note, and Safelight says so.
    there.decide(there.difference("identity-differs", f"shown {study}"), "left")
    assert there.open() == []
    copies = {one.sop_instance: _whole(one) for one in VaultHoldings(there.site).instances("1.2.77", None)}
    (entry,) = there.site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
    new_of = {row[0]: row[2] for row in entry.facts["instances"]}
    assert set(new_of.values()) == set(copies) and set(new_of) == {str(one.SOPInstanceUID) for one in before}
    old_names = set(new_of) | {study} | {str(one.SeriesInstanceUID) for one in before}
    for one in before:
        copy = dcmread(BytesIO(copies[new_of[str(one.SOPInstanceUID)]]))
        original = copy.OriginalAttributesSequence
        del copy.OriginalAttributesSequence
        assert not old_names & set(_uids_in(copy))
        assert original[0].ModifiedAttributesSequence[0].SOPInstanceUID == one.SOPInstanceUID
        assert copy.PatientID == "4711" and copy.get("PixelData") == one.get("PixelData")
        # Every reference of before that was one within the study is one within the copy.
        assert len(set(_uids_in(one)) & old_names) == len(set(_uids_in(copy)) & ({*copies, "1.2.77"} | _series(copies)))
    notes = [one for one in VaultHoldings(there.site).instances(study, None) if one.is_rejection_note]
    (note,) = [one for one in notes if one.sop_instance == told_note(there)]
    read = dcmread(BytesIO(_whole(note)))
    assert read.ConceptNameCodeSequence[0].CodeValue == "113037"
    assert set(new_of) <= set(_uids_in(read))
    assert _errors(tmp_path, _whole(note)) == set()


def told_note(there: Hospital) -> str:
    """Return the UID of the note that was written."""
    done = [entry.facts for entry in there.site.records.journal.entries(kinds=[FactKind.RECONCILIATION_DONE])]
    return str(next(one["told"]["note"] for one in done if one["what"].startswith("replace")))


def _series(copies: dict[str, bytes]) -> set[str]:
    return {str(dcmread(BytesIO(raw)).SeriesInstanceUID) for raw in copies.values()}


def _whole(one: object) -> bytes:
    source = one.open()  # type: ignore[attr-defined]
    prefix = write_prefix(one.sop_class, one.sop_instance, one.transfer_syntax)  # type: ignore[attr-defined]
    return prefix + bytes(source.read(0, source.size))
