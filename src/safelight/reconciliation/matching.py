"""Which order a case fulfils: points for what agrees and against what contradicts, and the reasons in words.

What is certain is closed by a rule: accession number or Study Instance UID and the patient ID agree, nothing
contradicts, and nobody else comes near on either side. All the rest is proposed to a person.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from safelight.reconciliation.case import Case
from safelight.reconciliation.sides import Order, Patient

CERTAIN_POINTS: Final = 90
PROPOSED_POINTS: Final = 25
NOT_MERGED: Final[Mapping[str, str]] = MappingProxyType({})
LEAD_POINTS: Final = 20
"""By how much the best must be ahead of the next, on both sides, to be certain."""


@dataclass(frozen=True, slots=True)
class Traits:
    """By what a case or an order is recognised. Sets, since one thing goes by several names; empty is unknown."""

    accessions: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()
    patient_ids: frozenset[str] = frozenset()
    sure_ids: frozenset[str] = frozenset()
    """Those of them that the hospital gave: a number of the downtime box contradicts nothing."""
    names: frozenset[str] = frozenset()
    birth_dates: frozenset[str] = frozenset()
    sexes: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    started: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for or against."""

    points: int
    words: str


@dataclass(frozen=True, slots=True)
class Score:
    """How well two fit."""

    reasons: tuple[Reason, ...] = ()

    @property
    def points(self) -> int:
        """The sum."""
        return sum(one.points for one in self.reasons)

    @property
    def is_contradicted(self) -> bool:
        """Whether anything speaks against."""
        return any(one.points < 0 for one in self.reasons)


@dataclass(frozen=True, slots=True)
class Sign:
    """Something by which two are compared."""

    words: str
    of: Callable[[Traits], AbstractSet[str]]
    agrees: int
    contradicts: int = 0
    """Zero or less; zero where a difference says nothing."""
    sure: Callable[[Traits], AbstractSet[str]] | None = None
    """What can contradict, where that is not everything."""
    names: bool = True
    """Whether it names a patient or an exam: the same kind of exam on the same device within the hour is no match."""


SIGNS: Final = (
    Sign("accession number", lambda one: one.accessions, 60),
    Sign("Study Instance UID", lambda one: one.studies, 60),
    Sign("patient ID", lambda one: one.patient_ids, 30, -40, lambda one: one.sure_ids),
    Sign("name", lambda one: one.names, 15, -15),
    Sign("birth date", lambda one: one.birth_dates, 10, -20),
    Sign("sex", lambda one: one.sexes, 5, -15, names=False),
    Sign("modality", lambda one: one.modalities, 10, -30, names=False),
    Sign("device", lambda one: one.stations, 5, names=False),
)
NEAR: Final = ((timedelta(hours=1), 10, "within an hour"), (timedelta(hours=4), 5, "within four hours"))
FAR: Final = (timedelta(hours=24), -20, "more than a day apart")


def score(one: Traits, other: Traits) -> Score:
    """Compare two; which of them comes first does not matter."""
    reasons = []
    for sign in SIGNS:
        mine, theirs = sign.of(one), sign.of(other)
        if mine & theirs:
            reasons.append(Reason(sign.agrees, f"same {sign.words}"))
            continue
        sure = sign.sure or sign.of
        if sign.contradicts and sure(one) and sure(other):
            reasons.append(Reason(sign.contradicts, f"other {sign.words}"))
    apart = _apart(one.started, other.started)
    if apart is not None:
        near = next((Reason(points, words) for span, points, words in NEAR if apart <= span), None)
        if near is not None:
            reasons.append(near)
        elif apart > FAR[0]:
            reasons.append(Reason(*FAR[1:]))
    return Score(tuple(reasons))


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order that a case may fulfil."""

    order: Order
    score: Score
    is_certain: bool
    but: str = ""
    """Why it is not certain, in words."""


def propose(
    cases: Sequence[Case],
    orders: Sequence[Order],
    temporary: AbstractSet[str],
    in_force: Mapping[str, str] = NOT_MERGED,
) -> Mapping[str, tuple[Proposal, ...]]:
    """Return for each case, by name, the orders that it may fulfil, the best first."""
    found = _Orders(orders)
    scores: dict[str, dict[int, Score]] = {}
    by_order: dict[int, list[int]] = {}
    for case in cases:
        traits = case_traits(case, temporary, in_force)
        compared = {key: score(traits, theirs) for key, theirs in found.near(traits)}
        scores[case.name] = {key: one for key, one in compared.items() if one.points >= PROPOSED_POINTS}
        for key, one in scores[case.name].items():
            by_order.setdefault(key, []).append(one.points)
    known = {order.key: order for order in orders}
    return {
        name: tuple(
            _proposal(
                known[key], one, [rival.points for other, rival in fitting.items() if other != key], by_order[key]
            )
            for key, one in sorted(fitting.items(), key=lambda pair: (-pair[1].points, pair[0]))
        )
        for name, fitting in scores.items()
    }


class _Orders:
    """Orders by what names a patient or an exam: only what shares one of these is compared at all."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._traits = {order.key: order_traits(order) for order in orders}
        self._by_name: dict[tuple[str, str], list[int]] = {}
        for key, traits in self._traits.items():
            for name in _names(traits):
                self._by_name.setdefault(name, []).append(key)

    def near(self, traits: Traits) -> Iterator[tuple[int, Traits]]:
        """Give the orders that share a name with a case."""
        keys = {key for name in _names(traits) for key in self._by_name.get(name, ())}
        for key in sorted(keys):
            yield key, self._traits[key]


