"""What drills on record measured, in the words of the plan: joined to it when it is assessed, or written into it.

A drill that the plan names by the digest of its evidence is there already and is not counted twice.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.errors import StateError
from safelight.core.span import span_text
from safelight.drill.after_action import came_back, items
from safelight.drill.facts import Started
from safelight.drill.notification import reached, seconds_until_all
from safelight.drill.state import DrillState, Phase
from safelight.plan.inventory import Person
from safelight.plan.model import Plan
from safelight.plan.practice import Action, Drill, Measurement
from safelight.plan.source import quoted
from safelight.plan.words import Disruption, DrillKind, Proved, Side, SystemKind
from safelight.site.drill_records import drill_of, drills_of, not_executed
from safelight.site.home import Home
from safelight.site.plan_folder import PlanFolder
from safelight.site.status import looked_at

HOLD_IMAGES = (SystemKind.PACS, SystemKind.VNA)
"""Of the systems that a drill covers, a restore of images measures these and no other."""


class NotDone(StateError):
    """The drill is not done, or was given up: it measured nothing that both sides could sign."""

    code: ClassVar[str] = "drill.not-done"
    hint: ClassVar[str] = "Go on with it: safelight drill run --resume NUMBER"


class WrittenAlready(StateError):
    """The plan has this drill, with this evidence."""

    code: ClassVar[str] = "drill.written-already"
    hint: ClassVar[str] = "See `drills` in the plan's files; nothing was written."


def drills_on_record(home: Home | None) -> Mapping[str, DrillState]:
    """Return the drills of a home; none where no home was named."""
    if home is None:
        return {}
    with looked_at(home) as (_, journal):
        return drills_of(journal)


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


def write_drill(home: Home, number: str, folder: Path, *, dry_run: bool) -> dict[str, Any]:
    """Write what a drill measured into a file of its own in the plan's folder.

    Raises:
        NotDone, WrittenAlready: there is nothing to write.
        BadPlan: the plan would not be sound with it.
    """
    on_disk = PlanFolder(folder)
    plan = on_disk.read().plan
    with looked_at(home) as (_, journal):
        state = drill_of(journal, number)
    if state.phase is not Phase.DONE:
        raise NotDone(drill=number, state=state.phase)
    if not unwritten(plan, {number: state}):
        raise WrittenAlready(drill=number, evidence=state.evidence)
    text = _text(entry_of(plan, state))
    on_disk.check_with(text)
    return {"file": None if dry_run else on_disk.add_file(f"drill-{number}", text), "text": text}


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


def _text(entry: Drill) -> str:
    lines = [
        "drills:",
        f"  - id: {quoted(entry.id)}",
        f"    held_on: {entry.held_on}",
        f"    kind: {entry.kind}",
        f"    disruption: {entry.disruption}",
        f"    sides: [{', '.join(entry.sides)}]",
        f"    proved: [{', '.join(entry.proved)}]",
    ]
    lines += [f"    evidence: {quoted(entry.evidence)}"] if entry.evidence else []
    lines += ["    measured:"] if entry.measured else []
    for one in entry.measured:
        spans = [
            f"{name}: {span_text(span)}" for name, span in (("rto", one.rto), ("rpo", one.rpo)) if span is not None
        ]
        lines.append(f"      - {{{', '.join([f'system: {quoted(one.system)}', *spans])}}}")
    lines += ["    not_done:", *(f"      - {quoted(one)}" for one in entry.not_done)] if entry.not_done else []
    return "\n".join(lines) + "\n"
