"""Memory: what the whole process tree holds while one instance of a gigabyte is received, packed and exported."""

from pathlib import Path

from bench import corpus
from bench.figures import MB, Figure, MemoryWatch, Series, run
from bench.peers import SAFELIGHT, environment, orthanc, safelight_serve
from bench.receive import send_all, wait_until_packed

PART = "memory"
SETTING = "1 GB multi-frame"


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure Safelight through all three, and Orthanc while it receives the same instance."""
    images = corpus.large(50 if quick else 500)
    ours, theirs = Series(PART, SETTING, "Safelight"), Series(PART, SETTING, "Orthanc")
    with safelight_serve(place / "safelight") as running:
        home = running.folder / "home"
        watch = MemoryWatch(running.pid)
        send_all(running, [images.folder], tuned=True)
        ours.add("received", "MB", watch.stop() / MB)
        watch = MemoryWatch(running.pid)
        wait_until_packed(home, images.instances)
        ours.add("packed", "MB", watch.stop() / MB)
        watch = MemoryWatch(running.pid)
        export: list[str | Path] = [SAFELIGHT, "vault", "export", "--all", "--to", place / "out", "--home", home]
        cost = run(export, env=environment(tuned=False))
        ours.add("exported", "MB", (watch.stop() + cost.peak_bytes) / MB)
    with orthanc(place / "orthanc", tuned=True) as running:
        watch = MemoryWatch(running.pid)
        send_all(running, [images.folder], tuned=True)
        theirs.add("received", "MB", watch.stop() / MB)
    return ours.figures() + theirs.figures()
