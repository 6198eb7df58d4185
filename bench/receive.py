"""Receiving: how fast instances are taken over associations, and what that costs the receiver.

DCMTK's dcmsend is the sender everywhere, one process an association. Its log tells when it asked for an association and
when it released it; its start, in which it reads all headers, is not counted.
"""

import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bench import corpus
from bench.corpus import Corpus
from bench.figures import MB, CommandFailed, Figure, Series, cpu_seconds
from bench.peers import RECEIVERS, Running, environment, orthanc, safelight_serve, safelight_status
from safelight.catalog.catalog import Catalog
from safelight.site.home import Home

PART = "receive"
LOOK_SECONDS = 0.1
MOMENT = re.compile(r"^([0-9.]+) (?:Requesting|Releasing) Association", re.MULTILINE)


class Receiver(Protocol):
    """How one of the programs is started."""

    def __call__(self, folder: Path, *, tuned: bool) -> AbstractContextManager[Running]:
        """Run it in the folder while the block lasts."""


def send_all(target: Running, folders: list[Path], *, tuned: bool) -> float:
    """Send each folder by a dcmsend of its own, all at once, and return the seconds from first request to last release.

    Raises:
        CommandFailed: a sender had an instance refused.
    """
    options = ["-lc", str(Path(__file__).with_name("dcmsend.cfg")), "-aec", target.title, "+sd", "+r"]
    senders = [
        subprocess.Popen(
            ["/usr/bin/dcmsend", *options, "127.0.0.1", str(target.port), str(folder)],
            env=environment(tuned=tuned),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in folders
    ]
    outputs = _outputs(senders)
    if any(sender.returncode != 0 for sender in senders):
        raise CommandFailed(f"dcmsend to {target.program}: {outputs[-1000:]}")
    moments = [float(at) for at in MOMENT.findall(outputs)]
    return max(moments) - min(moments)


def _outputs(senders: list[subprocess.Popen[str]]) -> str:
    """Return all that the senders print; a thread each, so that none waits for a full pipe."""
    with ThreadPoolExecutor(len(senders)) as readers:
        return "".join(readers.map(lambda sender: sender.communicate()[0], senders))


def _once(receiver: Receiver, images: Corpus, associations: int, folder: Path, series: Series, *, tuned: bool) -> None:
    folders = corpus.parts(images, associations, folder / "senders")
    with receiver(folder / "receiver", tuned=tuned) as running:
        before = cpu_seconds(running.pid)
        seconds = send_all(running, folders, tuned=tuned)
        spent = cpu_seconds(running.pid) - before
        held = running.stored()
        if held != images.instances:
            raise CommandFailed(f"{running.program} holds {held} of {images.instances}")
    series.add("speed", "MB/s", images.size / MB / seconds)
    series.add("objects", "1/s", images.instances / seconds)
    series.add("receiver CPU", "s/GB", spent / (images.size / 1e9))


def _compare(setting: str, images: Corpus, associations: int, rounds: int, place: Path, *, tuned: bool) -> list[Figure]:
    """Run every receiver in turn, several rounds, so that a noisy minute hits them all."""
    gathered: dict[str, Series] = {}
    for number in range(rounds):
        for receiver in RECEIVERS:
            folder = place / f"{setting.replace(' ', '-')}-{number}-{receiver.__name__}"
            folder.mkdir(parents=True)
            name = NAMES[receiver.__name__]
            series = gathered.setdefault(name, Series(PART, setting, name))
            _once(receiver, images, associations, folder, series, tuned=tuned)
            shutil.rmtree(folder)
    return [figure for series in gathered.values() for figure in series.figures()]


NAMES = {"safelight_serve": "Safelight", "orthanc": "Orthanc", "storescp": "storescp", "pynetdicom": "pynetdicom"}


def _sustained(images: Corpus, rounds: int, place: Path) -> list[Figure]:
    """Receive and go on until everything is packed and verified; Orthanc has nothing left to do after receiving."""
    gathered = {
        receiver: Series(PART, "sustained", NAMES[receiver.__name__]) for receiver in (safelight_serve, orthanc)
    }
    for number in range(rounds):
        for receiver, series in gathered.items():
            folder = place / f"sustained-{number}-{receiver.__name__}"
            folders = corpus.parts(images, 1, folder / "senders")
            with receiver(folder / "receiver", tuned=True) as running:
                before, began = cpu_seconds(running.pid), time.monotonic()
                send_all(running, folders, tuned=True)
                if receiver is safelight_serve:
                    wait_until_packed(folder / "receiver" / "home", images.instances)
                seconds = time.monotonic() - began
                spent = cpu_seconds(running.pid) - before
            series.add("speed", "MB/s", images.size / MB / seconds)
            series.add("receive and pack CPU", "s/GB", spent / (images.size / 1e9))
            shutil.rmtree(folder)
    return [figure for series in gathered.values() for figure in series.figures()]


def wait_until_packed(home: Path, instances: int, *, seconds_max: float = 900.0) -> None:
    """Return when Safelight has packed so many instances.

    The catalog is looked at from here: a command each time would take a quarter of the machine from what is measured.

    Raises:
        CommandFailed: it did not get there in time.
    """
    deadline = time.monotonic() + seconds_max
    catalog = Catalog.open(Home.at(home).catalog, read_only=True)
    try:
        while catalog.tally().instances_packed < instances:
            if time.monotonic() > deadline:
                raise CommandFailed(f"not all packed: {safelight_status(home)}")
            time.sleep(LOOK_SECONDS)
    finally:
        catalog.close()


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure receiving with tuned peers and with peers as installed, with small objects, and until packed."""
    rounds = 1 if quick else 3
    mixed = corpus.mixed(100 if quick else 600)
    few = corpus.slices(20)
    small = corpus.small(200 if quick else 1000)
    figures = _compare("tuned, 1 association", mixed, 1, rounds, place, tuned=True)
    figures += _compare("tuned, 4 associations", mixed, 4, rounds, place, tuned=True)
    figures += _compare("as installed, 1 association", few, 1, rounds, place, tuned=False)
    figures += _compare("small objects", small, 1, rounds, place, tuned=True)
    return figures + _sustained(mixed, rounds, place)
