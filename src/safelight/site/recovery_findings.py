"""What a recovery needs of a person: that it is held, and studies that did not come back as they should."""

from typing import Any, Final

from safelight.journal.entry import Entry
from safelight.recovery.facts import Fact, Finished, Paused, Resumed, to_body
from safelight.recovery.state import SETTLED, RecoveryState, Stage
from safelight.site.records import Records

PAUSED: Final = "recovery.paused"
STUDY_OPEN: Final = "recovery.study-open"
OPEN: Final = SETTLED - {Stage.CONFIRMED}
"""Where a study is that was tried, or held back, and needs a person."""
FINDINGS_MAX: Final = 100


def record(records: Records, fact: Fact, *, rehearses: bool) -> Entry:
    """Record a fact of a recovery, and in the same commit that the recovery is held or goes on.

    Of a rehearsal it is not said: a drill that was given up stays held for ever, and the drill tells that by itself.
    """
    told: list[tuple[str, dict[str, Any]]] = [(fact.kind, to_body(fact))]
    named = {"code": PAUSED, "subject": fact.recovery}
    match fact:
        case Paused() if not rehearses:
            told.append(("finding-opened", {**named, "severity": "serious", "because": fact.reason, "by": fact.by}))
        case Resumed() | Finished() if any(
            one.subject == fact.recovery for one in records.catalog.findings(code=PAUSED)
        ):
            because = "it was resumed" if isinstance(fact, Resumed) else "it is finished"
            told.append(("finding-closed", {**named, "because": because}))
        case _:
            pass
    return records.record_all(told)[0]


def note_open_studies(records: Records, state: RecoveryState) -> None:
    """Say which studies need a person, and no longer say it of those that do not."""
    now_open = {f"{state.recovery}/{study}": one.stage for study, one in state.in_stages(OPEN)}
    known = {one.subject for one in records.catalog.findings(code=STUDY_OPEN)}
    closed = [
        {"code": STUDY_OPEN, "subject": subject, "because": "it is confirmed, or on its way again"}
        for subject in sorted(known - now_open.keys())
        if subject.startswith(f"{state.recovery}/")
    ]
    opened = [
        {"code": STUDY_OPEN, "subject": subject, "severity": "serious", "state": stage.value}
        for subject, stage in list(now_open.items())[:FINDINGS_MAX]
        if subject not in known
    ]
    told = [("finding-closed", one) for one in closed] + [("finding-opened", one) for one in opened]
    if told:
        records.record_all(told)
