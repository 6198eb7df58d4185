"""The board and the worklist on paper: what the screen shows stands there, and nothing that only a hand can press."""

import re
import subprocess
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import chromium, needs_pages, show, window
from support.department import fill, send
from support.pages_house import Ordered, PagesHouse

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]
WHOLE = re.compile(r"\d\d:\d\d|\d{4}-\d\d-\d\d|[A-Z]+\d+")
EAST_ASIAN = ("CJK", "HIRAGANA")
BUTTONS = ("Print", "Log out", "Hide names", "Declare a downtime", "Register an exam", "Take over", "Change…")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=20_000)
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesHouse]:
    with PagesHouse(tmp_path_factory.mktemp("prints")) as house:
        house.init()
        house.start()
        fill(house)
        yield house


def printed(page: Page, file: Path) -> str:
    """Print a page on A4 and return what stands on the paper, in one line."""
    page.pdf(path=file, format="A4", prefer_css_page_size=True)
    told = subprocess.run(["pdftotext", "-raw", file, "-"], capture_output=True, text=True, check=True).stdout
    return " ".join(told.split())


def words(page: Page, places: str) -> set[str]:
    """Return the words that a reader sees at some places of the screen, in letters for which any machine has a font."""
    return {
        word
        for text in page.locator(places).all_inner_texts()
        for word in text.split()
        if not any(unicodedata.name(letter, "").startswith(EAST_ASIAN) for letter in word)
    }


def assert_paper_alone_serves(paper: str, shown: set[str]) -> None:
    # A long word may be broken at the end of its line; a moment, a date or a number that is, is read wrongly.
    closed_up = paper.replace(" ", "")
    assert not {word for word in shown if word not in (paper if WHOLE.match(word) else closed_up)}
    for name in BUTTONS:
        assert not re.search(rf"{name}(?!\w)", paper), name


def test_the_board_prints_what_it_shows(browser: Browser, house: PagesHouse, tmp_path: Path) -> None:
    with window(browser, house, "aadmin") as page:
        expect(page.locator(".board-rows tbody tr").nth(3)).to_be_visible()
        shown = words(page, ".headline-phase, .scope-name, .scope-reason, .counter, .calls li, .board-rows td")
        assert {"ticket", "4711", "4402"} <= shown
        paper = printed(page, tmp_path / "board.pdf")
        assert_paper_alone_serves(paper, shown)
        assert "Live" not in paper
        assert re.search(rf"{datetime.now():%Y-%m-%d} \d\d:\d\d", paper), "when it was printed"


def test_the_worklist_prints_every_station_of_the_day(browser: Browser, house: PagesHouse, tmp_path: Path) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        expect(page.locator(".station").nth(2)).to_be_visible()
        shown = words(page, ".station h2, .station td:not(.acts)")
        assert {"Образцов,", "09:15", "MR1"} <= shown
        paper = printed(page, tmp_path / "worklist.pdf")
        assert_paper_alone_serves(paper, shown)
        assert f"Worklist {datetime.now():%Y-%m-%d}" in paper


def test_a_worklist_that_goes_on_says_so_on_paper(browser: Browser, house: PagesHouse, tmp_path: Path) -> None:
    send(house, *(Ordered(number, f"Long^List{number}", "Chest", "CR1", "CR", 12) for number in range(100, 201)))
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        expect(page.get_by_role("button", name="After")).to_be_enabled()
        paper = printed(page, tmp_path / "worklist.pdf")
        assert "1 to 100 of more" in paper and "After" not in paper
