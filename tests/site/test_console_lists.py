"""Worklist and find of the screens: orders and walk-ins in one list, studies with their viewer, page by page."""

from collections.abc import Iterator
from typing import Any

import pytest

from safelight.catalog.order_changes import Changes, OrderChange, PatientChange, PatientName, StepState
from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.web_house import viewer_link
from support.console_house import WHO, Browser, ConsoleHouse, console_house
from support.dicom_files import image
from support.web_house import WebHouse

STUDIES = 7


def ordered(number: int, state: StepState = StepState.SCHEDULED) -> Changes:
    patient = PatientName(f"P{number}", "H")
    step = {
        "AccessionNumber": f"A{number}",
        "Modality": ["CT", "MR"][number % 2],
        "ScheduledProcedureStepStartDate": f"202603{number:02d}",
        "ScheduledProcedureStepStartTime": "0815",
    }
    return Changes(
        "20260301080000",
        patients=(PatientChange(patient, {"PatientName": f"Person{number}^Invented"}),),
        orders=(OrderChange(patient, (("accession", f"A{number}"),), (), state, True, step),),
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path_factory.mktemp("lists")) as house:
        house.site.messages.index.fold([(number, ordered(number)) for number in range(1, 7)])
        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            told: dict[str, Any] = {"of": of, "prefix": prefix, "first": 1, "last": 99, **WHO}
            act(house.site, "downtime.numbers.reserve", told, silent)
            told = {"of": of, "count": 20, "site": "main", "device": "CT1", **WHO}
            act(house.site, "downtime.numbers.allot", told, silent)
        act(house.site, "downtime.say", {"event": "declared", "scopes": ["ris"], **WHO}, silent)
        WebHouse(house.site, house.port).land(image(study, 1, 1) for study in range(1, STUDIES + 1))
        house.site.arrivals.settle()
        yield house


@pytest.fixture(scope="module")
def browser(house: ConsoleHouse) -> Browser:
    return house.browser("technologist")


def register(browser: Browser, **told: str) -> str:
    asked = {"site": "main", "device": "CT1", "modality": "CT", **told}
    made = browser.post("/api/downtime/exam/register", asked)
    assert made.status == 200, made.body
    return str(made.json["accession"])


def test_the_worklist_shows_orders_and_walk_ins_and_one_line_for_an_order_that_was_taken(browser: Browser) -> None:
    walk_in = register(browser, way="walk-in", name="DOE^JANE")
    register(browser, way="ordered", name="Person2^Invented", patient_id="P2", accession="A2")
    told = browser.get("/api/catalog/worklist").json
    lines = {one["attributes"]["AccessionNumber"]: one["exam"] for one in told["steps"]}
    assert {number: lines[number] for number in ("A1", "A2", "A4")} == {"A1": None, "A2": "A2", "A4": None}
    exams = {one["accession"]: one["is_ordered_step"] for one in told["exams"]}
    # Whatever is registered by hand is one line: its own, or that of the step with its number.
    assert exams["A2"] is True
    assert exams[walk_in] is (walk_in in lines)
    assert told["is_more"] is False
    only = browser.get("/api/catalog/worklist?patient_id=P2").json
    assert [one["accession"] for one in only["exams"]] == ["A2"]
    assert browser.get("/api/catalog/worklist?modality=MR").json["exams"] == []
    assert browser.get("/api/catalog/worklist?date_to=20260305").json["exams"] == []


def test_the_worklist_comes_page_by_page(browser: Browser) -> None:
    first = browser.get("/api/catalog/worklist?limit=4").json
    second = browser.get("/api/catalog/worklist?limit=4&offset=4").json
    assert (first["is_more"], second["is_more"]) == (True, False)
    assert len(first["steps"]) == 4
    assert len(second["steps"]) >= 2
    assert first["steps"][3]["attributes"] != second["steps"][0]["attributes"]
    assert second["exams"] == []


def test_what_was_done_in_an_outage_leaves_the_worklist_when_nothing_of_it_is_open(house: ConsoleHouse) -> None:
    administrator = house.browser("pacs-administrator")
    register(administrator, way="ordered", name="Person3^Invented", patient_id="P3", accession="A3")
    told = {"scopes": ["ris"], "reason": "back"}
    for act_name in ("end", "close"):
        assert administrator.post(f"/api/downtime/{act_name}", {**told, **LEAVE.get(act_name, {})}).status == 200
    waiting = [one["accession"] for one in administrator.get("/api/catalog/worklist").json["exams"]]
    assert "A3" in waiting, "it waits for its images"
    for accession in waiting:
        cancelled = administrator.post("/api/downtime/exam/cancel", {"accession": accession, "reason": "not done"})
        assert cancelled.status == 200
    assert administrator.get("/api/catalog/worklist").json["exams"] == []
    assert administrator.post("/api/downtime/declare", told).status == 200


LEAVE = {"close": {"leave_open": True}}


def test_studies_are_found_page_by_page_by_what_people_know(browser: Browser) -> None:
    first = browser.get("/api/catalog/find?limit=4").json
    second = browser.get("/api/catalog/find?limit=4&offset=4").json
    assert (first["is_more"], second["is_more"]) == (True, False)
    found = [one["study"] for one in first["studies"] + second["studies"]]
    assert len(set(found)) == len(found) == STUDIES
    for query, expected in (
        ("patient_id=P03", ["A03"]),
        ("name=person05", ["A05"]),
        ("accession=A06", ["A06"]),
        ("date_from=20260102&date_to=2026-01-03", ["A03", "A02"]),
        ("patient_id=NONE", []),
    ):
        studies = browser.get(f"/api/catalog/find?{query}").json["studies"]
        assert [one["accession"] for one in studies] == expected, query


def test_a_study_with_images_opens_in_the_viewer_where_there_is_one(browser: Browser) -> None:
    has_viewer = browser.get("/api/site").json["viewer"]
    (study,) = browser.get("/api/catalog/find?accession=A01").json["studies"]
    link = viewer_link(study["study"], study["modalities"])
    assert study["viewer"] == (link if has_viewer else None)
    assert link == f"/viewer/viewer?StudyInstanceUIDs={study['study']}"
    assert viewer_link("1.2", ["CT", "SR"]) and viewer_link("1.2", [])
    assert viewer_link("1.2", ["SR", "KO"]) is None
    assert viewer_link('1.2"&x=<', []) == "/viewer/viewer?StudyInstanceUIDs=1.2%22%26x%3D%3C"
