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
UID_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody opened a study."""

    account: str
    study: str
    at: datetime


class Readings:
    """Notes what is opened until somebody writes it down. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._viewings: OrderedDict[tuple[str, str], timedelta] = OrderedDict()
        self._noted: list[Reading] = []

    def opened(self, account: str, study: str) -> None:
        """Note that somebody asks for something of a study."""
        # A name that no study can have is answered with nothing, and fills no journal.
        if len(study) > UID_CHARACTERS_MAX or not (study.isascii() and study.replace(".", "").isdigit()):
            return
        key, now = (account, study), self._clock.elapsed()
        with self._lock:
            last = self._viewings.pop(key, None)
            self._viewings[key] = now
            if last is None or now - last > VIEWING_LASTS:
                self._noted.append(Reading(account, study, self._clock.now()))
            while len(self._viewings) > KEPT_MAX:
                # Noted twice is better than not at all.
                self._viewings.popitem(last=False)

    def taken(self) -> list[Reading]:
        """Return what was noted since this was asked last, to be written down."""
        with self._lock:
            noted, self._noted = self._noted, []
        return noted

    def put_back(self, readings: list[Reading]) -> None:
        """Keep what could not be written down, before what was noted since."""
        with self._lock:
            self._noted = readings + self._noted
