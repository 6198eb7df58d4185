"""What other archives were asked to take responsibility for, and what they answered, as the journal tells it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind

KINDS: Final = (FactKind.COMMITMENT_REQUESTED, FactKind.COMMITMENT_REPORTED)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as the facts tell."""

    to: str
    transaction: str
    study: str
    instances: tuple[str, ...]
    asked_at: datetime
    failed: Mapping[str, int] | None = None
    """By instance; None while there is no answer. What the answer does not name has failed."""
    answered_at: datetime | None = None


class CommitmentAsks:
    """The requests as the journal tells them; reads no fact twice. Used by many threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._read_until = 0
        self._asked: dict[str, Asked] = {}
        self._by_study: dict[tuple[str, str], list[str]] = {}

    def all(self) -> list[Asked]:
        """Return every request, in the order in which they were sent."""
        with self._lock:
            self._catch_up()
            return list(self._asked.values())

    def of(self, transaction: str) -> Asked | None:
        """Return one request."""
        with self._lock:
            self._catch_up()
            return self._asked.get(transaction)

    def refused(self, to: str, study: str) -> int:
        """Count the instances for which the last answer about each part of a study gives no commitment."""
        with self._lock:
            self._catch_up()
            parts = {}
            for transaction in self._by_study.get((to, study), ()):
                one = self._asked[transaction]
                if one.failed is not None:
                    parts[one.instances[0]] = one
            return sum(len(one.failed or ()) for one in parts.values())

    def _catch_up(self) -> None:
        for entry in self._journal.entries(after=self._read_until, kinds=KINDS):
            self._read_until = entry.position
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        told: Mapping[str, Any] = entry.facts
        name = str(told["transaction"])
        if entry.kind == FactKind.COMMITMENT_REQUESTED:
            instances = tuple(uid for uids in told["instances"].values() for uid in uids)
            one = Asked(str(told["to"]), name, str(told["study"]), instances, entry.at)
            self._asked[name] = one
            self._by_study.setdefault((one.to, one.study), []).append(name)
        elif name in self._asked:
            self._asked[name] = replace(self._asked[name], failed=dict(told["failed"]), answered_at=entry.at)
