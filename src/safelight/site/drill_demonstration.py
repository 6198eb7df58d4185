"""A drill from plan to evidence: protect a PACS, restore a tier into a scratch one, measure, seal, check without us."""

import json
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from safelight.site.plan_folder import example_texts, write_plan
from safelight.site.rehearsal.live_view import Show
from safelight.site.rehearsal.pacs import pacs_in
from safelight.site.rehearsal.ports import free_port
from safelight.site.rehearsal.program import DemonstrationFailed, RehearsalHome, emptied, run_program

STEPS: Final = (
    "An invented hospital, its PACS, its plan",
    "Protect: pull, pack, copy, count",
    "Refused: a drill into the PACS of production",
    "A scratch PACS; restore the first tier, fetch back, compare",
    "Evidence checked by the script in it, without Safelight",
)
REHEARSAL: Final = "tier-restore"
REAL_FILES_FROM_MEGABYTES: Final = 40


def demonstrate_drill(folder: Path, megabytes: int) -> bool:
    """Run it in ``folder``, which is emptied first; return whether the tier came back within every RTO.

    The RPO is told and not judged: a vault that pulls learns of new studies from a census, and shows no zero.
    """
    folder = emptied(folder)
    show = Show("a drill", STEPS)
    run = _Run(folder, megabytes, show)
    with show.shown():
        document = run.go()
    run.tell(document)
    return bool(document["objectives"]) and all(one["rto"] == "met" for one in document["objectives"])


class _Run:
    """One demonstration."""

    def __init__(self, folder: Path, megabytes: int, show: Show) -> None:
        self._folder = folder
        self._megabytes = megabytes
        self._show = show
        self._home = RehearsalHome(folder / "home", free_port())
        self._plan = folder / "plan"
        self._production = pacs_in(folder, own_port=self._home.dicom_port)
        (folder / "scratch").mkdir()
        self._scratch = pacs_in(folder / "scratch", own_port=self._home.dicom_port, title="REHEARSAL")

    def go(self) -> dict[str, Any]:
        """Do everything, and return the drill's document."""
        try:
            patients = self._hospital()
            self._home.make(self._folder / "second-site")
            with self._home.served(self._folder / "serve.log"):
                self._protect()
                self._refused()
                document = self._drill(patients)
                self._check()
        finally:
            self._production.stop()
            self._scratch.stop()
        return document

    def _hospital(self) -> Path:
        from safelight.site.rehearsal.hospital import generate

        self._show.begin(0)
        # The real files alone are larger than a small hospital.
        size, real = self._megabytes * 10**6, self._megabytes >= REAL_FILES_FROM_MEGABYTES
        made = generate(self._folder / "hospital", size_bytes=size, with_real_files=real)
        self._production.start()
        sent = self._production.fill(made.images)
        write_plan(self._plan, example_texts("400-bed", date.today()))
        self._show.end(
            0, f"{made.studies} studies, {made.size_bytes / 1e6:.0f} MB; {self._production.kind} holds {sent}"
        )
        return made.patients

    def _protect(self) -> None:
        self._show.begin(1)
        source = f"PACS@127.0.0.1:{self._production.port}"
        pulled = self._home.safelight("protection", "pull", "--source", source, allow=(0, 1))
        self._home.safelight("vault", "pack")
        self._home.safelight("protection", "census", "--source", source, allow=(0, 1))
        self._show.end(1, f"{pulled['pulled']} studies")

    def _refused(self) -> None:
        self._show.begin(2)
        # The same machine under another name is the same machine.
        command = self._command(f"OTHER@localhost:{self._production.port}")
        run_program([*command, "--home", str(self._home.directory), "--json"], allow=(10,))
        self._show.end(2, "refused; nothing was sent")

    def _drill(self, patients: Path) -> dict[str, Any]:
        self._show.begin(3)
        self._scratch.start()
        command = self._command(f"REHEARSAL@127.0.0.1:{self._scratch.port}")
        told = self._home.safelight(
            *command, "--patients", str(patients), "--evidence", str(self._folder / "evidence.zip"), allow=(0, 1)
        )
        count = sum(tier["confirmed"] for tier in told["tiers"])
        self._show.end(3, f"{count} studies confirmed; drill {told['state']}")
        return dict(told)

    def _command(self, target: str) -> list[str]:
        plan = ["--plan", str(self._plan), "--rehearsal", REHEARSAL, "--rehearsal-target", target]
        return ["drill", "run", *plan, "--by", "the demonstration", "--reason", "quarterly drill"]

    def _check(self) -> None:
        self._show.begin(4)
        bundle, script = self._folder / "evidence.zip", self._folder / "verify_bundle.py"
        with zipfile.ZipFile(bundle) as members:
            script.write_bytes(members.read("verify_bundle.py"))
        key = (self._home.directory / "keys/signing.pub").read_text("ascii").strip()
        # Isolated: neither our packages nor our environment can be reached.
        done = subprocess.run(
            [sys.executable, "-I", "-S", script, bundle, "--public-key", key],
            capture_output=True,
            text=True,
            check=False,
        )
        (self._folder / "verified.txt").write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            raise DemonstrationFailed(step="evidence", log=str(self._folder / "verified.txt"))
        self._show.end(4, f"{len(done.stdout.splitlines())} lines, all of them hold")

    def tell(self, document: dict[str, Any]) -> None:
        """Print the report and keep it as JSON."""
        (self._folder / "report.json").write_text(json.dumps(document, indent=1))
        console = self._show.console
        table = Table(title="Report", title_style="bold", box=None, padding=(0, 2))
        for name in ("", "claimed or tolerated", "measured", "verdict"):
            table.add_column(name)
        slowest = max((tier["rto_seconds"] or 0.0 for tier in document["tiers"]), default=0.0)
        lost = max((tier["rpo_seconds"] or 0.0 for tier in document["tiers"]), default=0.0)
        for one in document["objectives"]:
            for name, value in (("rto", slowest), ("rpo", lost)):
                bound = one[f"{name}_seconds"]
                told = "none" if bound is None else f"{bound:,.0f} s"
                measured = "unknown" if one[name] == "not-measured" else f"{value:,.1f} s"
                table.add_row(f"{one['side']} {one['of']} {name.upper()}", told, measured, one[name].replace("-", " "))
        console.print(table)
        for why in document["exposure_because"]:
            console.print(f"RPO: {why}", highlight=False)
        console.print(f"\n[bold]Not executed[/bold] ({len(document['not_executed'])})")
        for one in document["not_executed"]:
            console.print(f"  {one}", highlight=False)
        home = self._home.directory
        self._show.say_what_next(
            f"safelight drill list --home {home} --plan {self._plan}",
            f"safelight drill report --home {home}",
            f"safelight drill run --home {home} --type table-top --disruption ransomware --by ME --reason practice",
            f"unzip -o {self._folder}/evidence.zip report.pdf   # and look at it",
        )
