"""Reconciling by the console's API: what a screen shows of an exam, and what a supervisor decides with it."""

from collections.abc import Iterator
from typing import Any

import pytest

from safelight.core.progress import silent
from safelight.site.acts import act
from safelight.site.hl7_folding import Folding, read_mappings
from safelight.site.opened import Site
from support.console_house import WHO, ConsoleHouse, console_house
from support.reconciled_house import acquire, image, local_now, order_message

ADMINISTRATOR = "pacs-administrator"


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    with console_house(tmp_path_factory.mktemp("reconciled")) as house:
        for of, prefix in (("accession", "DT"), ("patient", "DP")):
            told: dict[str, Any] = {"of": of, "prefix": prefix, "first": 1, "last": 99, **WHO}
            act(house.site, "downtime.numbers.reserve", told, silent)
            told = {"of": of, "count": 20, "site": "main", "device": "CT1", **WHO}
            act(house.site, "downtime.numbers.allot", told, silent)
        act(house.site, "downtime.say", {"event": "declared", "scopes": ["pacs"], **WHO}, silent)
        yield house


def read_messages(site: Site) -> None:
    """Have orders be found that came a moment ago."""
    mappings = read_mappings(site.home.order_mapping)
    Folding(site.messages, mappings, lambda: False, site.records.open_finding, site.log.failure).settle()


def walk_in(house: ConsoleHouse) -> str:
    """Register an exam, make its images under another birth date, and have two orders that may be its own."""
    told = {"way": "walk-in", "site": "main", "device": "CT1", "modality": "CT", "name": "REAL^RITA"}
    told |= {"birth_date": "19700102", "sex": "F", "procedure": "head", "by": "T. Tech"}
    exam = act(house.site, "downtime.exam.register", told, silent)
    of_exam = {"PatientID": exam["patient_id"], "PatientName": "REAL^RITA", "AccessionNumber": exam["accession"]}
    acquire(house.site, image(exam["study"], 1, local_now(house.site), PatientBirthDate="19700103", **of_exam))
    orders = (("RA1", "4711", "Real^Rita", "19700102"), ("RA2", "4712", "Real^Rosa", "19990909"))
    folder = house.site.home.run / "orders"
    folder.mkdir()
    for accession, patient, name, born in (*orders, ("RA3", "4713", "Nobody^Near", "19300101")):
        started = local_now(house.site)
        (folder / accession).write_bytes(order_message(accession, patient, accession, started, name=name, born=born))
    act(house.site, "gateway.import", {"folder": str(folder)}, silent)
    read_messages(house.site)
    return str(exam["accession"])


def test_an_exam_is_shown_as_every_side_has_it_and_what_speaks_for_each_order(house: ConsoleHouse) -> None:
    accession = walk_in(house)
    browser = house.browser(ADMINISTRATOR)
    report = browser.get("/api/reconciliation/report").json
    (exam,) = report["exams"]
    assert (exam["exam"], exam["name"], exam["instances"]) == (accession, "REAL^RITA", 1)
    assert exam["decision"] is None
    assert [one["kind"] for one in exam["differences"]] == ["study-without-order"]
    assert {one["ordered"]["name"] for one in report["others"]} == {"Real^Rita", "Real^Rosa", "Nobody^Near"}
    assert report["open"] == 4 and report["is_more"] is False
    shown = browser.get(f"/api/reconciliation/exam?exam={accession}").json
    registered, images = shown["sides"]
    assert (registered["side"], images["side"]) == ("registered", "images")
    # What the modality wrote contradicts the registration; a number that we lent contradicts nothing.
    assert (registered["differs"], images["differs"]) == ([], ["birth_date"])
    assert images["temporary"] == ["patient_id", "accession"]
    best = shown["proposals"][0]
    assert (best["order"], best["ordered"]["differs"]) == ("RA1", [])
    assert "same name" in best["for"]
    # By its study's UID it is the same exam.
    assert browser.get(f"/api/reconciliation/exam?exam={shown['studies'][0]}").json == shown
    assert browser.get("/api/reconciliation/exam?exam=NOBODY").code == "reconciliation.unknown-difference"


def test_a_match_is_made_by_name_seen_and_taken_back(house: ConsoleHouse) -> None:
    accession = walk_in(house)
    browser = house.browser(ADMINISTRATOR)
    told = {"exam": accession, "order": "RA1", "reason": "asked the patient"}
    dry = browser.post("/api/reconciliation/match", {**told, "dry_run": True})
    assert dry.status == 200 and browser.get("/api/reconciliation/log").json["decisions"] == []
    made = browser.post("/api/reconciliation/match", told).json["decisions"][0]
    assert made["by"] == f"Person {ADMINISTRATOR}"
    (exam,) = browser.get("/api/reconciliation/report").json["exams"]
    assert (exam["patient_id"], exam["decision"]["verdict"]) == ("4711", "matched")
    (decision,) = browser.get("/api/reconciliation/log").json["decisions"]
    assert (decision["subject"], decision["state"]) == (accession, "in-force")
    undone = browser.post("/api/reconciliation/undo", {"decision": made["decision"], "reason": "it was her sister"})
    assert undone.json["undone"]["reason"] == "it was her sister"
    (exam,) = browser.get("/api/reconciliation/report").json["exams"]
    assert exam["decision"] is None


def test_what_nobody_fulfilled_is_decided_and_is_open_no_more(house: ConsoleHouse) -> None:
    walk_in(house)
    browser = house.browser(ADMINISTRATOR)
    others = browser.get("/api/reconciliation/report").json["others"]
    far = next(one for one in others if one["order"] == "RA3")
    told = {"differences": [far["id"]], "as": "not-done", "reason": "did not come"}
    assert browser.post("/api/reconciliation/decide", told).status == 200
    left = browser.get("/api/reconciliation/list").json["differences"]
    assert far["id"] not in {one["id"] for one in left} and len(left) == 3


def test_whoever_may_only_look_decides_nothing(house: ConsoleHouse) -> None:
    accession = walk_in(house)
    told = {"exam": accession, "order": "RA1", "reason": "seems right"}
    for role in ("viewer", "technologist"):
        refused = house.browser(role).post("/api/reconciliation/match", told)
        assert (refused.status, refused.code) == (403, "console.not-your-role")
    board = house.browser(ADMINISTRATOR, board=True)
    assert board.get("/api/reconciliation/report").code == "console.not-your-role"
    assert b"RITA" not in board.get("/api/reconciliation/list").body


def test_nobody_to_ask_and_no_such_order_are_told(house: ConsoleHouse) -> None:
    accession = walk_in(house)
    browser = house.browser(ADMINISTRATOR)
    assert browser.post("/api/reconciliation/compare", {}).code == "reconciliation.no-target"
    told = {"exam": accession, "order": "NO", "reason": "seems right"}
    assert browser.post("/api/reconciliation/match", told).code == "reconciliation.unknown-order"
    unknown = {"differences": ["00000000"], "as": "left", "reason": "so"}
    assert browser.post("/api/reconciliation/decide", unknown).code == "reconciliation.unknown-difference"
    assert browser.post("/api/reconciliation/decide", {**unknown, "as": "matched"}).code == "console.bad-request"
