"""What is registered by hand in a downtime, on the worklist that a modality is given."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.order_changes import Changes, Merge, OrderChange, PatientChange, PatientName, StepState
from safelight.core.clock import SetClock
from safelight.core.names import AETitle
from safelight.core.progress import silent
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.gateway.dicom.procedure_step_service import StepNotice, StepStatus
from safelight.site import performed_steps
from safelight.site.acts import act
from safelight.site.dicom_procedure_steps import StepLedger
from safelight.site.downtime_steps import DowntimeSteps
from safelight.site.hl7_worklist import worklist_document
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, WORKLIST_FIND
from support.archive_door import ArchiveDoor, open_archive

pytestmark = pytest.mark.peer
WHO = {"reason": "test", "by": "A. Admin"}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path) as door:
        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            numbers = {"of": of, "prefix": prefix, "first": 1, "last": 40}
            act(door.site, "downtime.numbers.reserve", {**numbers, **WHO}, silent)
            block = {"of": of, "count": 9, "site": "main", "device": "CT1"}
            act(door.site, "downtime.numbers.allot", {**block, **WHO}, silent)
        act(door.site, "downtime.say", {"event": "declared", "scopes": ["ris"], **WHO}, silent)
        yield door


def register(door: ArchiveDoor, **told: Any) -> dict[str, Any]:
    asked = {"way": "walk-in", "site": "main", "device": "CT1", "modality": "CT", "by": "T", "name": "DOE^JANE"}
    return dict(act(door.site, "downtime.exam.register", asked | told, silent))


def happen(door: ArchiveDoor, accession: str, step: str, **told: Any) -> None:
    act(door.site, "downtime.exam.step", {"accession": accession, "step": step, "by": "T", **told}, silent)


def offered(door: ArchiveDoor, station: str = "") -> list[Dataset]:
    query = Dataset()
    for keyword in ("PatientID", "PatientName", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID"):
        setattr(query, keyword, "")
    query.ScheduledProcedureStepSequence = [Dataset()]
    step = query.ScheduledProcedureStepSequence[0]
    step.ScheduledStationAETitle, step.Modality = station, ""
    step.ScheduledProcedureStepID = step.ScheduledStationName = step.ScheduledProcedureStepStartDate = ""
    with door.call([service_proposal(WORKLIST_FIND)]) as association:
        return list(association.find(WORKLIST_FIND, query))


def test_walk_ins_and_unidentified_patients_are_offered_to_their_device_until_they_are_done(door: ArchiveDoor) -> None:
    made = register(door)
    register(door, way="unidentified", name="")
    first, second = offered(door)
    assert (first.PatientID, str(first.PatientName), first.AccessionNumber) == ("DP01", "DOE^JANE", "DT01")
    assert (second.PatientID, str(second.PatientName)) == ("DP02", "UNIDENTIFIED^DP02")
    assert first.StudyInstanceUID == made["study"]
    (step,) = first.ScheduledProcedureStepSequence
    assert (step.ScheduledProcedureStepID, first.RequestedProcedureID) == ("DT01", "DT01")
    assert (step.Modality, step.ScheduledStationName) == ("CT", "CT1") and step.ScheduledProcedureStepStartDate
    assert offered(door) == [first, second]
    happen(door, "DT01", "arrived")
    happen(door, "DT02", "cancelled", reason="went elsewhere")
    assert [one.AccessionNumber for one in offered(door)] == ["DT01"]
    happen(door, "DT01", "acquired")
    assert offered(door) == []


def test_a_device_that_is_not_known_by_that_title_does_not_hide_its_patients(door: ArchiveDoor) -> None:
    register(door)
    assert len(offered(door, "CT1")) == len(offered(door, "ELSE")) == 1
    door.name("CT1", 104)
    assert len(offered(door, "CT1")) == 1 and offered(door, "ELSE") == []


def test_an_order_that_is_registered_by_hand_keeps_the_study_it_was_offered_under(door: ArchiveDoor) -> None:
    patient = PatientName("P1", "H")
    for position, uid in ((1, "1.2.3"), (2, "")):
        told = {"AccessionNumber": f"A{position}", "Modality": "CT", "StudyInstanceUID": uid}
        order = OrderChange(patient, (("accession", f"A{position}"),), (), StepState.SCHEDULED, True, told)
        changes = Changes("20260301080000", (PatientChange(patient, {"PatientName": "Berg^Ana"}),), orders=(order,))
        door.site.messages.index.fold([(position, changes)])
    before = {one.AccessionNumber: one.StudyInstanceUID for one in offered(door)}
    for accession in ("A1", "A2"):
        made = register(door, way="ordered", accession=accession, patient_id="P1", name="BERG^ANA")
        assert made["study"] == before[accession]
    assert {one.AccessionNumber: one.StudyInstanceUID for one in offered(door)} == before
    happen(door, "A1", "acquired")
    assert [one.AccessionNumber for one in offered(door)] == ["A2"]


@pytest.mark.parametrize("how", ["by hand", "by its modality"])
def test_a_step_that_was_done_stays_done_when_its_patient_is_merged(door: ArchiveDoor, how: str) -> None:
    """No Study Instance UID is ordered, so that it is made from the patient's number, which changes."""
    prior, kept = PatientName("P1", "H"), PatientName("P2", "H")
    order = OrderChange(
        prior, (("accession", "A1"),), (), StepState.SCHEDULED, True, {"AccessionNumber": "A1", "Modality": "CT"}
    )
    changes = Changes("20260301080000", (PatientChange(prior, {"PatientName": "Berg^Ana"}),), orders=(order,))
    door.site.messages.index.fold([(1, changes)])
    (offer,) = offered(door)
    if how == "by hand":
        register(door, way="ordered", accession="A1", patient_id="P1", name="BERG^ANA")
        happen(door, "A1", "acquired")
    else:
        perform(door, offer, "1.1", StepStatus.IN_PROGRESS, StepStatus.COMPLETED)
    assert offered(door) == []
    merge = Changes("20260301090000", (PatientChange(kept, {}),), merges=(Merge(kept, prior),))
    door.site.messages.index.fold([(2, merge)])
    assert offered(door) == []


