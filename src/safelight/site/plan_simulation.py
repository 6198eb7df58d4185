"""What `safelight plan impact --json` said, for the rules: by clinical service of the plan."""

import json
from collections.abc import Mapping
from datetime import timedelta
from math import ceil, floor
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.core.errors import UsageError
from safelight.findings.facts import ServiceImpact
from safelight.plan.model import Plan

UNLIKELY: Final = 0.05
"""What happens in fewer runs than this share is left aside."""


class BadSimulation(UsageError):
    """This file is no answer of `safelight plan impact --json`, or knows no service of the plan."""

    code: ClassVar[str] = "site.bad-simulation"
    hint: ClassVar[str] = "Write it anew, and give services the same names in the department and in the plan."


def impacts(file: Path, plan: Plan) -> dict[str, ServiceImpact]:
    """Read a simulation; a service is found by its id or its name.

    Raises:
        BadSimulation: it cannot be read, or none of its services is one of the plan.
    """
    try:
        told = json.loads(file.read_text("utf-8"))
        breaches = {str(name).casefold(): one for name, one in told["figures"]["first_breach_hours"].items()}
        clearances = [_latest(one) for one in told["figures"]["backlog_clearance_hours"].values()]
        busiest = max((float(one) for one in told["utilisation"].values()), default=0.0)
        clears = (
            None if None in clearances else max((one for one in clearances if one is not None), default=timedelta(0))
        )
        stands = {str(one["service"]).casefold(): one for one in told.get("tolerance", ())}
        found = {
            service.id: ServiceImpact(_earliest(breaches[name]), clears, busiest, _too_long(stands.get(name)))
            for service in plan.services
            for name in (service.id.casefold(), service.name.casefold())
            if name in breaches
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadSimulation(file=str(file), trouble=f"{type(error).__name__}: {error}"[:200]) from error
    if not found:
        raise BadSimulation(file=str(file), services=", ".join(breaches)[:200])
    return found


def _earliest(figure: Mapping[str, Any]) -> timedelta | None:
    # The early end of the interval: a patient who waits too long in one run of twenty is not to be averaged away.
    if 1.0 - figure["never"] < UNLIKELY or figure["low"] is None:
        return None
    return timedelta(minutes=floor(float(figure["low"]) * 60))


def _too_long(tolerance: Mapping[str, Any] | None) -> timedelta | None:
    # A length of which chance alone may be the cause is left aside.
    hours = None if tolerance is None else tolerance["surely_breached_hours"]
    return None if hours is None else timedelta(hours=float(hours))


def _latest(figure: Mapping[str, Any]) -> timedelta | None:
    if figure["never"] >= UNLIKELY or figure["high"] is None:
        return None
    return timedelta(minutes=ceil(float(figure["high"]) * 60))
