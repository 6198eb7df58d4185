"""When an outage was, from what people said of it; and what modalities said that nobody was told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.core.clock import to_text
from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.site.acts import act
from safelight.site.opened import Site
from safelight.site.reconciliation_steps import untold_steps
from safelight.site.reconciliation_window import NoOutageToReconcile, Window, is_between, window_of
from support.hl7_house import make_home

WHO = {"reason": "test", "by": "A. Admin"}


def say(site: Site, event: str, scope: str = "pacs", hours: float | None = None) -> None:
    told: dict[str, Any] = {"event": event, "scopes": [scope], "leave_open": True, **WHO}
    if hours is not None:
        told["since"] = to_text(site.clock.now() + timedelta(hours=hours))
    act(site, "downtime.say", told, silent)


def window(site: Site, *outages: int) -> Window:
    return window_of(site.records.journal, site.clock.now(), outages)


def test_a_window_goes_from_the_first_beginning_to_the_last_end(tmp_path: Path) -> None:
    with Site.open(make_home(tmp_path)) as site:
        with pytest.raises(NoOutageToReconcile):
            window(site)
        say(site, "declared", "pacs", -5)
        say(site, "declared", "ris", -4)
        say(site, "ended", "pacs", -3)
        found = window(site)
        assert (found.outages, found.until) == ((1, 2), None)
        say(site, "ended", "ris", -2)
        found = window(site)
        assert found.until is not None and timedelta(hours=2.9) < found.until - found.since < timedelta(hours=3.1)
        first, last = found.local(site.clock.now())
        assert len(first) == len(last) == 14 and first < last
        say(site, "closed", "pacs")
        assert window(site).outages == (2,)
        assert window(site, 1).outages == (1,)
        say(site, "closed", "ris")
        with pytest.raises(NoOutageToReconcile):
            window(site)


def test_what_was_cancelled_or_only_planned_is_no_outage_and_a_second_one_belongs_to_the_first(tmp_path: Path) -> None:
    with Site.open(make_home(tmp_path)) as site:
        say(site, "declared", "viewers", -5)
        say(site, "cancelled", "viewers")
        say(site, "planned", "ris", 5)
        with pytest.raises(NoOutageToReconcile):
            window(site)
        say(site, "declared", "pacs", -4)
        say(site, "ended", "pacs", -3)
        say(site, "declared", "pacs", -2)
        found = window(site)
        assert (found.outages, found.until) == ((3, 4), None)
        say(site, "ended", "pacs", -1)
        assert window(site).until is not None


@pytest.mark.parametrize(
    ("start", "inside"),
    [
        ("20260301101500", True),
        ("20260301101500.123", True),
        ("20260301", True),
        ("202603011015", True),
        ("20260301085959", False),
        ("20260302", False),
        ("", False),
    ],
)
def test_a_day_without_a_time_lies_in_an_outage_of_that_day(start: str, inside: bool) -> None:
    assert is_between(start, ("20260301090000", "20260301120000")) is inside


def test_notices_of_modalities_are_untold_until_the_system_that_follows_the_orders_took_them(tmp_path: Path) -> None:
    with Site.open(make_home(tmp_path)) as site:
        say(site, "declared", "ris", -1)
        told = {"status": "", "calling": "CT1", "called": "HERE", "host": "h", "transfer_syntax": "1", "attributes": ""}
        begun = site.records.record(FactKind.PROCEDURE_STEP_BEGUN, {"instance": "2.25.1", **told})
        site.records.record(FactKind.PROCEDURE_STEP_CHANGED, {"instance": "2.25.1", **told})
        journal = site.records.journal
        assert untold_steps(journal, window(site), "") == {}
        assert untold_steps(journal, window(site), "RIS") == {"2.25.1": 2}
        for to, outcome in (("PACS", "taken"), ("RIS", "refused"), ("RIS", "taken")):
            assert untold_steps(journal, window(site), "RIS") == {"2.25.1": 2}
            fact = {"to": to, "notice": begun.position, "instance": "2.25.1", "outcome": outcome, "status": 0, **WHO}
            site.records.record(FactKind.PROCEDURE_STEP_FORWARDED, fact)
        assert untold_steps(journal, window(site), "RIS") == {"2.25.1": 1}
