"""The worklist of the screens: scheduled steps, with the exams that people registered by hand beside them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from safelight.core.clock import SystemClock
from safelight.downtime.exam import Exam
from safelight.downtime.outage import Scope
from safelight.downtime.phase import QUIET
from safelight.site.downtime_steps import BY_HAND
from safelight.site.exams import exam_document, exams_of
from safelight.site.hl7_worklist import days_asked, worklist_document
from safelight.site.home import Home
from safelight.site.outages import downtime_state
from safelight.site.status import looked_at

EXAMS_MAX: Final = 1000


def merged_worklist(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worklist; a step that an exam took names it."""
    asked = {**asked, **days_asked(asked)}
    limit, offset = int(asked["limit"]), int(asked["offset"])
    document = worklist_document(home, {**asked, "limit": offset + limit + 1 + EXAMS_MAX})
    # What people registered and nobody ordered stands among the exams.
    steps = [one for one in document["steps"] if one["sources"] != [BY_HAND]][offset:]
    exams, taken = _exams(home, asked)
    accessions = {one["attributes"].get("AccessionNumber", "") for one in steps[:limit]}
    for step in steps[:limit]:
        accession = step["attributes"].get("AccessionNumber", "")
        step["exam"] = accession if accession in taken else None
    shown = [{**exam_document(one), "is_ordered_step": one.registered.accession in accessions} for one in exams]
    return {
        **document,
        "steps": steps[:limit],
        "exams": shown[:EXAMS_MAX] if not offset else [],
        "offset": offset,
        "is_more": len(steps) > limit,
    }


def _exams(home: Home, asked: Mapping[str, Any]) -> tuple[list[Exam], frozenset[str]]:
    """Return the exams to be shown, and the accession numbers of all."""
    with looked_at(home) as (_, journal):
        exams = exams_of(journal)
        now, state = SystemClock().now(), downtime_state(journal)
    known = [state.scope(scope, now) for scope in Scope]
    is_open = {outage for one in known if one.phase not in QUIET for outage in one.outages}
    shown = [
        exam
        for exam in exams.values()
        if (exam.waits_for() or is_open.intersection(exam.registered.outages)) and _fits(exam, asked)
    ]
    return sorted(shown, key=lambda one: one.registered.at), frozenset(exams)


def _fits(exam: Exam, asked: Mapping[str, Any]) -> bool:
    registered = exam.registered
    day = _day(registered.at)
    return (
        asked.get("modality", registered.modality) == registered.modality
        and asked.get("accession", registered.accession) == registered.accession
        and asked.get("patient_id", registered.person.patient_id) in (registered.person.patient_id, exam.identified_as)
        and asked.get("date_from", day) <= day <= asked.get("date_to", day)
    )


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y%m%d")
