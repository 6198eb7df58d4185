"""In which order the studies go home: a pure function of facts and plan.

A study belongs to the first tier of the plan whose condition it meets. Dates and times of a study are local times
of an unknown place, so they are compared with the local date and time of the hospital and with nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from safelight.core.errors import UsageError
from safelight.core.names import Personal


class BadTierOrder(UsageError):
    """The plan's order of tiers must name every tier exactly once."""

    code: ClassVar[str] = "recovery.bad-tier-order"
    hint: ClassVar[str] = "List every tier once; see the table of tiers in the recovery page."


class Tier(StrEnum):
    """Who waits for a study; the default order is the order of this list."""

    PINNED = "pinned"
    """Named by a person when the recovery was started."""
    EMERGENCY = "emergency"
    """Current and unread studies of patients in emergency, stroke and trauma care."""
    INPATIENT = "inpatient"
    """Current and unread studies of patients on the wards."""
    LAST_24_HOURS = "last-24-hours"
    """Everything else acquired in the last 24 hours or known to be unread."""
    PRIORS_IN_HOUSE = "priors-in-house"
    """Earlier studies of patients who are in the house, the most relevant first."""
    PRIORS_SCHEDULED = "priors-scheduled"
    """Earlier studies of patients on today's and tomorrow's lists, the most relevant first."""
    LAST_4_WEEKS = "last-4-weeks"
    """Everything else acquired in the last four weeks."""
    REST = "rest"
    """All other studies, newest first; those without a usable date last, by the time we received them."""


DEFAULT_TIERS: Final = tuple(Tier)
CURRENT_DAYS: Final = 1
"""A study is current when it was acquired today or this many days before: an admission spans midnight."""


class PatientClass(StrEnum):
    """HL7 table 0004, as far as it decides an order."""

    EMERGENCY = "E"
    INPATIENT = "I"
    OUTPATIENT = "O"


_CLASS_RANK: Final = {PatientClass.EMERGENCY: 0, PatientClass.INPATIENT: 1, PatientClass.OUTPATIENT: 2}


