"""A home whose screens are served in this process over TLS, and browsers that ask for them."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from safelight.console.account import Account, write_accounts
from safelight.console.role import Role
from safelight.core.clock import SystemClock
from safelight.core.names import AETitle
from safelight.site.founding import Founding, found
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.web_door import WebDoor
from support.hl7_house import opened
from support.served_home import free_port

PASSWORD = "a lamp in the darkroom"
WHO = {"reason": "test", "by": "A. Admin"}


class ShiftedClock(SystemClock):
    """The machine's clock, and as much more as a test says."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift

    def elapsed(self) -> timedelta:
        return super().elapsed() + self.shift


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error."""
        return str(self.json["error"]["code"])


def give_accounts(home: Home) -> None:
    """Give a home an account for each role, and a shared one."""
    # As costly as the memory of a test allows; what is really kept costs far more.
    kept = Argon2id(salt=b"sixteen or more.", length=32, iterations=1, lanes=1, memory_cost=64).derive_phc_encoded(
        PASSWORD.encode()
    )
    accounts = [Account(role.value, f"Person {role.value}", role, kept) for role in Role]
    desk = Account("ct-desk", "CT desk", Role.TECHNOLOGIST, kept, shared=True)
    home.accounts.write_bytes(write_accounts([*accounts, desk]))


@dataclass
class Browser:
    """Keeps a cookie and asks; without TLS where the home is open."""

    port: int
    certificate: Path | None
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def connection(self, seconds: float = 30) -> http.client.HTTPConnection:
        """Open a connection."""
        if self.certificate is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        context = ssl.create_default_context(cafile=str(self.certificate))
        return http.client.HTTPSConnection("localhost", self.port, timeout=seconds, context=context)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answered:
        """Send one request and keep the cookie that comes with the answer."""
        connection = self.connection()
        try:
            cookie = {"Cookie": self.cookie} if self.cookie else {}
            connection.request(method, path, body, {**self.headers, **cookie, **headers})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in told:
                self.cookie = told["set-cookie"].partition(";")[0]
            return Answered(answer.status, told, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answered:
        """Ask for something."""
        return self.ask("GET", path, None, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, told: Any, **headers: str) -> Answered:
        """Ask for an act."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, json.dumps(told).encode(), {"Content-Type": "application/json", **more})

    def login(self, account: str, password: str = PASSWORD, **more: Any) -> Self:
        """Log in, and fail where that is refused."""
        answered = self.post("/api/login", {"account": account, "password": password, **more})
        assert answered.status == 200, answered.body
        return self

    @contextmanager
    def events(self, last: str = "") -> Iterator[Iterator[tuple[str, str, Any]]]:
        """Listen; each event is its id, its name and what it says."""
        connection = self.connection()
        connection.request(
            "GET", "/api/events", headers={"Cookie": self.cookie, **({"Last-Event-ID": last} if last else {})}
        )
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        try:
            yield _events(answer)
        finally:
            connection.close()


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    told: dict[str, str] = {}
    while line := answer.readline().decode():
        if line == "\n" and "event" in told:
            yield told.get("id", ""), told["event"], json.loads(told["data"])
            told = {}
        name, _, value = line.rstrip("\n").partition(": ")
        told[name] = value


@dataclass
class ConsoleHouse:
    """A home that is served as far as its screens go."""

    site: Site
    door: WebDoor
    port: int
    clock: ShiftedClock
    is_open: bool

    def browser(self, account: str = "", **more: Any) -> Browser:
        """Return a browser, logged in where an account is named."""
        certificate = None if self.is_open else self.site.home.keys / "console.crt"
        browser = Browser(self.port, certificate)
        return browser.login(account, **more) if account else browser


def name_plan(settings: Path, folder: Path | str) -> None:
    """Name the folder of the plan in the settings of a new home."""
    settings.write_text(settings.read_text().replace('folder = ""', f'folder = "{folder}"'))


@contextmanager
def console_house(folder: Path, *, is_open: bool = False, plan: Path | str = "") -> Iterator[ConsoleHouse]:
    """Serve a new home in the folder."""
    port = free_port()
    asked = Founding(folder / "home", "Test", AETitle.parse("HERE"), 11112, accept_any=is_open, http_port=port)
    home = found(asked).home
    name_plan(home.settings_file, plan)
    if not is_open:
        give_accounts(home)
    with opened(home) as site:
        clock = ShiftedClock()
        site.clock = clock
        door = WebDoor(site)
        door.start()
        try:
            yield ConsoleHouse(site, door, port, clock, is_open)
        finally:
            door.stop()
