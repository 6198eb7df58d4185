"""A plan as plain values: for signatures (canonical), for comparison, for printing."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from safelight.core.span import span_text
from safelight.plan.model import Plan


def plain(value: Any) -> Any:
    """Return a value of a plan as JSON has them; spans as a plan writes them."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def tables(value: Any) -> Any:
    """Return a value of a plan with each of its things as a table of its fields, and what is in them as it is."""
    if isinstance(value, tuple):
        return tuple(tables(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: tables(getattr(value, name)) for name in _names(type(value))}
    return value


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def objects(plan: Plan) -> Iterator[tuple[str, Any]]:
    """Return every part that can be signed, as ``section/id``, or ``section`` for one that is no list of things."""
    for one in fields(Plan):
        value = getattr(plan, one.name)
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            yield from ((f"{one.name}/{part.id}", part) for part in value)
        elif value is not None and value != ():
            yield one.name, value


def canonical(value: Any) -> bytes:
    """Return the one form of a value that is hashed and signed: JSON in ASCII, names sorted, nothing between."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def digests(plan: Plan) -> dict[str, str]:
    """Return the SHA-256 of each part that is signed.

    Where packs lie is a register that grows after signing, and nothing that the sides agree on.
    """
    signed = ((name, value) for name, value in objects(plan) if not name.startswith("packs/"))
    return {name: hashlib.sha256(canonical(value)).hexdigest() for name, value in signed}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions; ``before`` or ``after`` is None where there was nothing."""

    where: str
    field: str
    before: Any
    after: Any


def parts(plan: Plan) -> dict[str, Any]:
    """Return each part that can be signed, as plain values."""
    return {name: plain(value) for name, value in objects(plan)}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what changed between the parts of two versions, field by field."""
    found = []
    for where in sorted(old.keys() | new.keys()):
        before, after = old.get(where), new.get(where)
        if isinstance(before, dict) and isinstance(after, dict):
            names = sorted(before.keys() | after.keys())
            pairs = [(name, before.get(name), after.get(name)) for name in names]
            found += [Change(where, name, one, two) for name, one, two in pairs if one != two]
        elif before != after:
            found.append(Change(where, "", before, after))
    return found
