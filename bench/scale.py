"""Scale: what commands cost on a catalog of a million instances, program start included, beside one of ten thousand.

The catalog is filled with invented heads through its own interface; there are no pixels and no packs behind it.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from bench.figures import Figure, Series, run
from bench.peers import SAFELIGHT, environment, make_home
from safelight.catalog.catalog import Catalog
from safelight.site.rehearsal.ports import free_port

PART = "scale"
FEW, MANY = 10_000, 1_000_000
INSTANCES_A_STUDY = 200
CHANGED_DAY = date(2020, 1, 6)
"""A day on which the invented hospital has studies; see tests/support/catalog_filler.py."""
STATUS_PENDING, STATUS_SUCCESS = 0xFF00, 0x0000


def _fill(home: Path, instances: int) -> None:
    """Make a home whose catalog holds so many instances."""
    sys.path.insert(0, str(Path("tests").absolute()))
    fill = importlib.import_module("support.catalog_filler").fill
    make_home(home, free_port())
    path = home / "catalog.db"
    catalog = Catalog.open(path) if path.exists() else Catalog.create(path)
    try:
        fill(catalog, instances // INSTANCES_A_STUDY)
    finally:
        catalog.close()


def _studies_of_the_day(instances: int) -> Iterator[Dataset]:
    """Yield what a PACS answers for the changed day: what is held, and one study that is not."""
    first = (CHANGED_DAY - date(2020, 1, 1)).days
    for study in [*range(first, instances // INSTANCES_A_STUDY + 1, 2000), 9_999_999]:
        row = Dataset()
        row.QueryRetrieveLevel = "STUDY"
        row.StudyInstanceUID = f"1.2.3.{study}"
        row.StudyDate = CHANGED_DAY.strftime("%Y%m%d")
        row.StudyTime = f"{study % 24:02d}{study % 60:02d}00"
        row.NumberOfStudyRelatedInstances = INSTANCES_A_STUDY
        row.ModalitiesInStudy = "CT"
        yield row


@contextmanager
def _source(instances: int) -> Iterator[str]:
    """Run a PACS that answers C-FIND for the changed day."""

    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = str(event.identifier.get("StudyDate", ""))
        day = CHANGED_DAY.strftime("%Y%m%d")
        if asked in ("", day, f"{day}-{day}"):
            for row in _studies_of_the_day(instances):
                yield STATUS_PENDING, row
        yield STATUS_SUCCESS, None

    port = free_port()
    entity = AE("SOURCE")
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        yield f"SOURCE@127.0.0.1:{port}"
    finally:
        assert server is not None
        server.shutdown()


def _commands(home: Path, source: str) -> dict[str, list[str | Path]]:
    day, next_day = (one.strftime("%Y%m%d") for one in (CHANGED_DAY, CHANGED_DAY + timedelta(days=1)))
    return {
        "status": ["status", "--json"],
        "find": ["catalog", "find", "--name", "LINDQVIST*", "--from", day, "--to", next_day, "--json"],
        "census": [
            "protection",
            "census",
            "--source",
            source,
            "--from",
            day,
            "--to",
            day,
            "--level",
            "study",
            "--json",
        ],
    }


def _time(home: Path, instances: int, rounds: int) -> Series:
    series = Series(PART, f"{instances:,} instances", "Safelight")
    with _source(instances) as source:
        for measure, command in _commands(home, source).items():
            for _ in range(rounds):
                # Exit 1 says that the census found something unprotected, which it must here.
                cost = run(
                    [SAFELIGHT, *command, "--home", home], env=environment(tuned=False), accept=(0, 1), watch=False
                )
                series.add(measure, "s", cost.seconds)
    return series


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Time status, find and the census of one changed day on both catalogs, and the help of the program."""
    rounds, many = (3, 100_000) if quick else (5, MANY)
    place.mkdir(parents=True)
    timed: list[list[Figure]] = []
    for instances in (FEW, many):
        home = place / str(instances)
        _fill(home, instances)
        timed.append(_time(home, instances, rounds).figures())
    growth = [
        Figure(PART, f"{many:,} to {FEW:,}", "Safelight", large.measure, "ratio", (large.value / small.value,))
        for small, large in zip(*timed, strict=True)
    ]
    program = Series(PART, "program", "Safelight")
    for _ in range(rounds):
        program.add("help", "s", run([SAFELIGHT, "--help"], env=environment(tuned=False), watch=False).seconds)
    return [*timed[0], *timed[1], *growth, *program.figures()]
