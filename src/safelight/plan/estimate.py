"""Four values per objective: what radiology bears, what IT says, what the parts add up to, what was measured.

A system's own parts follow each other and are summed; what it needs comes back side by side, so the slowest counts. The
longest path, with detection and declaration before it and the work that piled up behind it, is the estimate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from safelight.plan.errors import DependencyCycle
from safelight.plan.inventory import System
from safelight.plan.model import Plan
from safelight.plan.words import Disruption

LONGEST_HOURS: Final = 1_000_000.0
"""Above a century, a size and a rate are no estimate."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a recovery on its longest path."""

    system: str
    what: str
    takes: timedelta


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
                raise DependencyCycle(cycle=" -> ".join([*names[names.index(after) :], after]))
            if after not in done:
                under_way[after] = 0
    return list(done)


def estimates(plan: Plan, disruption: Disruption) -> dict[str, Estimate]:
    """Return for each system how long it takes to come back, from the moment that the recovery begins.

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
        own, unknown = _own(plan, system, disruption)
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


def _own(plan: Plan, system: System, disruption: Disruption) -> tuple[list[Part], list[str]]:
    recovery = next((one for one in system.recovery if one.disruption == disruption), None)
    if recovery is None:
        claimed = any(one.disruption == disruption for one in system.capabilities)
        return [], [f"{system.id}: no `recovery` for {disruption}"] if claimed else []
    parts = [Part(system.id, "rebuild", recovery.rebuild)]
    unknown = []
    copy = next((one for one in plan.copies if one.id == recovery.copy), None)
    if copy is not None:
        parts.append(Part(system.id, f"fetch {copy.id}", copy.acquire))
    if recovery.size_gb:
        rate = recovery.gb_per_hour or (copy.gb_per_hour if copy else None)
        if rate and recovery.size_gb / rate < LONGEST_HOURS:
            parts.append(Part(system.id, "data", timedelta(hours=recovery.size_gb / rate)))
        else:
            unknown.append(f"{system.id}: no rate, or none of use, for {recovery.size_gb:g} GB")
    parts.append(Part(system.id, "consistency", recovery.consistency))
    parts.append(Part(system.id, "validation", recovery.validation))
    return [part for part in parts if part.takes], unknown
