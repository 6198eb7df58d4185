"""Which drill next: the rules are asked again as if it had been held and gone well, and what would close is counted.

Nothing here says which rule belongs to which type of drill: the rules themselves do. A drill that is only supposed is
put among the facts that were worked out from the plan once: it changes drills and people, and no estimate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from safelight.drill.state import DrillState
from safelight.findings.assessment import Finding, State, assess
from safelight.findings.facts import Facts
from safelight.findings.rule import Rule, Severity, built_in
from safelight.plan.model import Plan
from safelight.plan.practice import Drill, Measurement, Rehearsal
from safelight.plan.words import Disruption, DrillKind, Proved, Side
from safelight.site.drill_measured import HOLD_IMAGES, with_drills
from safelight.site.drill_plan import MEASURE_TIMES, TRIED
from safelight.site.plan_assessment import facts_of

JOINT = (DrillKind.TABLE_TOP, DrillKind.NOTIFICATION, DrillKind.DOWNTIME_SHIFT, DrillKind.FULL)
"""Types that both sides take part in."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """A drill that could be held."""

    kind: DrillKind
    disruption: Disruption
    systems: tuple[str, ...]


class Choice:
    """A plan with the drills on record, and what more drills would change about it."""

    def __init__(self, plan: Plan, drills: Mapping[str, DrillState], today: date, rules: Sequence[Rule] = ()) -> None:
        self._plan = with_drills(plan, drills)
        self._today = today
        self._rules = (*built_in(), *rules)
        self._facts = facts_of(self._plan, today)
        self._open = self._findings(self._facts)

    def closed_by(self, supposed: Supposed) -> list[Finding]:
        """Return the open findings that would be gone if this drill were held today and went well, gravest first."""
        then = self._findings(self._held(supposed))
        left = {(one.rule.id, one.subject, one.what) for one in then}
        before, after = Counter(map(_about, self._open)), Counter(map(_about, then))
        # A finding that only says less than before is still there.
        return [
            one
            for one in self._open
            if (one.rule.id, one.subject, one.what) not in left and after[_about(one)] < before[_about(one)]
        ]

    def _findings(self, facts: Facts) -> list[Finding]:
        return [one for one in assess(facts, self._rules).findings if one.state == State.OPEN]

    def _held(self, supposed: Supposed) -> Facts:
        kind, plan = supposed.kind, self._plan
        proved = TRIED.get(kind, frozenset())
        drill = Drill(
            id="supposed",
            held_on=self._today,
            kind=kind,
            disruption=supposed.disruption,
            sides=tuple(Side) if kind in JOINT else (Side.IT,),
            proved=tuple(proved),
            measured=tuple(_as_claimed(plan, supposed)) if kind in MEASURE_TIMES else (),
        )
        called = (
            {name for one in plan.roles for name in (one.person, one.deputy)}
            if Proved.NOTIFICATION in proved
            else set()
        )
        known, today = self._facts.sections, self._today
        people = ({**one, "verified_on": today} if one["id"] in called else one for one in known["people"])
        sections = {**known, "drills": (*known["drills"], asdict(drill)), "people": tuple(people)}
        return replace(self._facts, sections=sections)


def supposed_by(rehearsal: Rehearsal) -> Supposed:
    """Return what a rehearsal of the plan would be."""
    return Supposed(rehearsal.kind, rehearsal.disruption, rehearsal.systems)


def rank(findings: Sequence[Finding]) -> tuple[int, ...]:
    """Return what drills are ordered by, the most useful first: counts by severity, never one number."""
    counted = Counter(one.rule.severity for one in findings)
    return tuple(-counted[severity] for severity in Severity)


def _about(one: Finding) -> tuple[str, str]:
    return one.rule.id, one.subject


def _as_claimed(plan: Plan, supposed: Supposed) -> list[Measurement]:
    return [
        Measurement(system=system.id, rto=one.rto, rpo=one.rpo)
        for system in plan.systems
        if system.id in supposed.systems and system.kind in HOLD_IMAGES
        for one in system.capabilities
        if one.disruption is supposed.disruption
    ]
