"""Stored bytes of which any range can be had, from the first of several places that gives it."""

from collections.abc import Callable, Iterator

from safelight.core.errors import IntegrityError, ResourceError, SafelightError, StateError
from safelight.core.instance import ByteSource

Place = tuple[Callable[[], ByteSource], Callable[[SafelightError], None]]
"""How to open a copy, and who is told when it cannot be read."""


class Ranged:
    """One instance, for reading in ranges. For one thread.

    After a bad copy the next one goes on: a range comes from one copy, and whatever a copy gave was checked.
    """

    def __init__(self, size: int, places: Iterator[Place], unreadable: Callable[[], SafelightError]) -> None:
        self.size = size
        self._places = places
        self._unreadable = unreadable
        self._source: ByteSource | None = None
        self._told: Callable[[SafelightError], None] | None = None

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Return ``length`` bytes from ``offset``, fewer only past the end.

        Raises:
            Unreadable: no copy gives them.
        """
        while True:
            try:
                return self._opened().read(offset, length)
            except (IntegrityError, ResourceError, StateError) as error:
                if self._told is None:
                    raise
                self._told(error)
                self._source = None

    def _opened(self) -> ByteSource:
        if self._source is None:
            place = next(self._places, None)
            if place is None:
                self._told = None
                raise self._unreadable()
            opening, self._told = place
            self._source = opening()
        return self._source
