"""Storage commitment: what was asked is a fact, what is decided follows the verified copies, and answers are delivered.

A success is decided only when every version of an instance lies in as many whole copies as the settings demand, each in
a placement of its own (invariant I3). What lacks them when time is up is a failure: some modalities delete on success.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from safelight.catalog.custody import Custody
from safelight.core.errors import PeerError, SafelightError
from safelight.core.names import AETitle
from safelight.gateway.dicom.commitment_service import report_commitment
from safelight.gateway.dicom.ports import AssociationFacts
from safelight.journal.entry import Entry
from safelight.journal.kinds import FactKind
from safelight.site.commitment_asks import take_report
from safelight.site.commitment_record import GIVEN_UP, RECEIVED_KINDS
from safelight.site.cutover import title_for
from safelight.site.opened import Site
from safelight.site.peers import BadPeers, read_peers
from safelight.wire.dicom.commitment import CommitmentFailure, CommitmentReport, CommitmentRequest, Reference, Reported

UNDELIVERED: Final = "gateway.commitment-undelivered"
_TURN_SECONDS: Final = 0.5
_LOOK_SECONDS_MAX: Final = 15.0
_TRY_SECONDS: Final = 5.0
_TRY_SECONDS_MAX: Final = 600.0
_DELIVERY_MAX: Final = timedelta(hours=72)
_REMEMBERED: Final = timedelta(days=30)
"""A request that is still open after a start is looked for so far back: nothing was served meanwhile."""

Name = tuple[str, str]
"""The asker's title and its transaction."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """One request, as the facts tell."""

    calling: str
    called: str
    host: str
    request: CommitmentRequest
    asked_at: datetime
    failed: Mapping[str, CommitmentFailure] | None = None
    """By instance; None while nothing is decided."""

    @property
    def name(self) -> Name:
        """What tells it from others."""
        return self.calling, self.request.transaction

    def report(self) -> CommitmentReport:
        """Return the answer."""
        assert self.failed is not None
        references, failed = self.request.references, self.failed
        return CommitmentReport(
            self.request.transaction,
            tuple(one for one in references if one.sop_instance not in failed),
            tuple((one, failed[one.sop_instance]) for one in references if one.sop_instance in failed),
        )


def fold(entries: Iterable[Entry]) -> dict[Name, Commitment]:
    """Return the requests that are not answered yet."""
    found: dict[Name, Commitment] = {}
    for entry in entries:
        told: Mapping[str, Any] = entry.facts
        name = (told["calling"], told["transaction"])
        if entry.kind == FactKind.COMMITMENT_ASKED:
            references = tuple(
                Reference(sop_class, instance)
                for sop_class, instances in told["instances"].items()
                for instance in instances
            )
            request = CommitmentRequest(told["transaction"], references)
            found[name] = Commitment(told["calling"], told["called"], told["host"], request, entry.at)
        elif entry.kind == FactKind.COMMITMENT_DELIVERED:
            found.pop(name, None)
        elif name in found:
            failed = {uid: CommitmentFailure(reason) for uid, reason in told["failed"].items()}
            found[name] = replace(found[name], failed=failed)
    return found


def decide(
    commitment: Commitment, kept: Mapping[str, Custody], copies_min: int, *, is_late: bool
) -> dict[str, CommitmentFailure] | None:
    """Return which instances fail and why, or None while some may still become safe."""
    failed: dict[str, CommitmentFailure] = {}
    for reference in commitment.request.references:
        custody = kept.get(reference.sop_instance)
        if custody is None:
            failed[reference.sop_instance] = CommitmentFailure.NO_SUCH_INSTANCE
        elif reference.sop_class not in custody.sop_classes:
            failed[reference.sop_instance] = CommitmentFailure.CLASS_INSTANCE_CONFLICT
        elif custody.copies_whole < copies_min:
            if not is_late:
                return None
            failed[reference.sop_instance] = CommitmentFailure.PROCESSING_FAILURE
    return failed


@dataclass(slots=True)
class _Turn:
    """When to look at a request again, and who delivers its answer."""

    next_at: timedelta = timedelta(0)
    wait_seconds: float = _TURN_SECONDS
    has_association: bool = False
    """The association on which it was asked still stands."""
    is_taken: bool = False


