"""Probes of real listeners, what is advised from them, and the devices' checklists."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.caller import CallerAct, CallerSighting
from safelight.core.names import BadAETitle, BadPeerAddress
from safelight.core.progress import silent
from safelight.downtime.advice import BadProbe
from safelight.site.acts import act, act_alone
from safelight.site.devices import devices_document
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.peers import UnknownPeer
from safelight.site.probing import NoProbes, advice_document
from support.dicom_peers import running
from support.hl7_house import make_home
from support.served_home import free_port

WHO = {"reason": "test", "by": "A. Admin"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path)
    with (home.directory / "safelight.toml").open("a") as settings:
        settings.write("\n[downtime]\ngive_up_seconds = 1\n")
    return home


@contextmanager
def _mute() -> Iterator[int]:
    """Listen, accept, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def _web(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _verdict(home: Home, probe: str) -> tuple[str, str]:
    (told,) = advice_document(home, [probe], None)["probes"]
    return told["verdict"], told["trouble"]


@pytest.mark.parametrize("way", ["echo", "find"])
def test_an_archive_that_accepts_and_never_answers_is_down(home: Home, way: str) -> None:
    with _mute() as port:
        assert _verdict(home, f"pacs {way} PACS@127.0.0.1:{port}") == ("down", "gateway.peer-silent")


@pytest.mark.parametrize(
    "probe", ["pacs echo PACS@{}", "pacs find PACS@{}", "hl7-gateway mllp {}", "viewers http http://{}/"]
)
def test_where_nothing_listens_it_is_down(home: Home, probe: str) -> None:
    assert _verdict(home, probe.format(f"127.0.0.1:{free_port()}"))[0] == "down"


def test_a_listener_for_messages_is_connected_to_and_told_nothing(home: Home) -> None:
    with _mute() as port:
        assert _verdict(home, f"hl7-gateway mllp 127.0.0.1:{port}") == ("up", "")


@pytest.mark.parametrize(("status", "verdict"), [(200, "up"), (401, "up"), (404, "up"), (500, "down"), (503, "down")])
def test_a_viewer_is_up_while_it_answers_anything_but_its_own_failure(home: Home, status: int, verdict: str) -> None:
    with _web(status) as port:
        assert _verdict(home, f"viewers http http://127.0.0.1:{port}/login")[0] == verdict


def test_a_viewer_that_never_answers_is_down_and_its_login_is_not_repeated(home: Home) -> None:
    with _mute() as port:
        document = advice_document(home, [f"viewers http http://user:secret@127.0.0.1:{port}/"], None)
    assert document["probes"][0]["verdict"] == "down"
    assert "secret" not in str(document)


def test_slow_counts_as_away_and_only_a_person_says_so(home: Home) -> None:
    with _mute() as port:
        probe = f"pacs mllp 127.0.0.1:{port}"
        told = advice_document(home, [probe], 0.0)
        assert told["probes"][0]["verdict"] == "slow"
        assert told["advice"] == [{"scope": "pacs", "phase": "normal", "advice": "declare"}]
        assert advice_document(home, [probe], 0.0)["advice"] == told["advice"]
        act_alone(home, "downtime.say", {"event": "declared", "scopes": ["pacs"], **WHO}, silent)
        assert advice_document(home, [probe], 0.0)["nothing_to_say"]
        assert advice_document(home, [probe], None)["advice"][0]["advice"] == "end"


def test_what_cannot_be_asked_is_refused_before_anybody_is_asked(home: Home) -> None:
    with pytest.raises(NoProbes):
        advice_document(home, [], None)
    for probe, refused in {
        "pacs echo NOBODY": UnknownPeer,
        "hl7-gateway mllp nowhere": BadPeerAddress,
        "viewers http file:///etc/passwd": BadProbe,
    }.items():
        with pytest.raises(refused):
            advice_document(home, [probe], None)


@pytest.mark.peer
def test_an_archive_that_works_is_up_by_echo_and_by_find(home: Home, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "dcmqrscp.cfg"
    (tmp_path / "db").mkdir()
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nPACS {tmp_path / 'db'} RW (9, 1024mb) ANY\nAETable END\n"
    )
    with running(["/usr/bin/dcmqrscp", "-c", config], port):
        for way in ("echo", "find"):
            assert _verdict(home, f"pacs {way} PACS@127.0.0.1:{port}") == ("up", "")


def _check(site: Site, **told: Any) -> dict[str, Any]:
    return dict(act(site, "downtime.device.check", {"device": "CT_1", "item": "worklist", **told, **WHO}, silent))


def test_devices_are_those_that_called_and_those_that_were_checked(home: Home) -> None:
    now = datetime.now(UTC)
    with Site.open(home) as site:
        for title, act_seen in (("CT_1", CallerAct.STORE), ("CT_1", CallerAct.QUERY), ("MR_1", CallerAct.ECHO)):
            seen = [CallerSighting(title, "192.0.2.1", act_seen, now)]
            site.catalog.keep_callers(site.catalog.with_sightings(seen))
        _check(site)
        _check(site, device="US_1")
        assert _check(site, device="XA_1", dry_run=True)["checked"]
        with pytest.raises(BadAETitle):
            _check(site, device="A\\B")
    devices = {one["device"]: one for one in devices_document(home)["devices"]}
    assert sorted(devices) == ["CT_1", "MR_1", "US_1"]
    assert devices_document(home)["not_ready"] == 3
    assert devices["CT_1"]["missing"][-1:] == ["never seen to ask for commitment"]
    assert "worklist" not in devices["CT_1"]["missing"]
    assert devices["MR_1"]["seen"] == {"store": None, "query": None, "commitment": None}
