"""A real Safelight under fault campaigns: started, killed, frozen, asked for everything it promised."""

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from safelight.site.rehearsal.ports import free_port
from support.raw_sender import RawAssociation, RawInstance, Refused, make_instance

START_SECONDS_MAX = 120
PROGRAM = str(Path(sys.executable).with_name("safelight"))


class NotServing(Exception):
    """`safelight serve` ended or did not get ready."""


class ServedHome:
    """One home and the `safelight serve` that runs on it. Leaving the ``with`` ends whatever still runs."""

    def __init__(self, home: Path, log: Path) -> None:
        self.home = home
        self.port = free_port()
        self._log = log
        self._env = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def init(self) -> None:
        """Make an open home; never under the environment of a fault."""
        self._command("init", "--site", "Soak", "--ae-title", "SAFELIGHT", "--dicom-port", str(self.port), "--open")

    def preload(self, library: Path) -> None:
        """Put a library between the server and the system from its next start on."""
        self._env["LD_PRELOAD"] = str(library)

    def _command(self, *arguments: str) -> str:
        command = [PROGRAM, *arguments, "--home", str(self.home)]
        done = subprocess.run(command, check=False, text=True, capture_output=True)
        if done.returncode != 0:
            raise AssertionError(
                f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
            )
        return done.stdout

    def start(self, *, until_ready: bool = True) -> None:
        """Start serving in a process group of its own.

        Raises:
            NotServing: it ended, or time ran out.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "serve", "--home", str(self.home)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        if until_ready:
            self._wait_for_ready()

    def _wait_for_ready(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        watch = threading.Timer(START_SECONDS_MAX, self._process.kill)
        watch.start()
        try:
            for line in self._process.stdout:
                if line.strip() == b"ready":
                    return
        finally:
            watch.cancel()
        raise NotServing(self._log.read_text(errors="replace")[-3000:])

    def _signal(self, number: int, *, whole_group: bool = True) -> None:
        assert self._process is not None
        try:
            if whole_group:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
        except ProcessLookupError:
            pass

    def kill(self, *, whole_group: bool = True) -> None:
        """End it with SIGKILL; without its packers, those are left behind as orphans."""
        self._signal(signal.SIGKILL, whole_group=whole_group)
        self._forget()

    def freeze(self) -> None:
        """Stop it and its packers in the middle of whatever they do."""
        self._signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End it as an administrator does."""
        self._signal(signal.SIGTERM, whole_group=False)
        assert self._process is not None
        self._process.wait(60)
        self._signal(signal.SIGKILL)
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def pack_everything(self) -> None:
        """Have all that landed packed now."""
        self._command("vault", "pack")

    def verify_deep(self) -> None:
        """Decode and compare everything that is held."""
        told = json.loads(self._command("vault", "verify", "--deep", "--json"))
        assert told["whole"], told

    def is_held(self, study: str) -> bool:
        """Tell whether the catalog knows the study at all."""
        return bool(json.loads(self._command("catalog", "find", "--study", study, "--json"))["studies"])

    def held(self, folder: Path, study: str | None = None) -> set[str]:
        """Export a study, or everything, and return the digests of the data sets that came out."""
        if study and not self.is_held(study):
            return set()
        which = ["--study", study] if study else ["--all"]
        self._command("vault", "export", *which, "--to", str(folder))
        return {_data_set_digest(path) for path in folder.rglob("*") if path.is_file()}


def _data_set_digest(path: Path) -> str:
    """Return the SHA-256 of what follows the file meta information. Source: PS3.10 section 7.1."""
    data = path.read_bytes()
    if data[128:132] != b"DICM":
        return hashlib.sha256(data).hexdigest()
    length = int.from_bytes(data[140:144], "little")
    return hashlib.sha256(data[144 + length :]).hexdigest()


class Promises:
    """What was answered with success: kept here, where no fault of the receiver reaches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}

    def answered(self, instance: RawInstance, status: int) -> None:
        """Take an answer; only success is a promise."""
        if status == 0:
            with self._lock:
                self._digests[instance.digest] = instance.study

    def all(self, study: str | None = None) -> set[str]:
        """Return the digests promised so far, of one study or of all."""
        with self._lock:
            return {digest for digest, of in self._digests.items() if study in (None, of)}

    def count(self) -> int:
        """Return how many instances were promised."""
        with self._lock:
            return len(self._digests)


class Load:
    """Senders that go on until the receiver is gone."""

    def __init__(self, port: int, promises: Promises, study: str, seed: int, associations: int = 2) -> None:
        self._promises = promises
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(port, study, seed, number), daemon=True)
            for number in range(associations)
        ]
        for thread in self._threads:
            thread.start()

    def _instances(self, study: str, series: int, dice: random.Random) -> Iterator[RawInstance]:
        number = 0
        while not self._ended.is_set():
            number += 1
            yield make_instance(study, series, number, dice.choice((16, 64, 64, 256)), dice)

    def _run(self, port: int, study: str, seed: int, series: int) -> None:
        dice = random.Random(f"{seed} {study} {series}")
        # A receiver that is killed breaks the association, or takes none: the normal end of a sender here.
        with contextlib.suppress(OSError, Refused), RawAssociation(port, "SAFELIGHT") as association:
            association.send(self._instances(study, series + 1, dice), self._promises.answered)

    def wait_for(self, promised: int, seconds_max: float = 60) -> None:
        """Return when so many instances are promised in all, or when every sender has ended."""
        deadline = time.monotonic() + seconds_max
        while self._promises.count() < promised and time.monotonic() < deadline:
            if not any(thread.is_alive() for thread in self._threads):
                return
            time.sleep(0.002)

    def finish(self) -> None:
        """Send no more and wait for the senders; they end by themselves when the receiver is gone."""
        self._ended.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a sender hangs"
