"""Recoveries: starting, driving, pausing, resuming, and telling how far they are."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import StudyRow
from safelight.core.clock import to_text
from safelight.core.errors import StateError, UsageError
from safelight.core.names import AETitle, Personal
from safelight.core.progress import Report
from safelight.journal.journal import Journal
from safelight.recovery.decision import TARGET_ATTEMPTS_MAX
from safelight.recovery.estimate import Estimate
from safelight.recovery.facts import (
    KINDS,
    TARGET_UNREACHABLE,
    Paused,
    Planned,
    Resumed,
    Settings,
    Started,
    from_entry,
    to_body,
)
from safelight.recovery.folder import FolderTarget
from safelight.recovery.order import PatientNow, Placed, StudyFacts, clinical_order
from safelight.recovery.orthanc import OrthancKeeper
from safelight.recovery.pace import Pace
from safelight.recovery.patients import read_patients
from safelight.recovery.planning import planned_facts
from safelight.recovery.ports import Target
from safelight.recovery.procedure import drive
from safelight.recovery.recipes import CALLING_TITLE, QUESTIONS, RECIPES, open_questions, recipe_named
from safelight.recovery.refill import Refill
from safelight.recovery.state import RecoveryState, Stage, estimates, fold
from safelight.site.home import Home
from safelight.site.moments import moment_told
from safelight.site.opened import Site
from safelight.site.peers import find_peer
from safelight.site.recovery_crew import Crew, JournalRecorder
from safelight.site.recovery_door import RecoveryDoor
from safelight.site.recovery_findings import OPEN, note_open_studies, record
from safelight.site.recovery_folder import FolderFiles
from safelight.site.recovery_holdings import VaultHoldings, compare_versions
from safelight.site.recovery_progress import Watch
from safelight.site.recovery_rest import HttpRest
from safelight.site.refill_target import DicomTarget, seek
from safelight.site.saying import signed
from safelight.site.status import looked_at

FOLDER: Final = "folder"
UNANSWERED: Final = "unanswered"


class NoTarget(UsageError):
    """Say where the studies go: to an archive or to a folder."""

    code: ClassVar[str] = "recovery.no-target"
    hint: ClassVar[str] = "Give --target AET@HOST:PORT or --to FOLDER."


class NoRecovery(UsageError):
    """There is no recovery of this number."""

    code: ClassVar[str] = "recovery.none"
    hint: ClassVar[str] = "List them with: safelight recovery status; start one with: safelight recovery start"


class RecoveryRuns(StateError):
    """This recovery is being driven already."""

    code: ClassVar[str] = "recovery.runs"
    hint: ClassVar[str] = "Watch it with: safelight recovery status; hold it with: safelight recovery pause"


class NotRunning(StateError):
    """The recovery is finished or paused already."""

    code: ClassVar[str] = "recovery.not-running"
    hint: ClassVar[str] = "See: safelight recovery status"


class OrderNotOnRecord(StateError):
    """A recovery was cut off before its order was on record, and that order followed from lists that were given."""

    code: ClassVar[str] = "recovery.order-not-on-record"
    hint: ClassVar[str] = (
        "Nothing was sent yet. Give the same --patients and --pin again with: safelight recovery resume"
    )


ORDERING: Final = ("patients", "pins")
"""What a person may give that says who goes first, and that is not kept: it names patients."""

_running: set[str] = set()
_running_lock = threading.Lock()


def start(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Begin a recovery and drive it to its end.

    Raises:
        NotSigned: a reason or a name is missing.
        NoTarget, UnknownPeer: nothing, or nobody known, is to be refilled.
    """
    site.arrivals.settle()
    settings = _settings(site, told)
    if told.get("dry_run"):
        return _dry_run(site, settings, told)
    _seek_target(site, settings, told)
    number = f"{len(_numbers(site.records.journal)) + 1}"
    started = Started(number, site.clock.now(), settings)
    site.records.record(started.kind, to_body(started))
    state = fold(RecoveryState(), started)
    return _drive(site, number, state, told, report)


