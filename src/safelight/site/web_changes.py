"""Noticing that documents changed, whoever did it: the journal, the fold of messages, and what is held tell it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from safelight.catalog.listed_steps import LISTING_KINDS
from safelight.console.events import Events
from safelight.downtime.exam import EXAM_KINDS, Registered
from safelight.downtime.number import NUMBER_KINDS
from safelight.downtime.outage import OUTAGE_KINDS, Scope
from safelight.journal.kinds import FactKind
from safelight.reconciliation.facts import KINDS as RECONCILIATION_KINDS
from safelight.site.outages import REFILL_KINDS, downtime_state
from safelight.site.performed_steps import KINDS as PROCEDURE_STEP_KINDS

if TYPE_CHECKING:
    from safelight.site.opened import Site

TURN_SECONDS: Final = 0.5
ARRIVALS_EVERY: Final = timedelta(seconds=5)
"""While studies come in, a list of them is out of date all the time; it is told so no more often."""
PHASES_EVERY: Final = timedelta(seconds=10)
FAR_BEHIND: Final = 100_000
"""After more facts than this nobody looks which they were."""

STATUS, OUTAGES, OUTAGE_LOG = "status", "downtime/status", "downtime/log"
EXAMS, NUMBERS, DEVICES = "downtime/exam/list", "downtime/numbers/list", "downtime/device/list"
WORKLIST, STUDIES, REPORTS = "catalog/worklist", "catalog/find", "catalog/reports"
PLAN: Final = ("plan/show", "plan/assess")
DECISIONS: Final = "reconciliation/log"
RECONCILIATION: Final = ("reconciliation/status", "reconciliation/list", "reconciliation/report")
EVERYTHING: Final = (
    *(STATUS, OUTAGES, OUTAGE_LOG, EXAMS, NUMBERS, DEVICES, WORKLIST, STUDIES, REPORTS),
    *(*RECONCILIATION, DECISIONS, *PLAN),
)
TOLD_KINDS: Final = (
    FactKind.RECONCILIATION_COMPARED,
    FactKind.PROCEDURE_STEP_FORWARDED,
    FactKind.HL7_DELIVERED,
    FactKind.HL7_REFUSED,
    FactKind.HL7_SKIPPED,
    FactKind.HL7_REPLAYED,
)
"""That another system was told, or asked, what it had to be of an outage."""
DRILL_KINDS: Final = (FactKind.DRILL_STARTED, FactKind.DRILL_FINISHED, FactKind.DRILL_ABANDONED)

CHANGED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(map(str, OUTAGE_KINDS), (STATUS, OUTAGES, OUTAGE_LOG, WORKLIST, *RECONCILIATION)),
    **dict.fromkeys(map(str, REFILL_KINDS), (STATUS, OUTAGES)),
    **dict.fromkeys(map(str, EXAM_KINDS), (EXAMS, WORKLIST, *RECONCILIATION)),
    Registered.kind: (EXAMS, WORKLIST, NUMBERS, *RECONCILIATION),
    **dict.fromkeys(map(str, NUMBER_KINDS), (NUMBERS, *RECONCILIATION)),
    FactKind.DOWNTIME_DEVICE_CHECKED.value: (DEVICES,),
    **dict.fromkeys(map(str, LISTING_KINDS), (WORKLIST,)),
    **dict.fromkeys(map(str, PROCEDURE_STEP_KINDS), (WORKLIST, *RECONCILIATION)),
    **dict.fromkeys(map(str, RECONCILIATION_KINDS), (*RECONCILIATION, DECISIONS)),
    **dict.fromkeys(map(str, TOLD_KINDS), RECONCILIATION),
    # The worklist says of a list whether it stands still: that is a finding.
    FactKind.FINDING_OPENED.value: (STATUS, WORKLIST, *RECONCILIATION),
    FactKind.FINDING_CLOSED.value: (STATUS, WORKLIST, *RECONCILIATION),
    FactKind.PLAN_SIGNED.value: PLAN,
    **dict.fromkeys(map(str, DRILL_KINDS), PLAN),
    FactKind.VERSION_CHOSEN.value: (STUDIES, REPORTS, *RECONCILIATION),
    FactKind.REJECTION_NOTED.value: (STUDIES, REPORTS, *RECONCILIATION),
}
"""Which documents a fact of the journal changes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a home is."""

    node: str
    journal: int
    folded: int
    held: int
    """Grows with every instance that comes, by network or from a folder, and with every one that is packed."""

    def __str__(self) -> str:
        return f"{self.node}.{self.journal}.{self.folded}.{self.held}"

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """Read what a screen says it knows."""
        node, *numbers = text.split(".")
        if len(numbers) != 3 or not all(one.isascii() and one.isdigit() and len(one) < 19 for one in numbers):
            return None
        return cls(node, *map(int, numbers))


class Changes:
    """Watches a home and tells the screens that listen."""

    def __init__(self, site: "Site", events: Events, every_turn: Callable[[], None]) -> None:
        self._site = site
        self._events = events
        self._every_turn = every_turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="console-changes", daemon=True)
        self._told = Mark("", 0, 0, 0)
        self._phases: tuple[str, ...] = ()
        self._held_at = self._phases_at = timedelta()

    def start(self) -> None:
        """Begin to watch."""
        self._told = self.mark()
        self._phases = self._phases_now()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        self._thread.join()

    def mark(self) -> Mark:
        """Return how far the home is."""
        site = self._site
        tally = site.catalog.tally()
        return Mark(
            site.node[:8],
            site.records.journal.last_position(),
            site.messages.index.folded_position,
            tally.instances_landed + tally.instances_packed,
        )

    def since(self, known: Mark | None, now: Mark) -> list[str]:
        """Return the documents that changed from one moment to another; all of them after an unknown one."""
        if known is None or known.node != now.node or not 0 <= now.journal - known.journal <= FAR_BEHIND:
            return list(EVERYTHING)
        changed: set[str] = set()
        if now.journal != known.journal:
            kinds = self._site.records.journal.kinds_after(known.journal)
            changed.update(*(CHANGED_BY.get(kind, ()) for kind in kinds))
        if now.folded != known.folded:
            changed |= {WORKLIST, REPORTS, *RECONCILIATION}
        if now.held != known.held:
            changed |= {STUDIES, REPORTS, STATUS, *RECONCILIATION}
        return sorted(changed)

    def _repeat(self) -> None:
        while not self._stopping.wait(TURN_SECONDS):
            # What cannot be written down now keeps no screen from hearing what changed.
            for work in (self._every_turn, self._turn):
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
                    self._site.log.failure(error)

    def _turn(self) -> None:
        now, elapsed = self.mark(), self._site.clock.elapsed()
        if elapsed - self._held_at < ARRIVALS_EVERY:
            now = replace(now, held=self._told.held)
        if now.held != self._told.held:
            self._held_at = elapsed
        changed = set(self.since(self._told, now))
        if elapsed - self._phases_at >= PHASES_EVERY:
            # The moment of a planned outage comes without anybody saying so.
            self._phases_at = elapsed
            phases = self._phases_now()
            if phases != self._phases:
                self._phases = phases
                changed |= {STATUS, OUTAGES, *RECONCILIATION}
        self._told = now
        if changed:
            self._events.tell(str(now), sorted(changed))

    def _phases_now(self) -> tuple[str, ...]:
        now, state = self._site.clock.now(), downtime_state(self._site.records.journal)
        return tuple(state.scope(scope, now).phase.value for scope in Scope)
