"""The state of one recovery: the fold of its recorded facts.

What happens to a study is one table. Queues and counters are kept beside it so that a fact costs the same whether a
thousand or a million studies are planned.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.recovery.estimate import Estimate, Rate, Work, load_of, time_for
from safelight.recovery.facts import (
    NOT_TAKEN,
    Fact,
    Finished,
    Level,
    Paused,
    Planned,
    Probed,
    Resumed,
    Settings,
    Started,
    StudyCompared,
    StudyFailed,
    StudyReleased,
    StudySent,
    StudyWithheld,
    TargetLost,
)


class OutOfTurn(StateError):
    """A recorded fact does not fit the state of its recovery."""

    code: ClassVar[str] = "recovery.out-of-turn"
    hint: ClassVar[str] = "Two programs may be driving one recovery. Stop both, then: safelight recovery resume."


class UnknownStudy(StateError):
    """A fact names a study that the recovery did not plan."""

    code: ClassVar[str] = "recovery.unknown-study"
    hint: ClassVar[str] = "See what is planned: safelight recovery status --json."


class Stage(StrEnum):
    """Where a study is on its way home."""

    WAITING = "waiting"
    """To be sent, for the first time or again."""
    SENT_UNCONFIRMED = "sent-unconfirmed"
    """The target answered success; nothing came back yet."""
    CONFIRMED = "confirmed"
    """Fetched back and equal at the level the recipe requires."""
    DIFFERS = "differs"
    """Fetched back, and less equal than required, or not all of it came back."""
    UNCONFIRMABLE = "unconfirmable"
    """Sent, and the target gave nothing back to compare."""
    FAILED = "failed"
    """Could not be sent, and trying again does not help."""
    WITHHELD = "withheld"
    """Held back until a person decides."""


SETTLED: Final = frozenset({Stage.CONFIRMED, Stage.DIFFERS, Stage.UNCONFIRMABLE, Stage.FAILED, Stage.WITHHELD})


class Event(StrEnum):
    """What a recorded fact means for its study."""

    SENT = "sent"
    TRY_AGAIN = "try-again"
    GIVEN_UP = "given-up"
    CONFIRMED = "confirmed"
    SEND_AGAIN = "send-again"
    DIFFERED = "differed"
    COMPARE_AGAIN = "compare-again"
    NOT_COMPARABLE = "not-comparable"
    WITHHELD = "withheld"
    RELEASED = "released"


NEXT: Final[Mapping[tuple[Stage, Event], Stage]] = {
    (Stage.WAITING, Event.SENT): Stage.SENT_UNCONFIRMED,
    (Stage.WAITING, Event.TRY_AGAIN): Stage.WAITING,
    (Stage.WAITING, Event.GIVEN_UP): Stage.FAILED,
    (Stage.WAITING, Event.WITHHELD): Stage.WITHHELD,
    (Stage.WAITING, Event.RELEASED): Stage.WAITING,
    (Stage.SENT_UNCONFIRMED, Event.CONFIRMED): Stage.CONFIRMED,
    (Stage.SENT_UNCONFIRMED, Event.SEND_AGAIN): Stage.WAITING,
    (Stage.SENT_UNCONFIRMED, Event.DIFFERED): Stage.DIFFERS,
    (Stage.SENT_UNCONFIRMED, Event.COMPARE_AGAIN): Stage.SENT_UNCONFIRMED,
    (Stage.SENT_UNCONFIRMED, Event.NOT_COMPARABLE): Stage.UNCONFIRMABLE,
    (Stage.WITHHELD, Event.RELEASED): Stage.WAITING,
    (Stage.FAILED, Event.RELEASED): Stage.WAITING,
    (Stage.DIFFERS, Event.RELEASED): Stage.WAITING,
    (Stage.UNCONFIRMABLE, Event.RELEASED): Stage.SENT_UNCONFIRMED,
    # Confirmed without its rejected instances, which a person lets go now; or released while it was being compared.
    (Stage.CONFIRMED, Event.RELEASED): Stage.WAITING,
    (Stage.SENT_UNCONFIRMED, Event.RELEASED): Stage.SENT_UNCONFIRMED,
    # The same thing done twice, because a crash fell between doing and recording: the second record changes nothing.
    (Stage.SENT_UNCONFIRMED, Event.SENT): Stage.SENT_UNCONFIRMED,
    (Stage.CONFIRMED, Event.CONFIRMED): Stage.CONFIRMED,
    (Stage.DIFFERS, Event.DIFFERED): Stage.DIFFERS,
    (Stage.UNCONFIRMABLE, Event.NOT_COMPARABLE): Stage.UNCONFIRMABLE,
    (Stage.FAILED, Event.GIVEN_UP): Stage.FAILED,
    (Stage.WITHHELD, Event.WITHHELD): Stage.WITHHELD,
}


@dataclass(slots=True)
class Progress:
    """One study's way so far."""

    rank: int
    tier: str
    instances: int
    size_bytes: int
    stage: Stage
    attempts: int = 0
    """Failures in a row at the present step."""
    resends: int = 0
    due: datetime | None = None
    """Not before this moment, after a failure."""
    only: tuple[str, ...] = ()
    """The instances to be sent again; empty means all."""
    refused: tuple[str, ...] = ()
    """The instances that the target refused for good."""
    not_taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What the target said to instances that it did not take, by code and detail, and to how many."""
    with_rejected: bool = False
    """Whether a person let its rejected instances go."""
    why: str = ""
    level: Level | None = None
    sent_at: datetime | None = None
    settled_at: datetime | None = None

    @property
    def load(self) -> float:
        """Return what the study weighs in an estimate."""
        return load_of(self.instances, self.size_bytes)


@dataclass(slots=True)
class Tally:
    """The studies of one tier, by stage, and the work left in it."""

    studies: dict[Stage, int] = field(default_factory=lambda: dict.fromkeys(Stage, 0))
    to_send: Work = field(default_factory=Work)
    to_confirm: Work = field(default_factory=Work)

    @property
    def settled(self) -> int:
        """How many studies need nothing more from us."""
        return sum(count for stage, count in self.studies.items() if stage in SETTLED)

    @property
    def total(self) -> int:
        """How many studies the tier has."""
        return sum(self.studies.values())


@dataclass(slots=True)
class RecoveryState:
    """One recovery as its facts tell it. Only `fold` changes it; `decide` and everybody else read."""

    recovery: str = ""
    settings: Settings | None = None
    started_at: datetime | None = None
    planned: bool = False
    """Whether the whole order is recorded."""
    probe: Probed | None = None
    target_lost: int = 0
    """How often the target could not be reached since it last did something."""
    probe_due: datetime | None = None
    paused: Paused | None = None
    """Who holds it, and why; nothing while it goes on."""
    finished: Finished | None = None
    studies: dict[str, Progress] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    tiers: dict[str, Tally] = field(default_factory=dict)
    """By tier, in the order in which they go home."""
    send_rate: Rate = field(default_factory=Rate)
    confirm_rate: Rate = field(default_factory=Rate)
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    last_settled_at: datetime | None = None
    slowed_to: int | None = None
    """Bytes a second that the target's slow answers leave us; nothing while it keeps up."""
    waiting: list[int] = field(default_factory=list)
    """Heap of the ranks of studies that may be sent at once; ranks that moved on are skipped by `ready`."""
    unconfirmed: list[int] = field(default_factory=list)
    """Heap of the ranks of studies that may be compared at once."""
    resting: list[tuple[datetime, int]] = field(default_factory=list)
    """Heap of the studies that wait after a failure, by the moment they are due."""

    @property
    def unsettled(self) -> int:
        """How many studies are still to be sent or compared."""
        return sum(tally.total - tally.settled for tally in self.tiers.values())

    def count(self, stage: Stage) -> int:
        """Return how many studies are in ``stage``."""
        return sum(tally.studies[stage] for tally in self.tiers.values())

    def in_stages(self, stages: Iterable[Stage]) -> Iterator[tuple[str, Progress]]:
        """Return the studies in these stages, in the order in which they go home."""
        wanted = frozenset(stages)
        return ((study, self.studies[study]) for study in self.order if self.studies[study].stage in wanted)


