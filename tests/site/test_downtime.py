"""What people say of outages: recorded in a real home, read back from its journal, told by its status."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.core.errors import StateError
from safelight.core.progress import silent
from safelight.downtime.phase import NoOutage, OutageOpen, TimesDisagree
from safelight.site.acts import act, act_alone
from safelight.site.downtime import downtime_document, log_document
from safelight.site.home import Home
from safelight.site.moments import BadMoment
from safelight.site.opened import Site
from safelight.site.saying import NotSigned
from safelight.site.status import status_document
from support.hl7_house import make_home
from support.served_home import free_port

WHO = {"reason": "storage failed", "by": "A. Admin"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path, free_port())


def _say(home: Home, event: str, *scopes: str, **told: Any) -> dict[str, Any]:
    return dict(act_alone(home, "downtime.say", {"event": event, "scopes": list(scopes), **WHO, **told}, silent))


def _phases(home: Home) -> dict[str, str]:
    return {one["scope"]: one["phase"] for one in downtime_document(home)["scopes"] if one["outage"]}


def test_the_status_follows_what_was_said_and_forgets_nothing(home: Home) -> None:
    assert status_document(home)["phase"] == "normal"
    broke = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    _say(home, "declared", "pacs", "ris", since=broke)
    told = status_document(home)
    assert told["phase"] == "downtime"
    assert [one["scope"] for one in told["outages"]] == ["pacs", "ris"]
    assert told["outages"][0]["since"] < told["outages"][0]["said_at"]
    _say(home, "ended", "pacs")
    assert status_document(home)["phase"] == "downtime"
    _say(home, "ended", "ris")
    assert status_document(home)["phase"] == "reconciliation"
    _say(home, "closed", "pacs", "ris")
    assert status_document(home)["phase"] == "normal"
    assert [row["event"] for row in log_document(home)["said"]] == ["declared"] * 2 + ["ended"] * 2 + ["closed"] * 2


def test_one_scope_that_does_not_fit_leaves_all_as_they_are(home: Home) -> None:
    _say(home, "declared", "pacs")
    with pytest.raises(OutageOpen):
        _say(home, "declared", "ris", "pacs")
    assert _phases(home) == {"pacs": "downtime"}


def test_a_dry_run_tells_what_would_be_and_records_nothing(home: Home) -> None:
    told = _say(home, "declared", "everything", dry_run=True)
    assert told["scopes"][0]["phase"] == "downtime"
    assert told["phase"] == "downtime"
    assert not told["positions"]
    assert not log_document(home)["said"]
    with pytest.raises(NoOutage):
        _say(home, "ended", "everything", dry_run=True)


def test_nothing_is_said_without_name_reason_and_readable_moment(home: Home) -> None:
    with pytest.raises(NotSigned):
        _say(home, "declared", "pacs", by=" ")
    with pytest.raises(NotSigned):
        _say(home, "declared", "pacs", reason="")
    with pytest.raises(BadMoment):
        _say(home, "declared", "pacs", since="2026-11-24T03:10:00")
    with pytest.raises(TimesDisagree):
        _say(home, "declared", "pacs", since="2999-01-01T00:00:00Z")


def test_a_planned_downtime_is_normal_until_its_moment(home: Home) -> None:
    _say(home, "planned", "pacs", since="2999-01-01T00:00:00Z")
    assert status_document(home)["phase"] == "normal"
    assert _phases(home) == {"pacs": "planned"}


@pytest.mark.parametrize(("target", "phase"), [("PACS@127.0.0.1:104", "recovery"), ("folder", "downtime")])
def test_a_refill_of_an_archive_moves_the_pacs_into_recovery(home: Home, target: str, phase: str) -> None:
    _say(home, "declared", "pacs")
    with Site.open(home) as site:
        site.records.record("recovery-started", {"recovery": "1", "settings": {"target": target}})
    assert _phases(home) == {"pacs": phase}
    assert status_document(home)["phase"] == phase


def test_two_who_declare_at_the_same_moment_make_one_outage(home: Home) -> None:
    refused: list[StateError] = []
    with Site.open(home) as site:

        def declare() -> None:
            try:
                act(site, "downtime.say", {"event": "declared", "scopes": ["pacs"], **WHO}, silent)
            except StateError as error:
                refused.append(error)

        threads = [threading.Thread(target=declare) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(refused) == 7
    assert log_document(home)["outages"] == 1
