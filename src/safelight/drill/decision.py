"""What a drill does next: a pure function of its state, so that a restart goes on where the last one stopped.

A drill goes through the parts that it began with, in the order of an outage: people are called, the key is fetched, a
tier is restored, the shift works, the table talks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safelight.drill.facts import Call, Inject, Started, Step
from safelight.drill.notification import next_call
from safelight.drill.state import DrillState, Phase


@dataclass(frozen=True, slots=True)
class Restore:
    """Begin to restore into the rehearsal target."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Go on with a restore that was cut off."""

    recovery: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Work out from the restore's facts what it took."""

    recovery: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Show an inject and take the answers."""

    inject: Inject
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class CallPerson:
    """Have a person called who has a role, or stands in for it."""

    call: Call
    person: str


@dataclass(frozen=True, slots=True)
class FetchKey:
    """Have the recovery key fetched, and tried at every placement."""

    placements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """See whether something that the shift needs is ready."""

    step: Step


@dataclass(frozen=True, slots=True)
class Note:
    """Have a step of the shift executed, and take down whether it was."""

    step: Step
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Seal:
    """Seal the evidence, with everything that was measured."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Say that everything was done."""


ByPerson = Ask | CallPerson | FetchKey | Note
ByItself = Restore | GoOn | Measure | Look | Seal | Finish
Command = ByPerson | ByItself


def decide(state: DrillState) -> Command | None:
    """Return the next command; None when the drill is over, or did not begin."""
    if state.phase is not Phase.RUNNING or state.started is None:
        return None
    for part in _PARTS:
        if command := part(state, state.started):
            return command
    return Finish() if state.evidence else Seal()


def _notification(state: DrillState, started: Started) -> Command | None:
    found = next_call(started.calls, state.calls)
    return CallPerson(*found) if found else None


def _escrow_key(state: DrillState, started: Started) -> Command | None:
    return FetchKey(started.placements) if started.placements and state.key_tried is None else None


def _restore(state: DrillState, started: Started) -> Command | None:
    if not started.target or state.measured is not None:
        return None
    if not state.recovery:
        return Restore()
    return GoOn(state.recovery) if state.restored_at is None else Measure(state.recovery)


def _shift(state: DrillState, started: Started) -> Command | None:
    noted = {one.step for one in state.steps}
    for number, one in enumerate(started.steps, 1):
        if one.id not in noted:
            return Look(one) if one.check else Note(one, number, len(started.steps))
    return None


def _table_top(state: DrillState, started: Started) -> Command | None:
    answered = {one.inject for one in state.answers}
    for number, one in enumerate(started.injects, 1):
        if one.id not in answered:
            return Ask(one, number, len(started.injects))
    return None


_PARTS: Final[tuple[Callable[[DrillState, Started], Command | None], ...]] = (
    _notification,
    _escrow_key,
    _restore,
    _shift,
    _table_top,
)
