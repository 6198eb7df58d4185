"""Who opens a study over DICOMweb stands in the journal, and a search does not."""

from pathlib import Path

from safelight.journal.kinds import FactKind
from safelight.site.readings import readings_document
from support.console_house import console_house
from support.dicom_files import image
from support.web_house import WebHouse


def test_a_study_that_is_opened_is_a_fact_and_a_refused_or_a_searched_one_is_none(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        WebHouse(house.site, house.port).land([image(1, 1, 1), image(1, 1, 2), image(2, 1, 1)])
        house.site.arrivals.settle()
        browser = house.browser("viewer")
        found = browser.get("/dicomweb/studies").json
        study = next(one["0020000D"]["Value"][0] for one in found)
        board = house.browser("pacs-administrator", board=True)
        assert board.get(f"/dicomweb/studies/{study}/metadata").status == 403
        assert house.browser().get(f"/dicomweb/studies/{study}/metadata").status == 401
        for _ in range(3):
            assert browser.get(f"/dicomweb/studies/{study}/metadata").status == 200
        door_home = house.site.home
        house.door._every_turn()
        (fact,) = house.site.records.journal.entries(kinds=[FactKind.CONSOLE_STUDY_OPENED])
        assert (fact.facts["account"], fact.facts["study"]) == ("viewer", study)
        assert set(fact.facts) == {"account", "study", "at"}
    told = readings_document(door_home, {"limit": 10, "study": study})
    assert [one["account"] for one in told["readings"]] == ["viewer"] and not told["is_more"]
    assert readings_document(door_home, {"limit": 10, "account": "nobody"})["readings"] == []
