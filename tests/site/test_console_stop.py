"""The end of the console: who asked already is answered, who listens is let go, what was noted is written."""

import threading
from pathlib import Path
from typing import Any

import pytest

from safelight.console.api import THREADS
from safelight.core.disk import DiskFull
from safelight.site.readings import readings_document
from safelight.site.saying import deciding
from support.console_house import Answered, ConsoleHouse, console_house
from support.dicom_files import image
from support.web_house import WebHouse

ADMINISTRATOR = "pacs-administrator"


def test_whoever_asked_before_the_end_is_answered_though_all_threads_were_busy(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        browser = house.browser(ADMINISTRATOR)
        answers = list[Answered]()

        def ask() -> None:
            told: dict[str, Any] = {"scopes": ["pacs"], "reason": "test", "dry_run": True}
            answers.append(browser.post("/api/downtime/declare", told))

        # Twice as many as there are threads: one half waits for a thread, the other for what holds up all of them.
        asking = [threading.Thread(target=ask) for _ in range(2 * THREADS)]
        with browser.events() as events:
            next(events)
            with deciding:
                for one in asking:
                    one.start()
                while house.door._api._desk._waiting < len(asking):
                    threading.Event().wait(0.01)
                ending = threading.Thread(target=house.door.stop)
                ending.start()
                # Screens are let go first; then the end waits for the others.
                assert [name for _, name, _ in events] == ["bye"]
        for one in (*asking, ending):
            one.join()
        assert [one.status for one in answers] == [200] * len(asking)


def studies_opened(house: ConsoleHouse, count: int) -> list[str]:
    """Take in so many studies and have each opened; return their UIDs in that order."""
    WebHouse(house.site, house.port).land([image(study, 1, 1) for study in range(1, count + 1)])
    house.site.arrivals.settle()
    browser = house.browser(ADMINISTRATOR)
    studies = [one["0020000D"]["Value"][0] for one in browser.get("/dicomweb/studies").json]
    for study in studies:
        assert browser.get(f"/dicomweb/studies/{study}/metadata").status == 200
    return studies


def test_what_was_opened_a_moment_before_the_end_is_written(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        first, second, third = studies_opened(house, 3)
        home = house.site.home
    told = readings_document(home, {"limit": 2})
    assert ([one["study"] for one in told["readings"]], told["is_more"]) == ([third, second], True)
    told = readings_document(home, {"limit": 1, "study": first, "account": ADMINISTRATOR})
    assert ([one["study"] for one in told["readings"]], told["is_more"]) == ([first], False)


def test_a_disk_that_is_full_at_the_end_keeps_no_other_door_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise DiskFull(where="journal")

    with console_house(tmp_path) as house:
        (study,) = studies_opened(house, 1)
        with monkeypatch.context() as patched:
            patched.setattr(house.site.records, "record_all", full)
            house.door.stop()
        assert "core.disk-full" in capfd.readouterr().err
        assert house.site.home.sessions.exists()
    assert [one["study"] for one in readings_document(house.site.home, {"limit": 10})["readings"]] == [study]
