"""The program as an administrator runs it, for demonstrations."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.errors import StateError


class DemonstrationFailed(StateError):
    """A step of the demonstration did not do what it must."""

    code: ClassVar[str] = "site.demonstration-failed"
    hint: ClassVar[str] = "Look at the log files in the demonstration's folder."


PROGRAM = (sys.executable, "-m", "safelight")


@dataclass(frozen=True, slots=True)
class RehearsalHome:
    """A home of a rehearsal, and its commands."""

    directory: Path
    dicom_port: int
    hl7_port: int = 0
    http_port: int = 0

    def make(self, second: Path) -> None:
        """Make it, with a second placement and open to every caller on this machine."""
        ports = ["--dicom-port", str(self.dicom_port)]
        if self.hl7_port:
            ports += ["--hl7-port", str(self.hl7_port)]
        if self.http_port:
            ports += ["--http-port", str(self.http_port)]
        run_program(
            ["init", "--home", str(self.directory), "--site", "Rehearsal General", "--ae-title", "SAFELIGHT", *ports,
             "--second", str(second), "--open", "--json"],
        )  # fmt: skip

    def tell_settings(self, lines: str) -> None:
        """Add a section to its settings."""
        with (self.directory / "safelight.toml").open("a", encoding="utf-8") as settings:
            settings.write("\n" + lines)

    @contextmanager
    def served(self, log_file: Path) -> Iterator[None]:
        """Serve it while this lasts.

        Raises:
            DemonstrationFailed: it does not begin.
        """
        serve = [*PROGRAM, "serve", "--home", str(self.directory)]
        with log_file.open("ab") as log, subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log) as process:
            assert process.stdout is not None
            try:
                if process.stdout.readline().strip() != b"ready":
                    raise DemonstrationFailed(step="serve", log=str(log_file))
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    # Whoever leaves the block waits without end.
                    process.kill()
                    raise

    def safelight(self, *words: str, allow: tuple[int, ...] = (0,)) -> Any:
        """Run a command and return its JSON document.

        Raises:
            DemonstrationFailed: it ends with a code that is not allowed.
        """
        return json.loads(run_program([*words, "--home", str(self.directory), "--json"], allow))


def run_program(words: Sequence[str], allow: tuple[int, ...] = (0,)) -> bytes:
    """Run the program and return what it printed.

    Raises:
        DemonstrationFailed: it ends with a code that is not allowed.
    """
    done = subprocess.run([*PROGRAM, *words], capture_output=True, check=False)
    if done.returncode not in allow:
        raise DemonstrationFailed(command=" ".join(words[:2]), error=done.stderr.decode(errors="replace")[-500:])
    return done.stdout


def emptied(folder: Path) -> Path:
    """Return a folder as an absolute path, with nothing in it; whatever was there is deleted."""
    folder = folder.absolute()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def is_listening(port: int) -> bool:
    """Say whether somebody accepts connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
