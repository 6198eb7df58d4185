"""Other vendors' programs, started for one test and ended with it."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.core.names import AETitle, Peer
from safelight.site.rehearsal.ports import free_port

NAGLE_ON = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
"""DCMTK as installed."""
NAGLE_OFF = NAGLE_ON | {"TCP_NODELAY": "1"}
"""DCMTK tuned."""


@contextmanager
def running(command: Sequence[str | Path], port: int, *, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a program until the test ends, and wait until it listens."""
    program = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment or NAGLE_ON,
    )
    try:
        _await_port(program, port)
        yield
    finally:
        program.terminate()
        try:
            program.wait(20)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def _await_port(program: subprocess.Popen[bytes], port: int) -> None:
    pause = threading.Event()
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert program.poll() is None, "the peer ended before it listened"
            pause.wait(0.05)
    raise AssertionError("the peer does not listen")


@dataclass(frozen=True)
class Archive:
    """A query and retrieve peer that knows our listener as SAFELIGHT."""

    name: str
    peer: Peer


@contextmanager
def orthanc(folder: Path, our_port: int) -> Iterator[Archive]:
    port = free_port()
    settings = {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpServerEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAet": "ARCHIVE",
        "DicomPort": port,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"us": ["SAFELIGHT", "127.0.0.1", our_port]},
        "DefaultEncoding": "Utf8",
    }
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(settings))
    with running(["Orthanc", configuration], port):
        yield Archive("orthanc", Peer(AETitle("ARCHIVE"), "127.0.0.1", port))


@contextmanager
def dcmqrscp(folder: Path, our_port: int) -> Iterator[Archive]:
    port = free_port()
    (folder / "storage").mkdir()
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = (SAFELIGHT, 127.0.0.1, {our_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder / 'storage'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with running(["/usr/bin/dcmqrscp", "-c", configuration], port):
        yield Archive("dcmqrscp", Peer(AETitle("ARCHIVE"), "127.0.0.1", port))


@contextmanager
def qrscp(folder: Path, our_port: int) -> Iterator[Archive]:
    port = free_port()
    (folder / "storage").mkdir()
    configuration = folder / "qrscp.ini"
    configuration.write_text(
        f"[DEFAULT]\nae_title: ARCHIVE\nport: {port}\nmax_pdu: 16382\nacse_timeout: 30\ndimse_timeout: 30\n"
        "network_timeout: 30\nbind_address: 127.0.0.1\n"
        f"instance_location: {folder / 'storage'}\ndatabase_location: {folder / 'index.sqlite'}\n"
        f"[SAFELIGHT]\nae_title: SAFELIGHT\naddress: 127.0.0.1\nport: {our_port}\n"
    )
    with running([sys.executable, "-W", "ignore", "-m", "pynetdicom", "qrscp", "-c", configuration], port):
        yield Archive("qrscp", Peer(AETitle("ARCHIVE"), "127.0.0.1", port))


ARCHIVES = {"orthanc": orthanc, "dcmqrscp": dcmqrscp, "qrscp": qrscp}


@dataclass(frozen=True)
class Rest:
    """The HTTP interface of an Orthanc."""

    port: int

    def ask(self, path: str, body: bytes) -> Any:
        """POST and return the answer.

        Raises:
            urllib.error.HTTPError: it does not want that.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", body, timeout=240) as answer:
            return json.load(answer)


@contextmanager
def orthanc_with_rest(folder: Path, our_port: int) -> Iterator[Rest]:
    """Run an Orthanc that takes files by HTTP and sends them to SAFELIGHT as its modality `safelight`."""
    port = free_port()
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "Plugins": [],
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"safelight": ["SAFELIGHT", "127.0.0.1", our_port]},
    }
    configuration = folder / "orthanc-rest.json"
    configuration.write_text(json.dumps(settings))
    with running(["Orthanc", configuration], port):
        yield Rest(port)
