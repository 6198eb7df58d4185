"""Reviews of a plan: the agenda that open findings make, and the record of a meeting."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, ClassVar

from safelight.core.errors import UsageError
from safelight.findings.assessment import State
from safelight.findings.rule import built_in
from safelight.plan.model import Plan
from safelight.plan.source import quoted
from safelight.plan.words import RoleKind
from safelight.site.drill_measured import with_drills
from safelight.site.plan_assessment import assessment_of
from safelight.site.plan_folder import PlanFolder
from safelight.site.plan_records import NO_RECORDS, PlanRecords


class BadAction(UsageError):
    """What somebody promised in a review is not written as a person, a day and what."""

    code: ClassVar[str] = "plan.bad-action"
    hint: ClassVar[str] = (
        "Write PERSON:DAY:WHAT with a person of the plan, as --action 'ines:2026-12-24:Try the radios'."
    )


class UnknownRule(UsageError):
    """A finding was discussed that no rule makes."""

    code: ClassVar[str] = "plan.unknown-rule"
    hint: ClassVar[str] = "Name a rule as the agenda does, such as R06: safelight plan review FOLDER; docs/rules.md."


def agenda(folder: PlanFolder, plan: Plan, today: date, records: PlanRecords = NO_RECORDS) -> dict[str, Any]:
    """Return what to talk about: open findings by rule, gravest first, and what was promised."""
    told = assessment_of(folder, plan, today, records=records)
    items: dict[str, dict[str, Any]] = {}
    for one in told.findings:
        if one.state == State.OPEN:
            words = {"title": one.rule.title, "severity": str(one.rule.severity), "kind": str(one.rule.kind)}
            acts = {"it": one.rule.it, "radiology": one.rule.radiology, "count": 0}
            items.setdefault(one.rule.id, {"rule": one.rule.id, **words, **acts})["count"] += 1
    invited = [one.name for one in plan.people if one.on_committee or one.id in _pacs_administrators(plan)]
    actions = [
        {"id": one.id, "what": one.what, "owner": one.owner, "due_on": one.due_on.isoformat()}
        for one in with_drills(plan, records.drills).actions
        if one.done_on is None
    ]
    title = f"{plan.plan.title}, {plan.plan.hospital}, version {plan.plan.version}"
    return {"title": title, "invited": invited, "items": list(items.values()), "actions": actions}


def review_text(
    name: str, at: str, attended: Sequence[str], minutes: str, discussed: Sequence[str], actions: Sequence[str]
) -> str:
    """Return the file that records a meeting, as YAML; whoever writes it has it read first.

    Raises:
        BadAction: a promise is not PERSON:DAY:WHAT.
    """
    lines = ["reviews:", f"  - id: {quoted(name)}", f"    at: {quoted(at)}", f"    attended: {_list(attended)}"]
    if minutes:
        lines.append(f"    minutes: {quoted(minutes)}")
    lines.append(f"    discussed: {_list(discussed)}")
    if actions:
        lines += ["", "actions:"]
    for number, action in enumerate(actions, 1):
        person, day, what = _promised(action)
        told = f"id: {quoted(f'{name}-{number}')}, what: {quoted(what)}, owner: {quoted(person)}"
        lines.append(f"  - {{{told}, due_on: {quoted(day)}}}")
    return "\n".join(lines) + "\n"


def refuse_unknown_rules(folder: PlanFolder, discussed: Iterable[str]) -> None:
    """Return when each finding that was discussed is a rule's, ours or the site's.

    Raises:
        UnknownRule: one is not.
    """
    known = {rule.id for rule in (*built_in(), *folder.rules().usable)}
    for one in discussed:
        if one not in known:
            raise UnknownRule(rule=one)


def _promised(action: str) -> tuple[str, str, str]:
    person, day, what = (part.strip() for part in (*action.split(":", 2), "", "")[:3])
    if not (person and what):
        raise BadAction(action=action, problem="a person, a day and what are needed, with a colon between them")
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise BadAction(action=action, problem=f"`{day}` is no day") from error
    return person, day, what


def without_pacs_administrator(plan: Plan, attended: Iterable[str]) -> bool:
    """Return whether nobody was there who administers the PACS."""
    return not _pacs_administrators(plan) & set(attended)


def _pacs_administrators(plan: Plan) -> set[str]:
    roles = [one for one in plan.roles if one.kind == RoleKind.PACS_ADMINISTRATOR]
    return {one.person for one in roles} | {one.deputy for one in roles if one.deputy}


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(quoted(one) for one in texts)}]"
