"""Staying beneath live acquisition: so many bytes a second and no more."""

from collections.abc import Callable, Iterable, Iterator

from safelight.core.clock import Clock
from safelight.recovery.ports import HeldInstance

Wait = Callable[[float], None]
"""Let so many seconds pass."""


def paced(
    instances: Iterable[HeldInstance], bytes_per_second_max: float | None, clock: Clock, wait: Wait
) -> Iterator[HeldInstance]:
    """Give instances one by one, none before those ahead of it have had their time at this rate.

    Each association paces itself with its share of the limit, so that they need not agree.
    """
    if bytes_per_second_max is None:
        yield from instances
        return
    begun = clock.elapsed().total_seconds()
    given = 0
    for instance in instances:
        early = begun + given / bytes_per_second_max - clock.elapsed().total_seconds()
        if early > 0:
            wait(early)
        yield instance
        given += instance.size_bytes
