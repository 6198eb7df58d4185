"""One UID with different contents, here and at a real Orthanc: what counts is decided and done on the screen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from safelight.core.progress import silent
from safelight.journal.kinds import FactKind
from safelight.site.acts import act
from safelight.site.hl7_folding import Folding, read_mappings
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.reconciliation_view import differences_document
from safelight.site.recovery_holdings import VaultHoldings
from support.browser import chromium, needs_pages, show, window
from support.dicom_peers import orthanc
from support.hl7_house import opened
from support.pages_house import SIGNED, PagesHouse
from support.reconciled_house import acquire, local_now, order_message
from support.two_contents import (
    OURS,
    REFERRING,
    STUDY,
    THEIR_PIXELS,
    given_back,
    held_here,
    held_there,
    pixels_in_force,
    read_back,
    store_at,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=20_000)
        yield browser


@dataclass
class Hospital:
    """A served home whose PACS came back with another content."""

    house: PagesHouse
    target: str

    def home(self) -> Home:
        """Return the home, which is served no more."""
        self.house.stop()
        return Home.at(self.house.home)


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with PagesHouse(tmp_path) as house, orthanc(tmp_path, house.port) as archive:
        house.init()
        settings = house.home / "safelight.toml"
        settings.write_text(f'{settings.read_text()}\n[reconciliation]\ntarget = "{archive.peer}"\n')
        with opened(Home.at(house.home)) as site:
            _away_and_back(site, str(archive.peer), tmp_path / "orders")
        house.start()
        yield Hospital(house, str(archive.peer))


def _away_and_back(site: Site, target: str, orders: Path) -> None:
    now = local_now(site)
    act(site, "downtime.say", {"event": "declared", "scopes": ["pacs"], **SIGNED}, silent)
    acquire(site, *held_here(now))
    store_at(target, *held_there(now))
    act(site, "downtime.say", {"event": "ended", "scopes": ["pacs"], **SIGNED}, silent)
    orders.mkdir()
    (orders / "order").write_bytes(order_message("1", "100", "RA20", now, study=STUDY))
    act(site, "gateway.import", {"folder": str(orders)}, silent)
    mappings = read_mappings(site.home.order_mapping)
    Folding(site.messages, mappings, lambda: False, site.records.open_finding, site.log.failure).settle()
    told = act(site, "reconciliation.compare", {"deep": True}, silent)
    assert told["by_kind"] == {"same-uid-other-bytes": 1}


def _decide(page: Page, what: str) -> None:
    """Choose what counts, and say why."""
    page.locator(".exam-choice").filter(has_text="Real, Rita").click()
    exam = page.get_by_role("article", name="Exam")
    open_ones = exam.get_by_role("region", name="What is open").locator("li")
    open_ones.filter(has_text="several contents").get_by_role("button", name="Decide").click()
    form = page.get_by_role("dialog")
    form.get_by_label(what).check()
    form.get_by_label("Reason").fill("looked at both")
    form.get_by_role("button", name=what).click()
    expect(page.get_by_role("status").filter(has_text=f"Decided: {what}.")).to_be_visible()


def _do(page: Page, told: str) -> None:
    page.get_by_role("button", name="Do what was decided").click()
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").filter(has_text=told)).to_be_visible(timeout=60_000)


def test_what_the_pacs_has_counts_here_too(browser: Browser, hospital: Hospital) -> None:
    with window(browser, hospital.house, "aadmin") as page:
        show(page, "Reconciliation")
        _decide(page, "What the PACS has counts")
        _do(page, "1 done; 0 open")
        expect(page.locator(".exam-choice")).to_have_count(0)
    with opened(hospital.home()) as site:
        assert pixels_in_force(site) == THEIR_PIXELS
        assert {one.sop_instance: one.versions for one in VaultHoldings(site).instances(STUDY, None)}[OURS] == 2
        assert THEIR_PIXELS in given_back(site, hospital.target, [OURS])[OURS]


def test_what_is_here_goes_to_the_pacs_under_a_new_number(browser: Browser, hospital: Hospital) -> None:
    with window(browser, hospital.house, "aadmin") as page:
        show(page, "Reconciliation")
        _decide(page, "What is here counts")
        # Orthanc goes on showing what the note rejects: that is told, and left to people.
        _do(page, "2 done; 1 open")
    with opened(hospital.home()) as site:
        (entry,) = site.records.journal.entries(kinds=[FactKind.RECONCILIATION_REPLACED])
        new_of = {row[0]: row[2] for row in entry.facts["instances"]}
        assert set(new_of) == {OURS, REFERRING}
        held = {one.sop_instance: one for one in VaultHoldings(site).instances(STUDY, None)}
        copy = read_back(held[new_of[OURS]])
        assert bytes(copy.PixelData) != THEIR_PIXELS
        came = given_back(site, hospital.target, [new_of[OURS], new_of[REFERRING]])
        assert bytes(copy.PixelData) in came[new_of[OURS]]
        assert new_of[OURS].encode() in came[new_of[REFERRING]]
        (left,) = differences_document(site.home)["differences"]
        assert left["kind"] == "identity-differs"
