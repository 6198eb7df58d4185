"""Drive a recovery: ask, do, record, and ask again until nothing is left to do."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from safelight.core.clock import Clock
from safelight.recovery.decision import Command, decide, wake_at
from safelight.recovery.facts import Fact
from safelight.recovery.pace import Wait
from safelight.recovery.ports import Recorder
from safelight.recovery.refill import Refill
from safelight.recovery.state import RecoveryState, fold, judge


class Crew(Protocol):
    """Those who do commands, several at once where the site has threads."""

    @property
    def running(self) -> Collection[Command]:
        """What is being done."""

    @property
    def free(self) -> int:
        """How many more commands can begin."""

    def start(self, command: Command, state: RecoveryState) -> None:
        """Begin a command."""

    def done(self, seconds: float | None) -> Sequence[tuple[Command, Iterable[Fact]]]:
        """Wait until commands are done, at most so long, and return what they brought; they run no more."""


class OneByOne:
    """A crew of one that does each command when it is asked for the result."""

    def __init__(self, refill: Refill) -> None:
        self._refill = refill
        self._begun: list[tuple[Command, RecoveryState]] = []

    @property
    def running(self) -> Collection[Command]:
        """What was begun."""
        return [command for command, _ in self._begun]

    @property
    def free(self) -> int:
        """One, or none while a command is begun."""
        return 0 if self._begun else 1

    def start(self, command: Command, state: RecoveryState) -> None:
        """Take the command."""
        self._begun.append((command, state))

    def done(self, seconds: float | None) -> Sequence[tuple[Command, Iterable[Fact]]]:  # noqa: ARG002
        """Do the command."""
        begun, self._begun = self._begun, []
        return [(command, self._refill.do(command, state)) for command, state in begun]


NEWS_SECONDS: Final = 1.0
"""How long a pause asked for by another process may go unnoticed."""
Watch = Callable[[RecoveryState], None]
"""Look at the state after a fact; it must not be changed or kept."""


def drive(
    state: RecoveryState,
    crew: Crew,
    recorder: Recorder,
    *,
    clock: Clock,
    wait: Wait,
    watch: Watch = lambda _: None,
) -> RecoveryState:
    """Run the recovery until it is finished or paused; what was begun is always brought to its record.

    Args:
        state: the fold of everything recorded, also after a crash.
        crew: who does the commands.
        recorder: where facts become durable before the next command is asked for.
        clock: for back-off.
        wait: let so many seconds pass.
        watch: is shown the state after every fact.
    """
    while True:
        for fact in recorder.news():
            state = fold(state, fact)
        for command in decide(state, crew.free, clock.now(), crew.running):
            crew.start(command, state)
        if crew.running:
            for _, facts in crew.done(NEWS_SECONDS):
                state = _record_all(state, facts, recorder, watch)
            continue
        if state.finished or state.paused:
            return state
        due = wake_at(state)
        pause = (due - clock.now()) if due else timedelta(0)
        wait(min(max(pause.total_seconds(), 0.001), NEWS_SECONDS))


def _record_all(state: RecoveryState, facts: Iterable[Fact], recorder: Recorder, watch: Watch) -> RecoveryState:
    for fact in facts:
        # A fact that does not fit must not reach the journal: it could never be folded again.
        judge(state, fact)
        recorder.record(fact)
        state = fold(state, fact)
        watch(state)
    return state
