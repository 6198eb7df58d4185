"""What was asked to be taken responsibility for, of other archives and of us, and what was answered, as facts tell."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind

KINDS: Final = (FactKind.COMMITMENT_REQUESTED, FactKind.COMMITMENT_REPORTED)
RECEIVED_KINDS: Final = (FactKind.COMMITMENT_ASKED, FactKind.COMMITMENT_DECIDED, FactKind.COMMITMENT_DELIVERED)
GIVEN_UP: Final = -1
"""Stands in place of the asker's status where nobody could be told."""


class CommitmentState(StrEnum):
    """How far a request is."""

    WAITING = "waiting"
    """Nothing is decided: of us, while copies are made; of another, while it has not answered."""
    DECIDED = "decided"
    """The answer stands, and whoever asked has not taken it yet."""
    ANSWERED = "answered"
    GIVEN_UP = "given-up"
    """Whoever asked could not be reached for too long."""


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

    @property
    def state(self) -> CommitmentState:
        """How far it is."""
        return CommitmentState.WAITING if self.failed is None else CommitmentState.ANSWERED


@dataclass(frozen=True, slots=True)
class Received:
    """One request of a modality or archive that was made of us, as the facts tell."""

    calling: str
    transaction: str
    instances: int
    asked_at: datetime
    failed: Mapping[str, int] | None = None
    """By instance; None while nothing is decided."""
    answered_at: datetime | None = None
    status: int = 0
    """What the asker said to the answer."""

    @property
    def state(self) -> CommitmentState:
        """How far it is."""
        if self.answered_at is not None:
            return CommitmentState.GIVEN_UP if self.status == GIVEN_UP else CommitmentState.ANSWERED
        return CommitmentState.WAITING if self.failed is None else CommitmentState.DECIDED


def received(entries: Iterable[Entry]) -> list[Received]:
    """Return every request that was made of us, in the order in which they came."""
    found: list[Received] = []
    last: dict[tuple[str, str], int] = {}
    for entry in entries:
        told: Mapping[str, Any] = entry.facts
        name = (str(told["calling"]), str(told["transaction"]))
        if entry.kind == FactKind.COMMITMENT_ASKED:
            # Some devices give several requests one transaction: the last one is meant from then on.
            last[name] = len(found)
            found.append(Received(*name, sum(map(len, told["instances"].values())), entry.at))
        elif name in last:
            place = last[name]
            if entry.kind == FactKind.COMMITMENT_DECIDED:
                found[place] = replace(found[place], failed=dict(told["failed"]))
            else:
                found[place] = replace(found[place], answered_at=entry.at, status=int(told["status"]))
    return found


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
