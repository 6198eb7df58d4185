"""The screen of the recovery plan in a real browser: how to begin, what stands in the way, and signing by login."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from safelight.site.plan_folder import PlanFolder, example_texts, write_plan
from safelight.vault.keys import load_public_keys
from support.browser import PHONE, chromium, needs_pages, show, window
from support.console_house import name_plan
from support.contrast import CONTRAST
from support.pages_house import PASSWORD, PagesHouse

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=20_000)
        yield browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plan"


@pytest.fixture
def house(tmp_path: Path, folder: Path) -> Iterator[PagesHouse]:
    with PagesHouse(tmp_path) as house:
        house.init()
        write_plan(folder, example_texts("400-bed", datetime.now().astimezone().date()))
        key = load_public_keys(house.home / "keys").signing.raw.hex()
        for file in folder.glob("*.yaml"):
            text = file.read_text().replace("{id: ines, name", "{account: aadmin, id: ines, name")
            file.write_text(text.replace("  horizon:", f'  console_key: "{key}"\n  horizon:', 1))
        name_plan(house.home / "safelight.toml", folder)
        house.start()
        yield house


def test_whom_the_plan_names_signs_what_was_shown(browser: Browser, house: PagesHouse, folder: Path) -> None:
    with window(browser, house, "aadmin") as page:
        show(page, "Plan")
        it, radiology = page.get_by_role("article", name="IT"), page.get_by_role("article", name="Radiology")
        expect(radiology.get_by_role("button")).to_have_count(0)
        expect(page.locator(".objectives tbody tr").filter(has_text="Nurse")).not_to_contain_text("too long")
        stroke = page.locator(".objectives tbody tr").filter(has_text="Stroke").filter(has_text="ransomware")
        # Nobody is heard here, so what Safelight holds may be of any age, and the tape counts.
        losses = ["Stroke", "ransomware", "loss: 4 h", "loss: 1 h", "loss: 1 dtoo much", "loss: 1 h"]
        expect(stroke.get_by_role("cell")).to_contain_text(losses)
        it.get_by_role("button", name="Sign for IT").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Reason").fill("version 1.0")
        form.get_by_label("Your password").fill("not this one")
        form.get_by_role("button", name="Sign").click()
        expect(form.get_by_role("alert")).to_contain_text("console.login-refused")
        assert PlanFolder(folder).signatures() == ()
        form.get_by_label("Your password").fill(PASSWORD)
        form.get_by_role("button", name="Sign").click()
        expect(it).to_contain_text("signed as it is")
        expect(it).to_contain_text("by login here: version 1.0")
        (signature,) = PlanFolder(folder).signatures()
        assert (signature.person, signature.account) == ("ines", "aadmin")


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_it_can_be_read_on_a_telephone_in_both_appearances(
    browser: Browser, house: PagesHouse, appearance: str
) -> None:
    with window(browser, house, "vview", viewport=PHONE, color_scheme=appearance) as page:
        show(page, "Plan")
        expect(page.locator(".findings")).to_be_visible()
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_a_folder_it_says_how_to_begin(browser: Browser, tmp_path: Path) -> None:
    with PagesHouse(tmp_path) as house:
        house.init()
        house.start()
        with window(browser, house, "vview") as page:
            show(page, "Plan")
            expect(page.locator(".how-to")).to_contain_text("safelight plan init")
