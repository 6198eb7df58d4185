"""The register of application entities that were seen here: what a new PACS needs to know of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from safelight.catalog.caller import (
    CALLED_MAX,
    CallerAct,
    CallerRow,
    CallerSighting,
    by_called_body,
    joined,
    merged,
    read_by_called,
)
from safelight.catalog.schema import caller_table
from safelight.catalog.tallies import add_to_tallies
from safelight.core.clock import to_text
from safelight.core.database import insert_or_replace

CALLERS_MAX: Final = 10_000
"""Anybody can invent AE titles; further ones are counted and not kept."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """What the register would say of those who were seen, and how many of the sightings it has no room for."""

    rows: tuple[CallerRow, ...]
    not_kept: int = 0


def with_sightings(connection: Connection, sightings: Sequence[CallerSighting]) -> Sighted:
    """Return the callers that were seen as they are with these sightings; nothing is written."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    kept = _count(connection)
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
            rows[name] = _blank(seen) if row is None else dict(row._mapping)
        _add(rows[name], seen)
    return Sighted(tuple(_row(row) for row in rows.values()), not_kept)


def keep_callers(connection: Connection, sighted: Sighted) -> None:
    """Take into the register what is told of callers; harmless when repeated."""
    before = _count(connection)
    rows: dict[tuple[str, str], CallerRow] = {}
    for told in sighted.rows:
        name = (told.title, told.host)
        row = _known(connection, name)
        known = rows.get(name) or (None if row is None else _row(row._mapping))
        rows[name] = told if known is None else merged(known, told)
    if rows:
        connection.execute(insert_or_replace(connection, caller_table), [_columns(row) for row in rows.values()])
    changes = {"callers": _count(connection) - before, "callers_not_kept": sighted.not_kept}
    add_to_tallies(connection, changes)


def callers(connection: Connection) -> list[CallerRow]:
    """Return everybody who was seen, by title and host."""
    statement = select(caller_table).order_by(caller_table.c.title, caller_table.c.host)
    return [_row(row._mapping) for row in connection.execute(statement)]


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(caller_table)).scalar_one()


def _known(connection: Connection, name: tuple[str, str]) -> Row[Any] | None:
    statement = select(caller_table).where(caller_table.c.title == name[0], caller_table.c.host == name[1])
    return connection.execute(statement).first()


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
    row["called"] = _text(joined(_listed(row["called"]), (seen.called,)))
    if seen.called and seen.act is not CallerAct.REFUSAL:
        row["called_acts"] = _counted(row["called_acts"], seen)
    row["sop_classes"] = _text(joined(_listed(row["sop_classes"]), seen.sop_classes))
    row["transfer_syntaxes"] = _text(joined(_listed(row["transfer_syntaxes"]), seen.transfer_syntaxes))
    row["implementation_uid"] = seen.implementation_uid or row["implementation_uid"]
    row["implementation_version"] = seen.implementation_version or row["implementation_version"]


def _listed(text: str) -> tuple[str, ...]:
    # A backslash can stand in no AE title and in no UID.
    return tuple(part for part in text.split("\\") if part)


def _text(listed: Iterable[str]) -> str:
    return "\\".join(listed)


def _counted(known: str, seen: CallerSighting) -> str:
    acts: dict[str, dict[str, Any]] = json.loads(known or "{}")
    if seen.called in acts or len(acts) < CALLED_MAX:
        of_title = acts.setdefault(seen.called, {})
        count, last = of_title.get(seen.act.value, (0, ""))
        of_title[seen.act.value] = (count + seen.count, max(last, to_text(seen.at)))
    return json.dumps(acts, sort_keys=True)


def _row(row: Mapping[Any, Any]) -> CallerRow:
    acts = {act: (row[f"last_{act}_at"], row[f"{act}_count"]) for act in CallerAct}
    return CallerRow(
        title=row["title"],
        host=row["host"],
        called=_listed(row["called"]),
        implementation_uid=row["implementation_uid"],
        implementation_version=row["implementation_version"],
        sop_classes=_listed(row["sop_classes"]),
        transfer_syntaxes=_listed(row["transfer_syntaxes"]),
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        last={act: at for act, (at, _) in acts.items() if at is not None},
        counts={act: count for act, (_, count) in acts.items() if count},
        by_called=read_by_called(json.loads(row["called_acts"] or "{}")),
    )


def _columns(row: CallerRow) -> dict[str, Any]:
    acts = by_called_body(row)
    return {
        "title": row.title,
        "host": row.host,
        "called": _text(row.called),
        "called_acts": json.dumps(acts, sort_keys=True) if acts else "",
        "implementation_uid": row.implementation_uid,
        "implementation_version": row.implementation_version,
        "sop_classes": _text(row.sop_classes),
        "transfer_syntaxes": _text(row.transfer_syntaxes),
        "first_seen_at": row.first_seen_at,
        "last_seen_at": row.last_seen_at,
        **{f"last_{act}_at": row.last.get(act) for act in CallerAct},
        **{f"{act}_count": row.counts.get(act, 0) for act in CallerAct},
    }
