"""Asking a PACS that was refilled whether it takes responsibility for what it was sent: a witness of its own.

It is no proof: an archive may answer from its database alone. What was fetched back and compared counts more.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.core.clock import SystemClock, to_text
from safelight.core.errors import StateError, UsageError
from safelight.core.names import Peer
from safelight.core.progress import Progress, Report
from safelight.core.query import Exactly, QueryLevel, Selection
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.commitment_record import (
    RECEIVED_KINDS,
    Asked,
    CommitmentAsks,
    CommitmentState,
    Received,
    received,
)
from safelight.site.home import Home
from safelight.site.outages import rehearsed_by
from safelight.site.peers import find_peer
from safelight.site.saying import signed
from safelight.site.status import looked_at
from safelight.wire.dicom.commitment import CommitmentRequest, Reference, Reported
from safelight.wire.dicom.uids import COMMITMENT_PUSH

if TYPE_CHECKING:
    from safelight.site.opened import Site

NOT_GIVEN: Final = "gateway.commitment-not-given"
REFERENCES_AT_ONCE: Final = 1000
"""Archives limit what they take in one request."""
INSTANCES_MAX: Final = 1_000_000
_STUDY: Final = 0x0020000D


class NothingToCommit(UsageError):
    """No instance is held of the studies that commitment is to be asked for."""

    code: ClassVar[str] = "gateway.nothing-to-commit"
    hint: ClassVar[str] = "Give --study UID of what is held, or --refilled after a recovery."


class UnknownTransaction(StateError):
    """An archive answers a request for commitment that we did not send it."""

    code: ClassVar[str] = "gateway.unknown-transaction"
    hint: ClassVar[str] = "Nothing is lost. Look whether two archives go by one AE title."
    status: ClassVar[int] = 0x0110


def ask(site: "Site", told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Ask a peer for commitment of studies as they are held here; what was asked is a fact before it is sent.

    Raises:
        NotSigned, UnknownPeer, NothingToCommit: it is not said by whom, of whom or what.
        PeerError: it cannot be asked.
    """
    signature = dict(zip(("reason", "by"), signed(told), strict=True))
    peer = find_peer(site.home.peers, str(told["to"]))
    wait = timedelta(seconds=float(told.get("wait_seconds") or 0))
    studies = list(told.get("studies") or ())
    studies += refilled(site.records.journal) if told.get("refilled") else []
    studies = list(dict.fromkeys(studies))
    transactions: list[str] = []
    count = 0
    # Study by study: what is held may be more than what memory holds.
    for number, study in enumerate(studies, 1):
        for request in _requests(site, study):
            count += len(request.references)
            if not told.get("dry_run"):
                _ask(site, peer, study, request, wait, signature)
                transactions.append(request.transaction)
        report(Progress("commitment", number, len(studies), "studies"))
    if not count:
        raise NothingToCommit(studies=len(studies))
    mine = [known for one in transactions if (known := site.commitment_asks.of(one)) is not None]
    return {
        "to": peer.title.text,
        "dry_run": bool(told.get("dry_run")),
        "studies": len(studies),
        "instances": count,
        "answered": sum(len(one.instances) for one in mine if one.failed is not None),
        "failed": sum(len(one.failed) for one in mine if one.failed),
    }


def refilled(journal: Journal) -> list[str]:
    """Return the studies that the last recovery has compared; what a drill restored is at no archive of ours."""
    recovery = ""
    studies: list[str] = []
    drills: set[object] = set()
    for entry in journal.entries(kinds=[FactKind.RECOVERY_STARTED, FactKind.RECOVERY_STUDY_COMPARED]):
        if entry.kind == FactKind.RECOVERY_STARTED:
            if rehearsed_by(entry):
                drills.add(entry.facts["recovery"])
            continue
        if entry.facts["recovery"] in drills:
            continue
        if entry.facts["recovery"] != recovery:
            recovery, studies = str(entry.facts["recovery"]), []
        studies.append(str(entry.facts["study"]))
    return list(dict.fromkeys(studies))


