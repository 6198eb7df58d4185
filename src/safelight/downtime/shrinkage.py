"""Whether a newer edition of a worklist can be believed: a system that fails may answer with success and too little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FEW: Final = 5
"""So many steps less are no sign of anything."""


@dataclass(frozen=True, slots=True)
class Start:
    """When a step is to begin, as it was written: local time of an unknown place."""

    date: str
    time: str

    @property
    def moment(self) -> str:
        """Comparable with others; without a time of day the end of its day."""
        return self.date + (self.time.partition(".")[0].ljust(6, "0") if self.time else "999999")


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """A list has become far shorter than the schedule so far leads one to expect."""

    expected: int
    """Steps that should still be listed."""
    got: int


def shrinkage(
    before: Sequence[Start], got: Sequence[Start], *, now: str, first_day: str, percent_max: float
) -> Shrinkage | None:
    """Compare a list with the one before; None when it can be believed.

    What has begun by ``now`` (YYYYMMDDHHMMSS) may be done and gone; what is still ahead does not vanish in numbers. A
    list without any step is believed only when every step before lies further back than the ``first_day`` asked for.
    """
    asked = [one for one in before if not one.date or one.date >= first_day]
    if asked and not got:
        return Shrinkage(len(asked), 0)
    expected, found = (sum(one.moment > now for one in starts) for starts in (before, got))
    is_far_less = found < expected * (100 - percent_max) / 100
    return Shrinkage(expected, found) if is_far_less and expected - found >= FEW else None
