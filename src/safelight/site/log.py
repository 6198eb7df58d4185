"""Log lines: an event name and facts, on standard error, without names of patients."""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from safelight.core.clock import Clock, to_text
from safelight.core.errors import foreseen

Log = Callable[..., None]


class EventLog:
    """Writes one line an event: time, event, facts."""

    def __init__(self, clock: Clock, *, quiet: bool) -> None:
        self._clock = clock
        self._quiet = quiet

    def __call__(self, event: str, **facts: Any) -> None:
        """Write an event, for example ``vault.pack-sealed pack=3fa1...``, unless a person watches a bar."""
        if not self._quiet:
            self._write(event, facts)

    def _write(self, event: str, facts: Mapping[str, Any]) -> None:
        moment: datetime = self._clock.now()
        told = " ".join(f"{name}={value}" for name, value in facts.items())
        sys.stderr.write(f"{to_text(moment)} {event} {told}".rstrip() + "\n")
        sys.stderr.flush()

    def failure(self, error: BaseException) -> None:
        """Write what went wrong where nobody waits for an answer."""
        told = foreseen(error)
        self._write(told.code, told.facts)
