"""Retrieves: C-GET, C-MOVE and WADO-RS beside Orthanc, which serves plain files, on the same CT studies.

Ours are served three times: as they landed, from packs whose frames are decoded, and from packs to a requester that
takes the frames as they are stored there (HTJ2K). Speeds are in megabytes of the images as they were sent.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pydicom

from bench import corpus, peers
from bench.corpus import Corpus
from bench.figures import MB, CommandFailed, Figure, Series, cpu_seconds, run, stopped
from bench.peers import WORKER, Running
from bench.query import Request, ask

PART = "retrieve"
PLAIN = "1.2.840.10008.1.2.1"
HTJ2K = "1.2.840.10008.1.2.4.201"


def _studies(images: Corpus) -> list[str]:
    firsts = sorted({path.parent: path for path in sorted(images.folder.rglob("*.dcm"))}.values())
    return [str(pydicom.dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID) for path in firsts]


def _over_dicom(way: str, asked: Running, studies: Sequence[str], syntax: str, instances: int) -> float:
    requests: list[Request] = [
        {
            "ask": way,
            "keys": {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study},
            "syntax": syntax,
            "to": "SINK" if way == "move" else "",
        }
        for study in studies
    ]
    told = ask(asked.port, asked.title, requests)
    if any(status for _, _, status in told) or (way == "get" and sum(came for _, came, _ in told) != instances):
        raise CommandFailed(f"{asked.program}: {way}: {told}")
    return sum(seconds for seconds, _, _ in told)


def _over_web(asked: Running, studies: Sequence[str], syntax: str) -> float:
    media = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
    command = ["curl", "-sS", "--fail", "-H", f"Accept: {media}"]
    for study in studies:
        command += ["-o", "/dev/null", f"{asked.web}/studies/{study}"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began


def _ways(images: Corpus, studies: Sequence[str], syntax: str) -> Iterator[tuple[str, Callable[[Running], float]]]:
    dicom = partial(_over_dicom, studies=studies, syntax=syntax, instances=images.instances)
    yield "C-GET", partial(dicom, "get")
    if syntax == PLAIN:
        # The sink takes whatever is offered first.
        yield "C-MOVE", partial(dicom, "move")
    yield "WADO-RS", partial(_over_web, studies=studies, syntax=syntax)


def _compare(
    setting: str, ours: Running, theirs: Running, images: Corpus, studies: Sequence[str], syntax: str, rounds: int
) -> list[Figure]:
    gathered = {one.program: Series(PART, setting, one.program) for one in (ours, theirs)}
    for _ in range(rounds):
        # Orthanc keeps plain files and serves them as they are, whatever we are asked for.
        for one, wanted in ((ours, syntax), (theirs, PLAIN)):
            for way, fetch in _ways(images, studies, wanted):
                before = cpu_seconds(one.pid)
                seconds = fetch(one)
                spent = cpu_seconds(one.pid) - before
                gathered[one.program].add(way, "MB/s", images.megabytes / seconds)
                gathered[one.program].add(f"{way} CPU", "s/GB", spent / images.size * 1000 * MB)
    return [figure for series in gathered.values() for figure in series.figures()]


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure what lies in landing, then the same when it is packed."""
    place.mkdir(parents=True)
    rounds = 1 if quick else 5
    images = corpus.slices(60 if quick else 200)
    studies = _studies(images)
    figures: list[Figure] = []
    with (
        peers.sink(place / "sink", tuned=True) as sink,
        peers.safelight_serve(place / "safelight", web=True) as ours,
        peers.orthanc(place / "orthanc", tuned=True, web=True, knows={"SINK": sink.port}) as theirs,
    ):
        home = ours.folder / "home"
        peers.safelight("gateway", "peer", "add", "SINK", sink.address, home=home)
        # What is packed a second after it came is kept where it landed as long as its packers stand still.
        with stopped(ours.pid, WORKER):
            for one in (ours, theirs):
                folders = corpus.parts(images, 1, place / f"{one.program}-parts")
                run([sys.executable, "-m", "bench.push", one.title, str(one.port), *folders], watch=False)
            figures += _compare("landed", ours, theirs, images, studies, PLAIN, rounds)
            if peers.safelight_status(home)["instances_packed"]:
                raise CommandFailed("some of it was packed meanwhile")
        peers.safelight("vault", "pack", home=home)
        figures += _compare("packed, decoded", ours, theirs, images, studies, PLAIN, rounds)
        figures += _compare("packed, as stored", ours, theirs, images, studies, HTJ2K, rounds)
    return figures
