"""Four values per objective: what radiology bears, what IT says, what the parts add up to, what was measured.

A system's own parts follow each other and are summed; what it needs comes back side by side, so the slowest counts. The
longest path, with detection and declaration before it and the work that piled up behind it, is the estimate. Sizes and
rates are those on record where a home was asked; every part says where its numbers come from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import Final

from safelight.plan.errors import DependencyCycle
from safelight.plan.inventory import Copy, Recovery, System
from safelight.plan.model import Plan
from safelight.plan.on_record import CLAIMED, FALLBACK_RATE, NOTHING, Figure, OnRecord
from safelight.plan.words import Disruption, Portion

LONGEST_HOURS: Final = 1_000_000.0
"""Above a century, a size and a rate are no estimate."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a recovery on its longest path."""

    system: str
    what: str
    takes: timedelta
    source: str = CLAIMED
    """Where its numbers come from."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long something takes to come back, and why; unknown when a part of it has no figure."""

    takes: timedelta | None
    path: tuple[Part, ...]
    unknown: tuple[str, ...] = ()
    """What is missing for an estimate."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What drills measured last for a system; day and drill are those of the last one."""

    rto: timedelta | None
    rpo: timedelta | None
    on: date
    drill: str


def order(systems: Iterable[System]) -> list[str]:
    """Return systems so that each comes after what it needs.

    Raises:
        DependencyCycle: naming the circle.
    """
    needs = {one.id: one.needs for one in systems}
    done: dict[str, None] = {}
    for first in needs:
        under_way: dict[str, int] = {}
        while first not in done:
            # Depth first without recursion: a chain of a thousand systems is no reason to fail.
            at = next(reversed(under_way), first)
            under_way.setdefault(at, 0)
            waiting = needs[at][under_way[at] :]
            if not waiting:
                del under_way[at]
                done[at] = None
                continue
            under_way[at] += 1
            after = waiting[0]
            if after in under_way:
                names = list(under_way)
                raise DependencyCycle([*names[names.index(after) :], after])
            if after not in done:
                under_way[after] = 0
    return list(done)


def estimates(
    plan: Plan, disruption: Disruption, on_record: OnRecord = NOTHING, *, complete: bool = False
) -> dict[str, Estimate]:
    """Return for each system how long it takes to come back, from the moment that the recovery begins.

    Args:
        plan: the plan.
        disruption: in which kind of disruption.
        on_record: what a home says of sizes and rates.
        complete: until everything held is back, not only what a system needs to be of use.

    Raises:
        DependencyCycle: systems wait for each other.
    """
    known = {one.id: one for one in plan.systems}
    found: dict[str, Estimate] = {}
    for name in order(plan.systems):
        system = known[name]
        before = max(
            (found[one] for one in system.needs), key=lambda one: one.takes or timedelta(0), default=Estimate(None, ())
        )
        own, unknown = _own(plan, system, disruption, on_record, complete=complete)
        missing = tuple(dict.fromkeys([*(one for need in system.needs for one in found[need].unknown), *unknown]))
        path = (*before.path, *own)
        takes = None if missing else sum((part.takes for part in path), timedelta(0))
        found[name] = Estimate(takes, path, missing)
    return found


def service_estimate(plan: Plan, systems: Iterable[str], found: Mapping[str, Estimate]) -> Estimate:
    """Return how long a service is without its systems, from when they broke: detection and declaration included."""
    reached = [found[name] for name in systems]
    slowest = max(reached, key=lambda one: one.takes or timedelta(0), default=Estimate(timedelta(0), ()))
    unknown = tuple(dict.fromkeys(told for one in reached for told in one.unknown))
    begin = plan.declaration
    opening = (Part("", "detect", begin.detect), Part("", "declare", begin.declare)) if begin else ()
    path = (*opening, *slowest.path)
    return Estimate(None if unknown else sum((part.takes for part in path), timedelta(0)), path, unknown)


def measurements(plan: Plan, disruption: Disruption) -> dict[str, Measured]:
    """Return the last measurement of each system in drills of one kind of disruption."""
    found: dict[str, Measured] = {}
    for drill in sorted(plan.drills, key=lambda one: one.held_on):
        for one in drill.measured if drill.disruption == disruption else ():
            before = found.get(one.system, Measured(None, None, drill.held_on, drill.id))
            # A drill that measured one of the two leaves the other as it was.
            rto = before.rto if one.rto is None else one.rto
            rpo = before.rpo if one.rpo is None else one.rpo
            found[one.system] = Measured(rto, rpo, drill.held_on, drill.id)
    return found


def _own(
    plan: Plan, system: System, disruption: Disruption, on_record: OnRecord, *, complete: bool
) -> tuple[list[Part], list[str]]:
    recovery = next((one for one in system.recovery if one.disruption == disruption), None)
    if recovery is None:
        claimed = any(one.disruption == disruption for one in system.capabilities)
        return [], [f"{system.id}: no `recovery` for {disruption}"] if claimed else []
    parts = [Part(system.id, "rebuild", recovery.rebuild)]
    unknown = []
    copy = next((one for one in plan.copies if one.id == recovery.copy), None)
    if copy is not None:
        parts.append(Part(system.id, f"fetch {copy.id}", copy.acquire))
    size = _size(recovery, copy, on_record, complete=complete)
    if size is None:
        unknown.append(f"{system.id}: nothing of `{recovery.useful_with or Portion.EVERYTHING}` is held that counts")
    elif size.value:
        rate = _rate(recovery, copy, on_record)
        if size.value / rate.value < LONGEST_HOURS:
            parts.append(_data(system, size, rate))
        else:
            unknown.append(f"{system.id}: no rate of use for {size.value:g} GB")
    parts.append(Part(system.id, "consistency", recovery.consistency))
    parts.append(Part(system.id, "validation", recovery.validation))
    return [part for part in parts if part.takes], unknown


def _size(recovery: Recovery, copy: Copy | None, on_record: OnRecord, *, complete: bool) -> Figure | None:
    """Return how much comes back; None when it should be counted and nothing is there to count."""
    claimed = Figure(recovery.size_gb, CLAIMED)
    if copy is None or not copy.in_safelight or not on_record.asked:
        return claimed
    portion = Portion.EVERYTHING if complete else recovery.useful_with
    if portion is None:
        # Which part of what is held was meant with so many gigabytes is not known: then the claim stands.
        if recovery.size_gb:
            return claimed
        portion = Portion.EVERYTHING
    counted = on_record.sizes_gb.get(portion)
    return counted if counted is not None and counted.value else None


def _rate(recovery: Recovery, copy: Copy | None, on_record: OnRecord) -> Figure:
    if copy is not None and copy.in_safelight and on_record.gb_per_hour is not None:
        return on_record.gb_per_hour
    claimed = recovery.gb_per_hour or (copy.gb_per_hour if copy else None)
    return Figure(claimed, CLAIMED) if claimed else FALLBACK_RATE


def _data(system: System, size: Figure, rate: Figure) -> Part:
    takes = timedelta(seconds=ceil(size.value / rate.value * 3600))
    if size.source == rate.source == CLAIMED:
        return Part(system.id, "data", takes)
    source = f"{size.value:.4g} GB ({size.source}) at {rate.value:.4g} GB/h ({rate.source})"
    return Part(system.id, "data", takes, source)
