"""Run the bench: ``python -m bench [--part NAME] [--quick]``."""

import argparse
import datetime
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import hl7, memory, query, receive, retrieve, scale, send, table, vault
from bench.figures import Figure
from bench.peers import version_of

OUTPUT = Path(".build/bench")
Measure = Callable[..., list[Figure]]
PARTS: dict[str, Measure] = {
    "receive": receive.measure,
    "send": send.measure,
    "vault": vault.measure,
    "memory": memory.measure,
    "scale": scale.measure,
    "hl7": hl7.measure,
    "query": query.measure,
    "retrieve": retrieve.measure,
}


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], check=False, text=True, stdout=subprocess.PIPE)
    return told.stdout.strip() or "unknown"


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "DCMTK": version_of(["/usr/bin/storescp", "--version"], r"storescp v(\S+)"),
        "Orthanc": version_of(["Orthanc", "--version"], r"Orthanc (\S+)"),
        "pynetdicom": version_of([sys.executable, "-c", "import pynetdicom; print(pynetdicom.__version__)"], r"(\S+)"),
        **vault.versions(),
    }


def _keep(figures: list[Figure], versions: dict[str, str], quick: bool) -> Path:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    path = OUTPUT / f"{now:%Y%m%dT%H%M%S}-{_commit()}.json"
    document = {
        "at": now.isoformat(),
        "commit": _commit(),
        "quick": quick,
        "versions": versions,
        "figures": [figure.as_record() for figure in figures],
    }
    path.write_text(json.dumps(document, indent=1))
    return path


def _show_trend() -> None:
    """Print CPU seconds per GB of earlier runs, oldest first, so that a commit that costs more is seen."""
    for path in sorted(OUTPUT.glob("*.json"))[-12:]:
        document = json.loads(path.read_text())
        costs = [
            f"{one['setting']}: {one['measure']} {one['value']:.2f}"
            for one in document["figures"]
            if one["program"] == "Safelight" and one["unit"] == "s/GB" and one["part"] in ("receive", "vault")
        ]
        if costs:
            print(f"  {document['commit']:<20} {'quick ' if document['quick'] else ''}{'; '.join(costs[:6])}")


def main() -> int:
    """Measure, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--part", choices=["all", *PARTS], default="all")
    parser.add_argument("--quick", action="store_true", help="one round on small corpora")
    asked = parser.parse_args()
    chosen = PARTS if asked.part == "all" else {asked.part: PARTS[asked.part]}
    versions = _versions()
    figures: list[Figure] = []
    Path(".build").mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="bench-", dir=".build")).absolute()
    try:
        for name, measure in chosen.items():
            print(f"measuring {name} ...", file=sys.stderr)
            figures += measure(place / name, quick=asked.quick)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    table.show(figures)
    print("  ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"Figures kept in {_keep(figures, versions, asked.quick)}. CPU seconds per GB by commit:")
    _show_trend()
    print(f"{table.missed(figures)} aims not met.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
