"""How a room opens its database: durability, transactions and errors, for SQLite today.

What differs between database engines stands here and nowhere else.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from safelight.core.disk import DiskFailed, DiskFull
from safelight.core.errors import IntegrityError, ResourceError

BUSY_SECONDS: Final = 30
POOLED_CONNECTIONS: Final = 4
CONNECTIONS_MAX: Final = 32
SIGNS_OF_DAMAGE: Final = (
    "no such table",
    "no such column",
    "has no column named",
    "does not match any PRIMARY KEY",
    "unsupported file format",
)
"""What the engine says of a damaged file under its code for any error."""
UNREADABLE_TEXT: Final = "text that cannot be decoded"
SQLITE_MAGIC: Final = b"SQLite format 3\0"
SQLITE_CODE_MASK: Final = 0xFF


class DatabaseBusy(ResourceError):
    """Another process kept the database to itself for too long."""

    code: ClassVar[str] = "core.database-busy"
    hint: ClassVar[str] = "See which other Safelight process works on this home; then try again."


class DatabaseRefused(ResourceError):
    """The database may not be opened or written with the rights this process has."""

    code: ClassVar[str] = "core.database-refused"
    hint: ClassVar[str] = "Check owner and mode of the database file and of its directory."


class Durability(StrEnum):
    """What a commit promises when the power goes."""

    FULL = "FULL"
    """Committed is durable."""
    NORMAL = "NORMAL"
    """Never torn, but the last commits may be gone: for what can be computed again."""


class Database:
    """One room's database; safe to use from several threads, one writer at a time.

    ``damaged`` is the room's own error for a file that the engine cannot make sense of.
    """

    def __init__(self, path: Path, durability: Durability, damaged: type[IntegrityError], *, read_only: bool) -> None:
        self.path = path
        self._damaged = damaged
        address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False),
            poolclass=QueuePool,
            max_overflow=CONNECTIONS_MAX - POOLED_CONNECTIONS,
            pool_size=POOLED_CONNECTIONS,
            # Messages of the engine must never carry values: they are names of patients.
            hide_parameters=True,
        )
        self._writing_engine = self._engine.execution_options(safelight_writes=True)
        _prepare(self._engine, durability, read_only=read_only)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one moment of the database."""
        with self._told_apart(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes; committed on leaving, undone on an error."""
        with self._told_apart(), self._writing_engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError:
            raise self._damaged(path=str(self.path), error=UNREADABLE_TEXT) from None
        except DBAPIError as error:
            if "decode to UTF-8" in str(error.orig):
                # The driver quotes the text, which may be a name: not even the cause is kept.
                raise self._damaged(path=str(self.path), error=UNREADABLE_TEXT) from None
            raise self._named(error) from error

    def _named(self, error: DBAPIError) -> Exception:
        """Say in our words what the engine refused; what we do not foresee stays as it is."""
        cause = error.orig
        code = getattr(cause, "sqlite_errorcode", None)
        told = str(cause)
        match None if code is None else code & SQLITE_CODE_MASK:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_FORMAT:
                return self._damaged(path=str(self.path), error=told)
            case sqlite3.SQLITE_FULL:
                return DiskFull(where=str(self.path))
            case sqlite3.SQLITE_IOERR:
                return DiskFailed(where=str(self.path), error=told)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return DatabaseBusy(path=str(self.path))
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return DatabaseRefused(path=str(self.path), error=told)
        if any(sign in told for sign in SIGNS_OF_DAMAGE):
            return self._damaged(path=str(self.path), error=told)
        return error


def is_database(path: Path) -> bool:
    """Say whether the file begins as a database; the engine would take a stump for an empty one."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def insert_or_skip(connection: Connection, table: Table) -> Insert:
    """Return an insert that leaves a row alone whose key is there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_or_replace(connection: Connection, table: Table) -> Insert:
    """Return an insert that overwrites the other columns of a row whose key is there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement: postgresql.Insert | sqlite.Insert = postgresql.insert(table)
    else:
        statement = sqlite.insert(table)
    key = [column.name for column in table.primary_key]
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=others)


def structure_faults(connection: Connection, faults_max: int = 100) -> list[str]:
    """Return what the engine itself finds wrong with the file; costs time with its size."""
    if connection.dialect.name != "sqlite":
        return []
    told = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({faults_max})")]
    return [] if told == ["ok"] else told


def query_plan(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """Return how the engine means to answer a query, one line a step."""
    return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def _prepare(engine: Engine, durability: Durability, *, read_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        # The driver's own habit of opening transactions late is switched off; `begin` below decides.
        connection.isolation_level = None
        settings = [f"synchronous={durability.value}", "cell_size_check=ON", "cache_size=-16000"]
        settings.append("query_only=ON" if read_only else "journal_mode=WAL")
        for setting in settings:
            connection.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A writer takes its lock at once: one that reads first and writes later would be refused
        # without waiting when somebody else wrote in between.
        writes = connection.get_execution_options().get("safelight_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