@dataclass(frozen=True, slots=True)
class PatientNow:
    """A patient who is in the house, or is expected, when the recovery begins."""

    patient: Personal
    issuer: str = ""
    patient_class: PatientClass | None = None
    location: str = ""
    scheduled: date | None = None
    modality: str = ""
    """Of the scheduled examination, when the list says so."""
    body_part: str = ""


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the order may know of one study."""

    study: str
    patient: Personal
    date: str
    """Study Date as it came: it may be empty, malformed or in the future."""
    time: str
    modalities: tuple[str, ...]
    received_at: datetime
    """The latest moment we received something of it."""
    instances: int = 0
    size_bytes: int = 0
    issuer: str = ""
    body_part: str = ""
    read: bool | None = None
    """Whether a report exists; None when nobody told us."""


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """What a site may change about the order.

    Raises:
        BadTierOrder: ``tiers`` lacks a tier or names one twice.
    """

    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    emergency_locations: frozenset[str] = frozenset({"ED", "ER", "STROKE", "TRAUMA"})
    """A patient is in emergency care when a word of the location is one of these."""

    def __post_init__(self) -> None:
        if sorted(self.tiers) != sorted(Tier):
            raise BadTierOrder(tiers=",".join(self.tiers))


class Placed(NamedTuple):
    """A study and the tier it goes home with."""

    facts: StudyFacts
    tier: Tier


def clinical_order(
    studies: Iterable[StudyFacts],
    *,
    local_now: datetime,
    patients: Iterable[PatientNow] = (),
    pins: Sequence[str] = (),
    plan: OrderPlan | None = None,
) -> list[Placed]:
    """Return the studies in the order in which they go home.

    Args:
        studies: what is held.
        local_now: the hospital's wall clock, without an offset.
        patients: who is in the house or expected; several rows of one patient are taken together.
        pins: study UIDs that go first, in this order.
        plan: the site's changes to the order.
    """
    studies = list(studies)
    ordering = _Ordering.of(studies, local_now, patients, pins, plan or OrderPlan())
    keyed = [ordering.key(facts, number) for number, facts in enumerate(studies)]
    keyed.sort()
    tiers = ordering.plan.tiers
    return [Placed(studies[key[-1]], tiers[key[0] >> _TIER_SHIFT]) for key in keyed]


_PatientKey = tuple[str, str]
_Key = tuple[int, int, float, str, int]
_TIER_SHIFT: Final = 64
_RANK_SHIFT: Final = 4
_TIERS: Final = tuple(Tier)
_NUMBER: Final[Mapping[str, int]] = {tier: number for number, tier in enumerate(_TIERS)}
(
    _PINNED,
    _EMERGENCY,
    _INPATIENT,
    _LAST_24_HOURS,
    _PRIORS_IN_HOUSE,
    _PRIORS_SCHEDULED,
    _LAST_4_WEEKS,
    _REST,
) = range(len(_TIERS))


@dataclass(slots=True)
class _InHouse:
    """All rows of one patient, taken together, and what the patient is being examined for."""

    rank: int | None = None
    emergency: bool = False
    scheduled: bool = False
    modalities: set[str] = field(default_factory=set)
    body_parts: set[str] = field(default_factory=set)

    def add(self, row: PatientNow, plan: OrderPlan, today: date) -> None:
        expected = row.scheduled is not None and today <= row.scheduled <= today + timedelta(days=1)
        self.scheduled = self.scheduled or expected
        # An outpatient with an appointment is on a list, not in the house; E and I are in the house whatever comes.
        if row.patient_class and not (row.patient_class is PatientClass.OUTPATIENT and row.scheduled):
            rank = _CLASS_RANK[row.patient_class]
            self.rank = rank if self.rank is None else min(rank, self.rank)
            words = row.location.upper().replace("-", " ").replace("/", " ").split()
            in_emergency_care = not plan.emergency_locations.isdisjoint(words)
            self.emergency = self.emergency or in_emergency_care or row.patient_class is PatientClass.EMERGENCY
        if row.modality:
            self.modalities.add(row.modality.upper())
        if row.body_part:
            self.body_parts.add(row.body_part.upper())

    def relevance(self, facts: StudyFacts) -> int:
        same_modality = not self.modalities.isdisjoint(facts.modalities)
        same_part = bool(facts.body_part) and facts.body_part.upper() in self.body_parts
        return 0 if same_modality and same_part else 1 if same_modality else 2 if same_part else 3


@lru_cache(maxsize=1 << 16)
def _day(text: str) -> str:
    """Return a study date as YYYYMMDD, or nothing when it is not one.

    Source: PS3.5 Table 6.2-1, value representation DA, and its ACR-NEMA form with dots.
    """
    text = text.strip(" \0")
    if len(text) == 10 and text[4] == "." and text[7] == ".":
        text = text.replace(".", "")
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return ""
    return text if "01" <= text[4:6] <= "12" and "01" <= text[6:] <= "31" and text >= "18950101" else ""


@lru_cache(maxsize=1 << 17)
def _clock_time(text: str) -> str:
    """Return a study time as HHMMSS, the smallest it can mean, or nothing when it is not one."""
    digits = text.strip(" \0").replace(":", "").partition(".")[0]
    if len(digits) not in (2, 4, 6) or not (digits.isascii() and digits.isdigit()):
        return ""
    digits = digits.ljust(6, "0")
    return digits if digits[:2] <= "23" and digits[2:4] <= "59" and digits[4:] <= "60" else ""


@dataclass(frozen=True, slots=True)
class _Ordering:
    plan: OrderPlan
    pins: Mapping[str, int]
    in_house: Mapping[_PatientKey, _InHouse]
    identifiers: frozenset[str]
    """Of the patients in the list: most studies belong to nobody who is here, and are told apart by this alone."""
    index: tuple[int, ...]
    """By tier in the default order, its place in the plan."""
    a_day_ago: str
    current_from: str
    four_weeks_ago: str
    tomorrow: str

    @classmethod
    def of(
        cls,
        studies: Sequence[StudyFacts],
        local_now: datetime,
        patients: Iterable[PatientNow],
        pins: Sequence[str],
        plan: OrderPlan,
    ) -> "_Ordering":
        in_house: dict[_PatientKey, _InHouse] = {}
        for row in patients:
            key = (row.issuer, row.patient.text)
            in_house.setdefault(key, _InHouse()).add(row, plan, local_now.date())

        def day(days: int) -> str:
            return (local_now - timedelta(days=days)).strftime("%Y%m%d")

        ordering = cls(
            plan=plan,
            pins={study: number for number, study in reversed(list(enumerate(pins)))},
            in_house=in_house,
            identifiers=frozenset(identifier for _, identifier in in_house),
            index=tuple(plan.tiers.index(tier) for tier in Tier),
            a_day_ago=(local_now - timedelta(days=1)).strftime("%Y%m%d%H%M%S"),
            current_from=day(CURRENT_DAYS),
            four_weeks_ago=day(28),
            tomorrow=day(-1),
        )
        ordering._learn_current_examinations(studies)
        return ordering

    def _learn_current_examinations(self, studies: Sequence[StudyFacts]) -> None:
        """Priors are relevant to what the patient is being examined for now."""
        for facts in studies:
            patient = self._patient(facts)
            if patient is not None and self.current_from <= _day(facts.date) <= self.tomorrow:
                patient.modalities.update(facts.modalities)
                if facts.body_part:
                    patient.body_parts.add(facts.body_part.upper())

    def _patient(self, facts: StudyFacts) -> _InHouse | None:
        """Find the patient's row; a list without issuers means every issuer."""
        identifier = facts.patient.text
        if identifier not in self.identifiers:
            return None
        return self.in_house.get((facts.issuer, identifier)) or self.in_house.get(("", identifier))

    def key(self, facts: StudyFacts, number: int) -> _Key:
        """Return what a study is sorted by: tier and relevance, moment backwards, receipt backwards, UID."""
        day = _day(facts.date)
        if day > self.tomorrow:
            # A modality with a wrong clock must not lead the newest-first tiers.
            day = ""
        time = _clock_time(facts.time)
        patient = self._patient(facts)
        tier = self._tier(facts, patient, day, time)
        rank = relevance = 0
        if tier is Tier.PINNED:
            rank = self.pins[facts.study]
        elif patient is not None and tier in (Tier.PRIORS_IN_HOUSE, Tier.PRIORS_SCHEDULED):
            relevance = patient.relevance(facts)
            rank = patient.rank or 0
        place = self.index[_NUMBER[tier]] << _TIER_SHIFT | rank << _RANK_SHIFT | relevance
        # Without a date the moment is 0, which comes after every other since those are negative.
        moment = -int(day + (time or "000000")) if day else 0
        return (place, moment, -facts.received_at.timestamp(), facts.study, number)

    def _tier(self, facts: StudyFacts, patient: _InHouse | None, day: str, time: str) -> Tier:
        if patient is None and day < self.four_weeks_ago and facts.read is not False and facts.study not in self.pins:
            # Nearly every study of a large archive ends here.
            return Tier.REST
        # Without a time the whole day counts: too early is better than too late.
        recent = day + (time or "235959") >= self.a_day_ago if day else False
        holds = [False] * len(_TIERS)
        holds[_PINNED] = facts.study in self.pins
        holds[_LAST_24_HOURS] = recent or facts.read is False
        holds[_LAST_4_WEEKS] = day >= self.four_weeks_ago
        if patient is not None:
            pressing = day >= self.current_from or facts.read is False
            holds[_EMERGENCY] = pressing and patient.emergency
            holds[_INPATIENT] = pressing and patient.rank == _CLASS_RANK[PatientClass.INPATIENT]
            holds[_PRIORS_IN_HOUSE] = patient.rank is not None
            holds[_PRIORS_SCHEDULED] = patient.scheduled
        # Everything is "the rest" as well, so a plan that does not put it last must not let it swallow the others.
        if True not in holds:
            return Tier.REST
        return next(tier for tier in self.plan.tiers if holds[_NUMBER[tier]])
