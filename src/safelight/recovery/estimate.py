"""How long the rest will take: measured rates with their error.

The cost of a study is taken as proportional to its *load*: its bytes, plus a fixed charge an instance, since a
thousand small objects take longer than one large object of the same size. The ratio of seconds to load and its
scatter are measured as studies go; older measurements fade, so a target that slows down is noticed.

Source: the ratio estimator of survey sampling and its prediction variance.
"""

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

INSTANCE_CHARGE_BYTES: Final = 100_000
FADING: Final = 0.98
"""What one more measurement leaves of the weight of those before it: about the last fifty count."""
MEASUREMENTS_MIN: Final = 3


def load_of(instances: int, size_bytes: int) -> float:
    """Return the load of a study in bytes, its instances charged for."""
    return float(size_bytes + instances * INSTANCE_CHARGE_BYTES)


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds against load, measured over the studies that are done."""

    count: int = 0
    weight: float = 0.0
    seconds: float = 0.0
    load: float = 0.0
    seconds_squared: float = 0.0
    load_squared: float = 0.0
    product: float = 0.0

    def measured(self, load: float, seconds: float) -> "Rate":
        """Return the rate with one more study taken in."""
        return Rate(
            count=self.count + 1,
            weight=self.weight * FADING + 1,
            seconds=self.seconds * FADING + seconds,
            load=self.load * FADING + load,
            seconds_squared=self.seconds_squared * FADING + seconds * seconds,
            load_squared=self.load_squared * FADING + load * load,
            product=self.product * FADING + load * seconds,
        )

    @property
    def known(self) -> bool:
        """Whether enough was measured to say anything."""
        return self.count >= MEASUREMENTS_MIN and self.load > 0

    def predict(self, studies: int, load: float) -> tuple[float, float]:
        """Return the seconds that ``studies`` of ``load`` together will take, and their variance."""
        ratio = self.seconds / self.load
        squares = self.seconds_squared - 2 * ratio * self.product + ratio * ratio * self.load_squared
        scatter = max(squares, 0.0) / max(self.weight - 1, 1.0)
        mean_load = self.load / self.weight
        return ratio * load, scatter * (studies + (load / mean_load) ** 2 / self.weight)


@dataclass(frozen=True, slots=True)
class Work:
    """What is still to be done: how many studies of what load."""

    studies: int = 0
    load: float = 0.0

    def plus(self, load: float) -> "Work":
        """Return the work with one more study."""
        return replace(self, studies=self.studies + 1, load=self.load + load)

    def minus(self, load: float) -> "Work":
        """Return the work with one study done."""
        return Work(self.studies - 1, self.load - load if self.studies > 1 else 0.0)

    def __add__(self, other: "Work") -> "Work":
        return Work(self.studies + other.studies, self.load + other.load)


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a tier will be done, from now; 95 times of 100 between ``low`` and ``high``."""

    likely: timedelta
    low: timedelta
    high: timedelta


def time_for(sending: Work, confirming: Work, send: Rate, confirm: Rate, slots: int) -> Estimate | None:
    """Return how long this work takes on ``slots`` associations, or nothing while too little was measured."""
    seconds = variance = 0.0
    for work, rate in ((sending, send), (confirming, confirm)):
        if work.studies == 0:
            continue
        if not rate.known:
            return None
        part, spread = rate.predict(work.studies, work.load)
        seconds += part
        variance += spread
    seconds /= slots
    error = 1.96 * math.sqrt(variance) / slots
    return Estimate(
        likely=timedelta(seconds=seconds),
        low=timedelta(seconds=max(seconds - error, 0.0)),
        high=timedelta(seconds=seconds + error),
    )
