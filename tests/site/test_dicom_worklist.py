"""The modality worklist at our door."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.order_changes import Changes, OrderChange, PatientChange, PatientName, StepState
from safelight.gateway.dicom.contexts import service_proposal
from safelight.wire.dicom.uids import WORKLIST_FIND
from support.archive_door import ArchiveDoor, open_archive

pytestmark = pytest.mark.peer


def told(number: int, state: StepState = StepState.SCHEDULED, **attributes: str) -> Changes:
    patient = PatientName(f"P{number}", "H")
    names = {1: "Müller^Jürgen", 2: "Yamada^Tarou=山田^太郎"}
    step = {
        "AccessionNumber": f"A{number}",
        "Modality": ["CT", "MR"][number % 2],
        "ScheduledStationAETitle": f"STATION{number % 2}",
        "ScheduledProcedureStepStartDate": f"202603{number % 28 + 1:02d}",
        "ScheduledProcedureStepStartTime": "0815",
        "ScheduledProcedureStepDescription": "CT Thorax",
        "RequestedProcedureDescription": "Thorax",
        "RequestedProcedureCodeValue": "C1",
        "RequestedProcedureCodingScheme": "99H",
        **attributes,
    }
    return Changes(
        "20260301080000",
        patients=(PatientChange(patient, {"PatientName": names.get(number, f"Berg^Ana{number}"), "PatientSex": "F"}),),
        orders=(OrderChange(patient, (("accession", f"A{number}"),), (), state, True, step),),
    )


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path_factory.mktemp("worklist")) as door:
        door.site.messages.index.fold(
            [
                *((number, told(number)) for number in range(1, 7)),
                (7, told(7, StepState.COMPLETED)),
                (8, told(8, ScheduledStationAETitle="", StudyInstanceUID="1.2.3.8", ScheduledProcedureStepID="S8")),
            ]
        )
        yield door


def asked(step: dict[str, str] | None = None, **keys: object) -> Dataset:
    query = Dataset()
    query.ScheduledProcedureStepSequence = [Dataset()]
    wanted = {
        "Modality": "",
        "ScheduledStationAETitle": "",
        "ScheduledProcedureStepStartDate": "",
        "ScheduledProcedureStepStartTime": "",
        "ScheduledProcedureStepID": "",
    }
    for keyword, value in (wanted | (step or {})).items():
        setattr(query.ScheduledProcedureStepSequence[0], keyword, value)
    for keyword, value in (
        {"PatientID": "", "PatientName": "", "AccessionNumber": "", "StudyInstanceUID": ""} | keys
    ).items():
        setattr(query, keyword, value)
    return query


def find(door: ArchiveDoor, query: Dataset) -> list[Dataset]:
    with door.call([service_proposal(WORKLIST_FIND)]) as association:
        return list(association.find(WORKLIST_FIND, query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (asked(), [1, 2, 3, 4, 5, 6, 8]),
        (asked({"Modality": "CT"}), [2, 4, 6, 8]),
        (asked({"ScheduledStationAETitle": "STATION1"}), [1, 3, 5, 8]),
        (asked({"ScheduledProcedureStepStartDate": "20260303"}), [2]),
        (asked({"ScheduledProcedureStepStartDate": "20260303-20260305", "Modality": "CT"}), [2, 4]),
        (asked({"ScheduledProcedureStepStartDate": "20260306-"}), [5, 6, 8]),
        (asked(PatientID="P3"), [3]),
        (asked(PatientName="BERG^*"), [3, 4, 5, 6, 8]),
        (asked(PatientName="muller^jurgen"), [1]),
        (asked(PatientName="berg"), []),
        (asked(AccessionNumber="A?"), [1, 2, 3, 4, 5, 6, 8]),
        (asked(StudyInstanceUID="1.2.3.8"), [8]),
    ],
)
def test_steps_match_as_the_standard_says(door: ArchiveDoor, query: Dataset, expected: list[int]) -> None:
    assert sorted(int(one.PatientID[1:]) for one in find(door, query)) == expected


def test_a_step_has_every_identifier_a_modality_needs_and_the_same_ones_each_time(door: ArchiveDoor) -> None:
    query = asked(RequestedProcedureID="", RequestedProcedureCodeSequence=[], PatientSex="", PatientID="P3")
    first, second = find(door, query)[0], find(door, query)[0]
    assert first == second
    assert first.StudyInstanceUID.startswith("2.25.") and first.RequestedProcedureID == "A3"
    assert first.RequestedProcedureCodeSequence[0].CodeMeaning == "Thorax"
    (step,) = first.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartTime) == (
        "MR",
        "STATION1",
        "0815",
    )
    assert step.ScheduledProcedureStepID
    (eighth,) = find(door, asked(PatientID="P8"))
    assert (eighth.StudyInstanceUID, eighth.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID) == (
        "1.2.3.8",
        "S8",
    )


def test_names_come_in_a_character_set_that_the_modality_reads(door: ArchiveDoor) -> None:
    (german,) = find(door, asked(PatientID="P1", SpecificCharacterSet="ISO_IR 100"))
    assert (german.SpecificCharacterSet, str(german.PatientName)) == ("ISO_IR 100", "Müller^Jürgen")
    (japanese,) = find(door, asked(PatientID="P2", SpecificCharacterSet="ISO_IR 100"))
    assert (japanese.SpecificCharacterSet, japanese.PatientName.ideographic) == ("ISO_IR 192", "山田^太郎")


def test_findscu_asks_for_the_worklist(door: ArchiveDoor, tmp_path: Path) -> None:
    keys = ["PatientID", "PatientName", "ScheduledProcedureStepSequence[0].Modality=CT"]
    for number, extra in enumerate(([], ["-k", "(0040,0100)[0].ScheduledStationAETitle=STATION0"], ["-xi"], ["-xb"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ["/usr/bin/findscu", "-W", "-X", "-od", str(folder), "-aec", "SAFELIGHT", "127.0.0.1", str(door.port)]
        for key in keys:
            command += ["-k", key]
        done = subprocess.run([*command, *extra], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(list(folder.iterdir())) == 4


PYNETDICOM = """
import sys
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind as MWL
ae = AE("CT1")
ae.add_requested_context(MWL)
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="SAFELIGHT")
query = Dataset()
query.PatientName = "*"
query.ScheduledProcedureStepSequence = []
answers = list(association.send_c_find(query, MWL))
assert [status.Status for status, _ in answers] == [0xFF00] * 7 + [0], answers
assert {one.ScheduledProcedureStepSequence[0].Modality for _, one in answers[:-1]} == {"CT", "MR"}
association.release()
"""


def test_pynetdicom_asks_for_the_whole_step_with_an_empty_sequence(door: ArchiveDoor) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", PYNETDICOM, str(door.port)], check=True, timeout=60)


def test_a_home_without_orders_answers_with_none(tmp_path: Path) -> None:
    with open_archive(tmp_path) as empty:
        assert find(empty, asked()) == []


def test_a_key_that_is_not_matched_narrows_nothing(door: ArchiveDoor) -> None:
    # Some askers write a zero where they mean nothing.
    query = asked(AccessionNumber="A1", PregnancyStatus=0, PatientWeight="0")
    with door.call([service_proposal(WORKLIST_FIND)]) as association:
        assert [one.AccessionNumber for one in association.find(WORKLIST_FIND, query)] == ["A1"]
