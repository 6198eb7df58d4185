"""Departments and scenarios read from plain documents (YAML or JSON), with the path of whatever is wrong."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, Final, TypeVar

from safelight.impact.department import (
    HOURS_A_WEEK,
    Demand,
    Department,
    Disk,
    Duration,
    Messages,
    Modality,
    PriorityClass,
    Readers,
    Reconciliation,
    Service,
    UnitValues,
)
from safelight.impact.errors import BadModel, Overloaded
from safelight.impact.scenario import Scenario, Scope, Steps

ITEMS_MAX: Final = 200
COUNT_MAX: Final = 1_000
NUMBER_MAX: Final = 1e12
HOURS_MAX: Final = 24 * 366.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping in the document, and where it stands."""

    told: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, value: object, where: str, known: Collection[str]) -> "Section":
        """Take a mapping that has no other keys than the known ones.

        Raises:
            BadModel: it is none, or has others.
        """
        if not isinstance(value, Mapping):
            raise BadModel(where=where, problem="expected a mapping")
        for key in value:
            if key not in known:
                raise BadModel(where=f"{where}.{key}", problem="unknown key", known=", ".join(sorted(known)))
        return cls(value, where)

    def at(self, key: str) -> str:
        """Return where a key stands."""
        return f"{self.where}.{key}"

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.told.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 200:
            raise BadModel(where=self.at(key), problem="expected a text of 1 to 200 letters")
        return value.strip()

    def number(
        self, key: str, default: float | None = None, *, low: float = 0.0, high: float = NUMBER_MAX, above: bool = False
    ) -> float:
        """Return a number between bounds; without a default it must be there."""
        value = self.told.get(key, default)
        return _number(value, self.at(key), low, high, above)

    def items(self, key: str, *, some: bool = True) -> list[tuple[Any, str]]:
        """Return a list with the place of each item."""
        value = self.told.get(key, [])
        if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) > ITEMS_MAX:
            raise BadModel(where=self.at(key), problem=f"expected a list of at most {ITEMS_MAX}")
        if some and not value:
            raise BadModel(where=self.at(key), problem="expected at least one")
        return [(item, f"{self.at(key)}[{number}]") for number, item in enumerate(value)]

    def part(self, key: str, known: Collection[str]) -> "Section | None":
        """Return a mapping that may be missing."""
        return None if self.told.get(key) is None else Section.of(self.told[key], self.at(key), known)

    def shares(self, key: str, names: Collection[str], high: float = 1.0) -> dict[str, float]:
        """Return shares by name."""
        part = self.part(key, names)
        return {} if part is None else {name: part.number(name, high=high) for name in part.told}


