"""Log lines: an event name and facts, on standard error, without names of patients."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from safelight.core.clock import Clock, to_text
from safelight.core.errors import SafelightError

Log = Callable[..., None]


class EventLog:
    """Writes one line an event: time, event, facts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, event: str, **facts: Any) -> None:
        """Write an event, for example ``vault.pack-sealed pack=3fa1... instances=40``."""
        moment: datetime = self._clock.now()
        told = " ".join(f"{name}={value}" for name, value in facts.items())
        print(f"{to_text(moment)} {event} {told}".rstrip(), file=sys.stderr, flush=True)

    def failure(self, error: BaseException) -> None:
        """Write what went wrong where nobody waits for an answer."""
        if isinstance(error, SafelightError):
            self(error.code, **error.facts)
        else:
            self("core.defect", error=f"{type(error).__name__}: {error}"[:500].replace("\n", " "))
