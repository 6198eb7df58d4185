"""Staying beneath live acquisition: a limit that a person set, and less while the target is slow to answer.

A target that shares its disk with the modalities shows it in its answers first. When they take several times as long as
they did at its best, the rate is cut in steps, never below a floor; when they are quick again it grows back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from safelight.core.clock import Clock
from safelight.recovery.estimate import load_of

Wait = Callable[[float], None]
"""Let so many seconds pass."""

ANSWERS_A_LOOK: Final = 8
LOOKS_MIN: Final = 2
"""How many looks make a best that others can be held against."""
SLOW_RATIO: Final = 4.0
QUICK_RATIO: Final = 2.0
SLOW_SECONDS_MIN: Final = 0.05
"""Quicker answers than this are never called slow: they vary by themselves."""
CUT: Final = 0.7
GROWTH: Final = 1.15
FLOOR_SHARE: Final = 0.1
FLOOR_BYTES: Final = 250_000
FORGETTING: Final = 1.02
"""How fast the best fades, a look: a target that stays slower for good is not held against its first minute."""


@dataclass(slots=True)
class _Look:
    """The answers since the rate was judged last."""

    began: float
    answers: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    load: float = 0.0


class Pace:
    """The rate of one refill, shared by its associations; used by many threads."""

    def __init__(self, bytes_per_second_max: float | None, clock: Clock, wait: Wait) -> None:
        self._limit = bytes_per_second_max
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._slowed: float | None = None
        self._best: float | None = None
        self._best_rate = 0.0
        self._looks = 0
        self._look = _Look(self._now())

    @property
    def slowed_to(self) -> float | None:
        """Bytes a second that the target's slow answers leave, or nothing while it keeps up."""
        return self._slowed

    def lane(self) -> "Lane":
        """Return one association's part in this pace."""
        return Lane(self)

    def now(self) -> float:
        """Return the clock's seconds."""
        return self._now()

    def take(self, size_bytes: int) -> float:
        """Wait until so many bytes may go; return how long that was."""
        with self._lock:
            rate = self._rate()
            if rate is None:
                return 0.0
            now = self._now()
            begin = max(now, self._next_at)
            self._next_at = begin + size_bytes / rate
        if begin > now:
            self._wait(begin - now)
        return begin - now

    def answered(self, size_bytes: int, seconds: float) -> None:
        """Take note of an answer that came so long after the last byte had gone."""
        with self._lock:
            look = self._look
            look.answers += 1
            look.size_bytes += size_bytes
            look.seconds += max(seconds, 0.0)
            look.load += load_of(1, size_bytes)
            if look.answers == ANSWERS_A_LOOK:
                self._judge(look)
                self._look = _Look(self._now())

    def _rate(self) -> float | None:
        if self._slowed is None or self._limit is None:
            return self._slowed or self._limit
        return min(self._slowed, self._limit)

    def _judge(self, look: _Look) -> None:
        slowness = look.seconds / look.load
        span = self._now() - look.began
        if span > 0 and self._slowed is None:
            self._best_rate = max(self._best_rate, look.size_bytes / span)
        self._looks += 1
        best = slowness if self._best is None else min(self._best * FORGETTING, slowness)
        self._best = best
        if self._looks <= LOOKS_MIN or not self._best_rate:
            return
        is_slow = slowness > SLOW_RATIO * best and look.seconds / look.answers >= SLOW_SECONDS_MIN
        if is_slow:
            floor = max(FLOOR_SHARE * self._best_rate, FLOOR_BYTES)
            measured = look.size_bytes / span if span > 0 else self._best_rate
            self._slowed = max(floor, CUT * min(self._slowed or measured, self._limit or self._best_rate))
        elif self._slowed is not None and slowness < QUICK_RATIO * best:
            self._slowed *= GROWTH
            if self._slowed >= min(self._best_rate, self._limit or self._best_rate):
                self._slowed = None

    def _now(self) -> float:
        return self._clock.elapsed().total_seconds()


@dataclass(slots=True)
class Lane:
    """One association's part in a pace: what it waited for by itself is not taken for slowness of the target."""

    pace: Pace
    _waited: float = field(default=0.0)

    def begin(self, size_bytes: int) -> None:
        """Wait until so many bytes may go."""
        self._waited += self.pace.take(size_bytes)

    def moment(self) -> float:
        """Return this lane's own time, which stands still while it waits."""
        return self.pace.now() - self._waited

    def answered(self, size_bytes: int, gone_at: float) -> None:
        """Take note of the answer for an instance whose last byte had gone at that `moment`."""
        self.pace.answered(size_bytes, self.moment() - gone_at)
