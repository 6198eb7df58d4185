"""What a drill does next: a pure function of its state, so that a restart goes on where the last one stopped."""

from dataclasses import dataclass

from safelight.drill.facts import Inject
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
class Seal:
    """Seal the evidence of the restore, with what was measured."""

    recovery: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Show an inject and take the answers."""

    inject: Inject
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Say that everything was done."""


Command = Restore | GoOn | Measure | Seal | Ask | Finish


def decide(state: DrillState) -> Command | None:
    """Return the next command; None when the drill is over, or did not begin."""
    if state.phase is not Phase.RUNNING or state.started is None:
        return None
    if state.started.injects:
        answered = {one.inject for one in state.answers}
        injects = state.started.injects
        waiting = [(number, one) for number, one in enumerate(injects, 1) if one.id not in answered]
        return Ask(waiting[0][1], waiting[0][0], len(injects)) if waiting else Finish()
    if not state.recovery:
        return Restore()
    if state.restored_at is None:
        return GoOn(state.recovery)
    if state.measured is None:
        return Measure(state.recovery)
    return Finish() if state.evidence else Seal(state.recovery)
