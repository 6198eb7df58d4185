"""Taking note of who calls: into the catalog within seconds, into the journal what shall outlive the catalog."""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from safelight.catalog.caller import CallerAct, CallerRow, CallerSighting, from_body, to_body
from safelight.core.clock import Clock
from safelight.gateway.dicom.ports import CallerSeen, Occasion
from safelight.journal.kinds import FactKind
from safelight.site.records import Records

KEPT_MAX: Final = 10_000
NUMBERS_EVERY: Final = timedelta(days=1)
TOLD_AT_ONCE: Final = 100
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

_Sight = tuple[CallerAct, str, str, str, str, str, tuple[str, ...], tuple[str, ...]]


class CallerBook:
    """Takes note of callers, counted in memory and written now and then. Never in the way of a store.

    The catalog knows within seconds. The journal is told of who is new and of new habits before the catalog shows
    them, and of how often they were seen once a day and at the end.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[_Sight, int] = {}
        self._facts = CallerFacts(records)
        self._writing = threading.Lock()
        self._numbers_told_at: timedelta | None = None

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
        """Write what was seen into the catalog, and what is new of it into the journal first."""
        with self._writing:
            self._write()
            now = self._clock.elapsed()
            if self._numbers_told_at is None or now - self._numbers_told_at >= NUMBERS_EVERY:
                self._facts.tell_all()
                self._numbers_told_at = now

    def settle(self) -> None:
        """Write everything that was seen, the numbers into the journal too."""
        with self._writing:
            self._write()
            self._facts.tell_all()

    def _write(self) -> None:
        with self._lock:
            seen, self._seen = self._seen, {}
        moment = self._clock.now()
        sightings = [
            CallerSighting(title, host, act, moment, called, count, uid, version, classes, syntaxes)
            for (act, title, host, called, uid, version, classes, syntaxes), count in seen.items()
        ]
        if sightings:
            sighted = self._records.catalog.with_sightings(sightings)
            self._facts.tell(row for row in sighted.rows if self._facts.lack(row))
            self._records.catalog.keep_callers(sighted)


class CallerFacts:
    """What the journal tells of callers. Of its own facts it remembers just enough to see what they lack."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._told: dict[tuple[str, str], tuple[int, datetime]] | None = None

    def tell_all(self) -> None:
        """Record whatever the register says and no fact does."""
        self.tell(row for row in self._records.catalog.callers() if self.lack(row) or self._lack_numbers(row))

    def tell(self, rows: Iterable[CallerRow]) -> None:
        """Record all that is known of some callers."""
        left = iter(rows)
        while some := list(islice(left, TOLD_AT_ONCE)):
            self._records.record(FactKind.CALLERS_SEEN, {"callers": [to_body(row) for row in some]})
            self._known.update(map(_essence, some))

    def lack(self, row: CallerRow) -> bool:
        """Say whether something that a caller does, or the caller itself, is in no fact."""
        habits, _ = self._known.get(_name(row), (None, None))
        return habits != _habits(row)

    def _lack_numbers(self, row: CallerRow) -> bool:
        _, last_seen_at = self._known[_name(row)]
        return row.last_seen_at > last_seen_at

    @property
    def _known(self) -> dict[tuple[str, str], tuple[int, datetime]]:
        if self._told is None:
            self._told = {}
            for entry in self._records.journal.entries(kinds=[FactKind.CALLERS_SEEN]):
                callers: list[Mapping[str, Any]] = entry.facts["callers"]  # type: ignore[assignment]
                self._told.update(_essence(from_body(one)) for one in callers)
        return self._told


def _name(row: CallerRow) -> tuple[str, str]:
    return row.title, row.host


def _essence(row: CallerRow) -> tuple[tuple[str, str], tuple[int, datetime]]:
    return _name(row), (_habits(row), row.last_seen_at)


def _habits(row: CallerRow) -> int:
    """Return a number that changes when a caller does something that it never did.

    Habits come and never go, so that one caller can make only so many facts.
    """
    acts = tuple((title, *sorted(acts)) for title, acts in sorted(row.by_called.items()))
    return hash(
        (row.called, row.sop_classes, row.transfer_syntaxes, bool(row.implementation_uid), *sorted(row.counts), acts)
    )
