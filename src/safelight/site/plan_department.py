"""The department that lies beside a plan, and which services of the plan its services are."""

from pathlib import Path
from typing import Final

from safelight.impact.department import Department
from safelight.plan.model import Plan
from safelight.plan.objectives import Service

DEPARTMENT: Final = Path("impact") / "department.yaml"
"""Beside the plan, in its folder."""


def services_of(department: Department, plan: Plan) -> dict[str, Service]:
    """Return the plan's services by the names that the department has for them: an id or a name."""
    known = {text.casefold(): one for one in plan.services for text in (one.name, one.id)}
    return {one.name: known[one.name.casefold()] for one in department.services if one.name.casefold() in known}
