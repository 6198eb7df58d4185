"""Screens of a real `safelight serve`: TLS whatever the certificate is like, and sessions that outlive a crash."""

import hashlib
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from safelight.cli.main import program
from safelight.console.certificate import VALID_FOR, Certified, make_certificate
from safelight.core.disk import RealDisk
from safelight.core.errors import SafelightError
from safelight.gateway.control import error_document
from safelight.site.certificates import own_files
from safelight.site.home import Home
from support.console_house import PASSWORD, Browser
from support.served_home import PROGRAM, NotServing, ServedHome, free_port

ACCOUNT = ["console", "account"]
WHO = ["--reason", "test", "--by", "A. Admin"]


class Guarded:
    """A home with accounts, and the `serve` on it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.directory = folder / "home"
        self.log = folder / "log"
        self.server = ServedHome(self.directory, self.log)
        self.port = free_port()
        ports = ["--dicom-port", str(self.server.port), "--http-port", str(self.port)]
        self.made = self.run("init", "--site", "T", "--ae-title", "SAFELIGHT", *ports, *options)

    @property
    def home(self) -> Home:
        return Home.at(self.directory)

    def run(self, *arguments: str, given: str = "", refused: str = "") -> Any:
        """Have a command done in this process, which saves a second each."""
        command = [*arguments, "--home", str(self.directory), "--json"]
        done = CliRunner().invoke(program, command, given, standalone_mode=False)
        if refused:
            assert isinstance(done.exception, SafelightError)
            return error_document(done.exception)["code"] == refused
        assert done.exception is None, done.exception
        return json.loads(done.stdout)

    def browser(self, certificate: Path | None = None) -> Browser:
        return Browser(self.port, certificate or self.directory / "keys/console.crt")

    def set(self, line: str, to: str) -> None:
        file = self.home.settings_file
        text = file.read_text()
        assert line in text
        file.write_text(text.replace(line, to))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    one = Guarded(tmp_path, "--http-name", "safelight.hospital.example")
    add = [*ACCOUNT, "add", "jroe", "--name", "Jane Roe", "--role", "viewer", "--password-stdin", *WHO]
    one.run(*add, given=f"{PASSWORD}\n")
    with one.server:
        yield one


@pytest.mark.slow
def test_a_session_outlives_a_crash_and_nothing_is_said_in_the_clear(guarded: Guarded) -> None:
    guarded.server.start()
    browser = guarded.browser().login("jroe")
    gone = guarded.browser().login("jroe")
    cookie = gone.cookie
    gone.post("/api/logout", {})
    with socket.create_connection(("127.0.0.1", guarded.port), 10) as plain:
        plain.sendall(b"GET /api/site HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in plain.recv(1000)
    # Written within half a second after the last one began or ended.
    with browser.events() as events:
        next(events)
        guarded.run("downtime", "declare", "--scope", "ris", *WHO)
        next(events)
    guarded.server.kill()
    guarded.server.start()
    assert browser.get("/api/me").json["name"] == "Jane Roe"
    gone.cookie = cookie
    assert gone.get("/api/me").status == 401
    guess = browser.post("/api/password", {"old": "some guess", "new": "another long password"})
    assert guess.code == "console.login-refused"
    # By the running serve, which heeds it at once.
    guarded.run(*ACCOUNT, "password", "jroe", "--password-stdin", *WHO, given="another long password\n")
    assert browser.get("/api/me").status == 401
    log = guarded.log.read_text()
    assert "login=account" in log
    assert "console.login-refused address=127.0.0.1" in log, "whoever guesses with a session in hand is seen, too"
    assert PASSWORD not in log and "another long password" not in log and "argon2" not in log


@pytest.mark.slow
def test_an_expired_or_unreadable_certificate_is_a_finding_and_keeps_nobody_out(guarded: Guarded) -> None:
    assert guarded.run("status")["findings"][0]["code"].startswith("vault.")
    for age, code in ((VALID_FOR - timedelta(days=29), "expiring"), (VALID_FOR, "expired")):
        old = make_certificate(["localhost"], datetime.now(UTC) - age)
        own_files(guarded.home).write(RealDisk(), old)
        assert f"console.certificate-{code}" in codes(guarded)
    guarded.server.start()
    assert fingerprint_shown(guarded.port) == guarded.run("console", "certificate", "show")["fingerprint"]
    guarded.server.stop()

    own_files(guarded.home).write(RealDisk(), Certified(b"spoilt", b"spoilt"))
    guarded.server.start()
    assert "console.certificate-unreadable" in codes(guarded)
    browser = guarded.browser(guarded.directory / "run/stand-in.crt").login("jroe")
    assert "console.certificate-unreadable" in [one["code"] for one in browser.get("/api/status").json["findings"]]
    log = guarded.log.read_text()
    assert f"console.certificate fingerprint={fingerprint_shown(guarded.port)} stand_in=True" in log
    guarded.server.stop()

    renewed = guarded.run("console", "certificate", "renew", *WHO, "--http-name", "10.0.0.7")
    assert {"10.0.0.7", "localhost"} <= set(renewed["names"])
    assert not [code for code in codes(guarded) if code.startswith("console.")]


def codes(guarded: Guarded) -> list[str]:
    return [one["code"] for one in guarded.run("status")["findings"]]


def fingerprint_shown(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as safe:
        shown = safe.getpeercert(binary_form=True)
    assert shown is not None
    return hashlib.sha256(shown).digest().hex(":").upper()


def test_accounts_are_kept_by_commands_and_never_on_the_command_line(tmp_path: Path) -> None:
    home = Guarded(tmp_path)
    assert home.made["certificate_fingerprint"] == home.run("console", "certificate", "show")["fingerprint"]
    assert home.run(*ACCOUNT, "list") == {"accounts": []}
    add = [*ACCOUNT, "add", "jroe", "--name", "Jane Roe", "--role", "viewer", "--password-stdin", *WHO]
    home.run(*add, "--dry-run", given=f"{PASSWORD}\n")
    assert home.run(*ACCOUNT, "list") == {"accounts": []}
    assert "console.no-accounts" in codes(home)
    assert home.run(*add, given="short\n", refused="console.bad-password")
    home.run(*add, given=f"{PASSWORD}\n")
    assert home.run(*add, given=f"{PASSWORD}\n", refused="console.account-there")
    home.run(*ACCOUNT, "role", "jroe", "--role", "technologist", *WHO)
    told = home.run(*ACCOUNT, "list")["accounts"]
    assert told == [{"account": "jroe", "name": "Jane Roe", "role": "technologist", "shared": False}]
    assert home.home.accounts.stat().st_mode & 0o077 == 0
    home.run(*ACCOUNT, "remove", "jroe", *WHO)
    assert home.run(*ACCOUNT, "remove", "jroe", *WHO, refused="console.unknown-account")
    home.home.accounts.write_text("spoilt")
    assert "console.accounts-unreadable" in codes(home)
    assert home.run(*add, given=f"{PASSWORD}\n", refused="console.bad-accounts")


def test_a_name_that_cannot_stand_in_a_certificate_leaves_no_half_made_home(tmp_path: Path) -> None:
    command = [
        PROGRAM,
        "init",
        "--home",
        str(tmp_path / "home"),
        "--site",
        "T",
        "--ae-title",
        "X",
        "--dicom-port",
        "11112",
    ]
    done = subprocess.run([*command, "--http-name", "a b", "--json"], capture_output=True, check=False, text=True)
    assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (2, "console.bad-name")
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_without_login_it_is_loopback_alone_and_said_loudly(tmp_path: Path) -> None:
    home = Guarded(tmp_path, "--open")
    assert home.made["is_open"] is True
    with home.server:
        home.server.start()
        assert Browser(home.port, None).get("/api/site").json["login"] == "none"
        home.server.stop()
        log = home.log.read_text()
        assert "login=none" in log and "console.open" in log and "WITHOUT LOGIN" in log
        told = home.run(
            "check",
        )["checks"]
        assert not next(one["ok"] for one in told if one["what"] == "console")
        section = home.home.settings_file.read_text().partition("[console]")[2].partition("\n[")[0]
        home.set(section, section.replace('bind = "127.0.0.1"', 'bind = "0.0.0.0"'))
        with pytest.raises(NotServing):
            home.server.start()
    assert "site.bad-settings" in home.log.read_text()
    told = subprocess.run(
        [
            PROGRAM,
            "init",
            "--home",
            str(tmp_path / "loud"),
            "--site",
            "T",
            "--ae-title",
            "X",
            "--dicom-port",
            "1",
            "--open",
        ],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert "OPEN HOME" in told and "without login" in told
