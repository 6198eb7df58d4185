"""The programs that the bench runs: how each is started, when it is ready, and how it is stopped.

Every one listens on a port that the system chose, in a folder of its own. `tuned` means that Nagle's algorithm
is off (TCP_NODELAY=1, which DCMTK reads) and that PDUs are large; otherwise the program runs as it was installed.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from safelight.site.rehearsal.ports import free_port

START_SECONDS_MAX = 60.0
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SAFELIGHT = Path(".venv/bin/safelight").absolute()
WORKER = "safelight.site.worker"
"""Stands in the command line of what packs for us."""


@dataclass(frozen=True, slots=True)
class Running:
    """A receiver that accepts associations."""

    program: str
    title: str
    port: int
    pid: int
    folder: Path
    stored: Callable[[], int]
    """Count the instances it holds."""
    web: str = ""
    """Where it answers DICOMweb."""

    @property
    def address(self) -> str:
        """Return host and port as most programs take them."""
        return f"127.0.0.1:{self.port}"


class NotReady(Exception):
    """A program did not start to listen."""


def environment(*, tuned: bool) -> dict[str, str]:
    """Return this process's environment with Nagle's algorithm off or as it came."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TCP_NODELAY", "PYTHONDONTWRITEBYTECODE")}
    return {**kept, "TCP_NODELAY": "1"} if tuned else kept


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    """Return when something listens on the port.

    Raises:
        NotReady: the program ended, or time ran out.
    """
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotReady(f"ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise NotReady(f"nothing listens on {port}")


def stop(process: subprocess.Popen[str]) -> None:
    """End a program that we started, gently and then not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def started(command: Sequence[str | Path], folder: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program for as long as the block lasts, its output in ``program.log``."""
    with (folder / "program.log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, env=env, stdout=log, stderr=log, text=True)
        try:
            yield process
        finally:
            stop(process)


@contextmanager
def storescp(folder: Path, *, tuned: bool) -> Iterator[Running]:
    """DCMTK's receiver: writes files, syncs nothing, hashes nothing, keeps no index."""
    store = folder / "stored"
    store.mkdir(parents=True)
    port = free_port()
    options = ["--fork", "+B", "-pdu", "131072"] if tuned else ["--fork"]
    command = ["/usr/bin/storescp", "-q", *options, "-od", str(store), str(port)]
    with started(command, folder, environment(tuned=tuned)) as process:
        wait_for_port(port, process)
        yield Running("storescp", "STORESCP", port, process.pid, folder, lambda: sum(1 for _ in store.iterdir()))


def _orthanc_settings(
    folder: Path, port: int, http: int, *, tuned: bool, web: bool, knows: Mapping[str, int]
) -> dict[str, object]:
    settings: dict[str, object] = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {title: [title, "127.0.0.1", other] for title, other in knows.items()},
        "Plugins": [str(DICOMWEB_PLUGIN)] if web else [],
        "DicomCheckCalledAet": False,
        "DefaultEncoding": "Utf8",
    }
    return {**settings, "MaximumPduLength": 131072} if tuned else settings


@contextmanager
def orthanc(
    folder: Path, *, tuned: bool, web: bool = False, knows: Mapping[str, int] = MappingProxyType({})
) -> Iterator[Running]:
    """Orthanc with its defaults: files synced, MD5 kept, index in SQLite; it may send to those whom it knows."""
    folder.mkdir(parents=True)
    port, http = free_port(), free_port()
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(_orthanc_settings(folder, port, http, tuned=tuned, web=web, knows=knows)))

    def stored() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/statistics", timeout=60) as answer:
            return int(json.load(answer)["CountInstances"])

    with started([_orthanc_program(), settings], folder, environment(tuned=tuned)) as process:
        wait_for_port(http, process)
        wait_for_port(port, process)
        dicomweb = f"http://127.0.0.1:{http}/dicom-web"
        yield Running("Orthanc", "ORTHANC", port, process.pid, folder, stored, dicomweb)


def _orthanc_program() -> str:
    return shutil.which("Orthanc") or "/usr/sbin/Orthanc"


@contextmanager
def pynetdicom(folder: Path, *, tuned: bool) -> Iterator[Running]:
    """pynetdicom's storescp as it comes; tuned, a receiver built on it that writes the data set undecoded."""
    store = folder / "stored"
    store.mkdir(parents=True)
    port = free_port()
    if tuned:
        command = [sys.executable, str(Path(__file__).with_name("pynetdicom_receiver.py")), str(port), str(store)]
    else:
        command = [sys.executable, "-m", "pynetdicom", "storescp", "-q", str(port), "-od", str(store)]
    with started(command, folder, environment(tuned=tuned)) as process:
        wait_for_port(port, process)
        yield Running("pynetdicom", "STORESCP", port, process.pid, folder, lambda: sum(1 for _ in store.iterdir()))


@contextmanager
def sink(folder: Path, *, tuned: bool) -> Iterator[Running]:
    """Our own discarding receiver: what a sender reaches when nothing is stored."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("sink.py")), str(port)]
    with started(command, folder, environment(tuned=tuned)) as process:
        wait_for_port(port, process)
        yield Running("sink", "SINK", port, process.pid, folder, lambda: -1)


def safelight(*arguments: str | Path, home: Path) -> str:
    """Run one command of Safelight and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [str(SAFELIGHT), *map(str, arguments), "--home", str(home)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=environment(tuned=False)).stdout


def safelight_status(home: Path) -> dict[str, object]:
    """Return what ``safelight status --json`` says."""
    told: dict[str, object] = json.loads(safelight("status", "--json", home=home))
    return told


def make_home(home: Path, port: int, http: int = 0) -> None:
    """Make an open home, as an administrator does for a rehearsal."""
    ports = ["--dicom-port", str(port), *(["--http-port", str(http)] if http else [])]
    safelight("init", "--site", "Bench", "--ae-title", "SAFELIGHT", *ports, "--open", home=home)


@contextmanager
def safelight_serve(folder: Path, *, tuned: bool = False, web: bool = False) -> Iterator[Running]:
    """Safelight with its defaults. It needs no tuning, so both settings are the same."""
    del tuned
    folder.mkdir(parents=True)
    home, port, http = folder / "home", free_port(), free_port() if web else 0
    make_home(home, port, http)
    with started([SAFELIGHT, "serve", "--home", home], folder, environment(tuned=False)) as process:
        _wait_for_ready(folder / "program.log", process)
        dicomweb = f"http://127.0.0.1:{http}/dicomweb"
        yield Running("Safelight", "SAFELIGHT", port, process.pid, folder, lambda: held_instances(home), dicomweb)


def _wait_for_ready(log: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if re.search(r"^ready", log.read_text(), re.MULTILINE):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise NotReady(log.read_text()[-2000:])


def held_instances(home: Path) -> int:
    """Return how many instances Safelight holds; packed ones are counted among the landed."""
    return int(str(safelight_status(home)["instances_landed"]))


RECEIVERS = (safelight_serve, orthanc, storescp, pynetdicom)


def version_of(command: Sequence[str], pattern: str) -> str:
    """Return the version that a program tells of itself, or why it tells none."""
    try:
        told = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    except FileNotFoundError:
        return "not installed"
    found = re.search(pattern, told)
    return found.group(1) if found else "unknown"
