"""Who opened which study: noted once a viewing, and not for each of its thousand images."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from safelight.core.clock import Clock
from safelight.core.notebook import UNWRITTEN_MAX, Notebook, Unwritten

VIEWING_LASTS: Final = timedelta(minutes=30)
"""Who comes back to a study after so long without asking for anything of it has opened it again."""
KEPT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody opened a study."""

    account: str
    study: str
    at: datetime


class Readings:
    """Notes what is opened until somebody wrote it down. Used by many threads; one of them writes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._viewings: OrderedDict[tuple[str, str], timedelta] = OrderedDict()
        self._book = Notebook[Reading](UNWRITTEN_MAX)

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

    def unwritten(self) -> Unwritten[Reading]:
        """Return what is to be written down."""
        return self._book.unwritten()

    def written(self, done: Unwritten[Reading]) -> None:
        """Forget what was written down."""
        self._book.written(done)

    def _note(self, account: str, study: str) -> bool:
        at = self._clock.now()
        return self._book.note(Reading(account, study, at), at)
