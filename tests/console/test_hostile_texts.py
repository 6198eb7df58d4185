"""Texts that others wrote, as bad as they come, in every field and page: they stay texts, and in their place."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from safelight.site.plan_folder import example_texts, write_plan
from safelight.vault.keys import load_public_keys
from support.browser import DESK, PHONE, chromium, needs_pages, show, window
from support.console_house import name_plan
from support.department import fill, register, send, step
from support.pages_house import PASSWORD, ApiCaller, Ordered, PagesHouse, ct_study

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages]

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TEXTS = {
    "markup": MARKUP,
    "quotes": "\"'`}{${7*7}{{7*7}}&lt;&amp;'; DROP TABLE",
    "rtl": "\u202egnorw\u202c \u05d9\u05e9\u05e8\u05d0\u05dc \u0645\u062d\u0645\u062f",
    "unseen": "A\u200bB\u200e\u2066C\ufeffD\u00ad",
    "control": "A\x01\x07\x1b[31mB\tC\x7fD",
    "sixty-four": "N" * 64,
    "long": "W" * 500,
    "long words": "lorem ipsum " * 45,
    "tower": "Z" + "\u0301" * 400,
    "ideographic": "Yamada Tarou 山田 太郎 やまだ たろう",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 40,
    "empty": "",
}
PAGES = ("Board", "Worklist", "Reads and calls", "Find", "Reconciliation", "Plan")
LONG = timedelta(days=2500)
FINDINGS_MIN = 10
FREE_WORDS = frozenset({"name", "title", "hospital", "do", "why", "where", "result_path", "evidence"})
"""Whatever whoever writes a plan is free to say."""
ROW_PIXELS_MAX = 420
"""Two lines of name, two of identity, some of text; a text of 500 characters may not make a screen of its own."""


HEIGHTS = """() => [...document.querySelectorAll('.rows tr, .exam-choice, .calls li, .findings summary')]
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
    folder = tmp_path_factory.mktemp("hostile")
    with PagesHouse(folder) as house:
        house.init()
        _write_plan(house, folder / "plan")
        house.start()
        fill(house)
        api = ApiCaller(house)
        for number, text in enumerate(TEXTS.values(), 100):
            send(house, Ordered(number, f"{text}^{text}", text, "CT1", "CT", 12))
            made = ct_study(number, 1, 32, f"{text}^Given"[:500], study_of(number), description=text[:64])
            api.store(made)
        for text in filter(None, TEXTS.values()):
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


def _write_plan(house: PagesHouse, folder: Path) -> None:
    """Write a plan of long ago, in which much is found, with such a text wherever it may be; A. Admin signs it."""
    texts = cycle(filter(None, TEXTS.values()))

    def hostile(part: Any, key: str = "") -> Any:
        if isinstance(part, list):
            return [hostile(one) for one in part]
        if isinstance(part, dict):
            return {name: hostile(value, name) for name, value in part.items()}
        if key in FREE_WORDS:
            return next(texts)
        return part - LONG if isinstance(part, date) else part

    files = {
        name: hostile(yaml.safe_load(text))
        for name, text in example_texts("400-bed", datetime.now().astimezone().date()).items()
    }
    files["plan.yaml"]["plan"]["console_key"] = load_public_keys(house.home / "keys").signing.raw.hex()
    files["plan.yaml"]["people"][0]["account"] = "aadmin"
    write_plan(folder, {name: yaml.safe_dump(made, allow_unicode=False) for name, made in files.items()})
    name_plan(house.home / "safelight.toml", folder)


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


def fits(page: Page, size: dict[str, int]) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= size["width"])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_an_exam_beside_its_orders_and_what_is_asked_before_a_decision_stay_in_their_place(
    browser: Browser, house: PagesHouse, size: dict[str, int]
) -> None:
    with window(browser, house, "aadmin", viewport=size) as page:
        show(page, "Reconciliation")
        lines = page.locator(".exam-choice")
        expect(lines.filter(has_text="<img src").first).to_be_visible()
        for place in range(min(lines.count(), 2 * len(TEXTS))):
            lines.nth(place).click()
            shown = page.locator("article.one-exam")
            expect(shown).to_be_visible()
            for asks in ("Match to this order…", "Decide…"):
                button = shown.get_by_role("button", name=asks).first
                if button.count():
                    button.click()
                    expect(page.get_by_role("dialog")).to_be_visible()
                    assert fits(page, size)
                    page.keyboard.press("Escape")
            nothing_came_alive(page)
            assert fits(page, size), shown.inner_text()[:200]


def test_a_decision_for_any_reason_stands_in_the_list_as_it_was_written(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "aadmin") as page:
        show(page, "Reconciliation")
        page.locator(".exam-choice").filter(has_text="<img src").filter(has_text="images").first.click()
        page.get_by_role("article", name="Exam").get_by_role("button", name="No order will come").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Reason").fill(MARKUP)
        form.get_by_role("button", name="No order will come").click()
        expect(form).to_have_count(0)
        page.get_by_role("button", name="Decisions").click()
        line = page.locator("table.decisions tbody tr").filter(has_text=MARKUP)
        expect(line).to_contain_text("No order will come")
        line.get_by_role("button", name="Take back").click()
        form.get_by_label("Reason").fill(TEXTS["rtl"])
        form.get_by_role("button", name="Take back").click()
        expect(line).to_contain_text("Taken back by A. Admin")
        expect(line.locator(".unseen").first).to_have_text("U+202E")
        nothing_came_alive(page)
        assert fits(page, DESK)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_findings_of_a_plan_that_says_anything_open_in_their_place(
    browser: Browser, house: PagesHouse, size: dict[str, int]
) -> None:
    with window(browser, house, "vview", viewport=size) as page:
        show(page, "Plan")
        findings = page.locator(".findings details")
        expect(findings.nth(FINDINGS_MIN - 1)).to_be_visible()
        for place in range(findings.count()):
            findings.nth(place).locator("summary").click()
        nothing_came_alive(page)
        assert fits(page, size)


def test_what_is_signed_and_why_is_shown_as_it_was_written(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house, "aadmin") as page:
        show(page, "Plan")
        side = page.get_by_role("article", name="IT")
        side.get_by_role("button", name="Sign for IT").click()
        form = page.get_by_role("dialog")
        form.locator("summary").click()
        nothing_came_alive(page)
        assert fits(page, DESK)
        form.get_by_label("Reason").fill(MARKUP)
        form.get_by_label("Your password").fill(PASSWORD)
        form.get_by_role("button", name="Sign").click()
        expect(side).to_contain_text("signed as it is")
        expect(side).to_contain_text(MARKUP)
        nothing_came_alive(page)
