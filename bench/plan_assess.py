"""How long `safelight plan assess` takes on a plan of 500 systems, process start and the
simulation of a neighbour's outage included: prints one line.

Run: python bench/plan_assess.py
"""

import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from safelight.site.plan_folder import example_beside, example_texts, write_plan

SYSTEMS = 500
RUNS = 5


def grown() -> dict[str, str]:
    """Return the example of 400 beds with modalities added up to 500 systems, each with its flows."""
    texts = example_texts("400-bed", date.today())
    have = texts["systems.yaml"].count("\n  - id: ")
    systems, flows = ["systems:"], ["flows:"]
    for number in range(SYSTEMS - have):
        name = f"m{number}"
        systems.append(
            f"  - {{id: {name}, name: Modality {number}, kind: modality, site: main, segment: modalities,"
            " it_owner: tove, radiology_owner: jonas, in_it_plan: yes, tier: 1, local_storage: 48 h, needs: [network],"
            " capabilities: [{disruption: hardware, rto: 4 h, rpo: 0 min}],"
            " recovery: [{disruption: hardware, rebuild: 4 h}]}"
        )
        for path in ("primary", "recovery"):
            flows.append(
                f"  - {{id: {name}-{path}, kind: store, source: {name}, target: pacs, path: {path}, ae_title: PACS,"
                " host: 10.0.0.5, port: 104, tls: yes, audited: yes}"
            )
    return {**texts, "grown.yaml": "\n".join([*systems, *flows]) + "\n"}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "plan"
        write_plan(place, {**grown(), **example_beside("400-bed")})
        took = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            words = [sys.executable, "-m", "safelight", "plan", "assess", str(place), "--json"]
            subprocess.run(words, check=False, capture_output=True)
            took.append(time.perf_counter() - begun)
    took.sort()
    print(f"{SYSTEMS} systems: median {took[RUNS // 2]:.2f} s, slowest {took[-1]:.2f} s of {RUNS}")


if __name__ == "__main__":
    main()
