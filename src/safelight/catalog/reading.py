"""Small reads that every part of the catalog needs: lists short enough for one query, keys that are free."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from sqlalchemy import Connection, Table, func, select

LOOKUP_MAX: Final = 500
"""Values in one IN list."""

T = TypeVar("T")


def touch(connection: Connection, tables: Iterable[Table]) -> None:
    """Find out whether tables and their columns are there, without reading what grows.

    Every command starts here: building some forty queries out of their parts would cost more than asking them.
    """
    for table in tables:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        connection.exec_driver_sql(f'SELECT {columns} FROM "{table.name}" LIMIT 1').first()  # noqa: S608 - our own names


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Give the values in lists short enough for one query."""
    chunk: list[T] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == LOOKUP_MAX:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def next_key(connection: Connection, table: Table) -> int:
    """Return a key that no row has; the writer is alone, so it stays free."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.key), 0))).scalar_one()) + 1
