"""What people would say in a drill, given in a file: answers to injects, calls that were made, steps of a shift."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from safelight.drill.facts import OpenItem
from safelight.drill.sheet import BadScript, rows, table, text
from safelight.plan.source import Node, compose
from safelight.plan.values import read_moment


@dataclass(frozen=True, slots=True)
class ToInject:
    """What both sides answer to an inject."""

    it: str = ""
    radiology: str = ""
    open_items: tuple[OpenItem, ...] = ()


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call as somebody took it down."""

    number: str
    called_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """Whether a step of the shift was executed; one that the file does not name was not."""

    executed: bool = False
    note: str = ""
    open_items: tuple[OpenItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """A whole file."""

    injects: Mapping[str, ToInject] = field(default_factory=dict)
    calls: Mapping[str, CallMade] = field(default_factory=dict)
    """By person."""
    steps: Mapping[str, StepDone] = field(default_factory=dict)


def read_answers(file: str, content: str) -> Answers:
    """Read a file of answers.

    Raises:
        BadScript: something is missing, unknown, there twice or not as it must be.
        BadPlan: it is no YAML of ours.
    """
    top = table(compose(file, content), (), ("answers", "calls", "steps"))
    injects = _rows(top, "answers", ("inject", "it", "radiology"), ("open",))
    calls = _rows(top, "calls", ("person", "called_at"), ("answered_at", "number"))
    steps = _rows(top, "steps", ("step", "executed"), ("note", "open"))
    return Answers(
        {of: ToInject(text(one["it"]), text(one["radiology"]), _items(one)) for of, one in injects.items()},
        {of: _call(one) for of, one in calls.items()},
        {of: StepDone(_yes(one["executed"]), _optional(one, "note"), _items(one)) for of, one in steps.items()},
    )


def left_open(given: ToInject) -> tuple[OpenItem, ...]:
    """Return what stays open: what was said to, and each side that had no answer."""
    silent = [side for side, said in (("IT", given.it), ("Radiology", given.radiology)) if not said.strip()]
    return (*given.open_items, *(OpenItem(f"{side} had no answer", "") for side in silent))


def _rows(
    top: Mapping[str, Node], name: str, names: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, dict[str, Node]]:
    """Return the rows of a list that may be missing, by what each is about: the first of its names."""
    found: dict[str, dict[str, Node]] = {}
    for one in rows(top[name], names, optional) if name in top else []:
        about = one[names[0]]
        if text(about) in found:
            raise BadScript(where=str(about.place), what=f"{text(about)} is there twice")
        found[text(about)] = one
    return found


def _items(row: Mapping[str, Node]) -> tuple[OpenItem, ...]:
    found = rows(row["open"], ("what", "owner")) if "open" in row else []
    return tuple(OpenItem(text(one["what"]), text(one["owner"])) for one in found)


def _call(row: Mapping[str, Node]) -> CallMade:
    answered_at = _moment(row["answered_at"]) if "answered_at" in row else None
    return CallMade(_optional(row, "number"), _moment(row["called_at"]), answered_at)


def _optional(row: Mapping[str, Node], name: str) -> str:
    return text(row[name]) if name in row else ""


def _moment(node: Node) -> datetime:
    try:
        return read_moment(text(node))
    except ValueError as error:
        raise BadScript(where=str(node.place), what="a time with its zone is expected") from error


def _yes(node: Node) -> bool:
    said = {"yes": True, "true": True, "no": False, "false": False}.get(text(node))
    if said is None:
        raise BadScript(where=str(node.place), what="yes or no is expected")
    return said