def test_the_worklist_is_the_same_in_the_command_and_after_the_index_was_lost(
    door: ArchiveDoor, tmp_path: Path
) -> None:
    register(door)
    home = door.site.home
    (told,) = worklist_document(home, {})["steps"]
    assert (told["sources"], told["attributes"]["AccessionNumber"]) == (["downtime"], "DT01")
    for path in home.directory.glob("messages.db*"):
        path.unlink()
    assert worklist_document(home, {})["steps"] == [told]
    assert worklist_document(home, {"modality": "MR"})["steps"] == []


def test_what_was_registered_by_hand_goes_a_day_after_its_outage_is_over(door: ArchiveDoor) -> None:
    register(door)
    clock = SetClock(door.site.clock.now() + timedelta(days=3))
    steps = DowntimeSteps(door.site.records.journal, frozenset, clock)
    assert len(steps.rows()) == 1
    for event in ("ended", "closed"):
        told = {"event": event, "scopes": ["ris"], "leave_open": True, **WHO}
        act(door.site, "downtime.say", told, silent)
    assert steps.rows() == []
    assert len(offered(door)) == 1


def perform(door: ArchiveDoor, offer: Dataset, instance: str, *statuses: StepStatus) -> None:
    caller = AssociationFacts(AETitle("CT1"), AETitle("SAFELIGHT"), "127.0.0.1")
    ledger = StepLedger(door.site)
    for status in statuses:
        told = Dataset()
        told.PerformedProcedureStepStatus = status.value
        if status is StepStatus.IN_PROGRESS:
            item = Dataset()
            item.StudyInstanceUID, item.AccessionNumber = offer.StudyInstanceUID, offer.AccessionNumber
            item.ScheduledProcedureStepID = offer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
            told.ScheduledStepAttributesSequence = [item]
        data = encode_identifier(told, EXPLICIT_LITTLE_ENDIAN)
        notice = StepNotice(instance, status, data, EXPLICIT_LITTLE_ENDIAN)
        (ledger.begin if status is StepStatus.IN_PROGRESS else ledger.change)(caller, notice)


def test_a_step_that_its_modality_completed_is_not_offered_again(door: ArchiveDoor) -> None:
    for _ in range(3):
        register(door)
    first, second, third = offered(door)
    perform(door, first, "1.1", StepStatus.IN_PROGRESS, StepStatus.COMPLETED)
    perform(door, second, "1.2", StepStatus.IN_PROGRESS, StepStatus.DISCONTINUED)
    perform(door, third, "1.3", StepStatus.IN_PROGRESS)
    assert [one.AccessionNumber for one in offered(door)] == ["DT02", "DT03"]
    home = door.site.home
    told = {row["attributes"]["AccessionNumber"]: row["state"] for row in worklist_document(home, {})["steps"]}
    assert told == {"DT02": "scheduled", "DT03": "started"}
    (done,) = worklist_document(home, {"states": ["completed"]})["steps"]
    assert done["attributes"]["AccessionNumber"] == "DT01"
    perform(door, third, "1.3", StepStatus.COMPLETED)
    for states, accession in ((["scheduled"], "DT02"), (["discontinued"], None), (["completed"], "DT01")):
        rows = worklist_document(home, {"states": states, "limit": 1})["steps"]
        assert [row["attributes"]["AccessionNumber"] for row in rows] == ([accession] if accession else [])


def test_a_message_that_comes_after_it_was_done_has_it_done_again(door: ArchiveDoor) -> None:
    patient, told = PatientName("P1", "H"), {"AccessionNumber": "A1", "Modality": "CT"}
    order = OrderChange(patient, (("accession", "A1"),), (), StepState.SCHEDULED, True, told)
    door.site.messages.index.fold([(1, Changes("20260301080000", orders=(order,)))])
    (offer,) = offered(door)
    perform(door, offer, "1.1", StepStatus.IN_PROGRESS, StepStatus.COMPLETED)
    assert offered(door) == []
    door.site.messages.index.fold([(9_999, Changes("20260301090000", orders=(order,)))])
    assert offered(door) == [offer]


def test_a_screen_asks_the_same_steps_as_the_door_and_reads_what_was_performed_once(
    door: ArchiveDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(door)
    (offer,) = offered(door)
    perform(door, offer, "1.1", StepStatus.IN_PROGRESS)
    read: list[str] = []
    reads = performed_steps.decode_identifier
    monkeypatch.setattr(performed_steps, "decode_identifier", lambda *told: read.append(told[1]) or reads(*told))
    home = replace(door.site.home, records=door.site)
    for _ in range(3):
        (row,) = worklist_document(home, {})["steps"]
        assert row["state"] == "started" and len(offered(door)) == 1
    assert len(read) == 1
