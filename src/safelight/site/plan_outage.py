"""What a plan says to the simulation: how long an outage lasts by its estimate, and which MTD its services declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from safelight.core.errors import UsageError
from safelight.core.span import span_text
from safelight.impact.document import read_department
from safelight.plan.estimate import Estimate, estimates, service_estimate
from safelight.plan.model import Plan
from safelight.plan.on_record import OnRecord
from safelight.plan.words import Disruption
from safelight.site.impact_report import DeclaredMtd, Length
from safelight.site.plan_department import services_of


class NoEstimate(UsageError):
    """The plan does not say enough to estimate how long this disruption lasts for the department."""

    code: ClassVar[str] = "site.no-estimate"
    hint: ClassVar[str] = (
        "`safelight plan show FOLDER --path` names the parts of an estimate and what is missing; or give `--hours`."
    )


@dataclass(frozen=True, slots=True)
class OutageEstimate:
    """From when the systems break until the last service of the department has its systems back."""

    disruption: Disruption
    service: str
    """The last to have its systems back, or the first for which nobody can say."""
    estimate: Estimate

    @property
    def hours(self) -> float | None:
        """Return how long; None when a part has no figure."""
        return None if self.estimate.takes is None else self.estimate.takes / timedelta(hours=1)

    @property
    def length(self) -> Length:
        """Return it as the length of a simulated outage.

        Raises:
            NoEstimate: nobody can say.
        """
        if self.hours is None:
            raise NoEstimate(disruption=str(self.disruption), unknown="; ".join(self.estimate.unknown)[:500])
        words = f"the plan's estimate for {self.disruption}, until {self.service} has its systems back"
        path = [
            {"system": one.system, "what": one.what, "takes": span_text(one.takes), "source": one.source}
            for one in self.estimate.path
        ]
        return Length(self.hours, "estimate", words, path)


def outage_estimates(plan: Plan, document: Mapping[str, Any], on_record: OnRecord) -> dict[Disruption, OutageEstimate]:
    """Return an estimate for each disruption in which something that the department needs is brought back.

    Work recovery is not in it: the simulation finds that out itself.

    Args:
        plan: whose estimates.
        document: the file of the department; its services are found in the plan by id or name.
        on_record: what a home says of sizes and rates.
    """
    services = services_of(read_department(document.get("department")), plan).values()
    found = {}
    for disruption in Disruption:
        by_system = estimates(plan, disruption, on_record)
        told = [
            OutageEstimate(disruption, one.name, service_estimate(plan, one.systems, by_system)) for one in services
        ]
        told = [one for one in told if one.estimate.unknown or any(part.system for part in one.estimate.path)]
        if told:
            # Whoever cannot say counts as the last: an outage must not seem shorter for what is not known.
            found[disruption] = max(told, key=lambda one: one.estimate.takes or timedelta.max)
    return found


def declared_mtds(plan: Plan, document: Mapping[str, Any], disruption: Disruption | None) -> dict[str, DeclaredMtd]:
    """Return the MTD that the plan declares for each service of the department; the shortest where none is chosen.

    Args:
        plan: in which the services are found by id or name.
        document: the file of the department.
        disruption: in which kind of disruption; None when nobody says.
    """
    found = {}
    for name, service in services_of(read_department(document.get("department")), plan).items():
        told = [
            (one.mtd, str(one.disruption))
            for one in service.tolerances
            if one.mtd is not None and disruption in {None, one.disruption}
        ]
        if told:
            mtd, of = min(told)
            found[name] = DeclaredMtd(mtd / timedelta(hours=1), f"the plan, for {of}")
    return found


def estimate_for(found: Mapping[Disruption, OutageEstimate], disruption: Disruption) -> OutageEstimate:
    """Return the estimate for one disruption.

    Raises:
        NoEstimate: the plan brings nothing back in it that a service of the department needs.
    """
    if disruption not in found:
        raise NoEstimate(disruption=str(disruption), known=", ".join(found))
    return found[disruption]
