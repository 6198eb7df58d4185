"""Outages of this hospital's systems: what people say of them is recorded, and read back from the journal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from safelight.core.clock import SystemClock
from safelight.core.errors import StateError
from safelight.downtime.exam import open_exams
from safelight.downtime.outage import OUTAGE_KINDS, Event, Said, Scope
from safelight.downtime.phase import Phase, ScopeState, fold, hospital_phase, judge
from safelight.site.exams import exams_of
from safelight.site.home import Home
from safelight.site.moments import moment_told
from safelight.site.outages import downtime_state, is_refilling, scope_document
from safelight.site.reconciliation import look_for_open_differences, settle
from safelight.site.reconciliation_sides import state_of
from safelight.site.saying import deciding, signed
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site


class ExamsOpen(StateError):
    """Exams that were done meanwhile wait for images, a read, a call or an identity."""

    code: ClassVar[str] = "downtime.exams-open"
    hint: ClassVar[str] = (
        "See: safelight downtime exam list --open. To close all the same: --leave-open, with the reason."
    )


def say(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Record what a person says of one or several scopes: all of it, or nothing.

    Raises:
        NotSigned, BadMoment, TimesDisagree: what is said is not complete.
        ExamsOpen, DifferencesOpen: it is closed, and something of its exams, orders or studies is open.
        StillFolding: it is closed, and messages are not read yet that may tell of such.
        StateError: it does not fit the phase of a scope.
    """
    event = Event(told["event"])
    reason, by = signed(told)
    since = moment_told(told.get("since"))
    leave_open = bool(told.get("leave_open"))
    scopes = [Scope(one) for one in dict.fromkeys(told["scopes"])]
    dry_run = bool(told.get("dry_run"))
    is_judged = event is Event.CLOSED and not leave_open
    if is_judged:
        # Before the lock: everybody who registers an exam meanwhile waits for that.
        settle(site)
    with deciding:
        now = site.clock.now()
        state = downtime_state(site.records.journal)
        before = {scope: state.scope(scope, now).phase for scope in scopes}
        facts = []
        if is_judged:
            _look_for_open_things(site, [state.scope(scope, now) for scope in scopes])
        for scope in scopes:
            facts.append(judge(state, event, scope, now, since, reason=reason, by=by))
            state = fold(state, facts[-1])
        entries = [] if dry_run else site.records.record_all([(one.kind, one.to_body()) for one in facts])
    return {
        "dry_run": dry_run,
        "positions": [entry.position for entry in entries],
        "scopes": [
            {**scope_document(scope, state.scope(scope, now)), "phase_before": before[scope].value} for scope in scopes
        ],
        "phase": hospital_phase(state, now, refilling=is_refilling(site.records.journal)).value,
    }


def _look_for_open_things(site: "Site", scopes: Sequence[ScopeState]) -> None:
    outages = [outage for scope in scopes if scope.phase is Phase.RECONCILIATION for outage in scope.outages]
    journal = site.records.journal
    decisions = state_of(journal)
    waiting = [
        exam
        for exam in open_exams(list(exams_of(journal).values()), outages)
        # What has met its order is read where everything is read.
        if exam.waits_for() != ["read"] or decisions.settled_as(exam.registered.accession) is None
    ]
    if waiting:
        raise ExamsOpen(exams=len(waiting), first=waiting[0].registered.accession)
    look_for_open_differences(site, outages)


def downtime_document(home: Home) -> dict[str, Any]:
    """Return what `safelight downtime status --json` prints."""
    with looked_at(home) as (_, journal):
        now, state = SystemClock().now(), downtime_state(journal)
        return {
            "phase": hospital_phase(state, now, refilling=is_refilling(journal)).value,
            "scopes": [scope_document(scope, state.scope(scope, now)) for scope in Scope],
        }


def log_document(home: Home) -> dict[str, Any]:
    """Return what `safelight downtime log --json` prints: everything that was said, in order."""
    with looked_at(home) as (_, journal):
        rows = []
        for entry in journal.entries(kinds=OUTAGE_KINDS):
            said = Said.from_entry(entry.kind, entry.facts)
            rows.append({"position": entry.position, "event": said.event.value, **said.to_body()})
    return {"outages": max((row["outage"] for row in rows), default=0), "said": rows}
