"""What modalities said of their work during an outage, and the system that follows the orders was not told."""

from safelight.downtime.step_forwarding import DONE, Told
from safelight.journal.journal import Journal
from safelight.site.performed_steps import KINDS
from safelight.site.reconciliation_window import MARGIN, Window


def untold_steps(journal: Journal, window: Window, to: str) -> dict[str, int]:
    """Count by performed procedure step the notices of a window that a system was not told; none where nobody is."""
    if not to:
        return {}
    last = None if window.until is None else window.until + MARGIN
    waiting = {
        entry.position: str(entry.facts["instance"])
        for entry in journal.entries(kinds=KINDS)
        if entry.at >= window.since and (last is None or entry.at <= last)
    }
    for entry in journal.entries(kinds=[Told.kind]):
        told = Told.from_body(entry.facts)
        if told.to == to and told.outcome in DONE:
            waiting.pop(told.notice, None)
    counts: dict[str, int] = {}
    for instance in waiting.values():
        counts[instance] = counts.get(instance, 0) + 1
    return counts