def take_report(site: "Site", to: str, reported: Reported) -> None:
    """Keep an answer; it is durable when this returns.

    Raises:
        UnknownTransaction: it answers nothing that this peer was asked.
    """
    asked = site.commitment_asks.of(reported.transaction)
    if asked is None or asked.to != to:
        raise UnknownTransaction(transaction=reported.transaction)
    # Who had no answer from us says it again: that is recorded once, but what follows from it may have been cut off.
    if asked.failed is None:
        committed = set(reported.committed)
        # What is not named was not promised.
        failed = {uid: reported.failed.get(uid, 0) for uid in asked.instances if uid not in committed}
        body = {"to": to, "transaction": reported.transaction, "committed": len(asked.instances) - len(failed)}
        site.records.record(FactKind.COMMITMENT_REPORTED, {**body, "failed": failed})
    subject, refused = f"{to} {asked.study}", site.commitment_asks.refused(to, asked.study)
    if refused:
        site.records.open_finding(NOT_GIVEN, subject, "serious", instances=refused)
    else:
        site.records.close_finding(NOT_GIVEN, subject, "it was given")


def commitments_document(home: Home, peer: str = "", *, only_open: bool = False) -> dict[str, Any]:
    """Return what `safelight gateway commitment list --json` prints: what was asked by us and of us, by time."""
    with looked_at(home) as (_, journal):
        requests: list[Asked | Received] = [
            *CommitmentAsks(journal).all(),
            *received(journal.entries(kinds=RECEIVED_KINDS)),
        ]
    now = SystemClock().now()
    listed = [_request_document(one, now) for one in sorted(requests, key=lambda one: one.asked_at)]
    listed = [one for one in listed if peer in ("", one["peer"])]
    open_now = [one for one in listed if one["state"] in (CommitmentState.WAITING, CommitmentState.DECIDED)]
    return {"requests": open_now if only_open else listed, "waiting": len(open_now)}


def _request_document(one: Asked | Received, now: datetime) -> dict[str, Any]:
    return {
        "direction": "by-us" if isinstance(one, Asked) else "of-us",
        "peer": one.to if isinstance(one, Asked) else one.calling,
        "study": one.study if isinstance(one, Asked) else None,
        "transaction": one.transaction,
        "instances": len(one.instances) if isinstance(one, Asked) else one.instances,
        "state": one.state.value,
        "asked_at": to_text(one.asked_at),
        "answered_at": to_text(one.answered_at) if one.answered_at else None,
        "age_seconds": ((one.answered_at or now) - one.asked_at).total_seconds(),
        "failed": None if one.failed is None else {uid: f"{why:04X}H" for uid, why in one.failed.items()},
    }


def _requests(site: "Site", study: str) -> Iterator[CommitmentRequest]:
    shown = Selection(QueryLevel.IMAGE, {_STUDY: Exactly(study)}, hides_withdrawn=True)
    versions = site.catalog.level_versions(shown, INSTANCES_MAX)
    references = [Reference(one.sop_class, one.sop_instance) for one in versions]
    for start in range(0, len(references), REFERENCES_AT_ONCE):
        part = tuple(references[start : start + REFERENCES_AT_ONCE])
        yield CommitmentRequest(f"2.25.{uuid.uuid4().int}", part)


def _ask(
    site: "Site", peer: Peer, study: str, request: CommitmentRequest, wait: timedelta, signature: Mapping[str, str]
) -> None:
    instances: dict[str, list[str]] = {}
    for one in request.references:
        instances.setdefault(one.sop_class, []).append(one.sop_instance)
    body = {"to": peer.title.text, "transaction": request.transaction, "study": study, "instances": instances}
    # An answer may come before the request is answered: it must find what it answers.
    site.records.record(FactKind.COMMITMENT_REQUESTED, {**body, **signature})
    calling, proposals = site.settings.dicom.ae_title, [service_proposal(COMMITMENT_PUSH)]
    with connect(peer, calling, proposals, clock=site.clock) as association:
        association.ask_commitment(request, wait, site.clock, partial(take_report, site, peer.title.text))
