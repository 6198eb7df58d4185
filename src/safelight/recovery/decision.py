"""What to do next: a pure reading of the state of a recovery."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from heapq import heappop, heappush
from typing import Final, TypeVar

from safelight.recovery.state import RecoveryState, Stage, may_begin, rests


class Act(StrEnum):
    """The kinds of steps of a recovery. Each is harmless when it is done twice."""

    PLAN = "plan"
    """Compute the order and record it."""
    PROBE = "probe"
    """Ask the target what it is and how it behaves."""
    SEND = "send"
    CONFIRM = "confirm"
    """Fetch a study back and compare it."""
    STAND_DOWN = "stand-down"
    """Pause, because the target has been out of reach for too long."""
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Command:
    """One step to be done."""

    act: Act
    study: str = ""
    only: tuple[str, ...] = ()
    """Of a study, send these instances only; empty means all."""
    refused: tuple[str, ...] = ()
    """Of a study, do not look for these: the target refused them."""
    ways: tuple[str, ...] = ()
    """How the target gives instances back, the best way first."""
    with_rejected: bool = False
    """Of a study, its rejected instances are meant too."""


TARGET_ATTEMPTS_MAX: Final = 10


def decide(
    state: RecoveryState, free_slots: int, now: datetime, running: Collection[Command] = ()
) -> Sequence[Command]:
    """Return the next commands, at most ``free_slots``; empty when there is nothing to do now.

    The same arguments always give the same commands, so a restart resumes: it asks with nothing running.

    Args:
        state: the fold of everything recorded.
        free_slots: how many more commands can run at once.
        now: for back-off; compared with the times that facts carry.
        running: what is being done already; it is not asked for again.
    """
    if state.settings is None or state.paused or state.finished or free_slots < 1:
        return ()
    if not state.planned:
        return _alone(Act.PLAN, running)
    if state.unsettled == 0:
        return _alone(Act.FINISH, running)
    if state.target_lost >= TARGET_ATTEMPTS_MAX:
        return _alone(Act.STAND_DOWN, running)
    if state.probe is None:
        return _alone(Act.PROBE, running) if state.probe_due is None or state.probe_due <= now else ()
    return _share(state, state.probe.ways, free_slots, now, running)


def wake_at(state: RecoveryState) -> datetime | None:
    """Return the earliest moment at which waiting alone brings something to do."""
    if state.paused or state.finished:
        return None
    if state.probe is None:
        return state.probe_due
    return state.resting[0][0] if state.resting else None


def _alone(act: Act, running: Collection[Command]) -> Sequence[Command]:
    return () if running else (Command(act),)


def _share(
    state: RecoveryState, ways: tuple[str, ...], free_slots: int, now: datetime, running: Collection[Command]
) -> Sequence[Command]:
    """Share the slots between sending and comparing.

    Comparing runs behind the sending on half of the slots. When a study of an earlier tier is yet to be compared
    it takes all slots but one: the first tiers are proven first, and with a single slot a tier is proven before the
    next one begins.
    """
    busy = {command.study for command in running}
    sends = _ready(state, Stage.WAITING, free_slots, now, busy)
    confirms = _ready(state, Stage.SENT_UNCONFIRMED, free_slots, now, busy)
    confirming = sum(command.act is Act.CONFIRM for command in running)
    slots = free_slots + len(running)
    tier_rank = {tier: rank for rank, tier in enumerate(state.tiers)}
    commands: list[Command] = []
    while len(commands) < free_slots and (sends or confirms):
        if sends and confirms:
            earlier = tier_rank[_tier(state, confirms[0])] < tier_rank[_tier(state, sends[0])]
            confirm = confirming < (max(slots - 1, 1) if earlier else slots // 2)
        else:
            confirm = bool(confirms)
        if confirm:
            confirming += 1
            study = state.order[confirms.pop(0)]
            told = state.studies[study]
            commands.append(
                Command(Act.CONFIRM, study, refused=told.refused, ways=ways, with_rejected=told.with_rejected)
            )
        else:
            study = state.order[sends.pop(0)]
            told = state.studies[study]
            commands.append(Command(Act.SEND, study, told.only, with_rejected=told.with_rejected))
    return commands


def _tier(state: RecoveryState, rank: int) -> str:
    return state.studies[state.order[rank]].tier


def _ready(state: RecoveryState, stage: Stage, count: int, now: datetime, busy: Collection[str]) -> list[int]:
    """Return the ranks of the first ``count`` studies for which this step may begin now."""
    found: set[int] = set()
    for rank in _ascending(state.waiting if stage is Stage.WAITING else state.unconfirmed):
        if may_begin(state, rank, stage) and state.order[rank] not in busy:
            found.add(rank)
            if len(found) == count:
                break
    rested: set[int] = set()
    for due, rank in _ascending(state.resting):
        if due > now or len(rested) == count:
            break
        study = state.order[rank]
        if rests(state, due, rank) and state.studies[study].stage is stage and study not in busy:
            rested.add(rank)
    return sorted(found | rested)[:count]


_Item = TypeVar("_Item", int, tuple[datetime, int])


def _ascending(heap: list[_Item]) -> Iterator[_Item]:
    """Read a heap in order without changing it; the first few cost little however long it is."""
    frontier: list[tuple[_Item, int]] = [(heap[0], 0)] if heap else []
    while frontier:
        item, place = heappop(frontier)
        yield item
        for child in (2 * place + 1, 2 * place + 2):
            if child < len(heap):
                heappush(frontier, (heap[child], child))
