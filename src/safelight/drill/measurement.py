"""What a restore measured, and how that compares with what was claimed and asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from safelight.drill.facts import Objective, TierMeasured


@dataclass(frozen=True, slots=True)
class StudyTried:
    """What became of one study of the drill."""

    tier: str
    confirmed_at: datetime | None
    """When it was fetched back and found equal; None when it was not."""
    first_received_at: datetime
    """When the oldest of it came to us: what is lost with it reaches back so far."""


def measure(
    began_at: datetime, exposure_seconds: float | None, studies: Iterable[StudyTried], *, sample: bool = False
) -> tuple[TierMeasured, ...]:
    """Return RTO and RPO of each tier, in the order in which they were restored.

    The RTO runs from the beginning of the drill, not of the tier: a tier waits for those before it. A sample has none:
    some studies of a tier say nothing of how long all of it takes. The RPO is the larger of the exposure when the
    drill began and the age of the oldest thing that did not come back.
    """
    tiers: dict[str, list[StudyTried]] = {}
    for one in studies:
        tiers.setdefault(one.tier, []).append(one)
    found = (_tier(name, began_at, exposure_seconds, tried) for name, tried in tiers.items())
    return tuple(replace(one, rto_seconds=None) if sample else one for one in found)


def _tier(name: str, began_at: datetime, exposure: float | None, tried: Sequence[StudyTried]) -> TierMeasured:
    came = [one.confirmed_at for one in tried if one.confirmed_at is not None]
    lost = [one.first_received_at for one in tried if one.confirmed_at is None]
    rto = (max(came) - began_at).total_seconds() if came and not lost else None
    rpo = exposure
    if rpo is not None and lost:
        rpo = max(rpo, (began_at - min(lost)).total_seconds())
    return TierMeasured(name, len(tried), len(came), rto, rpo)


class Verdict(StrEnum):
    """How a measured value stands to an objective."""

    MET = "met"
    NOT_MET = "not-met"
    NOT_MEASURED = "not-measured"
    """Nothing came back whole, or the value is not known: that proves nothing, and is no success."""
    NO_OBJECTIVE = "no-objective"


@dataclass(frozen=True, slots=True)
class Compared:
    """One objective and what the drill says of it."""

    objective: Objective
    rto: Verdict
    rpo: Verdict


def compare(tiers: Sequence[TierMeasured], objectives: Iterable[Objective]) -> tuple[Compared, ...]:
    """Hold the slowest tier and the largest loss against every objective."""
    rto = _worst([one.rto_seconds for one in tiers])
    rpo = _worst([one.rpo_seconds for one in tiers])
    return tuple(Compared(one, _verdict(rto, one.rto_seconds), _verdict(rpo, one.rpo_seconds)) for one in objectives)


def _worst(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return max(known) if known and len(known) == len(values) else None


def _verdict(measured: float | None, bound: float | None) -> Verdict:
    if bound is None:
        return Verdict.NO_OBJECTIVE
    if measured is None:
        return Verdict.NOT_MEASURED
    return Verdict.MET if measured <= bound else Verdict.NOT_MET
