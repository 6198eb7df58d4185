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


def opens_a_study(house: ConsoleHouse, study: str) -> None:
    house.browser(ADMINISTRATOR).get(f"/dicomweb/studies/{study}/metadata")


def test_what_was_opened_a_moment_before_the_end_is_written(tmp_path: Path) -> None:
    with console_house(tmp_path) as house:
        for study in ("1.2.3", "1.2.4", "1.2.5"):
            opens_a_study(house, study)
        home = house.site.home
    told = readings_document(home, {"limit": 2})
    assert ([one["study"] for one in told["readings"]], told["is_more"]) == (["1.2.5", "1.2.4"], True)
    told = readings_document(home, {"limit": 1, "study": "1.2.3", "account": ADMINISTRATOR})
    assert ([one["study"] for one in told["readings"]], told["is_more"]) == (["1.2.3"], False)


def test_a_disk_that_is_full_at_the_end_keeps_no_other_door_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise DiskFull(where="journal")

    with console_house(tmp_path) as house:
        opens_a_study(house, "1.2.3")
        with monkeypatch.context() as patched:
            patched.setattr(house.site.records, "record_all", full)
            house.door.stop()
        assert "core.disk-full" in capfd.readouterr().err
        assert house.site.home.sessions.exists()
    assert [one["study"] for one in readings_document(house.site.home, {"limit": 10})["readings"]] == ["1.2.3"]
