"""What was done while systems were away, exam by exam: whose it is, what stands against that, what was decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from safelight.core.clock import to_text
from safelight.reconciliation.case import Case
from safelight.reconciliation.comparison import proposals_for
from safelight.reconciliation.difference import Difference
from safelight.reconciliation.facts import Identity
from safelight.reconciliation.identity import differing_demographics
from safelight.reconciliation.matching import Proposal
from safelight.reconciliation.sides import Order, Patient
from safelight.site.home import Home
from safelight.site.reconciliation_view import (
    Picture,
    UnknownDifference,
    decision_document,
    difference_document,
    picture_document,
    picture_looked_at,
    proposal_document,
)

FIELDS: Final = ("patient_id", "name", "birth_date", "sex", "accession", "modalities", "procedure", "started")
"""What is known of an exam on each side, as people compare it."""
_FIELD_OF: Final = {"name": "name", "birth date": "birth_date", "sex": "sex"}


def report_document(home: Home, outages: Sequence[int] = ()) -> dict[str, Any]:
    """Return what `safelight reconciliation report --json` prints: every exam of the outage, open or settled.

    What differs and belongs to no exam, such as an order that nobody fulfilled, stands in ``others``.
    """
    with picture_looked_at(home, outages) as picture:
        if picture is None:
            return {**picture_document(None), "exams": [], "others": []}
        told = picture_document(picture)
        del told["differences"]
        by_case = _by_case(picture)
        exams = [_exam_line(picture, case, by_case.pop(case.name, [])) for case in picture.cases]
        rest = [one for several in by_case.values() for one in several]
        orders = {order.name: order for order in picture.sides.orders}
        others = [_other_line(one, orders.get(one.order)) for one in rest]
        return {**told, "exams": exams, "others": others}


def exam_document(home: Home, name: str, outages: Sequence[int] = ()) -> dict[str, Any]:
    """Return what `safelight reconciliation exam --json` prints: one exam as every side has it, and what it may fulfil.

    Raises:
        UnknownDifference: nothing of this name was done in the outage.
    """
    with picture_looked_at(home, outages) as picture:
        case = next((one for one in picture.cases if name in _names(one)), None) if picture is not None else None
        if picture is None or case is None:
            raise UnknownDifference(difference=name)
        proposals = proposals_for(picture.cases, picture.sides, picture.state).get(case.name, ())
        return {
            **_exam_line(picture, case, _by_case(picture).get(case.name, [])),
            "sides": list(_sides(picture, case)),
            "proposals": [_proposal(picture, case, one) for one in proposals],
            "reads": [
                {
                    "read": read.number,
                    "by": read.by,
                    "at": to_text(read.at),
                    "urgent": read.urgent,
                    "read_back": any(call.read_back for call in read.calls),
                }
                for read in (case.exam.reads if case.exam is not None else ())
            ],
        }


def _by_case(picture: Picture) -> dict[str, list[Difference]]:
    """Return what is open by the case that it is about; by its own id where it is about none."""
    owner = {name: case.name for case in picture.cases for name in _names(case)}
    found: dict[str, list[Difference]] = {}
    for one in picture.differences:
        named = next((owner[name] for name in (one.exam, one.subject, one.study) if name in owner), one.identity)
        found.setdefault(named, []).append(one)
    return found


def _names(case: Case) -> Iterator[str]:
    yield case.name
    yield from (study.study for study in case.studies)


def _exam_line(picture: Picture, case: Case, differences: Iterable[Difference]) -> dict[str, Any]:
    exam, decision = case.exam, picture.state.settled_as(case.name)
    return {
        "exam": case.name,
        "registered": exam is not None,
        "at": to_text(exam.at) if exam is not None else None,
        "is_cancelled": exam is not None and exam.is_cancelled,
        "is_identified": not case.waits_for_identity,
        "device": exam.device if exam is not None else "/".join(_gathered(one.stations for one in case.studies)),
        "studies": [one.study for one in case.studies],
        "instances": sum(len(one.instances) for one in case.studies),
        **_told(_own_patient(case, decision.fact.identity if decision else None), *_of_case(case)),
        "differences": [difference_document(one) for one in differences],
        "decision": decision_document(decision) if decision else None,
    }


def _other_line(one: Difference, order: Order | None) -> dict[str, Any]:
    return {**difference_document(one), "ordered": _of_order(order) if order is not None else None}


def _own_patient(case: Case, identity: Identity | None) -> Patient:
    return identity.patient if identity is not None else case.patient


def _sides(picture: Picture, case: Case) -> Iterator[dict[str, Any]]:
    """Give the exam as each side has it; what was registered first, since by that people remember it."""
    look, exam, decision = picture.sides.target, case.exam, picture.state.settled_as(case.name)
    if exam is not None:
        registered = (exam.accession, [exam.modality], exam.procedure, to_text(exam.at))
        yield _side(picture, case, "registered", exam.patient, *registered)
        if exam.identified_as is not None:
            yield _side(picture, case, "identified", exam.identified_as)
    for study in case.studies:
        made = (study.accession, study.modalities, "", study.started)
        yield _side(picture, case, "images", study.patient, *made, instances=len(study.instances), study=study.study)
    if decision is not None and decision.fact.identity is not None:
        identity = decision.fact.identity
        yield _side(picture, case, "decided", identity.patient, identity.accession, (), identity.procedure)
    for study in case.studies:
        theirs = look.studies.get(study.study) if look is not None else None
        if theirs is not None:
            yield _side(picture, case, "target", theirs.patient, theirs.accession, study=study.study)


def _proposal(picture: Picture, case: Case, proposal: Proposal) -> dict[str, Any]:
    order = _of_order(proposal.order)
    marks = _marks(picture, case, proposal.order.patient, proposal.order.accession, proposal.order.modalities)
    return {**proposal_document(proposal), "ordered": {**order, **marks}}


def _of_order(order: Order) -> dict[str, Any]:
    told = _told(order.patient, order.accession, order.modalities, order.procedure, order.started)
    return {**told, "placer": order.placer, "filler": order.filler, "is_cancelled": order.is_cancelled}


def _side(
    picture: Picture,
    case: Case,
    side: str,
    patient: Patient,
    accession: str = "",
    modalities: Iterable[str] = (),
    procedure: str = "",
    started: str = "",
    **more: Any,
) -> dict[str, Any]:
    told = _told(patient, accession, modalities, procedure, started)
    return {"side": side, **told, **_marks(picture, case, patient, accession, modalities), **more}


def _told(
    patient: Patient, accession: str, modalities: Iterable[str], procedure: str, started: str
) -> Mapping[str, Any]:
    exam = {"accession": accession, "modalities": sorted(modalities), "procedure": procedure, "started": started}
    return {**patient.to_body(), **exam}


def _of_case(case: Case) -> tuple[str, list[str], str, str]:
    modalities = _gathered(one.modalities for one in case.studies)
    started = next((one.started for one in case.studies if one.started), "")
    if case.exam is not None:
        return case.exam.accession, modalities or [case.exam.modality], case.exam.procedure, started
    return case.studies[0].accession, modalities, "", started


def _marks(
    picture: Picture, case: Case, patient: Patient, accession: str, modalities: Iterable[str]
) -> dict[str, list[str]]:
    """Say where this side contradicts the exam as it was done, and which of its numbers were only lent by us."""
    own, (own_accession, own_modalities, *_) = case.patient, _of_case(case)
    sides = picture.sides
    temporary = [
        field
        for field, text in (("patient_id", patient.patient_id.text), ("accession", accession))
        if text in sides.temporary
    ]
    # A number that we lent contradicts nothing: it was there for want of the right one.
    numbers = (
        ("patient_id", sides.current(patient.patient_id.text), sides.current(own.patient_id.text)),
        ("accession", accession, own_accession),
    )
    differs = [
        field
        for field, told, known in numbers
        if told and known and told != known and not {told, known} & sides.temporary
    ]
    if not case.waits_for_identity:
        differs += [_FIELD_OF[words] for words in differing_demographics(patient, own)]
    told_modalities = set(modalities)
    if told_modalities and own_modalities and not told_modalities & set(own_modalities):
        differs.append("modalities")
    return {"differs": differs, "temporary": temporary}


def _gathered(several: Iterable[Iterable[str]]) -> list[str]:
    return sorted({one for each in several for one in each})
