"""Pulls as the journal knows them: which one is not finished, and how far it came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from safelight.core.clock import to_text
from safelight.journal.kinds import FactKind
from safelight.protection.pull import Fact
from safelight.protection.pull_record import KINDS, from_record, to_record
from safelight.site.records import Records


@dataclass(frozen=True, slots=True)
class PullScope:
    """What a pull is about; a pull is gone on with only by one of the same scope."""

    source: str
    date_from: str = ""
    date_to: str = ""


@dataclass(frozen=True, slots=True)
class OpenPull:
    """A pull that began and has not ended."""

    run: str
    scope: PullScope
    today: date
    """The day it began, from which it counts backwards."""
    position: int
    """Of its first fact in the journal."""
    resumed: bool = False
    """Whether it began before this command."""


class PullLog:
    """Records a pull's facts and finds them again."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def unfinished(self, scope: PullScope) -> OpenPull | None:
        """Return the last pull of this scope, if it did not end."""
        found: OpenPull | None = None
        for entry in self._records.journal.entries(kinds=(FactKind.PULL_STARTED, FactKind.PULL_FINISHED)):
            told = entry.facts
            if entry.kind == FactKind.PULL_STARTED and _scope(told) == scope and told.get("today"):
                today = date.fromisoformat(str(told["today"]))
                found = OpenPull(str(told["run"]), scope, today, entry.position, resumed=True)
            elif found is not None and entry.kind == FactKind.PULL_FINISHED and told.get("run") == found.run:
                found = None
        return found

    def begin(self, scope: PullScope, now: datetime, today: date, way: str) -> OpenPull:
        """Record that a pull begins."""
        run = to_text(now)
        facts = {
            "run": run,
            "source": scope.source,
            "date_from": scope.date_from,
            "date_to": scope.date_to,
            "today": today.isoformat(),
            "way": way,
        }
        return OpenPull(run, scope, today, self._records.record(FactKind.PULL_STARTED, facts).position)

    def facts(self, pull: OpenPull) -> Iterator[Fact]:
        """Give what was recorded of a pull, in order."""
        for entry in self._records.journal.entries(after=pull.position, kinds=KINDS):
            if entry.facts.get("run") == pull.run:
                yield from_record(entry.kind, entry.facts)

    def record(self, pull: OpenPull, facts: Sequence[Fact]) -> None:
        """Record what was done, in one commit; it is durable when this returns."""
        written = [to_record(fact) for fact in facts]
        self._records.record_all([(kind, {**body, "run": pull.run}) for kind, body in written])

    def finish(self, pull: OpenPull, document: Mapping[str, Any]) -> None:
        """Record that a pull ended."""
        self._records.record(FactKind.PULL_FINISHED, {**document, "run": pull.run})


def _scope(told: Mapping[str, Any]) -> PullScope:
    return PullScope(str(told.get("source", "")), str(told.get("date_from", "")), str(told.get("date_to", "")))
