"""A home with a catalog of very many studies and a worklist of many steps, its DICOM door open in a process of its own.

``python -m bench.million HOME STUDIES STEPS`` fills it through the catalog's own interface, prints its port and
serves until its standard input ends. There are no pixels and no packs behind it.
"""

import importlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from safelight.catalog.catalog import Catalog
from safelight.catalog.order_changes import Changes, OrderChange, PatientChange, PatientName, StepState
from safelight.site.opened import Site

TITLE = "SAFELIGHT"
_STUDIES_A_PACK = 500
_RECORDED_MAX = 10_000
"""So many studies are recorded one by one; the rest are copies of their rows under other names."""
_SHIFTED = ("key", "patient_key", "study_key", "series_key")
_RENAMED = {
    "study": "study || '.' || :copy",
    "series": "series || '.' || :copy",
    "sop_instance": "sop_instance || '.' || :copy",
    "digest": "randomblob(32)",
    "patient_id": "printf('P%06d', key + :shift)",
    "accession": "printf('A%07d', key + :shift)",
    "patient_name": "rtrim(patient_name, '0123456789') || ((key + :shift) / 100)",
    "folded": "rtrim(folded, '0123456789') || ((study_key + :shift) / 100)",
}


def _fill_catalog(catalog: Catalog, studies: int) -> None:
    """Record packs of many one-image studies; see tests/support/catalog_filler.py."""
    filler: Any = importlib.import_module("support.catalog_filler")
    for first in range(1, studies + 1, _STUDIES_A_PACK):
        some = range(first, min(first + _STUDIES_A_PACK, studies + 1))
        catalog.record_packed(*filler.pack_of(*(filler.arrival(study) for study in some)))


def _multiply(database: Path, copies: int, shift: int) -> None:
    """Copy every row of patients, studies, series and versions so often."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in ("patient", "study", "name", "series", "version"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = [f"{one} + :shift" if one in _SHIFTED else _RENAMED.get(one, one) for one in columns]
            copied = f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table} WHERE {_key_of(columns)} <= :base"
            for copy in range(1, copies):
                connection.execute(copied, {"copy": copy, "shift": copy * shift, "base": shift})


def _key_of(columns: list[str]) -> str:
    return "key" if "key" in columns else "study_key"


def _order(number: int) -> Changes:
    patient = PatientName(f"P{number:06d}", "HOSPITAL")
    # Every station works every day: had both one divisor, most days would be empty at most stations.
    turn, day = divmod(number, 28)
    step = {
        "AccessionNumber": f"A{number:07d}",
        "Modality": ("CT", "MR", "US", "DX")[turn % 4],
        "ScheduledStationAETitle": f"STATION{turn % 20}",
        "ScheduledProcedureStepStartDate": f"202603{day + 1:02d}",
        "ScheduledProcedureStepStartTime": f"{8 + number % 9:02d}15",
        "ScheduledProcedureStepDescription": "Invented step",
        "RequestedProcedureDescription": "Invented procedure",
        "RequestedProcedureCodeValue": "C1",
        "RequestedProcedureCodingScheme": "99H",
    }
    told = {"PatientName": f"Berg^Ana{number}", "PatientSex": "F", "PatientBirthDate": "19700101"}
    order = OrderChange(patient, (("accession", f"A{number:07d}"),), (), StepState.SCHEDULED, True, step)
    return Changes("20260301080000", patients=(PatientChange(patient, told),), orders=(order,))


def main() -> None:
    """Fill the home, open its door, and serve until told."""
    sys.path.insert(0, str(Path("tests").absolute()))
    door: Any = importlib.import_module("support.archive_door")
    folder, studies, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with door.open_archive(folder) as opened:
        site: Site = opened.site
        recorded = min(studies, _RECORDED_MAX)
        _fill_catalog(site.catalog, recorded)
        _multiply(site.home.directory / "catalog.db", studies // recorded, recorded)
        site.messages.index.fold([(number, _order(number)) for number in range(1, steps + 1)])
        print(f"ready {opened.port}", flush=True)
        sys.stdin.read()


@contextmanager
def opened(folder: Path, studies: int, steps: int) -> Iterator[tuple[int, str]]:
    """Serve such a home for as long as the block lasts; give its port and its AE title."""
    command = [sys.executable, "-m", "bench.million", str(folder), str(studies), str(steps)]
    folder.mkdir(parents=True)
    serving = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert serving.stdin is not None and serving.stdout is not None
    try:
        yield int(serving.stdout.readline().removeprefix("ready ")), TITLE
    finally:
        serving.stdin.close()
        serving.wait(60)


if __name__ == "__main__":
    main()
