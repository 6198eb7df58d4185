"""YAML as a tree of texts with places: no tags, no aliases, no duplicate keys, nothing without a limit.

Scalars stay text, and the field that they are written for decides what they mean, so that `no` may be a name and `0`
is never taken for a missing value.
"""

import json
from dataclasses import dataclass
from typing import Final

import yaml

from safelight.plan.errors import BadPlan, Place, Trouble


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan file may hold."""

    file_bytes_max: int = 4 * 1024 * 1024
    depth_max: int = 12
    nodes_max: int = 400_000


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text; ``quoted`` tells an empty text from nothing."""

    text: str
    quoted: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Listing:
    """Values in order."""

    items: "tuple[Node, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """Values by name, in the order written."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    place: Place


Node = Scalar | Listing | Table

ONE_DOCUMENT: Final = "Write one document a file: no `---` but at its top."


def compose(file: str, text: str, limits: Limits | None = None) -> Table:
    """Read one file of a plan.

    Raises:
        BadPlan: it is no YAML, is too large or too deep, or uses what a plan may not use.
    """
    limits = limits or Limits()
    if len(text.encode("utf-8", "surrogatepass")) > limits.file_bytes_max:
        raise _bad(Place(file, 1, 1), "The file is too large.", f"At most {limits.file_bytes_max} bytes a file.")
    try:
        return _Composer(file, text, limits).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        told = ": ".join(part for part in (error.context, error.problem) if part)
        raise _bad(place, f"This is not YAML: {told}.", "Look at indentation, colons and quotes here.") from error
    except (yaml.YAMLError, ValueError) as error:
        mend = "Save the file as UTF-8 text without control characters."
        raise _bad(Place(file, 1, 1), f"This is not YAML: {error}.", mend) from error


def quoted(text: str) -> str:
    """Write a text so that `compose` reads it back as it is, whatever stands in it."""
    # A JSON text is a YAML text, but for the pairs in which JSON writes what lies beyond 16 bits.
    return '"' + "".join(json.dumps(one)[1:-1] if one <= "\uffff" else f"\\U{ord(one):08x}" for one in text) + '"'


def _bad(place: Place, what: str, mend: str) -> BadPlan:
    return BadPlan([Trouble(place, what, mend)])


class _Composer:
    """Makes the tree from the events of the parser, so that a limit is met before memory is spent."""

    def __init__(self, file: str, text: str, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        self._nodes = 0

    def document(self) -> Table:
        next(self._events)
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            raise _bad(
                Place(self._file, 1, 1), "The file is empty.", "Write a section, such as `systems:`, or remove it."
            )
        node = self._node(next(self._events), 0)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _bad(self._place(after), "A second document begins here.", ONE_DOCUMENT)
        if not isinstance(node, Table):
            raise _bad(node.place, "A plan file has sections at its top.", "Begin with a section, such as `systems:`.")
        return node

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file, 1, 1)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        self._nodes += 1
        if self._nodes > self._limits.nodes_max or depth > self._limits.depth_max:
            raise _bad(place, "The file holds too much or is nested too deeply.", "Divide it into several files.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _bad(place, "A plan has no anchors (&) and aliases (*).", "Write the value out.")
        if tag := getattr(event, "tag", None):
            raise _bad(place, f"A plan has no tags, and this one says {tag}.", "Remove the tag (! or !!).")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, event.style in {"'", '"', "|", ">"}, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return Listing(self._items(depth), place)
        return Table(self._entries(depth), place)

    def _items(self, depth: int) -> tuple[Node, ...]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return tuple(items)

    def _entries(self, depth: int) -> tuple[tuple[Scalar, Node], ...]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise _bad(key.place, "A name must be a plain word.", "Write `name: value`.")
            if key.text in entries:
                first = entries[key.text][0].place.line
                raise _bad(key.place, f"`{key.text}` stands twice, first in line {first}.", "Keep one of them.")
            entries[key.text] = (key, self._node(next(self._events), depth + 1))
        return tuple(entries.values())
