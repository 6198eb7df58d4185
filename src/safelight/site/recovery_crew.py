"""Who does the commands of a recovery, in threads, and where its facts become durable."""

import queue
import threading
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from safelight.recovery.decision import Command
from safelight.recovery.facts import KINDS, Fact, from_entry
from safelight.recovery.refill import Refill
from safelight.recovery.state import RecoveryState
from safelight.site.opened import Site
from safelight.site.recovery_findings import record


class JournalRecorder:
    """Facts of one recovery in the journal; those of others (pause, release) are noticed."""

    def __init__(self, site: Site, number: str, *, rehearses: bool) -> None:
        self._site = site
        self._number = number
        self._rehearses = rehearses
        self._lock = threading.Lock()
        last = site.records.journal.last()
        self._seen = last.position if last else 0
        self._own: set[int] = set()

    def record(self, fact: Fact) -> None:
        """Return when the fact is durable."""
        entry = record(self._site.records, fact, rehearses=self._rehearses)
        with self._lock:
            self._own.add(entry.position)

    def news(self) -> Sequence[Fact]:
        """Return what others recorded of this recovery since the last call."""
        found: list[Fact] = []
        for entry in self._site.records.journal.entries(after=self._seen, kinds=KINDS):
            self._seen = entry.position
            with self._lock:
                own = entry.position in self._own
                self._own.discard(entry.position)
            if not own and entry.facts.get("recovery") == self._number:
                found.append(from_entry(entry.kind, entry.facts))
        return found


class Crew:
    """Threads that do commands."""

    def __init__(self, refill: Refill, size: int) -> None:
        self._refill = refill
        self._size = size
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="refill")
        self._running: list[Command] = []
        self._done: queue.SimpleQueue[tuple[Command, list[Fact] | BaseException]] = queue.SimpleQueue()

    @property
    def running(self) -> Collection[Command]:
        """What is being done."""
        return self._running

    @property
    def free(self) -> int:
        """How many more commands can begin."""
        return self._size - len(self._running)

    def start(self, command: Command, state: RecoveryState) -> None:
        """Begin a command."""
        self._running.append(command)
        self._pool.submit(self._do, command, state)

    def done(self, seconds: float | None) -> Sequence[tuple[Command, Iterable[Fact]]]:
        """Wait until commands are done, at most so long."""
        try:
            command, brought = self._done.get(timeout=seconds)
        except queue.Empty:
            return []
        self._running.remove(command)
        if isinstance(brought, BaseException):
            raise brought
        return [(command, brought)]

    def stop(self) -> None:
        """Let what runs come to its end."""
        self._pool.shutdown(wait=True)

    def _do(self, command: Command, state: RecoveryState) -> None:
        try:
            self._done.put((command, list(self._refill.do(command, state))))
        except BaseException as error:  # noqa: BLE001 - the thread's one place: it is raised where the crew is asked
            self._done.put((command, error))
