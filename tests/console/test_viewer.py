"""The OHIF viewer in a real browser whose network outside is cut: studies of `serve`, and what it is not for."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from support.browser import chromium, log_in, needs_pages, needs_viewer, show, window
from support.pages_house import ApiCaller, PagesHouse, ct_study

pytestmark = [pytest.mark.peer, pytest.mark.slow, needs_pages, needs_viewer]

SMALL, LARGE = "2.25.20", "2.25.1000"
BANNER = "Downtime copy, not for primary diagnosis"
AMBER = (255, 176, 0)
SHADES_MIN = 40
"""A thorax has hundreds of shades of grey; an empty canvas has one, and the letters on it some more."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=60_000)
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesHouse]:
    with PagesHouse(tmp_path_factory.mktemp("viewer")) as house:
        house.init()
        house.start()
        api = ApiCaller(house)
        api.store(ct_study(20, 20, 128, "Short^Scan", SMALL))
        api.store(ct_study(1000, 1000, 32, "Long^Scan", LARGE))
        yield house


def opened(page: Page, name: str) -> Page:
    """Open somebody's study as people do: find it, press Open."""
    show(page, "Find")
    with page.context.expect_page() as opening:
        page.locator("table.rows tr").filter(has_text=name).get_by_role("link", name="Open").click()
    return opening.value


def picture(page: Page) -> Image.Image:
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def shades(page: Page) -> int:
    """Count the shades of grey in the middle of the picture."""
    canvas = page.locator("canvas.cornerstone-canvas").first.bounding_box()
    assert canvas
    left, top = canvas["x"] + canvas["width"] / 4, canvas["y"] + canvas["height"] / 4
    middle = picture(page).crop((int(left), int(top), int(left + canvas["width"] / 2), int(top + canvas["height"] / 2)))
    colours = middle.getcolors(1_000_000) or []
    return len({colour for _, colour in colours if len(set(colour)) == 1})


def shows_pixels(page: Page) -> bool:
    """Wait until the picture is there; the viewer has no sign of its own for it."""
    for _ in range(60):
        if shades(page) >= SHADES_MIN:
            return True
        page.wait_for_timeout(250)
    return False


@pytest.mark.parametrize(("name", "slices"), [("Short, Scan", 20), ("Long, Scan", 1000)])
def test_a_ct_opens_and_shows_pixels(browser: Browser, house: PagesHouse, name: str, slices: int) -> None:
    with window(browser, house, "vview") as page:
        viewer = opened(page, name)
        expect(viewer.get_by_text(f"1/{slices}")).to_be_visible()
        assert shows_pixels(viewer)
        # The strip above says what it is not for, and nothing lies over it.
        expect(viewer.get_by_text(BANNER)).to_be_visible()
        shown = picture(viewer)
        assert all(shown.getpixel((x, y)) == AMBER for x in (2, 640, 1277) for y in (1, 30) if x != 640 or y == 1)
        assert viewer.title() == BANNER
        viewer.mouse.move(760, 400)
        for _ in range(3):
            viewer.mouse.wheel(0, 100)
        expect(viewer.get_by_text(f"4/{slices}")).to_be_visible()
        assert shows_pixels(viewer)


def test_who_is_not_logged_in_comes_to_the_login_and_back(browser: Browser, house: PagesHouse) -> None:
    with window(browser, house) as page:
        page.goto(f"{house.url}/viewer/viewer?StudyInstanceUIDs={SMALL}")
        expect(page.get_by_label("Password")).to_be_visible()
        log_in(page, "vview")
        expect(page.get_by_text("1/20")).to_be_visible()
        assert page.url == f"{house.url}/viewer/viewer?StudyInstanceUIDs={SMALL}"
