"""The canonical dump: what vault and journal determine, in one order, so that two catalogs can be compared.

Left out is what only this machine's past determines: keys, times of verification, states of copies,
callers, what lies in the landing log alone.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, select

from safelight.catalog.schema import (
    choice_table,
    encoding_table,
    finding_table,
    former_table,
    holding_table,
    name_table,
    origin_table,
    pack_table,
    patient_table,
    reference_table,
    rejection_table,
    series_table,
    study_table,
    version_table,
)
from safelight.core.clock import to_text

READ_ROWS = 1000


def dump_queries(until: int | None) -> list[tuple[str, Select[Any]]]:
    """Return the queries of a dump, each with what its rows are; ``until`` is a journal position."""
    queries = [
        ("patient", _columns(patient_table, "patient_id", "issuer").where(_has_packed(patient_table))),
        ("study", _studies()),
        ("name", _names()),
        ("former", _former()),
        ("series", _series()),
        ("version", _versions()),
        ("pack", _columns(pack_table, "name")),
        ("reference", _references()),
        ("holding", _holdings()),
    ]
    for what, table, order in (
        ("finding", finding_table, ("code", "subject")),
        ("rejection", rejection_table, ("sop_instance", "note")),
        ("choice", choice_table, ("journal_position",)),
    ):
        statement = _columns(table, *order)
        if until is not None:
            statement = statement.where(table.c.journal_position <= until)
        queries.append((what, statement))
    return queries


def dump(connection: Connection, until: int | None) -> Iterator[str]:
    """Give one line of JSON for each row."""
    for what, statement in dump_queries(until):
        names = [column.name for column in statement.selected_columns]
        for row in connection.execute(statement.execution_options(yield_per=READ_ROWS)):
            told = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            yield json.dumps({"what": what, **told}, sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return to_text(value) if hasattr(value, "tzinfo") else value


def _columns(table: Any, *order: str) -> Select[Any]:
    left_out = ("key", "copies_whole")
    columns = [column for column in table.columns if column.name not in left_out]
    return select(*columns).order_by(*(table.c[name] for name in order))


def _has_packed(table: Any) -> Any:
    return table.c.key.in_(select(study_table.c.patient_key).where(study_table.c.packed_count > 0))


def _studies() -> Select[Any]:
    left_out = ("key", "patient_key", "last_received_at")
    columns = [column for column in study_table.columns if column.name not in left_out]
    source = study_table.join(patient_table, patient_table.c.key == study_table.c.patient_key)
    return (
        select(*columns, patient_table.c.patient_id, patient_table.c.issuer)
        .select_from(source)
        .where(study_table.c.packed_count > 0)
        .order_by(study_table.c.study)
    )


def _names() -> Select[Any]:
    source = name_table.join(study_table, study_table.c.key == name_table.c.study_key)
    statement = select(study_table.c.study, name_table.c.folded).select_from(source)
    return statement.where(study_table.c.packed_count > 0).order_by(study_table.c.study, name_table.c.folded)


def _former() -> Select[Any]:
    source = former_table.join(study_table, study_table.c.key == former_table.c.study_key)
    statement = select(study_table.c.study, former_table.c.what.label("known_by"), former_table.c.told)
    ordered = statement.select_from(source).where(study_table.c.packed_count > 0)
    return ordered.order_by(study_table.c.study, former_table.c.what, former_table.c.told)


def _series() -> Select[Any]:
    columns = [column for column in series_table.columns if column.name not in ("key", "study_key")]
    source = series_table.join(study_table, study_table.c.key == series_table.c.study_key)
    statement = select(study_table.c.study, *columns).select_from(source).where(series_table.c.packed_count > 0)
    return statement.order_by(study_table.c.study, series_table.c.series)


def _versions() -> Select[Any]:
    source = (
        version_table.join(encoding_table, encoding_table.c.key == version_table.c.encoding_key)
        .join(origin_table, origin_table.c.key == version_table.c.origin_key)
        .outerjoin(study_table, study_table.c.key == version_table.c.study_key)
        .outerjoin(series_table, series_table.c.key == version_table.c.series_key)
    )
    own = ("digest", "sop_instance", "size", "instance_number", "opaque", "withdrawn", "received_at")
    columns = [
        *(version_table.c[name] for name in own),
        encoding_table.c.sop_class,
        encoding_table.c.transfer_syntax,
        *(column for column in origin_table.columns if column.name != "key"),
        study_table.c.study,
        series_table.c.series,
    ]
    statement = select(*columns).select_from(source).where(version_table.c.packed.is_(True))
    return statement.order_by(version_table.c.digest)


def _references() -> Select[Any]:
    source = reference_table.join(pack_table, pack_table.c.key == reference_table.c.pack_key)
    statement = select(pack_table.c.name, reference_table.c.refers_to).select_from(source)
    return statement.order_by(pack_table.c.name, reference_table.c.refers_to)


def _holdings() -> Select[Any]:
    columns = [column for column in holding_table.columns if column.name not in ("pack_key", "version_key")]
    source = holding_table.join(pack_table, pack_table.c.key == holding_table.c.pack_key).join(
        version_table, version_table.c.key == holding_table.c.version_key
    )
    statement = select(pack_table.c.name.label("pack"), *columns, version_table.c.digest).select_from(source)
    return statement.order_by(pack_table.c.name, holding_table.c.position)
