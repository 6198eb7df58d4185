"""Acts that are asked for twice, since the network swallowed the answer: done once, answered twice."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any, Final

from safelight.console.faults import KeyUsedOtherwise
from safelight.core.clock import Clock

KEPT_MAX: Final = 500
KEPT_FOR: Final = timedelta(hours=1)
KEY_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class _Kept:
    what: str
    answer: "Future[Any]"
    until: timedelta


class Repeats:
    """Answers of the last hour by account and key. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def once(self, who: str, key: str, what: str, work: Callable[[], Any]) -> Any:
        """Do the work, or return what came of it when it was asked for first; what failed is tried anew.

        Raises:
            KeyUsedOtherwise: under this key something else was asked for.
        """
        with self._lock:
            now = self._clock.elapsed()
            kept = self._kept.get((who, key))
            if kept is None or kept.until <= now:
                mine: Future[Any] = Future()
                self._kept[who, key] = _Kept(what, mine, now + KEPT_FOR)
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
                kept = None
        if kept is not None:
            if kept.what != what:
                raise KeyUsedOtherwise
            return kept.answer.result()
        try:
            mine.set_result(work())
        except BaseException as error:
            with self._lock:
                self._kept.pop((who, key), None)
            mine.set_exception(error)
            raise
        return mine.result()
