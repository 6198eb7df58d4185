"""Every system in the order of IT's recovery tiers, whoever bought it, with the most urgent service that needs it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from safelight.plan.estimate import order
from safelight.plan.inventory import System
from safelight.plan.model import Plan
from safelight.plan.objectives import Service
from safelight.plan.words import ServiceKind, SystemKind


@dataclass(frozen=True, slots=True)
class Need:
    """The service that can bear a system's absence least, and how long it bears it."""

    service: Service
    bears: timedelta


@dataclass(frozen=True, slots=True)
class Ranked:
    """One system, and what hangs on it."""

    system: System
    need: Need | None
    """None where no service that needs it has said what it bears."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a PACS stands against systems of the business."""

    pacs: Ranked
    after: tuple[Ranked, ...]
    beside: tuple[Ranked, ...]
    before: tuple[Ranked, ...]


def ranking(plan: Plan) -> list[Ranked]:
    """Return the systems, first tier first; those without a tier come last.

    Raises:
        DependencyCycle: systems wait for each other.
    """
    needs = _needs(plan)
    return sorted((Ranked(one, needs.get(one.id)) for one in plan.systems), key=_tier)


def standings(ranked: Sequence[Ranked]) -> list[Standing]:
    """Return where each PACS stands against finance, nurse scheduling and whatever else is the business's."""
    business = [one for one in ranked if one.system.kind == SystemKind.BUSINESS]
    return [
        Standing(
            pacs,
            tuple(one for one in business if _tier(one) < _tier(pacs)),
            tuple(one for one in business if _tier(one) == _tier(pacs)),
            tuple(one for one in business if _tier(one) > _tier(pacs)),
        )
        for pacs in ranked
        if pacs.system.kind == SystemKind.PACS
    ]


def silent(plan: Plan) -> list[Service]:
    """Return the services that have not said what they bear."""
    return [one for one in plan.services if not one.tolerances]


def _tier(one: Ranked) -> tuple[bool, int]:
    return (one.system.tier is None, one.system.tier or 0)


def _needs(plan: Plan) -> dict[str, Need]:
    """Return the most urgent need of each system: a system is needed by whatever needs what needs it."""
    known = {one.id: one for one in plan.systems}
    found: dict[str, Need] = {}
    for service in plan.services:
        said = [one.rto for one in service.tolerances if one.rto is not None]
        if said:
            _keep_shortest(found, service.systems, Need(service, min(said)))
    # Backwards: whoever needs a system is looked at before it.
    for name in reversed(order(plan.systems)):
        if name in found:
            _keep_shortest(found, known[name].needs, found[name])
    return found


def _keep_shortest(found: dict[str, Need], names: Iterable[str], need: Need) -> None:
    for name in names:
        if name not in found or _urgency(need) < _urgency(found[name]):
            found[name] = need


def _urgency(need: Need) -> tuple[timedelta, bool]:
    # Of two that bear equally little, patients come first.
    return (need.bears, need.service.kind == ServiceKind.BUSINESS)