def fold(state: RecoveryState, fact: Fact) -> RecoveryState:
    """Take one fact in; the state given is used up and returned.

    Raises:
        OutOfTurn: the fact belongs to another recovery or does not fit the table.
        UnknownStudy: the fact names a study that is not planned.
    """
    if isinstance(fact, Started):
        return RecoveryState(recovery=fact.recovery, settings=fact.settings, started_at=fact.at)
    verdict = judge(state, fact)
    if verdict is not None:
        _measure(state, fact)
        _hear(state, fact)
        _move(state, verdict, fact.at)
    match fact:
        case Planned():
            _plan(state, fact)
        case Probed():
            state.probe, state.probe_due = fact, None
        case TargetLost():
            _lose_target(state, fact)
        case StudyReleased():
            state.finished = None
            state.studies[fact.study].with_rejected |= fact.with_rejected
        case Paused():
            state.paused = fact
        case Resumed():
            # Whoever resumes has looked at the target: it is asked again at once, also what it is and can.
            state.paused, state.target_lost, state.probe_due, state.finished = None, 0, None, None
            state.probe = None
        case Finished():
            state.finished = fact
        case _:
            pass
    return state


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fact means for its study."""

    study: str
    event: Event
    stage: Stage
    """Where the study goes."""
    why: str = ""
    attempts: int = 0
    resends: int = 0
    due: datetime | None = None
    only: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def judge(state: RecoveryState, fact: Fact) -> Verdict | None:
    """Say what a fact means for its study, before it is recorded; nothing for a fact about the recovery as a whole.

    Raises:
        OutOfTurn: the fact belongs to another recovery or does not fit the table.
        UnknownStudy: the fact names a study that is not planned.
    """
    settings = state.settings
    if fact.recovery != state.recovery or settings is None:
        raise OutOfTurn(recovery=fact.recovery, fact=fact.kind, state=state.recovery)
    match fact:
        case StudySent():
            return _verdict(state, fact.study, Event.SENT, refused=fact.refused)
        case StudyCompared():
            return _judge_compared(state, settings, fact)
        case StudyFailed():
            return _judge_failed(state, settings, fact)
        case StudyWithheld():
            return _verdict(state, fact.study, Event.WITHHELD, why=fact.why)
        case StudyReleased():
            return _verdict(state, fact.study, Event.RELEASED, resends=0)
        case _:
            return None


def _verdict(
    state: RecoveryState,
    study: str,
    event: Event,
    *,
    why: str = "",
    attempts: int = 0,
    resends: int | None = None,
    due: datetime | None = None,
    only: tuple[str, ...] = (),
    refused: tuple[str, ...] = (),
) -> Verdict:
    progress = state.studies.get(study)
    if progress is None:
        raise UnknownStudy(study=study, recovery=state.recovery)
    stage = NEXT.get((progress.stage, event))
    if stage is None:
        raise OutOfTurn(study=study, stage=progress.stage, event=event)
    resends = progress.resends if resends is None else resends
    if event is Event.RELEASED:
        refused = ()
    elif event is not Event.SENT or progress.only:
        refused = tuple(sorted({*progress.refused, *refused}))
    return Verdict(study, event, stage, why, attempts, resends, due, only, refused)


def _judge_compared(state: RecoveryState, settings: Settings, fact: StudyCompared) -> Verdict:
    study, missing = fact.study, fact.missing
    progress = state.studies.get(study)
    resends = progress.resends if progress else 0
    # Missing ones are sent once more; after a repair at the target, for as long as attempts are left.
    if missing and (resends == 0 or (fact.repaired and resends < settings.attempts_max)):
        return _verdict(state, study, Event.SEND_AGAIN, why="missing-at-target", resends=resends + 1, only=missing)
    if missing:
        return _verdict(state, study, Event.DIFFERED, why="success-without-storing")
    if fact.way == "find":
        # A row of a query is a claim, not a copy: it proves nothing about the bytes.
        return _verdict(state, study, Event.NOT_COMPARABLE, why="nothing-came-back")
    if fact.level < settings.required:
        return _verdict(state, study, Event.DIFFERED, why=f"equal-only-at-{fact.level.name.lower()}")
    if progress and progress.refused:
        return _verdict(state, study, Event.DIFFERED, why="instances-refused")
    return _verdict(state, study, Event.CONFIRMED)


def _judge_failed(state: RecoveryState, settings: Settings, fact: StudyFailed) -> Verdict:
    progress = state.studies.get(fact.study)
    attempts = (progress.attempts if progress else 0) + 1
    only = progress.only if progress else ()
    again = fact.transient and attempts < settings.attempts_max
    due = fact.at + _backoff(settings, attempts) if again else None
    if fact.step == "confirm":
        event = Event.COMPARE_AGAIN if again else Event.NOT_COMPARABLE
    else:
        event = Event.TRY_AGAIN if again else Event.GIVEN_UP
    return _verdict(state, fact.study, event, why=fact.why, attempts=attempts, due=due, only=only)


def estimates(state: RecoveryState) -> dict[str, Estimate | None]:
    """Return for each tier how long it is until its last study is settled; nothing while too little was measured."""
    slots = state.settings.associations_max if state.settings else 1
    sending, confirming, told = Work(), Work(), {}
    for tier, tally in state.tiers.items():
        sending, confirming = sending + tally.to_send, confirming + tally.to_send + tally.to_confirm
        told[tier] = time_for(sending, confirming, state.send_rate, state.confirm_rate, slots)
    return told


def _plan(state: RecoveryState, fact: Planned) -> None:
    for planned in fact.studies:
        if planned.study in state.studies:
            continue
        stage = Stage.WITHHELD if planned.hold else Stage.WAITING
        progress = Progress(
            len(state.order), planned.tier, planned.instances, planned.size_bytes, stage, why=planned.hold
        )
        state.studies[planned.study] = progress
        state.order.append(planned.study)
        _enter(state, progress)
    state.planned = state.planned or fact.last


def _backoff(settings: Settings, attempts: int) -> timedelta:
    seconds = settings.backoff_seconds * 2 ** min(attempts - 1, 16)
    return timedelta(seconds=min(seconds, settings.backoff_seconds_max))


def _lose_target(state: RecoveryState, fact: TargetLost) -> None:
    if state.settings is None or (state.probe_due is not None and fact.at < state.probe_due):
        # Several associations notice one loss; it counts once.
        return
    state.probe = None
    state.target_lost += 1
    state.probe_due = fact.at + _backoff(state.settings, state.target_lost)


def _measure(state: RecoveryState, fact: Fact) -> None:
    if isinstance(fact, StudySent | StudyCompared):
        # An echo alone does not prove that the target works again.
        state.target_lost = 0
    if isinstance(fact, StudySent):
        progress = state.studies[fact.study]
        if progress.stage is Stage.WAITING:
            state.send_rate = state.send_rate.measured(load_of(fact.instances, fact.size_bytes), fact.seconds)
            state.first_sent_at = state.first_sent_at or fact.at - timedelta(seconds=fact.seconds)
            state.last_sent_at = progress.sent_at = fact.at
            state.slowed_to = fact.slowed_to
    elif isinstance(fact, StudyCompared):
        progress = state.studies[fact.study]
        if progress.stage is Stage.SENT_UNCONFIRMED:
            state.confirm_rate = state.confirm_rate.measured(load_of(fact.instances, fact.size_bytes), fact.seconds)
        progress.level = fact.level


def _hear(state: RecoveryState, fact: Fact) -> None:
    """Keep what the target said to the instances that it did not take."""
    if isinstance(fact, StudySent | StudyFailed):
        progress = state.studies[fact.study]
        told = Counter((note.code, note.detail) for note in fact.notes if note.code in NOT_TAKEN)
        # Of what was sent again alone, the others' answers stay as they were.
        progress.not_taken = {**progress.not_taken, **told} if progress.only else told
    elif isinstance(fact, StudyReleased):
        state.studies[fact.study].not_taken = {}


REPEATABLE: Final = frozenset({Event.TRY_AGAIN, Event.COMPARE_AGAIN, Event.RELEASED})
"""Events that change something although the stage stays."""


def _move(state: RecoveryState, verdict: Verdict, at: datetime) -> None:
    progress = state.studies[verdict.study]
    if verdict.stage is progress.stage and verdict.event not in REPEATABLE:
        return
    _leave(state, progress)
    progress.stage, progress.why, progress.due = verdict.stage, verdict.why, verdict.due
    progress.attempts, progress.resends = verdict.attempts, verdict.resends
    progress.only, progress.refused = verdict.only, verdict.refused
    if verdict.stage in SETTLED:
        progress.settled_at = state.last_settled_at = at
    _enter(state, progress)


def _leave(state: RecoveryState, progress: Progress) -> None:
    tally = state.tiers[progress.tier]
    tally.studies[progress.stage] -= 1
    if progress.stage is Stage.WAITING:
        tally.to_send = tally.to_send.minus(progress.load)
    elif progress.stage is Stage.SENT_UNCONFIRMED:
        tally.to_confirm = tally.to_confirm.minus(progress.load)


def _enter(state: RecoveryState, progress: Progress) -> None:
    tally = state.tiers.setdefault(progress.tier, Tally())
    tally.studies[progress.stage] += 1
    if progress.stage is Stage.WAITING:
        tally.to_send = tally.to_send.plus(progress.load)
    elif progress.stage is Stage.SENT_UNCONFIRMED:
        tally.to_confirm = tally.to_confirm.plus(progress.load)
    if progress.due is not None:
        heappush(state.resting, (progress.due, progress.rank))
    elif progress.stage is Stage.WAITING:
        heappush(state.waiting, progress.rank)
    elif progress.stage is Stage.SENT_UNCONFIRMED:
        heappush(state.unconfirmed, progress.rank)
    _drop_stale(state)


def _drop_stale(state: RecoveryState) -> None:
    """Keep the heaps' tops true, so that reading the first few never walks through many that moved on."""
    while state.waiting and not may_begin(state, state.waiting[0], Stage.WAITING):
        heappop(state.waiting)
    while state.unconfirmed and not may_begin(state, state.unconfirmed[0], Stage.SENT_UNCONFIRMED):
        heappop(state.unconfirmed)
    while state.resting and not rests(state, *state.resting[0]):
        heappop(state.resting)


def may_begin(state: RecoveryState, rank: int, stage: Stage) -> bool:
    """Whether the study of this rank is in ``stage`` and not resting."""
    progress = state.studies[state.order[rank]]
    return progress.stage is stage and progress.due is None


def rests(state: RecoveryState, due: datetime, rank: int) -> bool:
    """Whether this entry of ``resting`` is the study's present one."""
    return state.studies[state.order[rank]].due == due
