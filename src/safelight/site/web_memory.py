"""Documents that many screens ask for at the same moment: made once, as long as nothing changed."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from safelight.core.clock import Clock

Document = Mapping[str, Any]
KEPT_MAX: Final = 64
KEPT_FOR: Final = timedelta(seconds=2)
"""Some of what documents say changes without a mark: the age of the exposure, who was seen to call."""


class _Slot:
    def __init__(self) -> None:
        self.making = threading.Lock()
        self.made: tuple[object, timedelta, Document] | None = None


class Memory:
    """Keeps the last documents for as long as the home stays where it was. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[str, str], _Slot] = OrderedDict()

    def remembered(self, key: tuple[str, str], mark_of: Callable[[], object], make: Callable[[], Document]) -> Document:
        """Return the document, made now, or a moment ago when the home was where it is now."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > KEPT_MAX:
                self._slots.popitem(last=False)
        with slot.making:
            # Before it is made: what changes meanwhile makes it old at once.
            mark, now = mark_of(), self._clock.elapsed()
            if slot.made is None or slot.made[0] != mark or now - slot.made[1] > KEPT_FOR:
                slot.made = (mark, now, make())
            return slot.made[2]