def _number(value: object, where: str, low: float, high: float, above: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadModel(where=where, problem="expected a number" if value is not None else "missing")
    if not isfinite(value) or value > high or value < low or (above and value <= low):
        raise BadModel(where=where, problem="out of range", low=low, high=high, low_is_allowed=not above)
    return float(value)


def _distinct(items: Sequence[T], name: Callable[[T], str], where: str) -> tuple[T, ...]:
    seen: set[str] = set()
    for item in items:
        if name(item) in seen:
            raise BadModel(where=where, problem="the name stands twice", name=name(item))
        seen.add(name(item))
    return tuple(items)


def read_department(value: object, where: str = "department") -> Department:
    """Read a department.

    Raises:
        BadModel: a value is missing, unknown or out of range.
        Overloaded: more arrives in a week than can be done.
    """
    known = (
        "name", "classes", "modalities", "readers", "services", "hours", "delivery_minutes", "messages",
        "reconciliation", "unit_values",
    )  # fmt: skip
    told = Section.of(value, where, known)
    classes = _distinct([_class(*item) for item in told.items("classes")], lambda one: one.name, told.at("classes"))
    names = [one.name for one in classes]
    patterns = _patterns(told)
    modalities = _distinct(
        [_modality(item, at, names, patterns) for item, at in told.items("modalities")],
        lambda one: one.name,
        told.at("modalities"),
    )
    kinds = [one.name for one in modalities]
    readers = _distinct(
        [_readers(item, at, kinds) for item, at in told.items("readers")], lambda one: one.name, told.at("readers")
    )
    for kind in kinds:
        if sum(kind in one.modalities for one in readers) != 1:
            raise BadModel(where=told.at("readers"), problem="each modality is read by one group", modality=kind)
    services = [_service(item, at, names, kinds) for item, at in told.items("services", some=False)]
    department = Department(
        told.text("name"),
        classes,
        modalities,
        readers,
        _distinct(services, lambda one: one.name, told.at("services")),
        _duration(told, "delivery_minutes", Duration(0.0, 0.0), zero=True),
        _messages(told),
        _reconciliation(told),
        _unit_values(told),
    )
    check_load(department)
    return department


def _class(value: object, where: str) -> PriorityClass:
    told = Section.of(value, where, ("name", "rank", "priorities"))
    rank = told.number("rank", low=0, high=99)
    return PriorityClass(told.text("name"), int(rank), tuple(one.lower() for one in _words(told, "priorities")))


def _words(told: Section, key: str) -> tuple[str, ...]:
    """Read a list of words that may be missing."""
    words = []
    for item, at in told.items(key, some=False):
        if not isinstance(item, str) or not 1 <= len(item) <= 64:
            raise BadModel(where=at, problem="expected a word")
        words.append(item)
    return tuple(words)


def _patterns(told: Section) -> dict[str, tuple[float, ...]]:
    """Read named patterns of a week: 168 weights, or 24 of a day with 7 of the days."""
    whole = told.told.get("hours")
    if whole is None:
        return {}
    if not isinstance(whole, Mapping):
        raise BadModel(where=told.at("hours"), problem="expected a mapping")
    patterns = {}
    for name, value in whole.items():
        at = f"{told.at('hours')}.{name}"
        if isinstance(value, Mapping):
            part = Section.of(value, at, ("day", "days"))
            day, days = _weights(value.get("day"), part.at("day"), 24), _weights(value.get("days"), part.at("days"), 7)
            patterns[str(name)] = tuple(hour * weight for weight in days for hour in day)
        else:
            patterns[str(name)] = _weights(value, at, HOURS_A_WEEK)
    return patterns


def _weights(value: object, where: str, count: int) -> tuple[float, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        raise BadModel(where=where, problem=f"expected {count} numbers")
    weights = tuple(_number(one, f"{where}[{at}]", 0.0, 1e6) for at, one in enumerate(value))
    if not sum(weights):
        raise BadModel(where=where, problem="all are zero")
    return weights


def _staff(told: Section, key: str) -> tuple[int, ...]:
    """Read how many work: a number, 24 numbers for every day, or 168."""
    value = told.told.get(key)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) not in (24, HOURS_A_WEEK):
            raise BadModel(where=told.at(key), problem="expected one number, 24 or 168")
        counts = [int(_number(one, f"{told.at(key)}[{at}]", 0, COUNT_MAX)) for at, one in enumerate(value)]
        if not sum(counts):
            raise BadModel(where=told.at(key), problem="nobody ever works")
        return tuple(counts * (HOURS_A_WEEK // len(counts)))
    return (int(told.number(key, low=1, high=COUNT_MAX)),) * HOURS_A_WEEK


def _duration(told: Section, key: str, default: Duration | None = None, *, zero: bool = False) -> Duration:
    value = told.told.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, Mapping):
        part = Section.of(value, told.at(key), ("mean", "variation", "source"))
        source = str(value.get("source", ""))
        mean = part.number("mean", high=10_000, above=not zero)
        return Duration(mean, part.number("variation", 1.0, high=10), source)
    return Duration(told.number(key, high=10_000, above=not zero))


def _modality(value: object, where: str, classes: list[str], patterns: dict[str, tuple[float, ...]]) -> Modality:
    told = Section.of(
        value, where, ("name", "counted_as", "devices", "exam_minutes", "reading_minutes", "exams", "disk")
    )
    demands = []
    for item, at in told.items("exams"):
        part = Section.of(item, at, ("class", "per_week", "hours"))
        if part.text("class") not in classes:
            raise BadModel(where=part.at("class"), problem="no such class", name=part.text("class"))
        pattern = part.told.get("hours")
        if pattern is not None and pattern not in patterns:
            raise BadModel(where=part.at("hours"), problem="no such pattern", name=str(pattern))
        hours = (1.0,) * HOURS_A_WEEK if pattern is None else patterns[pattern]
        demands.append(Demand(part.text("class"), part.number("per_week", above=True), hours))
    disk = told.part("disk", ("free_gb", "exam_gb", "reserve_share"))
    return Modality(
        told.text("name"),
        _staff(told, "devices"),
        _duration(told, "exam_minutes"),
        _duration(told, "reading_minutes", zero=True),
        _distinct(demands, lambda one: one.class_name, told.at("exams")),
        None
        if disk is None
        else Disk(
            disk.number("free_gb", above=True),
            disk.number("exam_gb", above=True),
            disk.number("reserve_share", 0.1, high=0.99),
        ),
        _words(told, "counted_as"),
    )


def _names(told: Section, key: str, known: list[str]) -> tuple[str, ...]:
    if key not in told.told:
        return tuple(known)
    names = []
    for item, at in told.items(key):
        if item not in known:
            raise BadModel(where=at, problem="no such modality", name=str(item))
        names.append(str(item))
    return tuple(names)


def _readers(value: object, where: str, kinds: list[str]) -> Readers:
    told = Section.of(value, where, ("name", "count", "modalities"))
    return Readers(told.text("name"), _staff(told, "count"), _names(told, "modalities", kinds))


def _service(value: object, where: str, classes: list[str], kinds: list[str]) -> Service:
    known = ("name", "class", "modalities", "start_minutes", "result_minutes", "declared_mtd_minutes")
    told = Section.of(value, where, known)
    if told.text("class") not in classes:
        raise BadModel(where=told.at("class"), problem="no such class", name=told.text("class"))

    def limit(key: str) -> float | None:
        # 0 is a value of its own, and none that can be met: it is refused, never taken for "not set".
        return None if told.told.get(key) is None else told.number(key, above=key != "declared_mtd_minutes")

    start, result = limit("start_minutes"), limit("result_minutes")
    if start is None and result is None:
        raise BadModel(where=where, problem="needs start_minutes or result_minutes")
    return Service(
        told.text("name"),
        told.text("class"),
        _names(told, "modalities", kinds),
        start,
        result,
        limit("declared_mtd_minutes"),
    )


def _messages(told: Section) -> Messages | None:
    part = told.part("messages", ("per_exam", "background_per_hour", "seconds_each"))
    if part is None:
        return None
    return Messages(
        part.number("per_exam", 0.0, high=1e4),
        part.number("background_per_hour", 0.0, high=1e7),
        part.number("seconds_each", 0.1, high=3600, above=True),
    )


def _reconciliation(told: Section) -> Reconciliation:
    shares, known = (
        ("error_share", "unordered_share"),
        ("match_minutes", "error_share", "fix_minutes", "unordered_share", "order_minutes", "people"),
    )
    part = told.part("reconciliation", known)
    if part is None:
        return Reconciliation()
    values = {key: part.number(key, high=1.0 if key in shares else 1e4, above=key == "people") for key in part.told}
    return Reconciliation(**values)


def _unit_values(told: Section) -> UnitValues | None:
    amounts = (
        "lost_exam", "diverted_exam", "deferred_exam", "downtime_exam", "reconciliation_hour", "outage_hour",
    )  # fmt: skip
    part = told.part("unit_values", ("currency", *amounts))
    if part is None:
        return None
    return UnitValues(part.text("currency"), **{key: part.number(key, 0.0) for key in amounts})


def check_load(department: Department) -> None:
    """Refuse what would queue for ever.

    Raises:
        Overloaded: a modality or a group of readers gets more work in a week than it can do.
    """
    for name, load in utilisation(department).items():
        if load >= 1.0:
            raise Overloaded(station=name, utilisation=round(load, 3))


def utilisation(department: Department) -> dict[str, float]:
    """Return the share of its hours that each station works, over a week."""
    loads, weekly = {}, {}
    for modality in department.modalities:
        weekly[modality.name] = sum(one.per_week for one in modality.demands)
        loads[modality.name] = weekly[modality.name] * modality.exam.mean_minutes / 60 / sum(modality.devices)
    for readers in department.readers:
        minutes = sum(
            weekly[one.name] * one.reading.mean_minutes
            for one in department.modalities
            if one.name in readers.modalities
        )
        loads[f"readers {readers.name}"] = minutes / 60 / sum(readers.count)
    return loads


def read_scenario(value: object, department: Department, where: str = "scenario") -> Scenario:
    """Read a scenario for a department.

    Raises:
        BadModel: a value is missing, unknown or out of range.
    """
    known = (
        "name", "scope", "start_hour", "hours", "exam_shares", "reading_shares", "delivery_factor", "deferred",
        "lost", "diverted", "surge", "rebook_weeks", "catch_up_share", "catch_up_hours",
    )  # fmt: skip
    told = Section.of(value, where, known)
    if told.text("scope") not in list(Scope):
        raise BadModel(where=told.at("scope"), problem="no such scope", known=", ".join(Scope))
    classes = [one.name for one in department.classes]
    part = told.part("exam_shares", ["*", *(one.name for one in department.modalities)])
    exam_shares = {} if part is None else {name: _steps(part.told[name], part.at(name)) for name in part.told}
    reading = told.told.get("reading_shares")
    factor = told.told.get("delivery_factor")
    deferred, diverted = told.shares("deferred", classes), told.shares("diverted", classes)
    for name in classes:
        if deferred.get(name, 0.0) + diverted.get(name, 0.0) > 1.0:
            raise BadModel(where=told.at("deferred"), problem="deferred and diverted are more than all", name=name)
    return Scenario(
        told.text("name"),
        Scope(told.text("scope")),
        told.number("start_hour", 10.0, high=167.999),
        told.number("hours", high=HOURS_MAX, above=True),
        exam_shares,
        None if reading is None else _steps(reading, told.at("reading_shares")),
        None if factor is None else told.number("delivery_factor", high=100),
        deferred,
        told.shares("lost", classes),
        diverted,
        told.shares("surge", classes, high=10.0),
        told.number("rebook_weeks", 2.0, high=52, above=True),
        told.number("catch_up_share", 1.0, low=0.1, high=5.0),
        told.number("catch_up_hours", 0.0, high=HOURS_MAX),
    )


def _steps(value: object, where: str) -> Steps:
    """Read a share, or a list of ``{after_hours, share}``."""
    if isinstance(value, int | float):
        return ((0.0, _number(value, where, 0.0, 2.0)),)
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= ITEMS_MAX:
        raise BadModel(where=where, problem="expected a share or a list of after_hours and share")
    steps = []
    for at, item in enumerate(value):
        part = Section.of(item, f"{where}[{at}]", ("after_hours", "share"))
        steps.append((part.number("after_hours", high=HOURS_MAX), part.number("share", high=2.0)))
    if steps[0][0] != 0 or any(a[0] >= b[0] for a, b in pairwise(steps)):
        raise BadModel(where=where, problem="after_hours begins with 0 and grows")
    return tuple(steps)
