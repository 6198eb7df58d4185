"""Texts that others wrote, as bad as they come, in every field and page: they stay texts, and in their place."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import DESK, PHONE, chromium, needs_pages, show, window
from support.department import fill, register, send, step
from support.pages_house import ApiCaller, Ordered, PagesHouse, ct_study

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TEXTS = {
    "markup": MARKUP,
    "quotes": "\"'`}{${7*7}{{7*7}}&lt;&amp;'; DROP TABLE",
    "rtl": "\u202egnorw\u202c \u05d9\u05e9\u05e8\u05d0\u05dc \u0645\u062d\u0645\u062f",
    "unseen": "A\u200bB\u200e\u2066C\ufeffD\u00ad",
    "long": "W" * 500,
    "long words": "lorem ipsum " * 45,
    "tower": "Z" + "\u0301" * 400,
    "ideographic": "Yamada Tarou 山田 太郎 やまだ たろう",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 40,
}
PAGES = ("Board", "Worklist", "Reads and calls", "Find")
ROW_PIXELS_MAX = 420
"""Two lines of name, two of identity, some of text; a text of 500 characters may not make a screen of its own."""


HEIGHTS = """() => [...document.querySelectorAll('.rows tr, .exam-choice, .calls li')]
  .map((element) => element.getBoundingClientRect().height)"""


def study_of(number: int) -> str:
    return f"2.25.{9_000_000_000 + number}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=20_000)
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesHouse]:
    with PagesHouse(tmp_path_factory.mktemp("hostile")) as house:
        house.init()
        house.start()
        fill(house)
        api = ApiCaller(house)
        for number, text in enumerate(TEXTS.values(), 100):
            send(house, Ordered(number, f"{text}^{text}", text, "CT1", "CT", 12))
            made = ct_study(number, 1, 32, f"{text}^Given"[:500], study_of(number), description=text[:64])
            api.store(made)
        for text in TEXTS.values():
            _exam(api, text)
        # A day has more steps than a page shows.
        send(house, *(Ordered(number, f"Many^{number}", "CT", "CT9", "CT", 13) for number in range(300, 420)))
        yield house


def _exam(api: ApiCaller, text: str) -> None:
    """Register an exam whose every field says it, as far as a worklist takes it, and let the rest happen to it."""
    printable = "".join(one for one in text if one.isprintable() and one not in "\\^=")
    name = f"{printable[:30]}^{printable[:20]}"
    accession = register(
        api, "walk-in", "DX1", "DX", name=name, procedure=printable[:64], place=(printable * 20)[:1000]
    )
    step(api, "acquired", accession)
    step(api, "read", accession, text=text * 3, urgent=True)
    step(api, "called", accession, to=text, read_back=False)


def nothing_came_alive(page: Page) -> None:
    """A dialog, a failed picture or a request elsewhere would also be told by the watch over the window."""
    assert page.locator("img:not([src='/icon.svg']), script:not([src])").count() == 0


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_they_never_break_a_page(browser: Browser, house: PagesHouse, size: dict[str, int]) -> None:
    with window(browser, house, "ttech", viewport=size) as page:
        for name in PAGES:
            show(page, name)
            expect(page.locator(".rows tbody tr, .exam-choice").filter(has_text="<img src").first).to_be_visible()
            nothing_came_alive(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            assert max(page.evaluate(HEIGHTS)) <= (ROW_PIXELS_MAX if size is DESK else 2 * ROW_PIXELS_MAX), name


def test_what_is_not_seen_is_shown(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        mine = page.locator("table.rows tr").filter(has_text="A0102")
        expect(mine.locator(".unseen").first).to_have_text("U+202E")
        # Turned round where it stands, and nothing beside it: the number behind it still reads from the left.
        assert page.evaluate("getComputedStyle(document.querySelector('bdi.plain')).unicodeBidi") == "isolate"
        expect(mine.locator("td").nth(3)).to_have_text("A0102")


def test_a_read_of_any_text_is_shown_as_it_was_written(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Reads and calls")
        page.locator(".exam-choice").filter(has_text="<img src").first.click()
        expect(page.locator(".read-text")).to_have_text(MARKUP * 3)
        expect(page.locator(".told-to")).to_contain_text(MARKUP)
        nothing_came_alive(page)


def test_what_people_type_is_taken_as_text(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Find")
        for label in ("Name", "Patient ID", "Accession number"):
            page.get_by_label(label, exact=True).fill("%' OR 1=1 --\"<b>")
            page.get_by_role("button", name="Find").click()
            expect(page.locator(".empty")).to_be_visible()
            page.get_by_label(label, exact=True).fill("")
        show(page, "Reads and calls")
        page.get_by_role("button", name="Write a read").click()
        page.get_by_label("What you see").fill(MARKUP)
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("region", name="Read 2").locator(".read-text")).to_have_text(MARKUP)
        nothing_came_alive(page)


def test_a_long_day_comes_in_pages(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "ttech") as page:
        show(page, "Worklist")
        expect(page.locator(".pager")).to_contain_text("1 to 100 of more")
        page.get_by_role("button", name="After").click()
        expect(page.locator(".pager")).to_contain_text("101 to")
        expect(page.get_by_role("heading", name="CT9")).to_be_visible()
        page.get_by_label("Station").select_option("CT9")
        expect(page.locator(".station")).to_have_count(1)
