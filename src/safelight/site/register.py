"""The register of who was seen to call."""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from safelight.catalog.callers import CallerAct, CallerRow, CallerSighting
from safelight.catalog.catalog import Catalog
from safelight.core.clock import Clock, to_text
from safelight.gateway.dicom.ports import CallerSeen, Occasion
from safelight.site.home import Home
from safelight.site.records import Records

KEPT_MAX: Final = 10_000
_ACTS: Final[Mapping[Occasion, CallerAct]] = {
    Occasion.ASSOCIATED: CallerAct.ASSOCIATION,
    Occasion.REFUSED: CallerAct.REFUSAL,
    Occasion.ECHOED: CallerAct.ECHO,
    Occasion.STORED: CallerAct.STORE,
    Occasion.ABORTED: CallerAct.ABORT,
}

_Key = tuple[CallerAct, str, str, str, str, str, tuple[str, ...], tuple[str, ...]]


class CallerBook:
    """Takes note of callers, counted in memory and written now and then. Never in the way of a store."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[_Key, int] = {}

    def observe(self, seen: CallerSeen) -> None:
        """Take note."""
        act = _ACTS.get(seen.occasion)
        if act is None:
            return
        key = (
            act,
            seen.calling,
            seen.host,
            seen.called,
            seen.implementation_class,
            seen.implementation_version,
            tuple(seen.sop_classes),
            tuple(seen.transfer_syntaxes),
        )
        with self._lock:
            if key in self._seen or len(self._seen) < KEPT_MAX:
                self._seen[key] = self._seen.get(key, 0) + 1

    def flush(self) -> None:
        """Write what was seen into the catalog."""
        with self._lock:
            seen, self._seen = self._seen, {}
        moment = self._clock.now()
        sightings = [
            CallerSighting(title, host, act, moment, called, count, uid, version, classes, syntaxes)
            for (act, title, host, called, uid, version, classes, syntaxes), count in seen.items()
        ]
        if sightings:
            self._records.catalog.record_callers(sightings)


def caller_rows(home: Home) -> list[CallerRow]:
    """Return everybody who was seen to call."""
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        return catalog.callers()
    finally:
        catalog.close()


def callers_document(home: Home) -> list[dict[str, Any]]:
    """Return the register as JSON."""
    return [{name: _plain(value) for name, value in asdict(row).items()} for row in caller_rows(home)]


def _plain(value: Any) -> Any:
    return to_text(value) if hasattr(value, "tzinfo") else list(value) if isinstance(value, tuple) else value
