"""Notes that wait in memory to be written down: so many at most, and of others the span in which they were made."""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final, Generic, TypeVar

Note = TypeVar("Note")

UNWRITTEN_MAX: Final = 10_000
"""Hours of a large hospital in which nothing can be written down. Who is treated meanwhile still sees the images."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which something happened that nobody noted: too much waited to be written down."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Unwritten(Generic[Note]):
    """What waits to be written down."""

    notes: tuple[Note, ...]
    gap: Gap | None


class Notebook(Generic[Note]):
    """Keeps notes until somebody wrote them down. Used by many threads; one at a time writes."""

    def __init__(self, notes_max: int) -> None:
        self._notes_max = notes_max
        self._lock = Lock()
        self._notes: list[Note] = []
        self._gap: Gap | None = None

    def note(self, one: Note, at: datetime) -> bool:
        """Keep a note; false where there is no room for it."""
        with self._lock:
            if len(self._notes) < self._notes_max:
                self._notes.append(one)
                return True
            self._gap = Gap(self._gap.since if self._gap else at, at)
            return False

    def unwritten(self) -> Unwritten[Note]:
        """Return what is to be written down."""
        with self._lock:
            return Unwritten(tuple(self._notes), self._gap)

    def written(self, done: Unwritten[Note]) -> None:
        """Forget what was written down."""
        with self._lock:
            del self._notes[: len(done.notes)]
            if self._gap == done.gap:
                self._gap = None
