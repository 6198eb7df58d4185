"""From trees of texts to the plan: one reader, driven by the declared types, that tells everything that is wrong."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from safelight.core.span import read_span
from safelight.plan.errors import BadPlan, DependencyCycle, Place, Trouble
from safelight.plan.estimate import order
from safelight.plan.model import Plan
from safelight.plan.source import Limits, Listing, Node, Scalar, Table, compose
from safelight.plan.values import DAY_MEND, MOMENT_MEND, SPAN_MEND, read_day, read_moment

NUMBER_MAX: Final = 10**15
_WRONG: Any = object()
"""A value that could not be read; the trouble is told already."""


@dataclass(frozen=True, slots=True)
class Read:
    """A plan as it was read, and where in its files everything stands."""

    plan: Plan
    places: Mapping[str, Place]
    """By ``section/id``."""


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of the fields of a class of the plan."""
    return get_type_hints(kind)


@cache
def declared_in(kind: type) -> "dict[str, Field[Any]]":
    """Return the fields of a class of the plan by their names."""
    return {one.name: one for one in fields(kind)}


@cache
def without_none(kind: Any) -> Any:
    """Return T of ``T | None``."""
    if get_origin(kind) in {Union, types.UnionType}:
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


def read_plan(texts: Mapping[str, str], limits: Limits | None = None) -> Read:
    """Read a plan from the texts of its files, by name.

    Raises:
        BadPlan: with everything that is wrong; nothing is taken of such a plan.
    """
    reader = _Reader()
    for file, text in sorted(texts.items()):
        try:
            reader.take(compose(file, text, limits))
        except BadPlan as error:
            reader.troubles += error.troubles
    if not reader.troubles:
        return reader.finish(Place(min(texts, default="plan.yaml"), 1, 1))
    raise BadPlan(sorted(reader.troubles))