def _names(traits: Traits) -> Iterator[tuple[str, str]]:
    for sign in SIGNS:
        if sign.names:
            yield from ((sign.words, value) for value in sign.of(traits))


def _proposal(order: Order, found: Score, rival_orders: Sequence[int], of_order: Sequence[int]) -> Proposal:
    rival_cases = sorted(of_order, reverse=True)
    rival_cases.remove(found.points)
    but = ""
    if found.is_contradicted:
        but = "something contradicts"
    elif found.points < CERTAIN_POINTS:
        but = "not enough agrees"
    elif order.is_cancelled:
        but = "the order was cancelled"
    elif rival_orders and found.points - max(rival_orders) < LEAD_POINTS:
        but = "another order fits nearly as well"
    elif rival_cases and found.points - rival_cases[0] < LEAD_POINTS:
        but = "another exam fits this order nearly as well"
    return Proposal(order, found, not but, but)


def case_traits(case: Case, temporary: AbstractSet[str], in_force: Mapping[str, str] = NOT_MERGED) -> Traits:
    """Return by what a case is recognised."""
    exam = case.exam
    patients = [study.patient for study in case.studies]
    accessions = {study.accession for study in case.studies}
    studies = {study.study for study in case.studies}
    modalities = set().union(*(study.modalities for study in case.studies))
    stations = set().union(*(study.stations for study in case.studies))
    if exam is not None:
        patients += [exam.patient, *([exam.identified_as] if exam.identified_as else [])]
        accessions.add(exam.accession)
        studies.add(exam.study)
        modalities.add(exam.modality)
        stations.add(exam.device)
    ids = _filled(one.patient_id.text for one in patients)
    ids |= _filled(in_force.get(one, "") for one in ids)
    # Whoever was registered without a name has a placeholder for one, in the images too.
    told = [case.patient] if exam is not None and exam.is_unidentified else patients
    named = [] if case.waits_for_identity else told
    return Traits(
        accessions=_filled(accessions),
        studies=_filled(studies),
        patient_ids=ids,
        sure_ids=ids - temporary,
        modalities=_filled(modalities),
        stations=_filled(stations),
        started=next((study.started for study in case.studies if study.started), ""),
        **_demographics(named),
    )


def order_traits(order: Order) -> Traits:
    """Return by what an order is recognised."""
    ids = _filled([order.patient.patient_id.text])
    return Traits(
        accessions=_filled([order.accession]),
        studies=_filled([order.study]),
        patient_ids=ids,
        sure_ids=ids,
        modalities=order.modalities,
        stations=order.stations,
        started=order.started,
        **_demographics([order.patient]),
    )


def name_key(name: str) -> str:
    """Return family and given name as they compare: without case, accents of writing, and what comes behind."""
    family, _, rest = name.partition("=")[0].partition("^")
    given = rest.partition("^")[0]
    return "^".join(re.sub(r"[^\w]", "", part.casefold()) for part in (family, given)).strip("^")


def _demographics(patients: Sequence[Patient]) -> dict[str, frozenset[str]]:
    return {
        "names": _filled(name_key(one.name.text) for one in patients),
        "birth_dates": _filled(one.birth_date for one in patients),
        "sexes": _filled(one.sex for one in patients),
    }


def _filled(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(text for text in texts if text)


def _apart(one: str, other: str) -> timedelta | None:
    """Return how far two local times of the same hospital are apart; None where one is none."""
    moments = [_local(text) for text in (one, other)]
    if moments[0] is None or moments[1] is None:
        return None
    return abs(moments[0] - moments[1])


def _local(text: str) -> datetime | None:
    digits = re.match(r"\d{12,14}", text)
    if digits is None:
        return None
    try:
        # Without an offset on purpose: both are what clocks on the walls of this hospital said.
        return datetime.strptime(digits[0].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
