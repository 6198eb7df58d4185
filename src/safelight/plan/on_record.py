"""What a home's records say to an estimate, with where each number comes from: sizes held, rates and work measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from safelight.plan.objectives import Service
from safelight.plan.words import Portion

CLAIMED: Final = "as the plan says"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of an estimate, and where it comes from in words."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Span:
    """A time of an estimate, and where it comes from in words."""

    takes: timedelta
    source: str


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What was counted and measured; nothing of it where no home was asked."""

    sizes_gb: Mapping[Portion, Figure] = field(default_factory=dict)
    """What is held, by how much of it a system waits for."""
    gb_per_hour: Figure | None = None
    """How fast the last recovery or drill brought studies back."""
    work_recovery: Span | None = None
    """From a return to service until nothing of that outage was open, the longest that was lived through."""
    exposure: Span | None = None
    """How much of what is held would be lost this moment; None where that cannot be known."""

    @property
    def asked(self) -> bool:
        """Whether a home was asked at all."""
        return bool(self.sizes_gb)


NOTHING: Final = OnRecord()
FALLBACK_RATE: Final = Figure(
    34.5, "published fallback: a C-MOVE migration of the NHS, 5.8 TB a week sustained; measure yours in a drill"
)
"""Gigabytes an hour, where neither the plan nor a drill names a rate."""


def work_recovery(service: Service, on_record: OnRecord) -> Span:
    """Return how long a service takes to do what piled up: the longer of what is claimed and what was lived through.

    A short outage leaves little to catch up, so a short measurement must not shrink the claim.
    """
    lived = on_record.work_recovery
    if lived is not None and lived.takes > service.work_recovery:
        return lived
    return Span(service.work_recovery, CLAIMED)
