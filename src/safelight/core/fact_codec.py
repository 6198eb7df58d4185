"""A recorded fact as a JSON object, and back, by the types of its fields.

For procedures whose facts are frozen dataclasses that the journal keeps field by field. A field that is missing in an
old entry takes its default; a name that the class does not have is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from safelight.core.clock import from_text, to_text

Record = TypeVar("Record")
Read = Callable[[Any], Any]

ROW: Final = "WRITTEN_AS_ROW"
"""A class with this attribute is written as a row of values: where there are a million of it, names cost too much."""

PLAIN: Final = frozenset({str, int, float, bool, NoneType})
"""What JSON has as it is: most of a long order, and asked first for that."""


def to_body(fact: Any) -> dict[str, Any]:
    """Return what the journal keeps of a fact: its fields by name."""
    return {name: _written(getattr(fact, name)) for name in _readers(type(fact))}


def from_body(kind: type[Record], body: Mapping[str, Any]) -> Record:
    """Read a fact back.

    Raises:
        KeyError, TypeError, ValueError: it was not written by `to_body`.
    """
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in body.items()})


def _written(value: Any) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _written(one) for name, one in value.items()}
    if is_dataclass(value):
        return list(to_body(value).values()) if hasattr(value, ROW) else to_body(value)
    return value


def _readers(kind: Any) -> Mapping[str, Read]:
    # Any: a class can be hashed, which a type variable does not say.
    return _readers_of(kind)


@cache
def _readers_of(kind: type) -> Mapping[str, Read]:
    hints = get_type_hints(kind)
    return {one.name: _reader(hints[one.name]) for one in fields(kind)}


@cache
def _reader(hint: Any) -> Read:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        # None, or the one other thing that it may be.
        (read,) = (_reader(one) for one in inner if one is not NoneType)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read_one = _reader(inner[0])
        return lambda value: tuple([read_one(one) for one in value])
    if hint is datetime:
        return from_text
    if hint is date:
        return date.fromisoformat
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return _row_reader(hint) if hasattr(hint, ROW) else lambda value: from_body(hint, value)
    return _as_it_is


def _row_reader(kind: type) -> Read:
    readers = tuple(_readers_of(kind).values())
    if all(one is _as_it_is for one in readers):
        # A long order is read in one step a row.
        return lambda row: kind(*row)

    def read_row(row: Any) -> Any:
        if len(row) > len(readers):
            raise ValueError(f"a row of {kind.__name__} is too long")
        return kind(*(read(one) for read, one in zip(readers, row, strict=False)))

    return read_row


def _as_it_is(value: Any) -> Any:
    return value
