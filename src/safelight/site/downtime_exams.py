"""Exams while a system is away: registered, arrived, acquired, read, called, identified; each said by a person."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from safelight.catalog.order_search import StepSearch
from safelight.core.errors import StateError, UsageError
from safelight.core.names import Personal
from safelight.downtime.exam import Exam, Happened, Step, Way, happen
from safelight.downtime.outage import Scope
from safelight.downtime.phase import QUIET, ScopeState, TimesDisagree
from safelight.downtime.registration import IDENTIFIER, Asked, BadRegistration, register
from safelight.site.exams import exam_document, exams_of, numbers_of
from safelight.site.home import Home
from safelight.site.moments import moment_told
from safelight.site.outages import downtime_state
from safelight.site.saying import NotSigned, deciding
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site

READ_CHARACTERS_MAX: Final = 100_000


class NoDowntime(StateError):
    """Exams are registered here only while an outage is open."""

    code: ClassVar[str] = "downtime.no-downtime"
    hint: ClassVar[str] = "Say what is away first: safelight downtime declare. Else register it in the RIS."


class BadStep(UsageError):
    """What was said of a step of an exam is not complete."""

    code: ClassVar[str] = "downtime.bad-step"
    hint: ClassVar[str] = (
        "A read has a text; a call says to whom; an identity is a patient ID; a cancellation a reason."
    )


def register_exam(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Register an exam and its patient, and give them their numbers once that is durable.

    Raises:
        NoDowntime: nothing is away.
        BadRegistration and others: it cannot be registered so.
    """
    by, dry_run = _by(told), bool(told.get("dry_run"))
    texts = {name: str(told.get(name) or "").strip() for name in ASKED_TEXTS}
    asked = Asked(Way(told["way"]), name=Personal(str(told.get("name") or "").strip()), **texts)
    with deciding:
        now = site.clock.now()
        state = downtime_state(site.records.journal)
        outages = sorted({one for scope in Scope for one in _begun(state.scope(scope, now))})
        if not outages:
            raise NoDowntime(exam=asked.way)
        exams = exams_of(site.records.journal)
        registered = register(
            numbers_of(site.records.journal),
            exams,
            asked,
            study=_study_of_order(site, asked) or f"2.25.{uuid.uuid4().int}",
            at=_moment(told, now),
            said_at=now,
            by=by,
            outages=tuple(outages),
        )
        if not dry_run:
            site.records.record(registered.kind, registered.to_body())
    return {"dry_run": dry_run, **exam_document(Exam(registered))}


def note_step(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Record what happened to an exam.

    Raises:
        UnknownExam, ExamOutOfTurn, NoUrgentRead: it cannot have happened.
        BadStep: something is missing.
    """
    step, by, dry_run = Step(told["step"]), _by(told), bool(told.get("dry_run"))
    with deciding:
        now = site.clock.now()
        exams = exams_of(site.records.journal)
        at = _moment(told, now)
        happened = Happened(step, str(told["accession"]), at, now, by, PARTICULARS[step](told))
        exam = happen(exams, happened)
        if not dry_run:
            site.records.record(happened.kind, happened.to_body())
    return {"dry_run": dry_run, **exam_document(exam)}


def exams_document(home: Home, *, only_open: bool) -> dict[str, Any]:
    """Return what `safelight downtime exam list --json` prints."""
    with looked_at(home) as (_, journal):
        exams = list(exams_of(journal).values())
    waiting: dict[str, int] = {}
    for exam in exams:
        for what in exam.waits_for():
            waiting[what] = waiting.get(what, 0) + 1
    return {
        "exams": [exam_document(one) for one in exams if one.waits_for() or not only_open],
        "open": sum(bool(one.waits_for()) for one in exams),
        "waiting_for": waiting,
    }


def _study_of_order(site: "Site", asked: Asked) -> str:
    """Return the study that the worklist offers for an order already: a modality may have it from before the outage."""
    if asked.way is not Way.ORDERED or not asked.accession:
        return ""
    # Imported here: most commands that look at exams need no worklist.
    from safelight.site.scheduled_steps import step_values

    rows = site.messages.index.steps(
        StepSearch(accession=asked.accession, modality=asked.modality, patient_id=asked.patient_id)
    )
    return step_values(rows[0], site.node)["StudyInstanceUID"] if rows else ""


def _by(told: Mapping[str, Any]) -> str:
    by = str(told.get("by") or "").strip()
    if not by:
        raise NotSigned(has_name=False)
    return by


def _moment(told: Mapping[str, Any], now: datetime) -> datetime:
    at = moment_told(told.get("at"))
    if at is not None and at > now:
        raise TimesDisagree(at=str(at), now=str(now))
    return at or now


def _begun(known: ScopeState) -> tuple[int, ...]:
    return () if known.phase in QUIET else known.outages


def _read(told: Mapping[str, Any]) -> dict[str, Any]:
    text = str(told.get("text") or "").strip()
    if not text or len(text) > READ_CHARACTERS_MAX:
        raise BadStep(step=Step.READ, characters=len(text), characters_max=READ_CHARACTERS_MAX)
    # No priors, no second reader: whoever reads again afterwards must see that it was one of these.
    return {"preliminary": True, "text": text, "urgent": bool(told.get("urgent"))}


def _call(told: Mapping[str, Any]) -> dict[str, Any]:
    to = str(told.get("to") or "").strip()
    if not to:
        raise BadStep(step=Step.CALLED, missing="to")
    return {"read": int(told.get("read") or 1), "to": to, "read_back": bool(told.get("read_back"))}


def _identity(told: Mapping[str, Any]) -> dict[str, Any]:
    patient_id, why = str(told.get("patient_id") or "").strip(), str(told.get("reason") or "").strip()
    if not IDENTIFIER.match(patient_id):
        raise BadRegistration(wrong="patient_id")
    if not why:
        raise BadStep(step=Step.IDENTIFIED, missing="reason")
    return {"patient_id": patient_id, "reason": why}


def _cancellation(told: Mapping[str, Any]) -> dict[str, Any]:
    why = str(told.get("reason") or "").strip()
    if not why:
        raise BadStep(step=Step.CANCELLED, missing="reason")
    return {"reason": why}


ASKED_TEXTS: Final = (
    "site",
    "device",
    "modality",
    "procedure",
    "place",
    "patient_id",
    "accession",
    "birth_date",
    "sex",
)
PARTICULARS: Final[Mapping[Step, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    Step.ARRIVED: lambda _: {},
    Step.ACQUIRED: lambda _: {},
    Step.READ: _read,
    Step.CALLED: _call,
    Step.IDENTIFIED: _identity,
    Step.CANCELLED: _cancellation,
}
