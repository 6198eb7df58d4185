"""One entry of the journal: how it is written, hashed and read."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from safelight.core.clock import from_text, to_text
from safelight.journal.errors import BadFact

KIND_PATTERN: Final = re.compile(r"[a-z][a-z0-9-]{0,63}\Z")
LINE_BYTES_MAX: Final = 64 * 1024 * 1024

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact in its place in the chain."""

    position: int
    """Counted from 1, without a gap."""
    at: datetime
    kind: str
    facts: Mapping[str, JsonValue]
    hash: bytes
    """SHA-256 of the previous entry's hash and this entry's line."""


def canonical(value: object) -> bytes:
    """Write JSON in the one way that is hashed: keys sorted, no spaces, UTF-8.

    Raises:
        ValueError: a number is not finite.
        TypeError: a value is not JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def genesis(node_id: str) -> bytes:
    """Return what stands in place of a previous hash before the first entry of a node."""
    return hashlib.sha256(canonical({"journal": 1, "node": node_id})).digest()


def write_line(position: int, at: datetime, kind: str, facts: Mapping[str, JsonValue]) -> bytes:
    """Write an entry as the line that is stored, hashed and sealed.

    Raises:
        BadFact: the kind is not one, or the line outgrew ``LINE_BYTES_MAX``.
    """
    if not KIND_PATTERN.match(kind):
        raise BadFact(kind=kind[:64])
    line = canonical({"at": to_text(at), "facts": dict(facts), "kind": kind, "position": position})
    if len(line) > LINE_BYTES_MAX:
        raise BadFact(kind=kind, size_bytes=len(line))
    return line


def chain(previous: bytes, line: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(previous + line).digest()


def read_line(line: bytes, entry_hash: bytes) -> Entry:
    """Read what `write_line` wrote.

    Raises:
        ValueError: the line is damaged.
    """
    told = json.loads(line)
    if not isinstance(told, dict) or set(told) != {"at", "facts", "kind", "position"}:
        raise ValueError("not a line of a journal")
    position, at, kind, facts = told["position"], told["at"], told["kind"], told["facts"]
    if type(position) is not int or not isinstance(at, str) or not isinstance(kind, str) or not isinstance(facts, dict):
        raise ValueError("not a line of a journal")
    return Entry(position, from_text(at), kind, cast("dict[str, JsonValue]", facts), entry_hash)
