"""Telling the RIS or PACS that is back what modalities said of their work while it was away."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from safelight.core.clock import to_text
from safelight.core.errors import PeerError
from safelight.core.names import Peer
from safelight.core.progress import Progress, Report
from safelight.downtime.step_forwarding import (
    DONE,
    Forwarding,
    Notice,
    Outcome,
    Told,
    decide,
    fold,
    forwarding,
    retried,
)
from safelight.gateway.dicom.client import ClientAssociation, connect
from safelight.gateway.dicom.exchange import CallSettings
from safelight.gateway.dicom.procedure_step_asking import (
    DUPLICATE_INSTANCE,
    MAY_NO_LONGER_BE_UPDATED,
    NO_SUCH_INSTANCE,
    STEP_PROPOSALS,
    StepAnswer,
)
from safelight.gateway.dicom.procedure_step_service import StepNotice
from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.home import Home
from safelight.site.moments import moment_told
from safelight.site.peers import find_peer
from safelight.site.performed_steps import KINDS, RAW_CODEC
from safelight.site.saying import signed
from safelight.site.status import looked_at
from safelight.wire.dicom.faults import MalformedIdentifier

if TYPE_CHECKING:
    from safelight.site.opened import Site

STEP_REFUSED: Final = "gateway.step-refused"
UNREADABLE: Final = -1
"""In place of a status: the other system takes no syntax in which the attributes can be written."""
LISTED_MAX: Final = 1000

telling = threading.Lock()
"""One at a time: two would tell the same."""


def forward(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Tell a peer what was kept and it has not been told yet. What it answers is a fact before the next is told.

    Raises:
        NotSigned, UnknownPeer, BadMoment: it is not said by whom, or to whom.
        PeerError: it cannot be reached.
    """
    reason, by = signed(told)
    peer = find_peer(site.home.peers, str(told["to"]))
    since = moment_told(told.get("since"))
    with telling:
        state = forwarding_to(site.records.journal, peer.title.text, since)
        if told.get("retry"):
            state = retried(state)
        waiting = bool(state.waiting)
        count, stopped = 0, ""
        if waiting and not told.get("dry_run"):
            call = CallSettings(answer=timedelta(seconds=30))
            title = site.settings.dicom.ae_title
            with connect(peer, title, STEP_PROPOSALS, settings=call, clock=site.clock) as association:
                try:
                    for outcome in _tell_all(site, peer, association, state, (reason, by)):
                        count += outcome in DONE
                        report(Progress("forward", count, count + len(state.open), "notices"))
                except PeerError as error:
                    # What was told is recorded: the next time goes on here.
                    site.log.failure(error)
                    stopped = error.code
                    association.abort()
    return {
        "to": peer.title.text,
        "dry_run": bool(told.get("dry_run")),
        "told": count,
        "waiting": len(state.waiting),
        "refused": len(state.refused),
        "stopped": stopped,
    }


def _tell_all(
    site: "Site",
    peer: Peer,
    association: ClientAssociation,
    state: Forwarding,
    signature: tuple[str, str],
) -> Iterator[Outcome]:
    while (notice := decide(state)) is not None:
        outcome, status = _tell(site, association, notice)
        told = Told(peer.title.text, notice.position, notice.instance, outcome, status, *signature)
        site.records.record(told.kind, told.to_body())
        state = fold(state, told)
        subject = f"{peer.title.text} {notice.instance}"
        if state.outcomes.get(notice.position) is Outcome.REFUSED:
            site.records.open_finding(STEP_REFUSED, subject, "warning", status=status)
        elif outcome in DONE:
            site.records.close_finding(STEP_REFUSED, subject, "it was taken")
        yield outcome


def _tell(site: "Site", association: ClientAssociation, notice: Notice) -> tuple[Outcome, int]:
    (entry,) = site.records.journal.entries(after=notice.position - 1, until=notice.position)
    facts = entry.facts
    raw = str(facts["attributes"]).encode(RAW_CODEC)
    told = StepNotice(notice.instance, None, raw, str(facts["transfer_syntax"]))
    try:
        answer = association.tell_step(told, is_new=notice.is_new)
    except MalformedIdentifier as error:
        site.log.failure(error)
        return Outcome.REFUSED, UNREADABLE
    return outcome_of(answer, is_new=notice.is_new), answer.status.code


def outcome_of(answer: StepAnswer, *, is_new: bool) -> Outcome:
    """Return what an answer means."""
    status = answer.status
    if status.is_success or status.is_warning:
        return Outcome.TAKEN
    if status.code == DUPLICATE_INSTANCE and is_new:
        return Outcome.KNOWN
    if status.code == NO_SUCH_INSTANCE and not is_new:
        return Outcome.FORGOTTEN
    return Outcome.SETTLED if answer.error_id == MAY_NO_LONGER_BE_UPDATED else Outcome.REFUSED


def forwarding_to(journal: Journal, to: str, since: datetime | None = None) -> Forwarding:
    """Return how far a system is told of what was kept since a moment."""
    told = (Told.from_body(entry.facts) for entry in journal.entries(kinds=[Told.kind]))
    return forwarding(
        [_notice(entry) for entry in journal.entries(kinds=KINDS) if since is None or entry.at >= since],
        (one for one in told if one.to == to),
    )


def steps_document(home: Home, to: str = "") -> dict[str, Any]:
    """Return what `safelight gateway procedure-steps list --json` prints: the newest steps last."""
    with looked_at(home) as (_, journal):
        entries = list(journal.entries(kinds=KINDS))
        state = forwarding_to(journal, to) if to else None
    steps: dict[str, dict[str, Any]] = {}
    for entry in entries:
        facts = entry.facts
        step = steps.setdefault(
            str(facts["instance"]),
            {"instance": facts["instance"], "modality": facts["calling"], "begun_here": False, "status": ""},
        )
        step["begun_here"] |= entry.kind == FactKind.PROCEDURE_STEP_BEGUN
        step["status"] = facts["status"] or step["status"]
        step["told_at"] = to_text(entry.at)
        step["notices"] = step.get("notices", 0) + 1
    if state is not None:
        for name, found in (("waiting", state.waiting), ("refused", state.refused)):
            counts = _counted(found)
            for instance, step in steps.items():
                step[name] = counts.get(instance, 0)
    return {"steps": list(steps.values())[-LISTED_MAX:], "count": len(steps)}


def _counted(notices: Iterable[Notice]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in notices:
        counts[one.instance] = counts.get(one.instance, 0) + 1
    return counts


def _notice(entry: Entry) -> Notice:
    is_new = entry.kind == FactKind.PROCEDURE_STEP_BEGUN
    return Notice(entry.position, str(entry.facts["instance"]), is_new, str(entry.facts["status"]))
