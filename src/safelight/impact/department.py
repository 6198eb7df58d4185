"""A department as the simulation sees it: classes, modalities, readers, services and their limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOURS_A_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a piece of work takes: mean, and coefficient of variation (0 fixed, 1 exponential, else lognormal)."""

    mean_minutes: float
    variation: float = 1.0
    source: str = ""
    """Where the figure comes from: counted from the site's own records, or a published fallback."""


@dataclass(frozen=True, slots=True)
class PriorityClass:
    """Who goes first. A lower rank is served first; an exam that has begun is not interrupted."""

    name: str
    rank: int
    priorities: tuple[str, ...] = ()
    """What orders call it, in small letters, for counting; its name if nothing is said."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How many exams of one class a modality gets in a week, and in which hours."""

    class_name: str
    per_week: float
    hours: tuple[float, ...] = (1.0,) * HOURS_A_WEEK
    """Weights from Monday 00:00; only their proportions count."""

    def hourly(self) -> tuple[float, ...]:
        """Return the arrivals an hour, for each hour of the week."""
        whole = sum(self.hours)
        return tuple(self.per_week * weight / whole for weight in self.hours)


@dataclass(frozen=True, slots=True)
class Disk:
    """What the devices of a modality hold on their own while the archive is away, all devices together."""

    free_gb: float
    exam_gb: float
    reserve_share: float = 0.1

    @property
    def exams_max(self) -> float:
        """Return how many exams fit."""
        return self.free_gb * (1.0 - self.reserve_share) / self.exam_gb


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of device, with a common queue: how many work in each hour of the week, and on what."""

    name: str
    devices: tuple[int, ...]
    exam: Duration
    reading: Duration
    demands: tuple[Demand, ...]
    disk: Disk | None = None
    counted_as: tuple[str, ...] = ()
    """What studies of it are called in DICOM, for counting; its name if nothing is said."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Radiologists with a common list: how many read in each hour of the week."""

    name: str
    count: tuple[int, ...]
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A clinical service: a class on some modalities, its limits from the order on, and what it declared."""

    name: str
    class_name: str
    modalities: tuple[str, ...]
    start_minutes: float | None = None
    result_minutes: float | None = None
    declared_mtd_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Messages:
    """HL7 traffic into one ordered queue."""

    per_exam: float = 0.0
    background_per_hour: float = 0.0
    seconds_each: float = 0.1


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one downtime exam costs afterwards, and how many people do it."""

    match_minutes: float = 3.0
    error_share: float = 0.064
    fix_minutes: float = 15.0
    unordered_share: float = 0.0
    order_minutes: float = 5.0
    people: float = 2.0


@dataclass(frozen=True, slots=True)
class UnitValues:
    """What the site says things cost; nothing is assumed."""

    currency: str
    lost_exam: float = 0.0
    diverted_exam: float = 0.0
    deferred_exam: float = 0.0
    downtime_exam: float = 0.0
    reconciliation_hour: float = 0.0
    outage_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Department:
    """Everything that the simulation knows of a department."""

    name: str
    classes: tuple[PriorityClass, ...]
    modalities: tuple[Modality, ...]
    readers: tuple[Readers, ...]
    services: tuple[Service, ...]
    delivery: Duration = Duration(0.0, 0.0)
    messages: Messages | None = None
    reconciliation: Reconciliation = Reconciliation()
    unit_values: UnitValues | None = None

    def ranks(self) -> Mapping[str, int]:
        """Return the rank of each class."""
        return {one.name: one.rank for one in self.classes}

    @property
    def exams_per_week(self) -> float:
        """Return how many exams come in a week."""
        return sum(demand.per_week for modality in self.modalities for demand in modality.demands)
