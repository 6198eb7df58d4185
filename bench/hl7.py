"""HL7 messages: how many a second are taken durably over ten connections that each wait for their answers."""

import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import CommandFailed, Figure, Series, cpu_seconds
from bench.peers import SAFELIGHT, environment, started
from safelight.site.rehearsal.ports import free_port

PART = "hl7"
START_SECONDS_MAX = 60.0
SENDER = Path(__file__).with_name("hl7_sender.py")
YARDSTICK = Path(__file__).with_name("hl7_receiver.py")


@contextmanager
def _safelight(folder: Path) -> Iterator[tuple[int, int]]:
    home, port = folder / "home", free_port()
    command = [SAFELIGHT, "init", "--home", home, "--site", "Bench", "--ae-title", "SAFELIGHT", "--open"]
    ports = ["--dicom-port", str(free_port()), "--hl7-port", str(port)]
    subprocess.run([*map(str, command), *ports], check=True, stdout=subprocess.DEVNULL)
    with started([SAFELIGHT, "serve", "--home", home], folder, environment(tuned=False)) as process:
        _ready(folder / "program.log", "^ready")
        yield port, process.pid


@contextmanager
def _yardstick(folder: Path) -> Iterator[tuple[int, int]]:
    command: list[str | Path] = [sys.executable, YARDSTICK, folder / "messages"]
    with started(command, folder, environment(tuned=False)) as process:
        yield int(_ready(folder / "program.log", r"^ready (\d+)").group(1)), process.pid


def _ready(log: Path, pattern: str) -> re.Match[str]:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text(), re.MULTILINE):
            return found
        time.sleep(0.05)
    raise CommandFailed(f"not ready: {log.read_text()[-2000:]}")


def _send(port: int, connections: int, messages: int, name: str) -> float:
    command = [sys.executable, str(SENDER), str(port), str(connections), str(messages), name]
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    if done.returncode != 0:
        raise CommandFailed(f"sender: {done.stderr[-1000:]}")
    return float(done.stdout)


def _journaled(home: Path, count: int) -> None:
    """Return when so many messages are facts of the journal.

    Raises:
        CommandFailed: they never are: an answered message is lost.
    """
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        with sqlite3.connect(f"{(home / 'journal.db').as_uri()}?mode=ro", uri=True) as connection:
            found = connection.execute("SELECT count(*) FROM entry WHERE kind = 'hl7-received'").fetchone()[0]
        connection.close()
        if found >= count:
            return
        time.sleep(0.05)
    raise CommandFailed(f"{found} of {count} answered messages are in the journal")


def _compare(setting: str, connections: int, messages: int, rounds: int, place: Path) -> list[Figure]:
    gathered: dict[str, Series] = {}
    for number in range(rounds):
        for name, receiver in (("Safelight", _safelight), ("sync each", _yardstick)):
            folder = place / f"{setting.replace(' ', '-')}-{number}-{name.replace(' ', '-')}"
            folder.mkdir(parents=True)
            series = gathered.setdefault(name, Series(PART, setting, name))
            with receiver(folder) as (port, pid):
                _send(port, connections, 5, f"W{number}")
                before, began = cpu_seconds(pid), time.monotonic()
                seconds = _send(port, connections, messages, f"M{number}")
                if name == "Safelight":
                    _journaled(folder / "home", connections * (messages + 5))
                    until_journaled = time.monotonic() - began
                    series.add("answered and in the journal", "1/s", connections * messages / until_journaled)
                spent = cpu_seconds(pid) - before
            series.add("answered", "1/s", connections * messages / seconds)
            series.add("CPU a message", "ms", spent / (connections * messages) * 1000)
            shutil.rmtree(folder)
    return [figure for series in gathered.values() for figure in series.figures()]


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure one connection and ten, beside a receiver that does nothing but sync each message."""
    rounds = 1 if quick else 3
    figures = _compare("1 connection", 1, 500 if quick else 2000, rounds, place)
    return figures + _compare("10 connections", 10, 300 if quick else 1000, rounds, place)
