"""A station: servers with one queue by priority, some of them at work in each hour, at a speed that may change.

All servers of a station work at the same share of their normal speed. Measured in *working time* (the integral of
that share), services last as long as they always do; so the outage is a change of clocks before and after, and the
queue itself is an ordinary one. During a full stop working time stands still: work goes on where it was.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush, heapreplace
from math import inf

import numpy as np
from numpy.typing import NDArray

Hours = NDArray[np.float64]


class WorkingTime:
    """The map between hours on the wall and hours of work at full speed."""

    def __init__(self, changes: Sequence[tuple[float, float]]) -> None:
        """Take ``(hour, share of speed from then on)``, in order; before the first the share is 1."""
        self._wall = [changes[0][0] if changes else 0.0]
        self._work = [self._wall[0]]
        for (hour, _), (_, before) in zip(changes[1:], changes[:-1], strict=False):
            self._work.append(self._work[-1] + (hour - self._wall[-1]) * before)
            self._wall.append(hour)
        self._last = changes[-1][1] if changes else 1.0
        self._changes = bool(changes)
        # Hours on the wall for an hour of work, from each change to the next; in a stop nothing is gained.
        wall, work = np.asarray(self._wall), np.asarray(self._work)
        span, gain = np.diff(wall), np.diff(work)
        slopes = np.where(gain > 0, span / np.where(gain > 0, gain, 1.0), 0.0)
        self._slopes = np.append(slopes, 1.0 / self._last if self._last else inf)

    def to_work(self, wall: Hours) -> Hours:
        """Return the working time at moments on the wall."""
        if not self._changes:
            return wall
        late = np.maximum(wall - self._wall[-1], 0.0) * self._last
        # Before the first change both are one, to the last bit.
        return np.where(wall <= self._wall[0], wall, np.interp(wall, self._wall, self._work) + late)

    def to_wall(self, work: Hours) -> Hours:
        """Return the latest moment on the wall with this working time: what would begin in a stop begins at its end."""
        if not self._changes:
            return work
        wall, done = np.asarray(self._wall), np.asarray(self._work)
        place = np.searchsorted(done, work, side="right") - 1
        at = np.maximum(place, 0)
        with np.errstate(invalid="ignore"):
            inside = wall[at] + (work - done[at]) * self._slopes[at]
        return np.asarray(np.where(place < 0, work, inside))


def serve(
    arrivals: list[float],
    works: list[float],
    ranks: list[int],
    shifts: Sequence[tuple[float, int]],
    until: float,
    at_work: Sequence[float] = (),
) -> list[float]:
    """Return when each service begins, ``inf`` for those that would begin after ``until``.

    Args:
        arrivals: in order.
        works: how long each service takes.
        ranks: 0 is served first; within a rank who came first.
        shifts: from when how many servers take new work, in order, one at a moment. A server ends what it has begun.
        until: where to stop.
        at_work: when servers that are busy already will be free.
    """
    starts = [inf] * len(arrivals)
    queues: list[deque[int]] = [deque() for _ in range(max(ranks, default=0) + 1)]
    # One moment for each server at work, when it is free; nobody ever gets to the last.
    free_at, retiring = [inf], sorted(at_work)
    waiting, servers, shift, now = 0, 0, 0, -inf
    shift_at = shifts[0][0]
    moments = [*arrivals, until]
    last = len(arrivals)
    for index, arrival in enumerate(moments):
        while waiting:
            at = free_at[0]
            if at <= now:
                at = now
            elif shift_at <= at:
                # Nobody is free before the next shift.
                if shift_at >= arrival:
                    break
                now = shift_at
                _change(free_at, retiring, shifts[shift][1] - servers)
                servers = shifts[shift][1]
                shift += 1
                shift_at = shifts[shift][0] if shift < len(shifts) else inf
                continue
            if at >= arrival:
                break
            for queue in queues:
                if queue:
                    served = queue.popleft()
                    break
            starts[served] = now = at
            heapreplace(free_at, at + works[served])
            waiting -= 1
        while shift_at <= arrival:
            _change(free_at, retiring, shifts[shift][1] - servers)
            servers = shifts[shift][1]
            shift += 1
            shift_at = shifts[shift][0] if shift < len(shifts) else inf
        now = arrival
        if index == last:
            break
        # Who comes together (all who came during a stop) queues before anybody is taken.
        if waiting or free_at[0] > arrival or moments[index + 1] == arrival:
            queues[ranks[index]].append(index)
            waiting += 1
        else:
            starts[index] = arrival
            heapreplace(free_at, arrival + works[index])
    return starts


def _change(free_at: list[float], retiring: list[float], more: int) -> None:
    """Let so many servers more take new work, or so many fewer.

    Those who are free first go; while they end what they have begun, they are called back before anybody else.
    """
    for _ in range(more):
        heappush(free_at, retiring.pop() if retiring else -inf)
    for _ in range(-more):
        retiring.append(heappop(free_at))
