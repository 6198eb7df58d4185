"""C-FIND at our door: what is asked by whom, and what is answered."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from safelight.catalog.callers import CallerAct
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.exchange import ContextNotAgreed
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.wire.dicom.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from support.archive_door import CALLER, ArchiveDoor, invented, open_archive

pytestmark = pytest.mark.peer
ROOT = "1.2.826.0.1.3680043.9.9999"
JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveDoor]:
    with open_archive(tmp_path_factory.mktemp("archive"), settings="query_answers_max = 20") as door:
        for study in range(1, 7):
            door.store([invented(study, series, number) for series in (1, 2) for number in (1, 2, 3)])
        door.store(
            [
                invented(21, PatientID="J1", PatientName=JAPANESE, SpecificCharacterSet="ISO_IR 192"),
                invented(22, PatientID="D1", PatientName="Müller^Jürgen", SpecificCharacterSet="ISO_IR 100"),
                invented(23, PatientID="B1", PatientName="Bergmann^Ole", StudyTime="101500.25"),
            ]
        )
        yield door


def query(level: str, **keys: object) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def find(door: ArchiveDoor, asked: Dataset, model: str = STUDY_ROOT_FIND) -> list[Dataset]:
    with door.call([service_proposal(model)]) as association:
        return list(association.find(model, asked))


def studies(door: ArchiveDoor, **keys: object) -> list[int]:
    found = find(door, query("STUDY", **{"StudyInstanceUID": "", **keys}))
    return sorted(int(one.StudyInstanceUID.rpartition(".")[2]) for one in found)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientID": "P1"}, [2, 3]),
        ({"PatientID": "P?"}, [1, 2, 3, 4, 5, 6]),
        ({"PatientID": "p1"}, []),
        ({"PatientName": "BERG^ANA1"}, [2, 3]),
        ({"PatientName": "Berg"}, []),
        ({"PatientName": "berg^*"}, [1, 2, 3, 4, 5, 6]),
        ({"PatientName": "berg*"}, [1, 2, 3, 4, 5, 6, 23]),
        ({"PatientName": "*1", "StudyDate": "20260103"}, [3]),
        ({"PatientName": "*"}, [1, 2, 3, 4, 5, 6, 21, 22, 23]),
        ({"PatientName": "muller^jurgen"}, [22]),
        ({"StudyDate": "20260103"}, [3]),
        ({"StudyDate": "20260103-20260105"}, [3, 4, 5]),
        ({"StudyDate": "-20260102"}, [1, 2]),
        ({"StudyDate": "20260105-"}, [5, 6, 21, 22, 23]),
        ({"StudyDate": "20260103-", "StudyTime": "-0416"}, [3, 4]),
        ({"StudyTime": "101500"}, [23]),
        ({"StudyTime": "10-11"}, [23]),
        ({"AccessionNumber": "A00[12]"}, []),
        ({"AccessionNumber": "A002"}, [2]),
        ({"AccessionNumber": "*3"}, [3, 23]),
        ({"StudyInstanceUID": [f"{ROOT}.2", f"{ROOT}.5", "1.2.3"]}, [2, 5]),
        ({"StudyInstanceUID": f"{ROOT}.4"}, [4]),
        ({"ModalitiesInStudy": "US", "StudyDate": "20260101-20260103"}, [1, 2, 3]),
        ({"ModalitiesInStudy": ["CT", "MR"], "PatientID": "J1"}, [21]),
        ({"ModalitiesInStudy": "CT"}, []),
        ({"StudyDescription": "", "PatientID": "P0"}, [1]),
        ({"PatientID": "P1' OR 1=1 --"}, []),
        ({"PatientID": "P_"}, []),
        ({"PatientID": "%*"}, []),
    ],
)
def test_studies_match_as_the_standard_says(door: ArchiveDoor, keys: dict[str, object], expected: list[int]) -> None:
    assert studies(door, **keys) == expected


def test_an_answer_has_every_attribute_that_was_asked_for_and_what_is_computed(door: ArchiveDoor) -> None:
    asked = query(
        "STUDY",
        StudyInstanceUID=f"{ROOT}.3",
        PatientName="",
        PatientID="",
        StudyDate="",
        StudyTime="",
        AccessionNumber="",
        ModalitiesInStudy="",
        SOPClassesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        NumberOfPatientRelatedStudies="",
        InstanceAvailability="",
        RetrieveAETitle="",
        PatientComments="",
        ReferencedStudySequence=[],
    )
    (found,) = find(door, asked)
    assert {element.keyword for element in found} == {element.keyword for element in asked}
    assert found.QueryRetrieveLevel == "STUDY"
    assert (str(found.PatientName), found.PatientID) == ("Berg^Ana1", "P1")
    assert (found.StudyDate, found.StudyTime, found.AccessionNumber) == ("20260103", "031500", "A003")
    assert list(found.ModalitiesInStudy) == ["MR", "US"]
    assert found.SOPClassesInStudy == "1.2.840.10008.5.1.4.1.1.7"
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 6)
    assert found.NumberOfPatientRelatedStudies == 2
    assert (found.InstanceAvailability, found.RetrieveAETitle) == ("ONLINE", "SAFELIGHT")
    assert not found.PatientComments and not found.ReferencedStudySequence


def test_patients_series_and_instances_are_found_below_one_another(door: ArchiveDoor) -> None:
    patients = find(
        door, query("PATIENT", PatientID="P*", PatientName="", NumberOfPatientRelatedInstances=""), PATIENT_ROOT_FIND
    )
    assert {one.PatientID: one.NumberOfPatientRelatedInstances for one in patients} == {
        "P0": 6, "P1": 12, "P2": 12, "P3": 6,
    }  # fmt: skip
    named = find(door, query("PATIENT", PatientID="", PatientName="BERGMANN*"), PATIENT_ROOT_FIND)
    assert [one.PatientID for one in named] == ["B1"]
    series = find(
        door,
        query(
            "SERIES", StudyInstanceUID=f"{ROOT}.2", SeriesInstanceUID="", Modality="", NumberOfSeriesRelatedInstances=""
        ),
    )
    assert [(one.Modality, one.NumberOfSeriesRelatedInstances) for one in series] == [("MR", 3), ("US", 3)]
    images = find(
        door,
        query(
            "IMAGE",
            StudyInstanceUID=f"{ROOT}.2",
            SeriesInstanceUID=f"{ROOT}.2.1",
            SOPInstanceUID="",
            InstanceNumber="",
            SOPClassUID="",
        ),
    )
    assert [one.InstanceNumber for one in images] == [1, 2, 3]
    assert {one.SOPInstanceUID for one in images} == {f"{ROOT}.2.1.{number}" for number in (1, 2, 3)}


def test_names_come_in_the_askers_character_set_where_it_has_the_letters(door: ArchiveDoor) -> None:
    (german,) = find(door, query("STUDY", PatientID="D1", PatientName="", SpecificCharacterSet="ISO_IR 100"))
    assert (german.SpecificCharacterSet, str(german.PatientName)) == ("ISO_IR 100", "Müller^Jürgen")
    (unasked,) = find(door, query("STUDY", PatientID="D1", PatientName=""))
    assert (unasked.SpecificCharacterSet, str(unasked.PatientName)) == ("ISO_IR 192", "Müller^Jürgen")
    (japanese,) = find(door, query("STUDY", PatientID="J1", PatientName="", SpecificCharacterSet="ISO_IR 100"))
    assert (japanese.SpecificCharacterSet, str(japanese.PatientName)) == ("ISO_IR 192", JAPANESE)
    (plain,) = find(door, query("STUDY", PatientID="B1", PatientName="", SpecificCharacterSet="ISO_IR 100"))
    assert "SpecificCharacterSet" not in plain
    asked = query("STUDY", PatientID="", PatientName="=山田*", SpecificCharacterSet="ISO_IR 192")
    assert [one.PatientID for one in find(door, asked)] == ["J1"]


@pytest.mark.parametrize(
    ("asked", "model", "status"),
    [
        (query("PATIENT", PatientID=""), STUDY_ROOT_FIND, "A900H"),
        (query("", PatientID=""), STUDY_ROOT_FIND, "A900H"),
        (query("IMAGE", SOPInstanceUID=""), STUDY_ROOT_FIND, "A900H"),
        (query("SERIES", Modality="CT"), PATIENT_ROOT_FIND, "A900H"),
        (query("IMAGE", PatientID="P*"), PATIENT_ROOT_FIND, "A700H"),
    ],
)
def test_a_query_that_cannot_be_answered_gets_the_status_that_says_why(
    door: ArchiveDoor, asked: Dataset, model: str, status: str
) -> None:
    with pytest.raises(QueryFailed) as told:
        find(door, asked, model)
    assert told.value.facts["status"] == status


def test_matches_up_to_the_limit_are_given_before_the_refusal(door: ArchiveDoor) -> None:
    given = []
    with door.call([service_proposal(PATIENT_ROOT_FIND)]) as association, pytest.raises(QueryFailed):
        for one in association.find(PATIENT_ROOT_FIND, query("IMAGE", PatientID="P*", SOPInstanceUID="")):
            given.append(one)
    assert len(given) == 20


def test_a_cancelled_query_ends_and_the_association_goes_on(door: ArchiveDoor) -> None:
    asked = query("STUDY", StudyInstanceUID="")
    with door.call([service_proposal(STUDY_ROOT_FIND)]) as association:
        for _ in association.find(STUDY_ROOT_FIND, asked):
            break
        assert len(list(association.find(STUDY_ROOT_FIND, asked))) == 9


def test_queries_are_noted_in_the_register_of_callers(door: ArchiveDoor) -> None:
    find(door, query("STUDY", PatientID="P1"))
    door.book.flush()
    rows = [row for row in door.site.catalog.callers() if row.title == CALLER.text]
    assert rows[0].counts[CallerAct.QUERY] >= 1


def test_who_is_not_known_gets_no_service(tmp_path: Path) -> None:
    with open_archive(tmp_path, accept_any=False) as door:
        done = subprocess.run(
            [
                "/usr/bin/findscu",
                "-S",
                "-aec",
                "SAFELIGHT",
                "-k",
                "QueryRetrieveLevel=STUDY",
                "127.0.0.1",
                str(door.port),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0 and "Rejected" in done.stdout + done.stderr


def test_findscu_asks_every_level_in_both_models(door: ArchiveDoor, tmp_path: Path) -> None:
    def findscu(*arguments: str) -> int:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        done = subprocess.run(
            [
                "/usr/bin/findscu",
                *arguments,
                "-X",
                "-od",
                str(folder),
                "-aec",
                "SAFELIGHT",
                "127.0.0.1",
                str(door.port),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return len(list(folder.iterdir()))

    assert findscu("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P1", "-k", "StudyInstanceUID") == 2
    assert findscu("-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName=berg*", "-k", "PatientID") == 5
    assert findscu("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P1", "-k", "StudyInstanceUID=*") == 2
    series = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={ROOT}.2", "-k", "SeriesInstanceUID"]
    assert findscu("-S", *series) == 2
    images = [*series, "-k", f"SeriesInstanceUID={ROOT}.2.1", "-k", "QueryRetrieveLevel=IMAGE", "-k", "SOPInstanceUID"]
    for syntax in ("-xi", "-xe", "-xb"):
        assert findscu("-P", "-k", "PatientID=P1", *images, syntax) == 3


PYNETDICOM = """
import sys
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND
ae = AE()
ae.add_requested_context(FIND)
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="SAFELIGHT")
asked = Dataset()
asked.QueryRetrieveLevel = "STUDY"
asked.PatientID = "P*"
asked.StudyInstanceUID = ""
answers = [(status.Status, bool(found)) for status, found in association.send_c_find(asked, FIND)]
assert answers == [(0xFF00, True)] * 6 + [(0, False)], answers
asked.PatientComments = ""
answers = [status.Status for status, found in association.send_c_find(asked, FIND)]
assert answers == [0xFF01] * 6 + [0], answers
association.release()
"""


def test_pynetdicom_asks_and_is_told_of_keys_we_do_not_have(door: ArchiveDoor) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", PYNETDICOM, str(door.port)], check=True, timeout=60)


def test_a_house_without_services_still_refuses_them_in_the_negotiation() -> None:
    from support.dicom_door import open_door

    with open_door() as plain:
        from safelight.core.names import Peer
        from safelight.gateway.dicom.client import connect
        from support.archive_door import TITLE

        peer = Peer(TITLE, "127.0.0.1", plain.listener.port)
        with connect(peer, CALLER, [service_proposal(STUDY_ROOT_FIND)]) as association, pytest.raises(ContextNotAgreed):
            list(association.find(STUDY_ROOT_FIND, query("STUDY")))
