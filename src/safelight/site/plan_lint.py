"""Everything that is wrong in a plan's folder: in the plan itself, and in the rules that the site added."""

from datetime import date
from typing import Final

from safelight.findings.assessment import assess
from safelight.findings.rule import Unusable
from safelight.plan.errors import BadPlan, Place, Trouble
from safelight.plan.model import Plan
from safelight.site.plan_assessment import facts_of
from safelight.site.plan_folder import PlanFolder

MEND: Final = "docs/rules.md has an example under `Rules of your own`."


def lint(folder: PlanFolder, today: date) -> tuple[Plan | None, tuple[Trouble, ...]]:
    """Return the plan, if it can be read, and what is wrong in its folder."""
    own = folder.rules()
    troubles = [_trouble(one) for one in own.unusable]
    try:
        plan = folder.read().plan
    except BadPlan as error:
        return None, (*error.troubles, *troubles)
    # A rule may be well written and ask for what no plan has.
    asked = assess(facts_of(plan, today), own.usable)
    troubles += [_trouble(Unusable(rule, *own.places[rule], trouble)) for rule, trouble in asked.broken]
    return plan, tuple(troubles)


def _trouble(one: Unusable) -> Trouble:
    return Trouble(Place(one.file, one.line, 1), f"`{one.rule}`: {one.trouble}.", MEND)
