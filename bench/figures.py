"""What a bench measures: one figure of one program, with its spread, and what running it cost."""

import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value: the median of its runs."""

    part: str
    setting: str
    program: str
    measure: str
    unit: str
    runs: tuple[float, ...]
    note: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.runs)

    @property
    def key(self) -> tuple[str, str, str]:
        """What figures of several programs have in common."""
        return (self.part, self.setting, self.measure)

    def as_record(self) -> dict[str, object]:
        """Return what is kept in the bench's output."""
        return {**asdict(self), "value": self.value}


@dataclass(slots=True)
class Series:
    """Runs of several measures of one program, gathered until they become figures."""

    part: str
    setting: str
    program: str
    note: str = ""
    _runs: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, measure: str, unit: str, value: float) -> None:
        """Take one run."""
        self._runs.setdefault((measure, unit), []).append(value)

    def figures(self) -> list[Figure]:
        """Return one figure a measure."""
        return [
            Figure(self.part, self.setting, self.program, measure, unit, tuple(runs), self.note)
            for (measure, unit), runs in self._runs.items()
        ]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str
    status: int


class CommandFailed(Exception):
    """A program of the bench ended with an error: the figure would be worthless."""


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    sync: Path | None = None,
    accept: Iterable[int] = (0,),
    watch: bool = True,
) -> Cost:
    """Run a command to its end; `sync` names a folder whose file system is flushed in the measured time.

    Raises:
        CommandFailed: the exit status is none of those accepted.
    """
    began = time.monotonic()
    before = os.times()
    process = subprocess.Popen(
        [str(part) for part in command], env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    memory = MemoryWatch(process.pid) if watch else None
    output = process.communicate()[0]
    if sync is not None:
        subprocess.run(["/usr/bin/sync", "-f", str(sync)], check=True)
    seconds = time.monotonic() - began
    after = os.times()
    peak = memory.stop() if memory else 0
    if process.returncode not in tuple(accept):
        raise CommandFailed(f"{' '.join(map(str, command))}: exit {process.returncode}\n{output[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(seconds, cpu, peak, output, process.returncode)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def family(pid: int) -> list[int]:
    """Return the process and all that descend from it."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))) is not None:
            parents[int(name)] = int(stat[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


@contextmanager
def stopped(pid: int, name: str) -> Iterator[None]:
    """Keep the programs of a process tree that have the name in their command line from running for a while."""
    named = [one for one in family(pid) if name in Path(f"/proc/{one}/cmdline").read_text()]
    if not named:
        raise CommandFailed(f"no {name} runs")
    for one in named:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in named:
            os.kill(one, signal.SIGCONT)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its living descendants and those it has waited for."""
    total = 0
    for one in family(pid):
        if (stat := _stat(one)) is not None:
            total += sum(map(int, stat[11:15]))
    return total / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process tree; a page shared by two of them counts once (PSS)."""
    total = 0
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


class MemoryWatch:
    """Looks at the memory of a process tree some times a second and keeps the peak."""

    def __init__(self, pid: int, *, every_seconds: float = 0.1) -> None:
        self._pid = pid
        self._every = every_seconds
        self._ended = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(self._every):
            self._peak = max(self._peak, resident_bytes(self._pid))

    def stop(self) -> int:
        """Return the peak in bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak


def folder_bytes(folder: Path) -> int:
    """Return the sum of file sizes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
