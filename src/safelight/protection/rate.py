"""How fast we let a source send: a token bucket over the bytes that come."""

from datetime import timedelta
from typing import Final

from safelight.core.clock import Clock

BURST_SECONDS: Final = 1.0


class TokenBucket:
    """Fills with as many bytes a second as are allowed, and holds those of ``burst_seconds``.

    It may be overdrawn: whoever takes more than there is waits until it is nought again. Used by one thread
    at a time.
    """

    def __init__(self, bytes_per_second: float, clock: Clock, burst_seconds: float = BURST_SECONDS) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._burst = timedelta(seconds=burst_seconds)
        self._paid_until = clock.elapsed() - self._burst
        """When the bytes taken so far will have been allowed for."""

    def take(self, count: int) -> timedelta:
        """Take bytes that have come and return how long to read no more; nought while the bucket has some left."""
        now = self._clock.elapsed()
        self._paid_until = max(self._paid_until, now - self._burst) + timedelta(seconds=count / self._bytes_per_second)
        return max(self._paid_until - now, timedelta())
