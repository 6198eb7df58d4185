"""QIDO-RS over a real socket, asked by dicomweb-client and by hand."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from support.dicom_files import image
from support.real_files import all_files
from support.web_house import WebHouse, web_house

STUDIES = 12
SERIES_EACH = 2
IMAGES_EACH = 3


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    with web_house(tmp_path_factory.mktemp("house")) as one:
        one.land(
            image(study, series, number)
            for study in range(1, STUDIES + 1)
            for series in range(1, SERIES_EACH + 1)
            for number in range(1, IMAGES_EACH + 1)
        )
        yield one


@pytest.fixture(scope="module")
def client(house: WebHouse) -> DICOMwebClient:
    return DICOMwebClient(house.url)


def dates(found: list[dict[str, dict]]) -> list[str]:
    return [Dataset.from_json(one).StudyDate for one in found]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, STUDIES),
        ({"PatientID": "P03"}, 1),
        ({"00100020": "P03"}, 1),
        ({"PatientName": "person0*"}, 9),
        ({"PatientName": "Person03^Invented"}, 1),
        ({"PatientName": "*Nobody*"}, 0),
        ({"StudyDate": "20260103-20260105"}, 3),
        ({"StudyDate": "-20260103"}, 3),
        ({"StudyDate": "20260110-"}, 3),
        ({"ModalitiesInStudy": "MR"}, STUDIES),
        ({"ModalitiesInStudy": "US"}, 0),
        ({"AccessionNumber": "A0?"}, 9),
        ({"StudyInstanceUID": "1.2.826.0.1.3680043.9.9999.7.1,1.2.826.0.1.3680043.9.9999.7.2"}, 2),
        ({"StudyInstanceUID": "1.2.826.0.1.3680043.9.9999.7.1\\1.2.826.0.1.3680043.9.9999.7.2"}, 2),
        ({"PatientID": "P03' OR 1=1 --"}, 0),
        ({"PatientID": "%"}, 0),
    ],
)
def test_studies_are_found_by_what_the_client_asks(client: DICOMwebClient, filters: dict[str, str], count: int) -> None:
    assert len(client.search_for_studies(search_filters=filters)) == count


def test_a_study_says_what_the_standard_wants_said(client: DICOMwebClient, house: WebHouse) -> None:
    (found,) = client.search_for_studies(search_filters={"PatientID": "P03"})
    study = Dataset.from_json(found)
    assert study.PatientName == "Person03^Invented"
    assert set(study.ModalitiesInStudy) == {"CT", "MR"}
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (SERIES_EACH, 6)
    assert study.InstanceAvailability == "ONLINE"
    assert study.RetrieveURL == f"{house.url}/studies/{study.StudyInstanceUID}"
    assert found["00201208"]["Value"] == [6]


def test_pages_together_are_the_whole_and_each_but_the_last_says_that_there_is_more(house: WebHouse) -> None:
    seen: list[str] = []
    for offset in range(0, STUDIES + 5, 5):
        answered = house.get(f"/studies?limit=5&offset={offset}")
        if answered.status == 204:
            assert answered.body == b""
            continue
        assert ("warning" in answered.headers) == (offset + 5 < STUDIES)
        seen += dates(json.loads(answered.body))
    assert seen == sorted(seen, reverse=True) and len(set(seen)) == STUDIES


def test_the_client_follows_pages_by_itself(client: DICOMwebClient) -> None:
    assert len(client.search_for_instances(limit=7, get_remaining=True)) == STUDIES * SERIES_EACH * IMAGES_EACH


def test_series_and_instances_are_found_below_a_study_and_across(client: DICOMwebClient, house: WebHouse) -> None:
    study = "1.2.826.0.1.3680043.9.9999.7.4"
    series = [Dataset.from_json(one) for one in client.search_for_series(study)]
    assert {one.Modality for one in series} == {"CT", "MR"}
    assert {one.NumberOfSeriesRelatedInstances for one in series} == {IMAGES_EACH}
    assert len(client.search_for_series(search_filters={"Modality": "MR"})) == STUDIES
    assert len(client.search_for_instances(study)) == SERIES_EACH * IMAGES_EACH
    (one,) = client.search_for_instances(study, f"{study}.1", search_filters={"InstanceNumber": "2"})
    instance = Dataset.from_json(one)
    assert instance.SOPInstanceUID == f"{study}.1.2"
    assert (instance.Rows, instance.Columns, instance.BitsAllocated) == (128, 128, 16)
    assert instance.RetrieveURL == f"{house.url}/studies/{study}/series/{study}.1/instances/{study}.1.2"
    (across,) = client.search_for_series(search_filters={"SeriesInstanceUID": f"{study}.1"})
    assert Dataset.from_json(across).PatientID == "P04"


def test_only_attributes_that_were_asked_for_come_beside_the_usual_ones(client: DICOMwebClient) -> None:
    usual = client.search_for_studies(search_filters={"PatientID": "P01"})[0]
    more = client.search_for_studies(search_filters={"PatientID": "P01"}, fields=["SOPClassesInStudy"])[0]
    assert "00080062" not in usual and more["00080062"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2"]
    everything = client.search_for_studies(search_filters={"PatientID": "P01"}, fields=["all"])[0]
    assert more.keys() <= everything.keys()


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "offset=1e3",
        "offset=9999999",
        "StudyDate=yesterday",
        "StudyDate=20260101-20260102-20260103",
        "StudyInstanceUID=1.2.3;drop",
        "NoSuchAttribute=1",
        "includefield=NoSuchAttribute",
        "fuzzymatching=perhaps",
        "StudyInstanceUID=" + ",".join(["1.2.3." + str(n) for n in range(10_500)]),
    ],
)
def test_a_parameter_that_means_nothing_is_a_bad_request_with_a_report(house: WebHouse, query: str) -> None:
    answered = house.get(f"/studies?{query}")
    assert answered.status in (400, 414, 431), answered.status
    if answered.status == 400:
        assert json.loads(answered.body)["code"] in ("wire.bad-web-request", "wire.query-too-long")


@pytest.mark.parametrize("query", ["fuzzymatching=true", "limit=999999999", "PatientWeight=70"])
def test_what_cannot_be_done_as_asked_is_done_as_far_as_it_goes_with_a_warning(house: WebHouse, query: str) -> None:
    answered = house.get(f"/studies?{query}")
    assert answered.status == 200
    assert answered.headers["warning"].startswith("299 ")


def test_a_peer_that_takes_no_json_is_told(house: WebHouse) -> None:
    assert house.get("/studies", "application/dicom+xml").status == 406


def test_names_of_every_character_set_come_in_unicode_and_are_found_by_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    files = [path for path in all_files() if path.parent.name == "charset_files" and path.suffix == ".dcm"]
    with web_house(tmp_path_factory.mktemp("names")) as house:
        for path in files:
            one = pydicom.dcmread(path)
            one.decode()
            if not (one.get("StudyInstanceUID") and one.get("SeriesInstanceUID") and one.get("SOPInstanceUID")):
                continue
            house.land([path.read_bytes()])
        studies = json.loads(house.get("/studies").body)
        names = [name for one in studies if (name := one.get("00100010", {}).get("Value"))]
        assert len(names) >= 8
        for (name,) in names:
            asked = "=".join(name.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
            found = json.loads(house.get(f"/studies?PatientName={quote(asked)}").body)
            assert name in [one["00100010"]["Value"][0] for one in found], asked


def test_instances_behind_a_disputed_one_are_not_lost_from_pages(tmp_path_factory: pytest.TempPathFactory) -> None:
    with web_house(tmp_path_factory.mktemp("disputed")) as house:
        house.land(image(1, 1, 1, patch=text) for text in (b"a", b"b", b"c", b"d"))
        house.land(image(1, 1, number) for number in (2, 3))
        seen, offset = [], 0
        while (answered := house.get(f"/instances?limit=1&offset={offset}")).status == 200:
            (one,) = json.loads(answered.body)
            seen.append(one["00080018"]["Value"][0].rpartition(".")[2])
            assert ("warning" in answered.headers) == (offset < 2)
            offset += 1
        assert sorted(seen) == ["1", "2", "3"]
