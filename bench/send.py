"""Sending: files from disk, by Safelight's sender and by dcmsend, to the same receivers in the same run."""

import shutil
import subprocess
import sys
from pathlib import Path

from bench import corpus
from bench.corpus import Corpus
from bench.figures import MB, CommandFailed, Figure, Series
from bench.peers import Running, environment, orthanc, sink, storescp
from bench.receive import MOMENT, Receiver, send_all

PART = "send"


def _push(target: Running, folders: list[Path]) -> float:
    """Send each folder over an association of its own and return the seconds from first request to last release.

    Raises:
        CommandFailed: it had an instance refused.
    """
    command = [sys.executable, "-m", "bench.push", target.title, str(target.port), *map(str, folders)]
    done = subprocess.run(
        command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(tuned=False)
    )
    if done.returncode != 0:
        raise CommandFailed(f"our sender to {target.program}: {done.stdout[-1000:]}")
    moments = [float(at) for at in MOMENT.findall(done.stdout)]
    return max(moments) - min(moments)


def _compare(
    setting: str, receiver: Receiver, images: Corpus, associations: int, rounds: int, place: Path, *, tuned: bool
) -> list[Figure]:
    ours, theirs = Series(PART, setting, "Safelight"), Series(PART, setting, "dcmsend")
    for _ in range(rounds):
        for series in (ours, theirs):
            folder = place / "send"
            folders = corpus.parts(images, associations, folder / "senders")
            with receiver(folder / "receiver", tuned=tuned) as target:
                seconds = _push(target, folders) if series is ours else send_all(target, folders, tuned=tuned)
                if target.stored() not in (-1, images.instances):
                    raise CommandFailed(f"{target.program} holds {target.stored()} of {images.instances}")
            series.add("speed", "MB/s", images.size / MB / seconds)
            shutil.rmtree(folder)
    return ours.figures() + theirs.figures()


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure with one and four associations, tuned and as installed."""
    rounds = 1 if quick else 3
    many, few = corpus.slices(100 if quick else 400), corpus.slices(20)
    figures: list[Figure] = []
    for setting, receiver, associations, tuned in (
        ("to a fast sink", sink, 1, True),
        ("to a fast sink, 4 associations", sink, 4, True),
        ("to storescp, tuned", storescp, 1, True),
        ("to storescp, tuned, 4 associations", storescp, 4, True),
        ("to Orthanc, tuned", orthanc, 1, True),
        ("to storescp, as installed", storescp, 1, False),
        ("to Orthanc, as installed", orthanc, 1, False),
    ):
        images = many if tuned else few
        figures += _compare(setting, receiver, images, associations, rounds, place, tuned=tuned)
    return figures
