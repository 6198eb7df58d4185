"""An outage as the simulation sees it: when, how long, what is away, and what the department does about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Scope(StrEnum):
    """What is away."""

    PACS = "pacs"
    RIS = "ris"
    NETWORK = "network"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a scope does where the scenario does not say otherwise. These are assumptions, labelled as such."""

    exam_share: float
    reading_share: float
    delivery_factor: float
    disks_fill: bool
    messages_wait: bool
    to_reconcile: bool


EFFECTS: Final[Mapping[Scope, Effect]] = MappingProxyType(
    {
        # Reading at the console: film against filmless took 3.6 times as long (Mattern 1999, an upper bound).
        Scope.PACS: Effect(1.0, 1 / 3.6, 1.9, True, False, False),
        # Typing at the device: PACS and worklist saved 2 to 3 minutes a patient (ED study), about 15 % of an exam.
        Scope.RIS: Effect(0.85, 1.0, 1.62, False, True, True),
        Scope.NETWORK: Effect(0.6, 1 / 3.6, 1.9, True, True, True),
        Scope.EVERYTHING: Effect(0.0, 0.0, 1.9, False, True, False),
    }
)

Steps = tuple[tuple[float, float], ...]
"""From how many hours after the start which share of normal speed holds; the first begins at 0."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One outage. Hours are counted from Monday 00:00; shares are of normal speed."""

    name: str
    scope: Scope
    start_hour: float
    hours: float
    exam_shares: Mapping[str, Steps] = field(default_factory=dict)
    """By modality; the key ``*`` stands for every modality that is not named."""
    reading_shares: Steps | None = None
    delivery_factor: float | None = None
    deferred: Mapping[str, float] = field(default_factory=dict)
    """By class: the share of exams that are postponed while the outage lasts."""
    lost: Mapping[str, float] = field(default_factory=dict)
    """By class: the share of postponed exams that never come back."""
    diverted: Mapping[str, float] = field(default_factory=dict)
    """By class: the share of exams that go elsewhere while the outage lasts."""
    surge: Mapping[str, float] = field(default_factory=dict)
    """By class: additional arrivals while the outage lasts, as a share of the usual ones (a neighbour is away)."""
    rebook_weeks: float = 2.0
    catch_up_share: float = 1.0
    """Speed after the restore, for ``catch_up_hours``: overtime and additional lists."""
    catch_up_hours: float = 0.0

    @property
    def effect(self) -> Effect:
        """Return what the scope does where nothing else is said."""
        return EFFECTS[self.scope]

    def exam_steps(self, modality: str) -> Steps:
        """Return the shares of speed at which one modality works during the outage."""
        told = self.exam_shares.get(modality, self.exam_shares.get("*"))
        return ((0.0, self.effect.exam_share),) if told is None else told

    def reading_steps(self) -> Steps:
        """Return the shares of speed at which radiologists read during the outage."""
        return ((0.0, self.effect.reading_share),) if self.reading_shares is None else self.reading_shares
