"""Telling whoever waits how far a recovery is, and that its target does not answer."""

from datetime import timedelta

from safelight.core.clock import Clock
from safelight.core.progress import Progress, Report
from safelight.recovery.decision import TARGET_ATTEMPTS_MAX
from safelight.recovery.state import RecoveryState, Stage

TARGET = "target"


class Watch:
    """Looks at a recovery after each fact and reports it."""

    def __init__(self, clock: Clock, report: Report) -> None:
        self._clock = clock
        self._report = report
        self._attempts = 0
        """How many attempts in vain were told, since the target last answered."""

    def __call__(self, state: RecoveryState) -> None:
        """Report the target while it is silent, and each tier."""
        self._tell_target(state)
        for name, tally in state.tiers.items():
            if tally.total:
                sent = tally.total - tally.studies[Stage.WAITING]
                note = f"{sent} sent, {tally.studies[Stage.CONFIRMED]} confirmed"
                self._report(Progress(name, tally.settled, tally.total, "studies", note))

    def _tell_target(self, state: RecoveryState) -> None:
        if state.probe is not None:
            if self._attempts:
                self._report(Progress(TARGET, self._attempts, self._attempts, "attempts", "it answers again"))
            self._attempts = 0
        elif state.target_lost > self._attempts:
            self._attempts = state.target_lost
            note = "it does not answer"
            if state.probe_due and state.target_lost < TARGET_ATTEMPTS_MAX:
                seconds = max((state.probe_due - self._clock.now()) / timedelta(seconds=1), 0)
                note = f"{note}, next in {seconds:.0f} s"
            self._report(Progress(TARGET, state.target_lost, TARGET_ATTEMPTS_MAX, "attempts", note))
