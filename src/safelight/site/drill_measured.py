"""What drills on record measured, in the words of the plan, as it is assessed.

A drill that the plan names by the digest of its evidence is there already and is not counted twice.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta

from safelight.drill.after_action import came_back, items
from safelight.drill.facts import Started
from safelight.drill.notification import reached, seconds_until_all
from safelight.drill.state import DrillState, Phase
from safelight.plan.inventory import Person
from safelight.plan.model import Plan
from safelight.plan.practice import Action, Drill, Measurement
from safelight.plan.words import Disruption, DrillKind, Proved, Side, SystemKind
from safelight.site.drill_records import not_executed

HOLD_IMAGES = (SystemKind.PACS, SystemKind.VNA)
"""Of the systems that a drill covers, a restore of images measures these and no other."""


def unwritten(plan: Plan, drills: Mapping[str, DrillState]) -> list[DrillState]:
    """Return the drills that were done and that the plan does not name."""
    named = {one.evidence for one in plan.drills}
    return [one for one in drills.values() if one.phase is Phase.DONE and one.evidence not in named]


def with_drills(plan: Plan, drills: Mapping[str, DrillState]) -> Plan:
    """Return the plan as it stands with what drills on record measured. It is not what anybody signed."""
    held = unwritten(plan, drills)
    answered = dict(_answered(held))
    return replace(
        plan,
        people=tuple(_reached(one, answered.get(one.id)) for one in plan.people),
        drills=(*plan.drills, *(entry_of(plan, one) for one in held)),
        actions=(*plan.actions, *_promised(plan, drills)),
    )


def entry_of(plan: Plan, state: DrillState) -> Drill:
    """Return a drill as the plan's section `drills` has it."""
    started = state.started
    assert started is not None and state.ended_at is not None
    held_on = state.ended_at.astimezone().date()
    return Drill(
        id=f"drill-{started.drill}-of-{held_on}",
        held_on=held_on,
        kind=DrillKind(started.type),
        disruption=Disruption(started.disruption),
        sides=tuple(side for side in Side if side in _sides(state, started)),
        proved=tuple(_proved(state, started)),
        measured=_measured(plan, state, started),
        not_done=tuple(not_executed(state)),
        evidence=state.evidence or None,
    )


def _promised(plan: Plan, drills: Mapping[str, DrillState]) -> Iterator[Action]:
    """Give what drills left open as the plan's section `actions` has it; without a day nothing is promised yet."""
    named = {one.id for one in plan.actions}
    found = [one for state in drills.values() for one in items(state)]
    for one in found:
        name = f"drill-{one.drill}-item-{one.number}"
        if one.due_on is not None and name not in named:
            done_on = one.closed.at.astimezone().date() if one.closed else None
            yield Action(
                id=name,
                what=one.what,
                owner=one.owner,
                due_on=one.due_on,
                done_on=done_on,
                reopened=came_back(one, found),
            )


def _measured(plan: Plan, state: DrillState, started: Started) -> tuple[Measurement, ...]:
    if state.measured is None or started.limit is not None:
        # Some studies of a tier show that a restore works, and not how long it takes.
        return ()
    rto = _slowest(one.rto_seconds for one in state.measured.tiers)
    rpo = _slowest(one.rpo_seconds for one in state.measured.tiers)
    if rto is None and rpo is None:
        return ()
    systems = [one.id for one in plan.systems if one.id in started.covers and one.kind in HOLD_IMAGES]
    return tuple(Measurement(system=one, rto=rto, rpo=rpo) for one in systems)


def _slowest(values: Iterable[float | None]) -> timedelta | None:
    known = list(values)
    whole = [one for one in known if one is not None]
    # Upwards: a measurement is never shown better than it was.
    return timedelta(seconds=math.ceil(max(whole))) if whole and len(whole) == len(known) else None


def _proved(state: DrillState, started: Started) -> Iterator[Proved]:
    tiers = state.measured.tiers if state.measured else ()
    if tiers and all(one.confirmed == one.studies for one in tiers):
        yield from (Proved.FILES, Proved.RETRIEVE)
    if started.calls and seconds_until_all(reached(started.calls, state.calls)) is not None:
        yield Proved.NOTIFICATION


def _sides(state: DrillState, started: Started) -> set[str]:
    """Return which sides the record shows to have taken part; a vendor that answers a call took no part yet."""
    found = {one.side for one in reached(started.calls, state.calls) if one.by}
    executed = {one.step for one in state.steps if one.executed}
    found |= {one.side for one in started.steps if one.id in executed and not one.check}
    found |= {Side.IT} if state.measured or state.key_tried or any(one.it.strip() for one in state.answers) else set()
    found |= {Side.RADIOLOGY} if any(one.radiology.strip() for one in state.answers) else set()
    return found


def _answered(drills: Iterable[DrillState]) -> Iterator[tuple[str, date]]:
    calls = [one for state in drills for one in state.calls if one.answered_at is not None]
    for one in sorted(calls, key=lambda call: call.called_at):
        yield one.person, one.called_at.astimezone().date()


def _reached(person: Person, on: date | None) -> Person:
    if on is None or (person.verified_on is not None and person.verified_on >= on):
        return person
    return replace(person, verified_on=on)
