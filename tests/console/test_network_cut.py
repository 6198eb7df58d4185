"""The browser of these tests reaches this machine and nothing else: what works in it works on a network island."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from support.browser import chromium, needs_pages

pytestmark = [pytest.mark.peer, needs_pages]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def asked() -> Iterator[tuple[int, list[str]]]:
    """A server at every address of this machine: its port, and by which names it was asked."""
    names: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            names.append(self.headers["Host"].rpartition(":")[0])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, names
        server.shutdown()


def test_another_host_is_not_found_by_name_or_address(browser: Browser, asked: tuple[int, list[str]]) -> None:
    port, names = asked
    page = browser.new_page()
    # Both lead back to this machine: without the cut, they would be answered.
    for host in ("outside.localhost", "127.0.0.2", "127.0.0.1"):
        page.evaluate("url => fetch(url, { mode: 'no-cors' }).catch(() => null)", f"http://{host}:{port}/{host}")
    page.close()
    assert names == ["127.0.0.1"]
