"""How fast instances come in and which series senders are busy with, so that packing knows when its time is."""

import threading
from datetime import timedelta
from typing import Final

from safelight.core.clock import Clock

WINDOW_SPAN: Final = timedelta(seconds=0.25)
BURST_SPAN: Final = timedelta(seconds=10)
HIGH_BYTES: Final = 1_000_000
HIGH_INSTANCES: Final = 5
MOVED_ON_AFTER: Final = timedelta(seconds=0.35)
"""Longer than arrivals are gathered before they are recorded: what is recorded later would need another pack."""
ENDED_AFTER: Final = timedelta(seconds=0.75)
"""Longer, since a sender that opens an association for each instance comes again at once."""
FORGOTTEN_AFTER: Final = timedelta(minutes=1)

Fed = tuple[str, str]
"""Study and series."""


class Inflow:
    """Counts arrivals, window by window. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._now = self._before = (0, 0)
        self._high_since: timedelta | None = None

    def count(self, size: int) -> None:
        """Count one instance of so many bytes."""
        with self._lock:
            self._judge()
            instances, bytes_ = self._now
            self._now = (instances + 1, bytes_ + size)

    @property
    def is_high(self) -> bool:
        """Whether so much came in just now that receiving needs the machine."""
        with self._lock:
            return self._judge() is not None

    @property
    def is_burst(self) -> bool:
        """Whether that began a moment ago, so that it may soon be over."""
        with self._lock:
            since = self._judge()
            return since is not None and self._clock.elapsed() - since < BURST_SPAN

    def _judge(self) -> timedelta | None:
        """Return since when the inflow is high."""
        elapsed = self._clock.elapsed()
        window = int(elapsed / WINDOW_SPAN)
        if window != self._window:
            self._before = self._now if window == self._window + 1 else (0, 0)
            self._now = (0, 0)
            self._window = window
        instances, bytes_ = self._now[0] + self._before[0], self._now[1] + self._before[1]
        if instances < HIGH_INSTANCES and bytes_ < HIGH_BYTES:
            self._high_since = None
        elif self._high_since is None:
            self._high_since = elapsed
        return self._high_since


class Feeds:
    """Knows which series senders have done with: their association went on to another, or ended. Used by many threads.

    A series is done with some time later only: what its last instances are recorded in is a batch, and they may go on.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[object, Fed] = {}
        self._settles_at: dict[Fed, timedelta] = {}

    def note(self, association: object, study: str, series: str) -> None:
        """Take note that an association brought an instance of a series."""
        fed = (study, series)
        with self._lock:
            before = self._open.get(association)
            if before == fed:
                return
            self._open[association] = fed
            self._settles_at.pop(fed, None)
            if before is not None:
                self._leave(before, MOVED_ON_AFTER)

    def end(self, association: object) -> None:
        """Take note that an association brings nothing any more."""
        with self._lock:
            before = self._open.pop(association, None)
            if before is not None:
                self._leave(before, ENDED_AFTER)

    @property
    def are_open(self) -> bool:
        """Whether any association that brought something may bring more."""
        return bool(self._open)

    def settled(self) -> frozenset[Fed]:
        """Return study and series of those that were left a while ago and are not under way again."""
        now = self._clock.elapsed()
        with self._lock:
            return frozenset(fed for fed, at in self._settles_at.items() if now >= at)

    def _leave(self, fed: Fed, after: timedelta) -> None:
        now = self._clock.elapsed()
        if fed not in self._open.values():
            self._settles_at[fed] = now + after
        for old in [one for one, at in self._settles_at.items() if now - at >= FORGOTTEN_AFTER]:
            del self._settles_at[old]
