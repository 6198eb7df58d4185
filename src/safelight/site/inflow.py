"""How fast instances come in, so that background work can stand back while they do."""

import threading
from typing import Final

from safelight.core.clock import Clock

WINDOW_SECONDS: Final = 2
HIGH_BYTES: Final = 8_000_000
HIGH_INSTANCES: Final = 40


class Inflow:
    """Counts arrivals, second by second. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds: dict[int, tuple[int, int]] = {}

    def count(self, size: int) -> None:
        """Count one instance of so many bytes."""
        second = self._second()
        with self._lock:
            if second not in self._seconds:
                self._forget_before(second)
            instances, bytes_ = self._seconds.get(second, (0, 0))
            self._seconds[second] = (instances + 1, bytes_ + size)

    @property
    def is_high(self) -> bool:
        """Whether so much came in just now that receiving needs the machine for itself."""
        with self._lock:
            self._forget_before(self._second())
            instances = sum(one for one, _ in self._seconds.values())
            bytes_ = sum(one for _, one in self._seconds.values())
        return instances >= HIGH_INSTANCES or bytes_ >= HIGH_BYTES

    def _second(self) -> int:
        return int(self._clock.elapsed().total_seconds())

    def _forget_before(self, second: int) -> None:
        for old in [one for one in self._seconds if one <= second - WINDOW_SECONDS]:
            del self._seconds[old]
