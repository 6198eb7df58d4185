"""The demonstration: protect a PACS, destroy it, refill an empty one in clinical order, prove it.

Runs the program as a PACS administrator would, beside a real PACS: Orthanc where it is installed, else the
query/retrieve application that comes with pynetdicom.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from safelight.core.clock import to_text
from safelight.core.errors import StateError

ORTHANC_STARTS_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 0.15


class DemonstrationFailed(StateError):
    """A step of the demonstration did not do what it must."""

    code: ClassVar[str] = "site.demonstration-failed"
    hint: ClassVar[str] = "Look at the log files in the demonstration's folder."


@dataclass(slots=True)
class Step:
    """One line of the live view."""

    title: str
    state: str = "waiting"
    told: str = ""
    done: int = 0
    total: int = 0
    began: float = 0.0
    seconds: float = 0.0


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


@dataclass(slots=True)
class Show:
    """The live view; plain lines where nobody watches."""

    console: Console
    steps: list[Step] = field(default_factory=lambda: [Step(title) for title in STEPS])
    tiers: list[dict[str, Any]] = field(default_factory=list)
    live: Live | None = None

    def begin(self, number: int, told: str = "") -> Step:
        """Start a step."""
        step = self.steps[number]
        step.state, step.began, step.told = "running", time.monotonic(), told
        if self.live is None:
            self.console.print(f"[bold]{number + 1}/{len(self.steps)}[/bold] {step.title}")
        self.refresh()
        return step

    def end(self, number: int, told: str) -> None:
        """Finish a step."""
        step = self.steps[number]
        step.state, step.told, step.seconds = "done", told, time.monotonic() - step.began
        if self.live is None:
            self.console.print(f"      {told}  [dim]({step.seconds:.1f} s)[/dim]")
        self.refresh()

    def refresh(self) -> None:
        """Draw again."""
        if self.live is not None:
            self.live.update(self.picture())

    def picture(self) -> Panel:
        """Return what is to be seen now."""
        table = Table.grid(padding=(0, 1))
        table.add_column(width=2)
        table.add_column(min_width=46)
        table.add_column(min_width=30)
        table.add_column(justify="right")
        for step in self.steps:
            table.add_row(*_row(step))
        parts: list[Any] = [table]
        if self.tiers:
            parts += [Text(""), _tier_table(self.tiers)]
        return Panel(Group(*parts), title="[bold]Safelight[/bold] · a rehearsal", border_style="red", padding=(1, 2))


def _row(step: Step) -> tuple[Any, Any, Any, Any]:
    marks = {
        "waiting": Text("·", style="dim"),
        "running": Text("▸", style="bold yellow"),
        "done": Text("✓", style="bold green"),
    }
    title = Text(step.title, style="dim" if step.state == "waiting" else "bold" if step.state == "running" else "")
    seconds = step.seconds or (time.monotonic() - step.began if step.state == "running" else 0.0)
    middle: Any = Text(step.told, style="green" if step.state == "done" else "")
    if step.state == "running" and step.total:
        middle = ProgressBar(total=step.total, completed=step.done, width=28, complete_style="red")
    return marks[step.state], title, middle, Text(f"{seconds:.1f} s" if seconds else "", style="dim")


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
    folder = folder.absolute()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    console = Console(stderr=False)
    show = Show(console)
    if not console.is_terminal:
        return _Run(folder, megabytes, show).go()
    with Live(show.picture(), console=console, refresh_per_second=8, transient=False) as live:
        show.live = live
        run = _Run(folder, megabytes, show)
        confirmed = run.go_to_evidence()
    show.live = None
    run.tell()
    return confirmed


class _Run:
    """One demonstration."""

    def __init__(self, folder: Path, megabytes: int, show: Show) -> None:
        self._folder = folder
        self._megabytes = megabytes
        self._show = show
        self._home = folder / "home"
        self._port = _free_port()
        self._pacs = _pacs_for(folder, own_port=self._port)
        self._outcome: dict[str, Any] = {}
        self._evidence: dict[str, Any] = {}
        self._first_census: dict[str, Any] = {}

    def go(self) -> bool:
        """Do everything and tell the result."""
        confirmed = self.go_to_evidence()
        self.tell()
        return confirmed

    def go_to_evidence(self) -> bool:
        """Do everything up to the sealed evidence."""
        patients = self._hospital()
        try:
            self._start_pacs()
            with self._served():
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
            pulled = self._safelight("protection", "pull", "--source", target, allow=(0, 1))
            self._safelight("vault", "pack")
        status = self._safelight("status")
        kept = status["bytes_packed"] / 1e6
        told = f"{pulled['pulled']} studies, {status['instances_packed']} instances packed into {kept:.0f} MB"
        self._show.end(2, told)

    def _count(self) -> None:
        self._show.begin(3)
        target = f"PACS@127.0.0.1:{self._pacs.port}"
        census = self._safelight("protection", "census", "--source", target, allow=(0, 1))
        self._first_census = census
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
            *_program(), "recovery", "start", "--home", str(self._home), "--json",
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
            self._show.tiers = recovery_document(Home.at(self._home), None)["tiers"]
        except SafelightError:
            return
        self._show.refresh()

    def _seal(self) -> None:
        self._show.begin(7)
        file = self._folder / "evidence.zip"
        self._evidence = self._safelight("evidence", "export", "--to", str(file))
        checked = subprocess.run(
            [
                *_program(),
                "evidence",
                "verify",
                str(file),
                "--json",
                "--public-key",
                str(self._home / "keys/signing.pub"),
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
        home = self._home
        console.print("\n[bold]Try next[/bold]")
        for line in (
            f"safelight status --home {home}",
            f"safelight catalog find --home {home} --modality CT",
            f"safelight vault verify --deep --home {home}",
            f"safelight recovery status --home {home}",
            f"unzip -o {self._folder}/evidence.zip report.pdf   # and look at it",
        ):
            console.print(f"  {line}", highlight=False, soft_wrap=True)

    @contextmanager
    def _served(self) -> Iterator[None]:
        second = self._folder / "second-site"
        _run(
            [*_program(), "init", "--home", str(self._home), "--site", "Rehearsal General", "--ae-title", "SAFELIGHT",
             "--dicom-port", str(self._port), "--second", str(second), "--open", "--json"],
        )  # fmt: skip
        with (self._folder / "serve.log").open("wb") as log:
            process = subprocess.Popen(
                [*_program(), "serve", "--home", str(self._home)], stdout=subprocess.PIPE, stderr=log
            )
            assert process.stdout is not None
            if process.stdout.readline().strip() != b"ready":
                raise DemonstrationFailed(step="serve", log=str(self._folder / "serve.log"))
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)

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
                    now = status_document(Home.at(self._home))
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

    def _safelight(self, *words: str, allow: tuple[int, ...] = (0,)) -> dict[str, Any]:
        return json.loads(_run([*_program(), *words, "--home", str(self._home), "--json"], allow))  # type: ignore[no-any-return]


def _program() -> list[str]:
    return [sys.executable, "-m", "safelight"]


def _run(command: Sequence[str], allow: tuple[int, ...] = (0,)) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in allow:
        raise DemonstrationFailed(command=" ".join(command[2:5]), error=done.stderr.decode(errors="replace")[-500:])
    return done.stdout


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} s"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class _Pacs:
    """A PACS to lose: started, filled, destroyed."""

    kind: str
    folder: Path
    port: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "storage").mkdir(parents=True, exist_ok=True)
        with (self.folder / "pacs.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=dict(os.environ, TCP_NODELAY="1"), cwd=self.folder
            )
        deadline = time.monotonic() + ORTHANC_STARTS_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise DemonstrationFailed(step="pacs", log=str(self.folder / "pacs.log"))

    def fill(self, images: Path) -> int:
        from safelight.site.sending import send_folder

        return send_folder(images, f"PACS@127.0.0.1:{self.port}", "MODALITY")

    def destroy(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder / "storage")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()


def _pacs_for(folder: Path, own_port: int) -> _Pacs:
    port = _free_port()
    place = folder / "pacs"
    place.mkdir()
    orthanc = (
        shutil.which("Orthanc")
        or shutil.which("orthanc")
        or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)
    )
    if orthanc:
        settings = {
            "Name": "Rehearsal PACS",
            "StorageDirectory": str(place / "storage"),
            "IndexDirectory": str(place / "storage"),
            "DicomAet": "PACS",
            "DicomPort": port,
            "HttpServerEnabled": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "UnknownSopClassAccepted": True,
            "DefaultEncoding": "Utf8",
            "MaximumStorageCacheSize": 0,
            "Plugins": [],
            "DicomModalities": {"safelight": ["SAFELIGHT", "127.0.0.1", own_port]},
        }
        for syntax in ("Deflated", "Jpeg", "Jpeg2000", "JpegLossless", "Jpip", "Mpeg2", "Rle"):
            settings[f"{syntax}TransferSyntaxAccepted"] = True
        (place / "orthanc.json").write_text(json.dumps(settings))
        return _Pacs("Orthanc", place, port, [orthanc, str(place / "orthanc.json")])
    config = (
        f"[DEFAULT]\nae_title: PACS\nport: {port}\nmax_pdu: 131072\nacse_timeout: 30\ndimse_timeout: 30\n"
        f"network_timeout: 30\nbind_address: 127.0.0.1\ninstance_location: {place}/storage\n"
        f"database_location: {place}/storage/index.sqlite\n"
        f"[SAFELIGHT]\naddress: 127.0.0.1\nport: {own_port}\n"
    )
    (place / "qrscp.ini").write_text(config)
    command = [sys.executable, "-m", "pynetdicom", "qrscp", "-c", str(place / "qrscp.ini")]
    return _Pacs("pynetdicom qrscp", place, port, command)
