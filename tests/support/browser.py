"""Debian's Chromium without a screen, and pages in it that are watched for what they must never do."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from support.pages_house import PASSWORD, PagesHouse

CHROMIUM = shutil.which("chromium") or ""
CONSOLE = Path(str(files("safelight.console")))
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    # The network outside is cut: what a page, or the browser itself, asks of another host is not found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
WAIT_MILLISECONDS = 20_000
EXPECTED_COMPLAINTS = re.compile(
    r"status of (401|409|429|503)|ERR_CONNECTION_REFUSED|ERR_HTTP2|net::ERR_|Timer 'scriptToView'"
)
"""Refusals that a test provokes, and what a browser says when `serve` is away."""

needs_pages = pytest.mark.skipif(
    not CHROMIUM or not (CONSOLE / "pages" / "index.html").is_file(), reason="needs Chromium and the built pages"
)
needs_viewer = pytest.mark.skipif(not (CONSOLE / "viewer" / "index.html").is_file(), reason="needs the viewer")


@dataclass
class Watch:
    """What a browser was seen to do: requests to other places, broken files, complaints, dialogs."""

    origin: str
    provokes: str = ""
    """What the browser says of a refusal that this test asks for, and no other test does."""
    wrong: list[str] = field(default_factory=list)

    def on(self, context: BrowserContext) -> None:
        """Look at every page of a context."""
        context.on("request", lambda request: self._asked(request.url))
        context.on("response", lambda response: self._answered(response.status, response.url))
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))
        context.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "blob:", "data:")):
            self.wrong.append(f"asked elsewhere: {url}")

    def _answered(self, status: int, url: str) -> None:
        if status in (404, 421, 500):
            self.wrong.append(f"{status}: {url}")

    def _said(self, kind: str, text: str) -> None:
        is_provoked = bool(self.provokes) and self.provokes in text
        if kind in ("error", "warning") and not is_provoked and not EXPECTED_COMPLAINTS.search(text):
            self.wrong.append(f"{kind}: {text}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, house: PagesHouse, account: str = "", provokes: str = "", **more: Any) -> Iterator[Page]:
    """Open a window of a browser that knows nothing yet, somebody logged in.

    It must have done nothing wrong at the end. Who logged in before goes on with the same session.
    """
    told: dict[str, Any] = {"viewport": DESK, "ignore_https_errors": True, "locale": "en-GB", **more}
    told["storage_state"] = house.logged_in.get(account)
    context = browser.new_context(**told)
    context.set_default_timeout(WAIT_MILLISECONDS)
    watch = Watch(house.url, provokes)
    watch.on(context)
    try:
        page = context.new_page()
        page.goto(f"{house.url}/board")
        if account and account not in house.logged_in:
            log_in(page, account)
            page.locator(".top").wait_for()
            house.logged_in[account] = context.storage_state()
        yield page
    finally:
        context.close()
    assert not watch.wrong, watch.wrong


def log_in(page: Page, account: str, password: str = PASSWORD) -> None:
    """Fill in the form."""
    page.get_by_label("Account").fill(account)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def show(page: Page, name: str) -> None:
    """Go to a page by its name in the bar."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
