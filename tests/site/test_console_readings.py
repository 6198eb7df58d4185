"""Who opens a study over DICOMweb stands in the journal, and a search does not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from safelight.cli.catalog import readings as readings_command
from safelight.console.readings import Readings
from safelight.core.disk import DiskFull
from safelight.journal.kinds import FactKind
from safelight.site.web_readings import readings_document, write_readings
from support.console_house import console_house
from support.dicom_files import image
from support.hl7_house import make_home, opened
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
        # What is not there was opened by nobody, whatever it is called.
        for path in ("1.2.3/metadata", "1.2.3/series", "1.2.3/instances", "..%2F/metadata", "x/rendered"):
            assert browser.get(f"/dicomweb/studies/{path}").status in (204, 404)
        assert browser.get(f"/dicomweb/studies/{study}/series/1.2/metadata").status == 404
        door_home = house.site.home
        house.door._every_turn()
        (fact,) = house.site.records.journal.entries(kinds=[FactKind.CONSOLE_STUDY_OPENED])
        assert (fact.facts["account"], fact.facts["study"]) == ("viewer", study)
        assert set(fact.facts) == {"account", "study", "at"}
        opened = browser.get(f"/dicomweb/studies/{next(reversed(found))['0020000D']['Value'][0]}/series")
        assert opened.status == 200
    told = readings_document(door_home, {"limit": 10, "study": study})
    assert [one["account"] for one in told["readings"]] == ["viewer"] and not told["is_more"]
    assert len(readings_document(door_home, {"limit": 10})["readings"]) == 2
    nobody = readings_document(door_home, {"limit": 10, "account": "nobody"})
    assert nobody == {"readings": [], "is_more": False, "missed": []}


def test_where_nothing_could_be_recorded_the_journal_says_from_when_to_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safelight.console.readings.UNWRITTEN_MAX", 2)
    with opened(make_home(tmp_path)) as site:
        readings = Readings(site.clock)
        with monkeypatch.context() as full:
            full.setattr(site.records.journal, "append_all", _no_room)
            for number in range(3):
                readings.opened("viewer", f"1.{number}")
                with pytest.raises(DiskFull):
                    write_readings(site, readings)
        write_readings(site, readings)
        write_readings(site, readings)
    told = readings_document(site.home, {"limit": 10})
    assert [one["study"] for one in told["readings"]] == ["1.1", "1.0"]
    (gap,) = told["missed"]
    assert told["readings"][0]["at"] <= gap["since"] <= gap["until"]
    shown = CliRunner().invoke(readings_command, ["--home", str(site.home.directory)])
    assert shown.exit_code == 0 and f"From {gap['since']} to {gap['until']}" in shown.output


def _no_room(*facts: object) -> None:
    del facts
    raise DiskFull