class _Reader:
    def __init__(self) -> None:
        self.troubles: list[Trouble] = []
        self._values: dict[str, Any] = {}
        self._at: dict[str, Place] = {}
        self._places: dict[str, Place] = {}
        self._references: list[tuple[str, str, Place]] = []

    def take(self, table: Table) -> None:
        """Take the sections of one file; a section that is a list may be spread over files."""
        hints = hints_of(Plan)
        for key, node in table.entries:
            if key.text not in hints:
                self._unknown(key, "section", list(hints))
            elif get_origin(hints[key.text]) is tuple and is_dataclass(get_args(hints[key.text])[0]):
                self._take_list(key, node, get_args(hints[key.text])[0])
            elif key.text in self._values:
                self._tell(key.place, f"Section `{key.text}` stands in two places.", f"Also in {self._at[key.text]}.")
            else:
                self._at[key.text] = key.place
                ref = next(one for one in fields(Plan) if one.name == key.text).metadata["ref"]
                self._values[key.text] = self._value(node, hints[key.text], key.text, ref)
                self._places[key.text] = key.place

    def finish(self, top: Place) -> Read:
        """Check what only the whole can show, and return the plan."""
        for one in fields(Plan):
            if one.default is MISSING and one.name not in self._values:
                self._tell(top, f"Section `{one.name}` is missing.", f"Add it: {one.metadata['told']}")
        for section, name, place in self._references:
            if f"{section}/{name}" not in self._places:
                known = [key.partition("/")[2] for key in self._places if key.startswith(f"{section}/")]
                self._tell(place, f"`{name}` is not in `{section}`.", _nearest(name, known, f"Add it to `{section}`."))
        self._check_names()
        if not self.troubles:
            self._check_order()
        if self.troubles:
            raise BadPlan(sorted(self.troubles))
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self._values.items()
        }
        return Read(Plan(**values), dict(self._places))

    def _check_names(self) -> None:
        seen: dict[str, str] = {}
        for person in self._values.get("people", ()):
            if person is not _WRONG and (first := seen.setdefault(person.name.casefold(), person.id)) != person.id:
                place = self._places[f"people/{person.id}"]
                self._tell(
                    place,
                    f"`{first}` and `{person.id}` have one name.",
                    "Tell them apart: add a department to the name.",
                )

    def _check_order(self) -> None:
        try:
            order(self._values.get("systems", ()))
        except DependencyCycle as error:
            self._tell(
                self._places[f"systems/{error.circle[0]}"],
                f"Systems wait for each other in a circle: {error}.",
                "Take one of these out of the `needs` of the one before it: which can be started alone?",
            )

    def _take_list(self, key: Scalar, node: Node, kind: Any) -> None:
        if not isinstance(node, Listing):
            self._tell(node.place, f"`{key.text}` is a list.", "Begin each of its entries with `- `.")
            return
        into = self._values.setdefault(key.text, [])
        for item in node.items:
            value = self._value(item, kind, key.text, "")
            if value is _WRONG:
                continue
            name = f"{key.text}/{value.id}"
            if name in self._places:
                self._tell(item.place, f"`{value.id}` stands twice in `{key.text}`.", f"Also in {self._places[name]}.")
            self._places[name] = item.place
            into.append(value)

    def _value(self, node: Node, kind: Any, name: str, ref: str) -> Any:
        kind = without_none(kind)
        if get_origin(kind) is tuple:
            return self._listing(node, get_args(kind)[0], name, ref)
        if is_dataclass(kind) and isinstance(kind, type):
            return self._table(node, kind, name)
        if not isinstance(node, Scalar):
            return self._tell(node.place, f"`{name}` is one value.", f"Write `{name}: value`.")
        if not node.quoted and node.text in {"", "~", "null"}:
            return self._tell(node.place, f"`{name}` has no value.", "Leave the line out when it is not known.")
        value = self._scalar(node, kind, name)
        if ref and value is not _WRONG:
            self._references.append((ref, value, node.place))
        return value

    def _listing(self, node: Node, kind: Any, name: str, ref: str) -> Any:
        if not isinstance(node, Listing):
            return self._tell(node.place, f"`{name}` is a list.", "Write `[one, two]`, or lines that begin with `- `.")
        values = [self._value(item, kind, name, ref) for item in node.items]
        return _WRONG if any(value is _WRONG for value in values) else tuple(values)

    def _table(self, node: Node, kind: type, name: str) -> Any:
        if not isinstance(node, Table):
            return self._tell(node.place, f"`{name}` has fields of its own.", "Write them as `field: value`, indented.")
        hints = hints_of(kind)
        declared = declared_in(kind)
        values: dict[str, Any] = {}
        for key, below in node.entries:
            if key.text not in declared:
                self._unknown(key, f"field of `{name}`", list(declared))
                continue
            ref = declared[key.text].metadata["ref"]
            values[key.text] = self._value(below, hints[key.text], key.text, ref)
        missing = [one for one in declared.values() if one.default is MISSING and one.name not in values]
        for one in missing:
            who = next(
                (below.text for key, below in node.entries if key.text == "id" and isinstance(below, Scalar)), ""
            )
            what = f"`{one.name}` is missing in `{name}`{f' `{who}`' if who else ''}."
            self._tell(node.place, what, f"Add it: {one.metadata['told']}")
        known = {key.text for key, _ in node.entries} <= set(declared)
        if missing or not known or any(value is _WRONG for value in values.values()):
            return _WRONG
        return kind(**values)

    def _scalar(self, node: Scalar, kind: Any, name: str) -> Any:
        text = node.text
        try:
            return _READ[kind](text) if kind in _READ else kind(text)
        except ValueError:
            if isinstance(kind, type) and issubclass(kind, StrEnum):
                words = [str(one) for one in kind]
                return self._tell(
                    node.place, f"`{text}` is no {name}.", _nearest(text, words, f"One of: {', '.join(words)}.")
                )
            return self._tell(node.place, f"`{text}` cannot be read as {name}.", _MEND[kind])

    def _unknown(self, key: Scalar, what: str, known: list[str]) -> None:
        self._tell(
            key.place, f"`{key.text}` is no {what}.", _nearest(key.text, known, f"There are: {', '.join(known)}.")
        )

    def _tell(self, place: Place, what: str, mend: str) -> Any:
        self.troubles.append(Trouble(place, what, mend))
        return _WRONG


def _nearest(word: str, known: list[str], otherwise: str) -> str:
    near = get_close_matches(word, known, n=1)
    return f"Did you mean `{near[0]}`?" if near else otherwise


def _read_flag(text: str) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _read_text(text: str) -> str:
    if not text.strip():
        raise ValueError(text)
    return text


def _read_number(text: str) -> float:
    number = float(text)
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(text)
    return number


def _read_count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(text)
    return number


_READ: dict[Any, Any] = {
    str: _read_text,
    bool: _read_flag,
    int: _read_count,
    float: _read_number,
    timedelta: read_span,
    date: read_day,
    datetime: read_moment,
}
_MEND: dict[Any, str] = {
    str: "Write a text that is not empty, or leave the line out.",
    bool: "Write `yes` or `no`.",
    int: "Write a whole number, 0 or more.",
    float: "Write a number, 0 or more, as 12.5.",
    timedelta: SPAN_MEND,
    date: DAY_MEND,
    datetime: MOMENT_MEND,
}
