"""One application entity that was seen here: what it is, what it did, and how that is written as a fact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from safelight.core.clock import from_text, to_text

CALLED_MAX: Final = 32
"""Titles that one caller called, each with what it did there."""
LISTED_MAX: Final = 512
"""UIDs kept for one caller in each list."""

Number = TypeVar("Number", int, datetime)


class CallerAct(StrEnum):
    """What a caller did."""

    ASSOCIATION = "association"
    ECHO = "echo"
    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    COMMITMENT = "commitment"
    REFUSAL = "refusal"
    """It was refused an association."""
    ABORT = "abort"
    """Its association ended by an abort."""


@dataclass(frozen=True, slots=True)
class CallerSighting:
    """One or several equal acts of a caller."""

    title: str
    host: str
    act: CallerAct
    at: datetime
    called: str = ""
    count: int = 1
    implementation_uid: str = ""
    implementation_version: str = ""
    sop_classes: tuple[str, ...] = ()
    transfer_syntaxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallerRow:
    """What is known of one caller."""

    title: str
    host: str
    called: tuple[str, ...]
    implementation_uid: str
    implementation_version: str
    sop_classes: tuple[str, ...]
    transfer_syntaxes: tuple[str, ...]
    first_seen_at: datetime
    last_seen_at: datetime
    last: dict[CallerAct, datetime]
    """When each act was last seen."""
    counts: dict[CallerAct, int]
    by_called: dict[str, dict[CallerAct, "Seen"]]
    """By the title that it called: what it did there. Refused calls are not among them."""

    def calls(self, title: str) -> int:
        """Return how many associations it opened by this title."""
        seen = self.by_called.get(title, {}).get(CallerAct.ASSOCIATION)
        return seen.count if seen else 0


@dataclass(frozen=True, slots=True)
class Seen:
    """How often something was seen, and when last."""

    count: int
    last: datetime


def merged(one: CallerRow, other: CallerRow) -> CallerRow:
    """Return what two accounts of the same caller say together. Harmless when repeated: numbers only grow."""
    older, newer = sorted((one, other), key=lambda row: row.last_seen_at)
    by_called: dict[str, dict[CallerAct, Seen]] = {}
    for title, acts in [*older.by_called.items(), *newer.by_called.items()]:
        if title in by_called or len(by_called) < CALLED_MAX:
            kept = by_called.setdefault(title, {})
            kept.update((act, _more(seen, kept.get(act, seen))) for act, seen in acts.items())
    return CallerRow(
        title=one.title,
        host=one.host,
        called=joined(older.called, newer.called),
        implementation_uid=newer.implementation_uid or older.implementation_uid,
        implementation_version=newer.implementation_version or older.implementation_version,
        sop_classes=joined(older.sop_classes, newer.sop_classes),
        transfer_syntaxes=joined(older.transfer_syntaxes, newer.transfer_syntaxes),
        first_seen_at=min(one.first_seen_at, other.first_seen_at),
        last_seen_at=newer.last_seen_at,
        last=_largest(one.last, other.last),
        counts=_largest(one.counts, other.counts),
        by_called=by_called,
    )


def joined(known: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return both lists as one, in order, as far as there is room."""
    listed = dict.fromkeys(known)
    for one in more:
        if one and len(listed) < LISTED_MAX:
            listed[one] = None
    return tuple(sorted(listed))


def to_body(row: CallerRow) -> dict[str, Any]:
    """Write what is known of a caller as a part of a fact."""
    return {
        "title": row.title,
        "host": row.host,
        "called": list(row.called),
        "implementation_uid": row.implementation_uid,
        "implementation_version": row.implementation_version,
        "sop_classes": list(row.sop_classes),
        "transfer_syntaxes": list(row.transfer_syntaxes),
        "first_seen_at": to_text(row.first_seen_at),
        "last_seen_at": to_text(row.last_seen_at),
        "acts": {act.value: [row.counts.get(act, 0), to_text(at)] for act, at in row.last.items()},
        "by_called": by_called_body(row),
    }


def from_body(told: Mapping[str, Any]) -> CallerRow:
    """Read what `to_body` wrote."""
    acts = _acts(told["acts"])
    return CallerRow(
        title=told["title"],
        host=told["host"],
        called=tuple(told["called"]),
        implementation_uid=told["implementation_uid"],
        implementation_version=told["implementation_version"],
        sop_classes=tuple(told["sop_classes"]),
        transfer_syntaxes=tuple(told["transfer_syntaxes"]),
        first_seen_at=from_text(told["first_seen_at"]),
        last_seen_at=from_text(told["last_seen_at"]),
        last={act: seen.last for act, seen in acts.items()},
        counts={act: seen.count for act, seen in acts.items() if seen.count},
        by_called=read_by_called(told["by_called"]),
    )


def by_called_body(row: CallerRow) -> dict[str, dict[str, list[Any]]]:
    """Write what a caller did by each title that it called."""
    return {
        title: {act.value: [seen.count, to_text(seen.last)] for act, seen in acts.items()}
        for title, acts in row.by_called.items()
    }


def read_by_called(told: Mapping[str, Any]) -> dict[str, dict[CallerAct, Seen]]:
    """Read what `by_called_body` wrote."""
    return {title: _acts(of_title) for title, of_title in told.items()}


def _acts(told: Mapping[str, Any]) -> dict[CallerAct, Seen]:
    return {CallerAct(act): Seen(count, from_text(last)) for act, (count, last) in told.items()}


def _more(one: Seen, other: Seen) -> Seen:
    return Seen(max(one.count, other.count), max(one.last, other.last))


def _largest(one: Mapping[CallerAct, Number], other: Mapping[CallerAct, Number]) -> dict[CallerAct, Number]:
    return {act: max(told[act] for told in (one, other) if act in told) for act in {**one, **other}}
