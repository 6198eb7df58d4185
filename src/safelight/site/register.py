"""The register of who was seen to call."""

import csv
import io
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from safelight.catalog.callers import CallerAct, CallerRow, CallerSighting
from safelight.catalog.catalog import Catalog
from safelight.core.clock import Clock, to_text
from safelight.gateway.dicom.ports import CallerSeen, Occasion
from safelight.site.home import Home
from safelight.site.records import Records
from safelight.site.settled import settled

KEPT_MAX: Final = 10_000
COLUMNS: Final = (
    "title",
    "address",
    "called",
    "implementation_class",
    "implementation_version",
    "sop_classes",
    "transfer_syntaxes",
    "first_seen",
    "last_seen",
    *(f"last_{act.value}" for act in CallerAct),
    *(f"{act.value}_count" for act in CallerAct),
)
_ACTS: Final[Mapping[Occasion, CallerAct]] = {
    Occasion.ASSOCIATED: CallerAct.ASSOCIATION,
    Occasion.REFUSED: CallerAct.REFUSAL,
    Occasion.ECHOED: CallerAct.ECHO,
    Occasion.STORED: CallerAct.STORE,
    Occasion.QUERIED: CallerAct.QUERY,
    Occasion.RETRIEVED: CallerAct.RETRIEVE,
    Occasion.COMMITMENT_ASKED: CallerAct.COMMITMENT,
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
    settled(home)
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        return catalog.callers()
    finally:
        catalog.close()


def callers_document(home: Home) -> list[dict[str, Any]]:
    """Return the register as JSON."""
    return [_document(row) for row in caller_rows(home)]


def callers_csv(home: Home) -> str:
    """Return the register as CSV with a heading line; every cell is safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    rows = callers_document(home)
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row[name]) for name in COLUMNS})
    return text.getvalue()


def _document(row: CallerRow) -> dict[str, Any]:
    last = {f"last_{act.value}": _plain(row.last.get(act)) for act in CallerAct}
    counts = {f"{act.value}_count": row.counts.get(act, 0) for act in CallerAct}
    return {
        "title": row.title,
        "address": row.host,
        "called": list(row.called),
        "implementation_class": row.implementation_uid,
        "implementation_version": row.implementation_version,
        "sop_classes": list(row.sop_classes),
        "transfer_syntaxes": list(row.transfer_syntaxes),
        "first_seen": to_text(row.first_seen_at),
        "last_seen": to_text(row.last_seen_at),
        "by_called": {
            title: {act.value: {"count": seen.count, "last": to_text(seen.last)} for act, seen in acts.items()}
            for title, acts in row.by_called.items()
        },
        "stores": row.counts.get(CallerAct.STORE, 0),
        **last,
        **counts,
    }


def _cell(value: object) -> object:
    text = " ".join(value) if isinstance(value, list) else value
    # A peer chooses its own title: a spreadsheet must not take it for a formula.
    return f"'{text}" if isinstance(text, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _plain(value: datetime | None) -> str | None:
    return to_text(value) if value is not None else None
