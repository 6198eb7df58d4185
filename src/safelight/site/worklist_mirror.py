"""Mirroring the worklist of a RIS, so that it can be served when the RIS is gone.

What is mirrored is a fact before it is shown. A RIS that fails, or answers with far less than the schedule so far
leads one to expect, leaves the list as it was; so does one that a person has declared away.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.catalog.listed_step import ListedStep, ListingChange, ListingWay, change_of, keyed, steadied
from safelight.catalog.order_changes import START
from safelight.core.clock import to_text
from safelight.core.errors import PeerError, SafelightError, UsageError
from safelight.core.names import Peer
from safelight.downtime.outage import Scope
from safelight.downtime.phase import IN_SERVICE
from safelight.downtime.shrinkage import Shrinkage, Start, shrinkage
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import service_proposal
from safelight.gateway.dicom.exchange import CallSettings
from safelight.gateway.dicom.worklist_asking import Answered, WorklistAsker
from safelight.journal.kinds import FactKind
from safelight.site.outages import downtime_state
from safelight.site.peers import find_peer
from safelight.site.saying import signed
from safelight.wire.dicom.uids import WORKLIST_FIND

if TYPE_CHECKING:
    from safelight.site.opened import Site

SHRUNK: Final = "gateway.worklist-shrunk"
SOURCE_FAILED: Final = "gateway.worklist-source-failed"
ROWS_UNREADABLE: Final = "gateway.worklist-rows-unreadable"
MAY_BE_CUT: Final = "gateway.worklist-may-be-cut"
DECLARED_AWAY: Final = "declared-away"
FIRST_AFTER_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0
_AWAY: Final = (Scope.RIS, Scope.EVERYTHING)

mirroring = threading.Lock()
"""Asking, judging and recording are one step, also where a command meets the schedule."""


class NoWorklistSource(UsageError):
    """There is no RIS to ask for its worklist."""

    code: ClassVar[str] = "gateway.no-worklist-source"
    hint: ClassVar[str] = "Give --source AET@HOST:PORT, or set source under [gateway.worklist] in safelight.toml."


def mirror(site: "Site", told: Mapping[str, Any], go_on: Callable[[], bool] = lambda: True) -> dict[str, Any]:
    """Ask the RIS for its worklist and keep what it says, if that can be believed or somebody accepts it.

    Raises:
        NoWorklistSource, UnknownPeer: there is nobody to ask.
        NotSigned: what is accepted needs a reason and a name.
        PeerError: the RIS cannot be asked; the list stays as it was.
    """
    source = str(told.get("source") or site.settings.worklist.source)
    if not source:
        raise NoWorklistSource
    peer = find_peer(site.home.peers, source)
    accepted = dict(zip(("reason", "by"), signed(told), strict=True)) if told.get("accept") else {}
    dry_run = bool(told.get("dry_run"))
    with mirroring:
        if not accepted and _is_declared_away(site):
            return {"source": peer.title.text, "changed": False, "because": DECLARED_AWAY, "dry_run": dry_run}
        as_of = site.clock.now()
        try:
            answered = _asked(site, peer, as_of, go_on)
        except PeerError as error:
            # Who stops in the middle says nothing of the RIS.
            if not dry_run and go_on():
                site.records.open_finding(
                    SOURCE_FAILED, source_of(ListingWay.MIRROR, peer.title.text), "serious", error=error.code
                )
            raise
        return _judged(site, peer, answered, as_of, accepted, dry_run=dry_run)


def _judged(
    site: "Site", peer: Peer, answered: Answered, as_of: datetime, accepted: Mapping[str, str], *, dry_run: bool
) -> dict[str, Any]:
    title = peer.title.text
    source = source_of(ListingWay.MIRROR, title)
    before = site.messages.index.listed(source)
    now = steadied(before, keyed(answered.steps))
    first_day = as_of.astimezone() - timedelta(days=site.settings.worklist.days_back)
    shrunk = shrunk_since(site, before.values(), now.values(), as_of, f"{first_day:%Y%m%d}")
    change = change_of(before, now)
    is_kept = shrunk is None or bool(accepted)
    if not dry_run:
        if is_kept:
            record_change(site, FactKind.WORKLIST_MIRRORED, source, change, as_of, accepted)
        _tell(site, source, answered, shrunk, is_kept=is_kept)
    return {
        "source": title,
        "dry_run": dry_run,
        **change_document(change, shrunk, as_of, is_kept=is_kept),
        "not_understood": answered.not_understood,
        "may_be_cut": answered.may_be_cut,
    }


def source_of(way: ListingWay, name: str) -> str:
    """Return what a list is called among the sources of steps."""
    return f"{way.value} {name}"


def shrunk_since(
    site: "Site", before: Iterable[ListedStep], now: Iterable[ListedStep], as_of: datetime, first_day: str
) -> Shrinkage | None:
    """Say whether a newer edition of a list cannot be believed."""
    return shrinkage(
        [_start(one) for one in before],
        [_start(one) for one in now],
        now=f"{as_of.astimezone():%Y%m%d%H%M%S}",
        first_day=first_day,
        percent_max=site.settings.worklist.shrink_percent_max,
    )


def record_change(
    site: "Site", kind: FactKind, source: str, change: ListingChange, as_of: datetime, more: Mapping[str, Any]
) -> None:
    """Make a newer edition of a list durable, and then findable."""
    site.messages.record_all([(kind, body) for body in change.to_bodies(source, to_text(as_of), more)])


def change_document(
    change: ListingChange, shrunk: Shrinkage | None, as_of: datetime, *, is_kept: bool
) -> dict[str, Any]:
    """Return what is printed of a newer edition of a list, and whether it is kept."""
    return {
        "as_of": to_text(as_of),
        "changed": is_kept,
        "because": "" if is_kept else SHRUNK,
        "expected": shrunk.expected if shrunk else None,
        "got": shrunk.got if shrunk else None,
        "steps": change.count,
        "new_or_other": len(change.listed),
        "gone": len(change.gone),
    }


def _start(step: ListedStep) -> Start:
    return Start(step.attributes.get(START[0], ""), step.attributes.get(START[1], ""))


def _is_declared_away(site: "Site") -> bool:
    state, now = downtime_state(site.records.journal), site.clock.now()
    return any(state.scope(scope, now).phase not in IN_SERVICE for scope in _AWAY)


def _asked(site: "Site", peer: Peer, as_of: datetime, go_on: Callable[[], bool]) -> Answered:
    settings = site.settings.worklist
    today = as_of.astimezone().date()
    days = [today + timedelta(days=number) for number in range(-settings.days_back, settings.days_ahead + 1)]
    calling, call = site.settings.dicom.ae_title, CallSettings(answer=timedelta(seconds=30))
    with connect(peer, calling, [service_proposal(WORKLIST_FIND)], settings=call, clock=site.clock) as association:
        return WorklistAsker(association, site.clock, settings.rows_max, go_on).ask(days)


def _tell(site: "Site", source: str, answered: Answered, shrunk: Shrinkage | None, *, is_kept: bool) -> None:
    records = site.records
    records.close_finding(SOURCE_FAILED, source, "the RIS answered")
    if is_kept:
        records.close_finding(SHRUNK, source, "the worklist can be believed" if shrunk is None else "it was accepted")
    elif shrunk is not None:
        records.open_finding(SHRUNK, source, "critical", expected=shrunk.expected, got=shrunk.got)
    for code, holds in ((ROWS_UNREADABLE, answered.not_understood > 0), (MAY_BE_CUT, answered.may_be_cut)):
        if holds:
            records.open_finding(code, source, "warning")
        else:
            records.close_finding(code, source, "it is so no more")


class MirrorSchedule:
    """Mirrors again and again while a home is served."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worklist-mirror", daemon=True)

    def start(self) -> None:
        """Begin, if there is a RIS to ask."""
        if self._site.settings.worklist.source:
            self._thread.start()

    def stop(self) -> None:
        """Ask no more. A RIS that is slow to answer is not waited for: nothing is recorded of half an answer."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        site = self._site
        wait = FIRST_AFTER_SECONDS
        while not self._ending.wait(wait):
            wait = site.settings.worklist.minutes * 60
            try:
                mirror(site, {}, lambda: not self._ending.is_set())
            except SafelightError as error:
                site.log.failure(error)
            except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
                site.log.failure(error)
