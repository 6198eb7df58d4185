"""The demonstration: protect a PACS, destroy it, refill an empty one in clinical order, prove it.

Runs the program as a PACS administrator would, beside a real PACS: Orthanc where it is installed, else the
query/retrieve application that comes with pynetdicom.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.progress_bar import ProgressBar
from rich.table import Table

from safelight.core.clock import to_text
from safelight.site.rehearsal.live_view import Show, Step
from safelight.site.rehearsal.pacs import pacs_in
from safelight.site.rehearsal.ports import free_port
from safelight.site.rehearsal.program import PROGRAM, DemonstrationFailed, RehearsalHome, emptied

ANSWER_SECONDS: Final = 0.15


STEPS: Final = (
    "An invented hospital",
    "Its PACS",
    "Protect: pull every study, pack, copy",
    "Census: is everything protected?",
    "The PACS is destroyed",
    "An empty PACS in its place",
    "Recover in clinical order, fetch back, compare",
    "Evidence, sealed and checked",
)


def _tier_table(tiers: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("tier", "studies", "sent", "confirmed", ""):
        table.add_column(name, justify="left" if name in ("tier", "") else "right")
    for tier in tiers:
        bar = ProgressBar(total=max(tier["studies"], 1), completed=tier["confirmed"], width=24, complete_style="green")
        table.add_row(tier["name"], str(tier["studies"]), str(tier["sent"]), str(tier["confirmed"]), bar)
    return table


def demonstrate(folder: Path, megabytes: int) -> bool:
    """Run it in ``folder``, which is emptied first; return whether every study was confirmed."""
    folder = emptied(folder)
    show = Show("a rehearsal", STEPS)
    run = _Run(folder, megabytes, show)
    with show.shown():
        confirmed = run.go()
    run.tell()
    return confirmed


class _Run:
    """One demonstration."""

    def __init__(self, folder: Path, megabytes: int, show: Show) -> None:
        self._folder = folder
        self._megabytes = megabytes
        self._show = show
        self._home = RehearsalHome(folder / "home", free_port())
        self._pacs = pacs_in(folder, own_port=self._home.dicom_port)
        self._outcome: dict[str, Any] = {}

    def go(self) -> bool:
        """Do everything up to the sealed evidence."""
        patients = self._hospital()
        try:
            self._start_pacs()
            self._home.make(self._folder / "second-site")
            with self._home.served(self._folder / "serve.log"):
                self._protect()
                self._count()
                broke_at = self._destroy()
                self._start_empty()
                self._recover(broke_at, patients)
                self._seal()
        finally:
            self._pacs.stop()
        return bool(self._outcome.get("all_confirmed"))

    def _hospital(self) -> Path:
        from safelight.site.rehearsal.hospital import generate

        step = self._show.begin(0)

        def report(progress: Any) -> None:
            step.done, step.total = progress.done, progress.total
            self._show.refresh()

        made = generate(self._folder / "hospital", size_bytes=self._megabytes * 10**6, report=report)
        self._images = made.images
        self._show.end(0, f"{made.studies} studies, {made.instances} instances, {made.size_bytes / 1e6:.0f} MB")
        return made.patients

    def _start_pacs(self) -> None:
        self._show.begin(1)
        self._pacs.start()
        sent = self._pacs.fill(self._images)
        self._show.end(1, f"{self._pacs.kind} holds {sent} instances")

    def _protect(self) -> None:
        step = self._show.begin(2)
        target = f"PACS@127.0.0.1:{self._pacs.port}"
        with self._watching(step):
            pulled = self._home.safelight("protection", "pull", "--source", target, allow=(0, 1))
            self._home.safelight("vault", "pack")
        status = self._home.safelight("status")
        kept = status["bytes_packed"] / 1e6
        told = f"{pulled['pulled']} studies, {status['instances_packed']} instances packed into {kept:.0f} MB"
        self._show.end(2, told)

    def _count(self) -> None:
        self._show.begin(3)
        target = f"PACS@127.0.0.1:{self._pacs.port}"
        census = self._home.safelight("protection", "census", "--source", target, allow=(0, 1))
        self._show.end(3, f"protected {census['protected']}, not {census['unprotected'] + census['differing']}")

    def _destroy(self) -> datetime:
        self._show.begin(4)
        self._pacs.destroy()
        broke_at = datetime.now(UTC)
        self._show.end(4, "killed, its storage and its database deleted")
        return broke_at

    def _start_empty(self) -> None:
        self._show.begin(5)
        self._pacs.start()
        self._show.end(5, f"{self._pacs.kind}, empty")

    def _recover(self, broke_at: datetime, patients: Path) -> None:
        self._show.begin(6)
        command = [
            *PROGRAM, "recovery", "start", "--home", str(self._home.directory), "--json",
            "--target", f"PACS@127.0.0.1:{self._pacs.port}", "--patients", str(patients),
            "--reason", "rehearsal: the PACS was destroyed", "--by", "the demonstration",
            "--broke-at", to_text(broke_at), "--accept-side-effects",
        ]  # fmt: skip
        with (self._folder / "recovery.json").open("w") as answer:
            process = subprocess.Popen(command, stdout=answer, stderr=subprocess.DEVNULL)
            while process.poll() is None:
                self._look_at_recovery()
                time.sleep(ANSWER_SECONDS)
        self._look_at_recovery()
        self._outcome = json.loads((self._folder / "recovery.json").read_text() or "{}")
        if not self._outcome:
            raise DemonstrationFailed(step="recovery", log=str(self._folder / "serve.log"))
        told = f"{self._outcome['confirmed']} of {self._outcome['studies']} studies confirmed"
        self._show.end(6, told)

    def _look_at_recovery(self) -> None:
        from safelight.core.errors import SafelightError
        from safelight.site.home import Home
        from safelight.site.recoveries import recovery_document

        try:
            self._show.beneath = _tier_table(recovery_document(Home.at(self._home.directory), None)["tiers"])
        except SafelightError:
            return
        self._show.refresh()

    def _seal(self) -> None:
        self._show.begin(7)
        file = self._folder / "evidence.zip"
        self._home.safelight("evidence", "export", "--to", str(file))
        checked = subprocess.run(
            [
                *PROGRAM,
                "evidence",
                "verify",
                str(file),
                "--json",
                "--public-key",
                str(self._home.directory / "keys/signing.pub"),
            ],
            stdout=subprocess.PIPE,
            check=False,
        )
        whole = checked.returncode == 0
        self._show.end(7, "every digest, signature and chain holds" if whole else "DOES NOT HOLD")
        if not whole:
            raise DemonstrationFailed(step="evidence", file=str(file))

    def tell(self) -> None:
        """Print the report and what to try next."""
        console, times = self._show.console, self._outcome["times"]
        table = Table(title="Report", title_style="bold", box=None, padding=(0, 2), show_header=False)
        confirmed = f"{self._outcome['confirmed']} of {self._outcome['studies']}"
        rows = [
            ("Studies confirmed by fetching back", confirmed),
            ("Transfer time (first sent to last answered)", _seconds(times["transfer_seconds"])),
            ("Confirmed time (first sent to last compared)", _seconds(times["confirmed_seconds"])),
            ("RTO (from when it broke)", _seconds(times["rto_seconds"])),
            ("Evidence", str(self._folder / "evidence.zip")),
        ]
        for name, value in rows:
            table.add_row(name, f"[bold]{value}[/bold]")
        console.print(table)
        for study in self._outcome["open"][:10]:
            console.print(f"  [red]{study['state']}[/red] {study['study']} {study['told']}")
        home = self._home.directory
        self._show.say_what_next(
            f"safelight status --home {home}",
            f"safelight catalog find --home {home} --modality CT",
            f"safelight vault verify --deep --home {home}",
            f"safelight recovery status --home {home}",
            f"unzip -o {self._folder}/evidence.zip report.pdf   # and look at it",
        )

    @contextmanager
    def _watching(self, step: Step) -> Iterator[None]:
        import threading

        from safelight.core.errors import SafelightError
        from safelight.site.home import Home
        from safelight.site.status import status_document

        stop = threading.Event()
        total = sum(1 for _ in self._images.rglob("*") if _.is_file())

        def look() -> None:
            while not stop.wait(0.3):
                try:
                    now = status_document(Home.at(self._home.directory))
                except SafelightError:
                    continue
                step.done, step.total = now["instances_landed"] + now["instances_packed"], 2 * total
                self._show.refresh()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} s"
