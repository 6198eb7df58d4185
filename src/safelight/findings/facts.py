"""What a rule sees of a plan: things with an id and values, by section. Site rules and built-in rules see the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from safelight.core.span import span_text


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a plan. A name that the plan does not know is a defect of the rule, and raises KeyError."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def id(self) -> str:
        """Its name in the plan."""
        return str(self.values["id"])

    @property
    def kind(self) -> str:
        """What it is for."""
        return str(self.values["kind"])

    def has(self, *names: str) -> bool:
        """Return whether all these values are there; zero and `no` are there."""
        return all(self.values[name] is not None and self.values[name] != () for name in names)

    def things(self, name: str) -> "tuple[Thing, ...]":
        """Return the things inside it."""
        return tuple(Thing(one) for one in self.values[name])


@dataclass(frozen=True, slots=True)
class ServiceImpact:
    """What a simulation says of one clinical service in the planned outage."""

    first_breach: timedelta | None
    """When a patient first waits beyond the clinical limit; None when nobody does."""
    clears_after: timedelta | None
    """Until what piled up is done; None when it never is."""
    utilisation: float
    does_not_stand: timedelta | None = None
    """The shortest outage tried that the service surely does not stand; None when it may stand all of them."""


@dataclass(frozen=True, slots=True)
class SurgeImpact:
    """What a simulation says of one clinical service while a neighbour is away and sends us its patients."""

    late: int
    """Exams that wait beyond the clinical limit and would not have without the surge."""
    exams: int


@dataclass(frozen=True, slots=True)
class Surge:
    """What a neighbour's outage does to us, as simulated; or why it could not be."""

    services: Mapping[str, SurgeImpact] = field(default_factory=dict)
    overloaded: Mapping[str, float] = field(default_factory=dict)
    """Stations that get more work in a week than they can do, with how much more."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Estimated:
    """What the parts of a recovery add up to, for one service and one kind of disruption."""

    service: str
    disruption: str
    takes: timedelta | None
    work_recovery: timedelta


@dataclass(frozen=True, slots=True)
class EstimatedLoss:
    """How much time of a system's data may be lost in one kind of disruption."""

    loses: timedelta
    because: str
    """What says so, such as how often its freshest copy is made."""


@dataclass(frozen=True, slots=True)
class SignedVersion:
    """A version of the plan that somebody signed, and whether what was signed still lies beside the plan."""

    version: str
    on: date
    kept: bool


@dataclass(frozen=True)
class Facts:
    """Everything that rules may look at."""

    sections: Mapping[str, Any]
    today: date
    unsigned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The parts that a side has not signed as they are, by side."""
    estimates: Sequence[Estimated] = ()
    impact: Mapping[str, ServiceImpact] = field(default_factory=dict)
    surge: Surge | None = None
    """None where the plan has no department to simulate."""
    signed: Sequence[SignedVersion] = ()
    losses: Mapping[tuple[str, str], EstimatedLoss] = field(default_factory=dict)
    """By system and kind of disruption, where it is known."""

    @cached_property
    def _things(self) -> dict[str, tuple[Thing, ...]]:
        """The sections that rules asked for so far."""
        return {}

    def each(self, section: str, *kinds: str) -> tuple[Thing, ...]:
        """Return the things of a section, of some kinds if any are named."""
        if section not in self._things:
            self._things[section] = tuple(Thing(one) for one in self.sections[section])
        found = self._things[section]
        return tuple(one for one in found if one.kind in kinds) if kinds else found

    def single(self, section: str) -> Thing | None:
        """Return a section that is one thing, if it is there."""
        return Thing(self.sections[section]) if self.sections[section] is not None else None

    def order(self, section: str) -> tuple[str, ...]:
        """Return a section that is a list of names."""
        return tuple(self.sections[section])

    @property
    def header(self) -> Thing:
        """What the plan is, and how far it looks."""
        return Thing(self.sections["plan"])

    @cached_property
    def systems(self) -> Mapping[str, Thing]:
        """The systems by their ids."""
        return {one.id: one for one in self.each("systems")}

    @cached_property
    def people(self) -> Mapping[str, Thing]:
        """The people by their ids."""
        return {one.id: one for one in self.each("people")}

    @cached_property
    def clinical(self) -> tuple[Thing, ...]:
        """The services for patients."""
        return tuple(one for one in self.each("services") if one.kind != "business")

    @cached_property
    def _users(self) -> Mapping[str, tuple[Thing, ...]]:
        found: dict[str, list[Thing]] = {}
        for service in self.clinical:
            for name in service["systems"]:
                found.setdefault(name, []).append(service)
        return {name: tuple(services) for name, services in found.items()}

    def users(self, system: str) -> tuple[Thing, ...]:
        """Return the clinical services that name a system."""
        return self._users.get(system, ())

    @cached_property
    def clinical_systems(self) -> tuple[Thing, ...]:
        """The systems that clinical services name."""
        return tuple(one for one in self.systems.values() if one.id in self._users)

    def closure(self, names: Sequence[str]) -> frozenset[str]:
        """Return systems with everything that they need, however far."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.systems[name]["needs"]
        return frozenset(found)

    def older(self, day: date | None, days: int) -> bool:
        """Return whether something is unknown or longer ago than this."""
        return day is None or (self.today - day).days > days

    def capability(self, system: str, disruption: str) -> Thing | None:
        """Return what IT says of a system in a kind of disruption."""
        found = (one for one in self.systems[system].things("capabilities") if one["disruption"] == disruption)
        return next(found, None)

    def longest_rto(self, system: str) -> timedelta | None:
        """Return the longest time that IT says a system may be away."""
        spans = [one["rto"] for one in self.systems[system].things("capabilities") if one["rto"] is not None]
        return max(spans, default=None)

    def tolerated(self, system: str) -> Mapping[str, timedelta]:
        """Return the strictest RTO that clinical services ask of a system, by kind of disruption."""
        found: dict[str, timedelta] = {}
        for one in (one for service in self.users(system) for one in service.things("tolerances")):
            if one["rto"] is not None:
                found[str(one["disruption"])] = min(one["rto"], found.get(str(one["disruption"]), one["rto"]))
        return found


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule found something: about what, what it is, and which services suffer."""

    subject: str
    what: str
    services: tuple[str, ...] = ()


Hits = Iterator[Hit]


def known(span: timedelta | None) -> str:
    """Write a span, or that it is not known."""
    return "an unknown time" if span is None else span_text(span)
