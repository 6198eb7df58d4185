"""A journal in memory that can be cut after the n-th record, and a whole recovery around it."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from safelight.core.clock import SetClock
from safelight.recovery.facts import (
    KINDS,
    Fact,
    Level,
    Planned,
    PlannedStudy,
    Settings,
    Started,
    from_entry,
    to_body,
)
from safelight.recovery.pace import Pace
from safelight.recovery.procedure import OneByOne, drive
from safelight.recovery.refill import Refill
from safelight.recovery.state import RecoveryState, fold
from support.recovery_target import MemoryArchive, MemoryHoldings, compare

START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
SETTINGS = Settings(
    target="PACS@127.0.0.1:11112",
    recipe="generic",
    required=Level.ATTRIBUTES,
    calling="SAFELIGHT_REFILL",
    reason="the array died",
    by="IT",
    attempts_max=3,
)


class PowerCut(BaseException):
    """Everything stops here."""


@dataclass
class MemoryRecorder:
    lines: list[str] = field(default_factory=list)
    cut_before: int | None = None
    """Cut the power instead of making this record durable, counted from 0."""
    coming: list[Fact] = field(default_factory=list)

    def record(self, fact: Fact) -> None:
        if self.cut_before is not None and len(self.lines) >= self.cut_before:
            raise PowerCut
        assert fact.kind in KINDS
        self.lines.append(json.dumps([fact.kind, to_body(fact)]))

    def news(self) -> Sequence[Fact]:
        coming, self.coming = self.coming, []
        for fact in coming:
            self.record(fact)
        return coming

    def facts(self) -> list[Fact]:
        entries: Iterable[tuple[str, dict[str, Any]]] = (json.loads(line) for line in self.lines)
        return [from_entry(kind, body) for kind, body in entries]

    def state(self) -> RecoveryState:
        state = RecoveryState()
        for fact in self.facts():
            state = fold(state, fact)
        return state


@dataclass
class Rehearsal:
    """One recovery: what is held, the target, the journal, a clock that waiting moves."""

    holdings: MemoryHoldings
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    settings: Settings = SETTINGS
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    clock: SetClock = field(default_factory=lambda: SetClock(START))
    plan: Callable[[], Iterable[Planned]] | None = None
    keeper: bool = False

    def set(self, **changed: object) -> "Rehearsal":
        self.settings = replace(self.settings, **changed)  # type: ignore[arg-type]
        return self

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def refill(self) -> Refill:
        return Refill(
            recovery="R1",
            settings=self.settings,
            started_at=START,
            holdings=self.holdings,
            target=self.archive,
            compare=compare,
            plan=self.plan or self.planned,
            clock=self.clock,
            pace=Pace(self.settings.bytes_per_second_max, self.clock, self.wait),
            keeper=self.archive if self.keeper else None,
        )

    def planned(self) -> Iterable[Planned]:
        studies = [
            PlannedStudy(study, "rest", len(instances), sum(one.size_bytes for one in instances))
            for study, instances in self.holdings.studies.items()
        ]
        # Two pieces, so that a cut can fall between them.
        yield Planned("R1", self.clock.now(), tuple(studies[:1]), last=False)
        yield Planned("R1", self.clock.now(), tuple(studies[1:]), last=True)

    def run(self) -> RecoveryState:
        if not self.recorder.lines:
            self.recorder.record(Started("R1", START, self.settings))
        crew = OneByOne(self.refill())
        return drive(self.recorder.state(), crew, self.recorder, clock=self.clock, wait=self.wait)

    def stages(self) -> dict[str, str]:
        return {study: progress.stage.value for study, progress in self.recorder.state().studies.items()}

    def whys(self) -> dict[str, str]:
        return {study: progress.why for study, progress in self.recorder.state().studies.items()}