class CommitmentDesk:
    """Keeps, decides and answers requests. Its methods are called by the threads of associations."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        journal = site.records.journal
        since = journal.position_before(site.clock.now() - _REMEMBERED)
        self._open = fold(journal.entries(after=since, kinds=RECEIVED_KINDS))
        self._turns: dict[Name, _Turn] = {name: _Turn() for name in self._open}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="commitments", daemon=True)

    def start(self) -> None:
        """Begin to decide and deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, caller: AssociationFacts, request: CommitmentRequest) -> None:
        """Keep a request; it is durable when this returns."""
        instances: dict[str, list[str]] = {}
        for one in request.references:
            instances.setdefault(one.sop_class, []).append(one.sop_instance)
        told = {
            "transaction": request.transaction,
            "calling": caller.calling.text,
            "called": caller.called.text,
            "host": caller.host,
            "instances": instances,
        }
        entry = self._site.records.record(FactKind.COMMITMENT_ASKED, told)
        commitment = Commitment(caller.calling.text, caller.called.text, caller.host, request, entry.at)
        with self._lock:
            self._open[commitment.name] = commitment
            turn = self._turns[commitment.name] = _Turn()
            turn.has_association = True

    def take(self, caller: AssociationFacts, transaction: str) -> CommitmentReport | None:
        """Return the answer if it is decided."""
        with self._lock:
            commitment = self._open.get((caller.calling.text, transaction))
            if commitment is None or commitment.failed is None or self._turns[commitment.name].is_taken:
                return None
            self._turns[commitment.name].is_taken = True
        return commitment.report()

    def delivered(self, caller: AssociationFacts, transaction: str, status: int) -> None:
        """Know that the caller took the answer."""
        self._settle((caller.calling.text, transaction), status)

    def reported(self, caller: AssociationFacts, report: Reported) -> None:
        """Keep what another archive answers to a request of ours."""
        take_report(self._site, caller.calling.text, report)

    def let_go(self, caller: AssociationFacts, transaction: str) -> None:
        """Know that the association of the request is over."""
        with self._lock:
            turn = self._turns.get((caller.calling.text, transaction))
            if turn is not None:
                turn.has_association = False
                turn.is_taken = False
                turn.next_at, turn.wait_seconds = timedelta(0), _TRY_SECONDS

    def _settle(self, name: Name, status: int) -> None:
        told = {"calling": name[0], "transaction": name[1], "status": status}
        self._site.records.record(FactKind.COMMITMENT_DELIVERED, told)
        with self._lock:
            self._open.pop(name, None)
            self._turns.pop(name, None)

    def _work(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
                self._site.log.failure(error)

    def turn(self) -> None:
        """Look once at every request that is due."""
        for name, commitment in self._due():
            if self._stopping.is_set():
                return
            try:
                self._turn(name, commitment)
            except SafelightError as error:
                self._site.log.failure(error)

    def _due(self) -> list[tuple[Name, Commitment]]:
        now = self._site.clock.elapsed()
        with self._lock:
            return [
                (name, one)
                for name, one in self._open.items()
                if self._turns[name].next_at <= now and (one.failed is None or not self._turns[name].has_association)
            ]

    def _turn(self, name: Name, commitment: Commitment) -> None:
        if commitment.failed is None:
            self._later(name, _LOOK_SECONDS_MAX)
            self._decide(name, commitment)
        else:
            self._later(name, _TRY_SECONDS_MAX)
            self._deliver(name, commitment)

    def _later(self, name: Name, seconds_max: float) -> None:
        with self._lock:
            turn = self._turns.get(name)
            if turn is not None:
                turn.next_at = self._site.clock.elapsed() + timedelta(seconds=turn.wait_seconds)
                turn.wait_seconds = min(turn.wait_seconds * 1.5, seconds_max)

    def _decide(self, name: Name, commitment: Commitment) -> None:
        site = self._site
        # What was stored before the request is found.
        site.arrivals.settle()
        kept = site.catalog.custody(one.sop_instance for one in commitment.request.references)
        copies_min = site.settings.vault.copies_min
        waited = site.clock.now() - commitment.asked_at
        is_late = waited >= timedelta(minutes=site.settings.dicom.commitment_minutes_max)
        failed = decide(commitment, kept, copies_min, is_late=is_late)
        if failed is None:
            return
        # The decision is a fact before anybody is told of it: it may be told twice, and is then the same.
        told = {"calling": name[0], "transaction": name[1], "copies_min": copies_min, "failed": failed}
        site.records.record(FactKind.COMMITMENT_DECIDED, told)
        with self._lock:
            if name in self._open:
                self._open[name] = replace(commitment, failed=failed)
                self._turns[name].next_at, self._turns[name].wait_seconds = timedelta(0), _TRY_SECONDS

    def _deliver(self, name: Name, commitment: Commitment) -> None:
        site = self._site
        try:
            peer = read_peers(site.home.peers).get(commitment.calling)
        except BadPeers as error:
            site.log.failure(error)
            return
        if peer is not None:
            try:
                # A modality takes the answer from whom it asked only.
                title = title_for(site.settings, AETitle(commitment.called))
                status = report_commitment(peer, title, commitment.report())
            except PeerError as error:
                site.log.failure(error)
            else:
                self._settle(name, status.code)
                site.records.close_finding(UNDELIVERED, commitment.calling, "an answer was delivered")
                return
        site.records.open_finding(UNDELIVERED, commitment.calling, "serious", named=peer is not None)
        if site.clock.now() - commitment.asked_at >= _DELIVERY_MAX:
            self._settle(name, GIVEN_UP)
