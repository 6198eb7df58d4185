"""What a drill measured, written into a file of the plan, so that both sides sign it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.errors import StateError
from safelight.core.span import span_text
from safelight.drill.state import DrillState, Phase
from safelight.plan.practice import Drill
from safelight.plan.source import quoted
from safelight.site.drill_measured import entry_of, unwritten
from safelight.site.drill_records import drill_of, drills_of
from safelight.site.home import Home
from safelight.site.plan_folder import PlanFolder
from safelight.site.status import looked_at


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
