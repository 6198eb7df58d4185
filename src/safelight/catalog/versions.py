"""Reading versions: one content of one instance, and which of several is current at a moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, select

from safelight.catalog.reading import chunks
from safelight.catalog.rows import HoldingRow, VersionRow
from safelight.catalog.schema import (
    choice_table,
    encoding_table,
    holding_table,
    origin_table,
    pack_table,
    series_table,
    study_table,
    version_table,
)
from safelight.core.instance import Way

_COLUMNS = (
    version_table.c.digest,
    encoding_table.c.sop_class,
    version_table.c.sop_instance,
    encoding_table.c.transfer_syntax,
    study_table.c.study,
    series_table.c.series,
    version_table.c.instance_number,
    version_table.c.size,
    version_table.c.opaque,
    version_table.c.packed,
    version_table.c.withdrawn,
    version_table.c.received_at,
    origin_table.c.way,
    origin_table.c.calling,
    origin_table.c.called,
    origin_table.c.sender,
)


def select_versions(
    *more: ColumnElement[Any], joined: tuple[FromClause, ColumnElement[bool]] | None = None
) -> Select[Any]:
    """Return a query of versions, followed by the columns ``more`` of the table ``joined``."""
    source: FromClause = version_table
    if joined is not None:
        source = source.join(*joined)
    source = (
        source.join(encoding_table, encoding_table.c.key == version_table.c.encoding_key)
        .join(origin_table, origin_table.c.key == version_table.c.origin_key)
        .outerjoin(study_table, study_table.c.key == version_table.c.study_key)
        .outerjoin(series_table, series_table.c.key == version_table.c.series_key)
    )
    return select(*_COLUMNS, *more).select_from(source)


def version_row(row: Sequence[Any]) -> VersionRow:
    """Read the first columns of a row of `select_versions`."""
    (
        digest, sop_class, sop_instance, syntax, study, series, number, size,
        opaque, packed, withdrawn, at, way, calling, called, sender,
    ) = row[: len(_COLUMNS)]  # fmt: skip
    return VersionRow(
        digest, sop_class, sop_instance, syntax, study or "", series or "",
        number, size, opaque, packed, withdrawn, at, Way(way), calling, called, sender,
    )  # fmt: skip


def holdings(
    connection: Connection,
    study: str | None = None,
    series: str | None = None,
    instance: str | None = None,
    digests: Iterable[bytes] | None = None,
) -> list[HoldingRow]:
    """Return where in the vault the versions lie that fit every criterion given, by instance and age."""
    statement = select_versions(
        pack_table.c.name,
        holding_table.c.position,
        holding_table.c.size,
        holding_table.c.prefix_size,
        holding_table.c.prefix_digest,
        holding_table.c.pixel_digest,
        holding_table.c.refers_to,
        joined=(
            holding_table.join(pack_table, pack_table.c.key == holding_table.c.pack_key),
            holding_table.c.version_key == version_table.c.key,
        ),
    )
    statement = _narrowed(statement, study, series, instance)
    if digests is None:
        found = connection.execute(_in_order(statement)).all()
    else:
        found = [
            row
            for chunk in chunks(dict.fromkeys(digests))
            for row in connection.execute(_in_order(statement.where(version_table.c.digest.in_(chunk))))
        ]
    return [HoldingRow(version_row(row), *row[-7:]) for row in found]


def versions(
    connection: Connection, study: str | None = None, series: str | None = None, instance: str | None = None
) -> list[VersionRow]:
    """Return every version that fits, by instance and age."""
    statement = _in_order(_narrowed(select_versions(), study, series, instance))
    return [version_row(row) for row in connection.execute(statement)]


def met(connection: Connection, instances: Iterable[str]) -> set[str]:
    """Return which of these instances have any version."""
    of = version_table.c.sop_instance
    return {
        instance
        for chunk in chunks(dict.fromkeys(instances))
        for instance in connection.execute(select(of).where(of.in_(chunk)).distinct()).scalars()
    }


def disputed(connection: Connection, instances: Iterable[str]) -> set[str]:
    """Return which of these instances have more than one version."""
    of = version_table.c.sop_instance
    return {
        instance
        for chunk in chunks(dict.fromkeys(instances))
        for instance in connection.execute(
            select(of).where(of.in_(chunk)).group_by(of).having(func.count() > 1)
        ).scalars()
    }


def opaque_versions(connection: Connection, after: bytes, limit: int) -> list[VersionRow]:
    """Return versions that belong to no study, by digest, from the one after ``after``."""
    statement = select_versions().where(version_table.c.study_key.is_(None), version_table.c.digest > after)
    return [version_row(row) for row in connection.execute(statement.order_by(version_table.c.digest).limit(limit))]


def current(connection: Connection, found: Sequence[VersionRow], as_of: datetime | None) -> list[VersionRow]:
    """Return of each instance the version that is current, or was at a moment.

    The first that was received stays current until somebody decides otherwise; of decisions the
    latest counts. What was received after the moment did not exist then.
    """
    kept = [version for version in found if as_of is None or version.received_at <= as_of]
    by_instance: dict[str, list[VersionRow]] = {}
    for version in kept:
        by_instance.setdefault(version.sop_instance, []).append(version)
    disputed = [uid for uid, several in by_instance.items() if len(several) > 1]
    chosen = choices(connection, disputed, as_of)
    answer = []
    for uid, several in by_instance.items():
        first = min(several, key=lambda version: (version.received_at, version.digest))
        answer.append(next((version for version in several if version.digest == chosen.get(uid)), first))
    return answer


def choices(connection: Connection, uids: Iterable[str], as_of: datetime | None = None) -> dict[str, bytes]:
    """Return which version of each instance the latest decision chose, now or at a moment; it may not be held."""
    chosen: dict[str, bytes] = {}
    for chunk in chunks(uids):
        statement = select(choice_table.c.sop_instance, choice_table.c.digest).where(
            choice_table.c.sop_instance.in_(chunk)
        )
        if as_of is not None:
            statement = statement.where(choice_table.c.chosen_at <= as_of)
        for uid, digest in connection.execute(statement.order_by(choice_table.c.journal_position)):
            chosen[uid] = digest
    return chosen


def _narrowed(statement: Select[Any], study: str | None, series: str | None, instance: str | None) -> Select[Any]:
    """Look up by keys of the version itself, so that its index is used and not the joined tables."""
    if study is not None:
        statement = statement.where(
            version_table.c.study_key.in_(select(study_table.c.key).where(study_table.c.study == study))
        )
    if series is not None:
        here = series_table.c.series == series
        statement = statement.where(
            version_table.c.study_key.in_(select(series_table.c.study_key).where(here)),
            version_table.c.series_key.in_(select(series_table.c.key).where(here)),
        )
    if instance is not None:
        statement = statement.where(version_table.c.sop_instance == instance)
    return statement


def _in_order(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(version_table.c.sop_instance, version_table.c.received_at, version_table.c.digest)
