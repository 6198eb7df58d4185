"""What may stand in the query or the body of a request, read once at the door."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from safelight.console.faults import BadRequest

NUMBER_MAX: Final = 10**16
LISTED_MAX: Final = 100


class Kind(Enum):
    """What a member is."""

    TEXT = auto()
    FLAG = auto()
    NUMBER = auto()
    TEXTS = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a body or parameter of a query."""

    name: str
    kind: Kind = Kind.TEXT
    needed: bool = False
    choices: Sequence[str] = ()
    lowest: int = 0
    highest: int = NUMBER_MAX
    otherwise: Any = None
    """What is meant where it is absent; nothing is said where this is None."""
    goes_as: str = ""
    """Its name behind the door, where that is another one."""


def read_body(given: Mapping[str, Any], fields: Iterable[Field]) -> dict[str, Any]:
    """Read the members of a JSON object.

    Raises:
        BadRequest: one is unknown, is missing, or cannot be read; says which and not what it was.
    """
    rest = dict(given)
    told = {}
    for field in fields:
        value = rest.pop(field.name, None)
        if value is None:
            if field.needed:
                raise BadRequest(missing=field.name)
            value = field.otherwise
        elif not _fits(field, value):
            raise BadRequest(wrong=field.name)
        if value is not None:
            told[field.goes_as or field.name] = value
    for unknown in rest:
        raise BadRequest(unknown=_plain(unknown))
    return told


def read_query(items: Iterable[tuple[str, str]], fields: Sequence[Field]) -> dict[str, Any]:
    """Read the parameters of a query; those that are empty are not asked for.

    Raises:
        BadRequest: one is unknown, comes twice, or cannot be read.
    """
    known = {field.name: field for field in fields}
    given: dict[str, Any] = {}
    for name, text in items:
        if name not in known:
            raise BadRequest(unknown=_plain(name))
        if known[name].kind is Kind.TEXTS:
            given.setdefault(name, []).append(text)
        elif name in given:
            raise BadRequest(twice=name)
        elif text:
            given[name] = _from_text(known[name], text)
    return read_body(given, fields)


def _from_text(field: Field, text: str) -> Any:
    if field.kind is Kind.NUMBER:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else text
    if field.kind is Kind.FLAG:
        return {"true": True, "1": True, "false": False, "0": False}.get(text, text)
    return text


def _fits(field: Field, value: Any) -> bool:
    match field.kind:
        case Kind.TEXT:
            return _is_text(value) and (not field.choices or value in field.choices)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.NUMBER:
            return type(value) is int and field.lowest <= value <= field.highest
        case Kind.TEXTS:
            return (
                isinstance(value, list)
                and len(value) <= LISTED_MAX
                and bool(value or not field.needed)
                and all(_is_text(one) and (not field.choices or one in field.choices) for one in value)
            )


def _is_text(value: Any) -> bool:
    """Say whether this is a text that a journal can hold: JSON lets half of a surrogate pair through."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _plain(name: str) -> str:
    return "".join(filter(str.isprintable, name))[:40].encode("utf-8", "replace").decode()
