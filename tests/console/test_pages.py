"""The built pages: files and nothing else of this machine, and what is said where they are not."""

import gzip
import http.client
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI

from safelight.console.pages import FOREVER, LOOK_AGAIN, Folders, page_routes
from safelight.console.web_server import WebServer, WebServerSettings
from support.served_home import free_port


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("built")
    (folder / "secret.txt").write_text("secret")
    for what in ("pages", "viewer"):
        (folder / what / "assets").mkdir(parents=True)
        (folder / what / "index.html").write_text(f"the {what}")
        (folder / what / "assets/app-1234.js").write_text("code")
        (folder / what / "assets/long-1234.js").write_text("long code")
        (folder / what / "assets/long-1234.js.gz").write_bytes(gzip.compress(b"long code"))
    (folder / "pages/link.txt").symlink_to(folder / "secret.txt")
    yield from served(Folders(str(folder / "pages"), str(folder / "viewer")))


@pytest.fixture(scope="module")
def port_of_nothing() -> Iterator[int]:
    yield from served(Folders("", ""))


def served(folders: Folders) -> Iterator[int]:
    application = FastAPI(openapi_url=None)
    application.include_router(page_routes(folders))
    server = WebServer(WebServerSettings(free_port()), application)
    server.start()
    yield server.port
    server.stop(timedelta(seconds=5))


def get(port: int, path: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "kept"),
    [
        ("/", "the pages", LOOK_AGAIN),
        ("/index.html", "the pages", LOOK_AGAIN),
        ("/worklist/today", "the pages", LOOK_AGAIN),
        ("/assets/app-1234.js", "code", FOREVER),
        ("/viewer/", "the viewer", LOOK_AGAIN),
        ("/viewer/viewer?StudyInstanceUIDs=1.2.3", "the viewer", LOOK_AGAIN),
        ("/viewer/assets/app-1234.js", "code", FOREVER),
    ],
)
def test_files_are_given_and_screens_that_route_by_themselves(port: int, path: str, body: str, kept: str) -> None:
    status, headers, told = get(port, path)
    assert (status, told, headers["cache-control"]) == (200, body, kept)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/../../secret.txt",
        "/viewer/..%2f..%2fsecret.txt",
        "//etc/passwd.txt",
        "/%2fetc%2fhosts.txt",
        "/link.txt",
        "/nothing.js",
        "/assets/nothing.js",
    ],
)
def test_nothing_else_of_this_machine_is_given(port: int, path: str) -> None:
    status, _, told = get(port, path)
    assert status == 404
    assert "secret" not in told


def test_a_file_that_was_packed_is_given_so_to_whoever_takes_it(port: int) -> None:
    for headers, packed in (({"Accept-Encoding": "gzip, br"}, True), ({}, False)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/assets/long-1234.js", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert (answer.headers["Content-Encoding"] == "gzip") is packed
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Cache-Control"] == FOREVER
        assert (gzip.decompress(body) if packed else body) == b"long code"


def test_the_viewer_without_its_slash_leads_to_it(port: int) -> None:
    status, headers, _ = get(port, "/viewer?StudyInstanceUIDs=1.2")
    assert (status, headers["location"]) == (308, "/viewer/?StudyInstanceUIDs=1.2")


def test_where_nothing_was_built_a_page_says_how(port_of_nothing: int) -> None:
    for path in ("/", "/worklist", "/viewer/", "/assets/app.js"):
        status, _, told = get(port_of_nothing, path)
        assert status == 503
        assert "make setup" in told