def resume(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Go on with a recovery that was paused or cut off.

    Raises:
        NotSigned: a reason or a name is missing.
        NoRecovery: there is none of this number.
        OrderNotOnRecord: the lists that say who goes first are needed once more.
    """
    reason, by = signed(told)
    state = state_of(site.records.journal, told.get("number"))
    assert state.settings is not None
    missing = [name for name in state.settings.ordered_by if not told.get(name)]
    if missing and not state.planned:
        raise OrderNotOnRecord(recovery=state.recovery, missing=" ".join(missing))
    if told.get("dry_run"):
        return {**document_of(state), "dry_run": True}
    _seek_target(site, state.settings, told)
    resumed = Resumed(state.recovery, site.clock.now(), reason, by)
    record(site.records, resumed, rehearses=bool(state.settings.drill))
    state = fold(state, resumed)
    return _drive(site, state.recovery, state, told, report)


def _seek_target(site: Site, settings: Settings, told: Mapping[str, Any]) -> None:
    """See at once that the target is there, unless whoever begins means to wait for it."""
    if settings.recipe != FOLDER and not told.get("wait"):
        seek(find_peer(site.home.peers, settings.target), AETitle.parse(settings.calling))


def pause(site: Site, told: Mapping[str, Any]) -> dict[str, Any]:
    """Ask whoever drives a recovery to hold it.

    Raises:
        NotSigned: a reason or a name is missing.
        NoRecovery, NotRunning: there is nothing to hold.
    """
    reason, by = signed(told)
    state = state_of(site.records.journal, told.get("number"))
    if state.finished or state.paused:
        raise NotRunning(recovery=state.recovery)
    dry_run = bool(told.get("dry_run"))
    if not dry_run:
        assert state.settings is not None
        paused = Paused(state.recovery, site.clock.now(), reason, by)
        record(site.records, paused, rehearses=bool(state.settings.drill))
    return {"number": state.recovery, "dry_run": dry_run}


def recovery_document(home: Home, number: str | None) -> dict[str, Any]:
    """Return how far a recovery is; the last one when no number is given."""
    with looked_at(home) as (_, journal):
        return document_of(state_of(journal, number))


def document_of(state: RecoveryState) -> dict[str, Any]:
    """Return a recovery as JSON."""
    assert state.settings is not None and state.started_at is not None
    broke_at = state.settings.broke_at
    confirmed_at = max(
        (one.settled_at for _, one in state.in_stages([Stage.CONFIRMED]) if one.settled_at), default=None
    )
    open_studies = [
        {
            "study": study,
            "state": one.stage.value,
            "told": one.why,
            "instances": one.instances,
            "not_taken": [
                {"code": code, "detail": detail, "instances": count} for (code, detail), count in one.not_taken.items()
            ],
        }
        for study, one in state.in_stages(OPEN | {Stage.WAITING, Stage.SENT_UNCONFIRMED})
    ]
    ahead = estimates(state)
    return {
        "number": state.recovery,
        "target": state.settings.target,
        "recipe": state.probe.recipe if state.probe else state.settings.recipe,
        "state": "finished" if state.finished else "paused" if state.paused else "running",
        "paused_because": state.paused.reason if state.paused else None,
        "paused_by": state.paused.by if state.paused else None,
        "target_silent": _target_silent(state),
        "hint": _hint(state),
        "remarks": list(state.probe.remarks) if state.probe else [],
        "drill": state.settings.drill or None,
        "started_at": to_text(state.started_at),
        "studies": len(state.studies),
        "confirmed": state.count(Stage.CONFIRMED),
        # A recovery that matched nothing restored nothing: never a success.
        "all_confirmed": bool(state.finished) and bool(state.studies) and not open_studies,
        "nothing_matched": state.planned and not state.studies,
        "tiers": [_tier(state, name, ahead.get(name)) for name in state.tiers],
        "times": {
            "transfer_seconds": _seconds(state.first_sent_at, state.last_sent_at),
            "confirmed_seconds": _seconds(state.first_sent_at, confirmed_at),
            "rto_seconds": _seconds(broke_at, confirmed_at),
        },
        "bytes_per_second_max": state.settings.bytes_per_second_max,
        "slowed_to": None if state.finished else state.slowed_to,
        "side_effects": side_effects_of(state.settings),
        "questions_open": _questions_open(state.settings),
        "open": open_studies,
    }


def _target_silent(state: RecoveryState) -> dict[str, Any] | None:
    """Return how often the target was tried in vain, while it does not answer."""
    if not state.target_lost or state.probe or state.finished:
        return None
    is_tried_again = state.probe_due and state.target_lost < TARGET_ATTEMPTS_MAX
    return {
        "attempts": state.target_lost,
        "attempts_max": TARGET_ATTEMPTS_MAX,
        "next_at": to_text(state.probe_due) if state.probe_due and is_tried_again else None,
    }


def _hint(state: RecoveryState) -> str | None:
    """Return what goes on with a recovery that is held."""
    if not state.paused or state.finished:
        return None
    again = f"safelight recovery resume {state.recovery} --reason WHY --by NAME"
    if state.paused.reason != TARGET_UNREACHABLE:
        return f"Go on with: {again}"
    assert state.settings is not None
    return f"See that the archive runs and lets {state.settings.calling} in, then: {again}"


def side_effects_of(settings: Settings) -> str:
    """Say whether somebody looked at the target's side effects; old facts tell it by what was accepted."""
    return settings.side_effects or ("accepted" if settings.accepted else UNANSWERED)


def _questions_open(settings: Settings) -> list[str]:
    if side_effects_of(settings) != UNANSWERED:
        return []
    return [question.code for question in QUESTIONS]


def _tier(state: RecoveryState, name: str, estimate: Estimate | None) -> dict[str, Any]:
    tally = state.tiers[name]
    return {
        "name": name,
        "studies": tally.total,
        "confirmed": tally.studies[Stage.CONFIRMED],
        "sent": tally.total - tally.studies[Stage.WAITING] - tally.studies[Stage.WITHHELD],
        "settled": tally.settled,
        "eta_seconds": estimate.likely.total_seconds() if estimate else None,
        "eta_error": (estimate.high - estimate.likely).total_seconds() if estimate else None,
    }


def _seconds(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else (last - first).total_seconds()


def _settings(site: Site, told: Mapping[str, Any]) -> Settings:
    reason, by = signed(told)
    target, folder = str(told.get("target") or ""), str(told.get("folder") or "")
    if bool(target) == bool(folder):
        raise NoTarget
    recipe = FOLDER if folder else str(told.get("recipe") or "auto")
    required = (recipe_named(recipe) if recipe != "auto" else RECIPES["generic"]).required
    site_recovery = site.settings.recovery
    rate = told.get("throttle_mb") or site_recovery.megabytes_per_second
    # Nobody to ask does not stop a recovery: that the questions stayed open is recorded, and stands in the evidence.
    accepted = ("all",) if told.get("accept_side_effects") and not folder else ()
    return Settings(
        target=folder or str(find_peer(site.home.peers, target)),
        recipe=recipe,
        required=required,
        calling=site_recovery.calling_ae_title or CALLING_TITLE.text,
        reason=reason,
        by=by,
        as_of=moment_told(told.get("as_of")),
        broke_at=moment_told(told.get("broke_at")),
        limit=told.get("limit"),
        accepted=accepted,
        side_effects="none" if folder else "accepted" if accepted else UNANSWERED,
        repair_target=bool(told.get("repair_target")),
        associations_max=int(told.get("associations") or site_recovery.associations),
        bytes_per_second_max=int(rate * 1e6) if rate else None,
        backoff_seconds=1,
        ordered_by=tuple(name for name in ORDERING if told.get(name)),
        drill=str(told.get("drill") or ""),
    )


def _drive(site: Site, number: str, state: RecoveryState, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    with _running_lock:
        if number in _running:
            raise RecoveryRuns(recovery=number)
        _running.add(number)
    try:
        return _driven(site, number, state, told, report)
    finally:
        with _running_lock:
            _running.discard(number)


def _driven(site: Site, number: str, state: RecoveryState, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    settings = state.settings
    assert settings is not None and state.started_at is not None
    url = str(told.get("target_url") or "")
    with RecoveryDoor(site.awaited, site.settings.dicom, site.clock) as door:
        refill = Refill(
            recovery=number,
            settings=settings,
            started_at=state.started_at,
            holdings=VaultHoldings(site),
            target=_target(site, settings, door),
            compare=compare_versions,
            plan=lambda: _plan(site, number, settings, told),
            clock=site.clock,
            pace=Pace(settings.bytes_per_second_max, site.clock, time.sleep),
            keeper=OrthancKeeper(HttpRest(url)) if url else None,
        )
        crew = Crew(refill, settings.associations_max)
        recorder = JournalRecorder(site, number, rehearses=bool(settings.drill))
        try:
            end = drive(
                state,
                crew,
                recorder,
                clock=site.clock,
                wait=time.sleep,
                watch=Watch(site.clock, report),
            )
        finally:
            crew.stop()
    note_open_studies(site.records, end)
    return document_of(end)


def _target(site: Site, settings: Settings, door: RecoveryDoor) -> Target:
    if settings.recipe == FOLDER:
        return FolderTarget(FolderFiles(Path(settings.target), site.disk))
    peer = find_peer(site.home.peers, settings.target)
    own, gateways = AETitle.parse(settings.calling), site.settings.dicom.ae_title
    if own != gateways:
        site.awaited.own(own)
    return DicomTarget(peer, list(dict.fromkeys([own, gateways])), site.home.run, door)


def _plan(site: Site, number: str, settings: Settings, told: Mapping[str, Any]) -> Iterable[Planned]:
    order = order_of(site.catalog, told, settings.as_of)
    return planned_facts(number, site.clock.now(), order, limit=settings.limit)


def order_of(catalog: Catalog, told: Mapping[str, Any], as_of: datetime | None) -> list[Placed]:
    """Return every study that is held, in clinical order."""
    patients: Sequence[PatientNow] = ()
    if told.get("patients"):
        with Path(told["patients"]).open(encoding="utf-8-sig", newline="") as lines:
            patients = read_patients(lines).patients
    studies = [_facts(row) for row in catalog.studies() if as_of is None or row.first_received_at <= as_of]
    local_now = datetime.now()
    return clinical_order(studies, local_now=local_now, patients=patients, pins=list(told.get("pins") or ()))


def _facts(row: StudyRow) -> StudyFacts:
    return StudyFacts(
        study=row.study,
        patient=Personal(row.patient_id.text),
        date=row.study_date,
        time=row.study_time,
        modalities=row.modalities,
        received_at=row.last_received_at,
        instances=row.instances,
        size_bytes=row.bytes,
        issuer=row.issuer,
    )


def _dry_run(site: Site, settings: Settings, told: Mapping[str, Any]) -> dict[str, Any]:
    order = order_of(site.catalog, told, settings.as_of)[: settings.limit]
    tiers: dict[str, list[Placed]] = {}
    for placed in order:
        tiers.setdefault(placed.tier.value, []).append(placed)
    recipe = RECIPES.get(settings.recipe, RECIPES["generic"])
    return {
        "tiers": [
            {
                "name": name,
                "studies": len(listed),
                "instances": sum(one.facts.instances for one in listed),
                "megabytes": sum(one.facts.size_bytes for one in listed) / 1e6,
                "first": [one.facts.study for one in listed[:10]],
            }
            for name, listed in tiers.items()
        ],
        "withheld": len(site.catalog.rejections()),
        "questions": [question.text for question in open_questions(recipe, settings.accepted)],
        "advice": list(recipe.advice),
        "nothing_matched": not order,
        "all_confirmed": bool(order),
    }


def _numbers(journal: Journal) -> list[str]:
    return [str(entry.facts["recovery"]) for entry in journal.entries(kinds=[Started.kind])]


def state_of(journal: Journal, number: str | None) -> RecoveryState:
    """Return the state of a recovery as its facts tell it; of the last one when no number is given.

    Raises:
        NoRecovery: there is none.
    """
    numbers = _numbers(journal)
    chosen = number or (numbers[-1] if numbers else "")
    if chosen not in numbers:
        raise NoRecovery(number=chosen)
    state = RecoveryState()
    for entry in journal.entries(kinds=KINDS):
        if entry.facts.get("recovery") == chosen:
            state = fold(state, from_entry(entry.kind, entry.facts))
    return state
