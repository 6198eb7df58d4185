"""The register of application entities that were seen here: what a new PACS needs to know of them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from safelight.catalog.schema import caller_table
from safelight.catalog.tallies import add_to_tallies
from safelight.core.clock import from_text, to_text
from safelight.core.database import insert_or_replace

CALLERS_MAX: Final = 10_000
"""Anybody can invent AE titles; further ones are counted and not kept."""
CALLED_MAX: Final = 32
"""Titles that one caller called, each with what it did there."""
LISTED_MAX: Final = 512
"""UIDs kept for one caller in each list."""


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


def record_callers(connection: Connection, sightings: Sequence[CallerSighting]) -> None:
    """Add what was seen of callers; this is a count, so a batch must not be recorded twice."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    kept = connection.execute(select(func.count()).select_from(caller_table)).scalar_one()
    before = kept
    not_kept = 0
    for seen in sightings:
        name = (seen.title, seen.host)
        if name not in rows:
            row = _known(connection, name)
            if row is None and kept >= CALLERS_MAX:
                not_kept += 1
                continue
            if row is None:
                kept += 1
                row = _blank(seen)
            rows[name] = row
        _add(rows[name], seen)
    if rows:
        connection.execute(insert_or_replace(connection, caller_table), list(rows.values()))
    add_to_tallies(connection, {"callers": kept - before, "callers_not_kept": not_kept})


def callers(connection: Connection) -> list[CallerRow]:
    """Return everybody who was seen, by title and host."""
    statement = select(caller_table).order_by(caller_table.c.title, caller_table.c.host)
    return [_row(row) for row in connection.execute(statement)]


def _known(connection: Connection, name: tuple[str, str]) -> dict[str, Any] | None:
    statement = select(caller_table).where(caller_table.c.title == name[0], caller_table.c.host == name[1])
    row = connection.execute(statement).first()
    return None if row is None else dict(row._mapping)


def _blank(seen: CallerSighting) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: "" for column in caller_table.columns}
    for act in CallerAct:
        row[f"last_{act}_at"] = None
        row[f"{act}_count"] = 0
    return row | {"title": seen.title, "host": seen.host, "first_seen_at": seen.at, "last_seen_at": seen.at}


def _add(row: dict[str, Any], seen: CallerSighting) -> None:
    row["first_seen_at"] = min(row["first_seen_at"], seen.at)
    row["last_seen_at"] = max(row["last_seen_at"], seen.at)
    last = row[f"last_{seen.act}_at"]
    row[f"last_{seen.act}_at"] = seen.at if last is None else max(last, seen.at)
    row[f"{seen.act}_count"] += seen.count
    row["called"] = _joined(row["called"], (seen.called,))
    if seen.called and seen.act is not CallerAct.REFUSAL:
        row["called_acts"] = _counted(row["called_acts"], seen)
    row["sop_classes"] = _joined(row["sop_classes"], seen.sop_classes)
    row["transfer_syntaxes"] = _joined(row["transfer_syntaxes"], seen.transfer_syntaxes)
    row["implementation_uid"] = seen.implementation_uid or row["implementation_uid"]
    row["implementation_version"] = seen.implementation_version or row["implementation_version"]


def _joined(known: str, more: Iterable[str]) -> str:
    # A backslash can stand in no AE title and in no UID.
    listed = dict.fromkeys(part for part in known.split("\\") if part)
    for one in more:
        if one and len(listed) < LISTED_MAX:
            listed[one] = None
    return "\\".join(sorted(listed))


def _counted(known: str, seen: CallerSighting) -> str:
    acts: dict[str, dict[str, Any]] = json.loads(known or "{}")
    if seen.called in acts or len(acts) < CALLED_MAX:
        of_title = acts.setdefault(seen.called, {})
        count, last = of_title.get(seen.act.value, (0, ""))
        of_title[seen.act.value] = (count + seen.count, max(last, to_text(seen.at)))
    return json.dumps(acts, sort_keys=True)


def _row(row: Row[Any]) -> CallerRow:
    def listed(text: str) -> tuple[str, ...]:
        return tuple(part for part in text.split("\\") if part)

    acts = {act: (getattr(row, f"last_{act}_at"), getattr(row, f"{act}_count")) for act in CallerAct}
    return CallerRow(
        title=row.title,
        host=row.host,
        called=listed(row.called),
        implementation_uid=row.implementation_uid,
        implementation_version=row.implementation_version,
        sop_classes=listed(row.sop_classes),
        transfer_syntaxes=listed(row.transfer_syntaxes),
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        last={act: at for act, (at, _) in acts.items() if at is not None},
        counts={act: count for act, (_, count) in acts.items() if count},
        by_called={
            title: {CallerAct(act): Seen(count, from_text(last)) for act, (count, last) in told.items()}
            for title, told in json.loads(row.called_acts or "{}").items()
        },
    )
