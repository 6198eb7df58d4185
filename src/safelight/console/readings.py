"""Who opened which study: noted once a viewing, and not for each of its thousand images."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from safelight.core.clock import Clock

VIEWING_LASTS: Final = timedelta(minutes=30)
"""Who comes back to a study after so long without asking for anything of it has opened it again."""
KEPT_MAX: Final = 10_000
UNWRITTEN_MAX: Final = 10_000
"""Hours of a large hospital in which nothing can be written down. Who is treated meanwhile still sees the images."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody opened a study."""

    account: str
    study: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which studies were opened that nobody noted: too much waited to be written down."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What waits to be written down."""

    readings: tuple[Reading, ...]
    gap: Gap | None


class Readings:
    """Notes what is opened until somebody wrote it down. Used by many threads; one of them writes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._viewings: OrderedDict[tuple[str, str], timedelta] = OrderedDict()
        self._noted: list[Reading] = []
        self._gap: Gap | None = None

    def opened(self, account: str, study: str) -> None:
        """Note that somebody is given something of a study."""
        key, now = (account, study), self._clock.elapsed()
        with self._lock:
            last = self._viewings.pop(key, None)
            if (last is None or now - last > VIEWING_LASTS) and not self._note(account, study):
                # Not a viewing that is noted: its next request is, if there is room by then.
                return
            self._viewings[key] = now
            while len(self._viewings) > KEPT_MAX:
                # Noted twice is better than not at all.
                self._viewings.popitem(last=False)

    def unwritten(self) -> Unwritten:
        """Return what is to be written down."""
        with self._lock:
            return Unwritten(tuple(self._noted), self._gap)

    def written(self, done: Unwritten) -> None:
        """Forget what was written down."""
        with self._lock:
            del self._noted[: len(done.readings)]
            if self._gap == done.gap:
                self._gap = None

    def _note(self, account: str, study: str) -> bool:
        at = self._clock.now()
        if len(self._noted) < UNWRITTEN_MAX:
            self._noted.append(Reading(account, study, at))
            return True
        self._gap = Gap(self._gap.since if self._gap else at, at)
        return False
