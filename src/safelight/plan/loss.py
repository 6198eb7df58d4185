"""How much time of data is lost: as much as the freshest copy is old that is still there after a disruption."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from safelight.core.span import span_text
from safelight.plan.inventory import Copy, System
from safelight.plan.model import Plan
from safelight.plan.on_record import CLAIMED, NOTHING, OnRecord, Span
from safelight.plan.words import Disruption, SystemKind

HARMLESS: Final = (Disruption.NETWORK, Disruption.PEOPLE)
"""They keep people from the data and destroy none."""
WITHOUT_DATA: Final = (
    SystemKind.VIEWER,
    SystemKind.MODALITY,
    SystemKind.DNS,
    SystemKind.TIME,
    SystemKind.NETWORK,
    SystemKind.TELEPHONY,
    SystemKind.PRINTING,
)
"""They keep nothing that lies nowhere else, unless the plan says that they hold images or names a copy of them."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How much a system or a service may lose, and why; unknown where no copy says."""

    loses: timedelta | None
    source: str
    """Where the number comes from, or what is missing for one."""


def losses(plan: Plan, disruption: Disruption, on_record: OnRecord = NOTHING) -> dict[str, Loss]:
    """Return for each system how much time of its data may be lost in a kind of disruption."""
    copies: dict[str, list[Copy]] = {}
    for copy in plan.copies:
        copies.setdefault(copy.of, []).append(copy)
    return {one.id: _loss(one, copies.get(one.id, []), disruption, on_record) for one in plan.systems}


def service_loss(systems: Iterable[str], found: Mapping[str, Loss]) -> timedelta | None:
    """Return how much a service may lose: as much as the system that loses most; unknown when that of one is."""
    spans = [found[name].loses for name in systems]
    known = [one for one in spans if one is not None]
    return max(known, default=timedelta(0)) if len(known) == len(spans) else None


def keeps_data(plan: Plan, system: System) -> bool:
    """Return whether data lie on a system that may be lost with it."""
    return _keeps_data(system, any(one.of == system.id for one in plan.copies))


def _keeps_data(system: System, is_copied: bool) -> bool:
    return system.kind not in WITHOUT_DATA or system.holds_images or is_copied


def _loss(system: System, copies: list[Copy], disruption: Disruption, on_record: OnRecord) -> Loss:
    if not _keeps_data(system, bool(copies)):
        return Loss(timedelta(0), f"a {system.kind} keeps no data that lie nowhere else")
    if disruption in HARMLESS:
        return Loss(timedelta(0), f"{disruption} destroys no data")
    if not copies:
        return Loss(None, "the plan names no copy of it")
    left = [one for one in copies if _is_left(one, system, disruption)]
    if not left:
        return Loss(None, f"no copy of it is left after {disruption}")
    ages = [_age(one, on_record) for one in left]
    known = [one for one in ages if one is not None]
    unsaid = "" if len(known) == len(ages) else "the exposure of what Safelight holds is not known now"
    if not known:
        return Loss(None, unsaid)
    freshest = min(known, key=lambda one: one.takes)
    return Loss(freshest.takes, "; ".join(filter(None, (freshest.source, unsaid))))


def _is_left(copy: Copy, system: System, disruption: Disruption) -> bool:
    """Return whether a copy can be used after a disruption."""
    match disruption:
        case Disruption.SITE:
            return copy.site != system.site
        case Disruption.RANSOMWARE:
            return copy.offline or copy.immutable
        case Disruption.VENDOR:
            return copy.admin_domain != system.admin_domain
        case _:
            return True


def _age(copy: Copy, on_record: OnRecord) -> Span | None:
    """Return how old a copy may be; None when it should be measured and cannot be known."""
    if not copy.in_safelight or not on_record.asked:
        often = f"every {span_text(copy.every)}" if copy.every else "at once"
        return Span(copy.every, f"{copy.id} is made {often}, {CLAIMED}")
    if on_record.exposure is None:
        return None
    return Span(on_record.exposure.takes, f"{copy.id}: {on_record.exposure.source}")
