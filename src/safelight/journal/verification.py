"""Proving a journal: which positions do not hold, even where the engine stumbles over its own file."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from sqlalchemy import select

from safelight.core.database import Database, structure_faults
from safelight.journal.entry import chain, read_line
from safelight.journal.errors import JournalDamaged
from safelight.journal.schema import entry_table

READ_ENTRIES: Final = 500
UNREADABLE_MAX: Final = 1 << 30
"""So far ahead a readable entry is looked for; the search takes steps that double, so it is short."""


class DamageKind(StrEnum):
    """What is wrong with an entry."""

    CONTENT = "content"
    """The entry does not hash to its place in the chain."""
    UNREADABLE = "unreadable"
    """The engine cannot read the entry."""
    MISSING = "missing"
    """There is no entry at these positions, although there are later ones or somebody knows of them."""
    STRUCTURE = "structure"
    """The file around the entries is damaged (an index, a page): restore it into a new file."""


@dataclass(frozen=True, slots=True)
class JournalDamage:
    """One thing that is wrong; ``first`` to ``last`` are positions, both 0 for the file as a whole."""

    kind: DamageKind
    first: int
    last: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An entry as it lies in the file, proven or not."""

    position: int
    kind: str
    line: bytes
    hash: bytes


def find_damage(database: Database, start: bytes, at_least: int) -> list[JournalDamage]:
    """Return everything that is wrong, in order of position."""
    found: list[JournalDamage] = []
    # What the hash before may be: as it is stored, and as it is computed. When only the stored hash
    # of an entry is damaged, its follower holds under the computed one and is not accused.
    previous = {start}
    position = 0
    for item in _rows(database):
        if isinstance(item, JournalDamage):
            found.append(item)
            position, previous = item.last, set()
            continue
        if item.position != position + 1:
            found.append(JournalDamage(DamageKind.MISSING, position + 1, item.position - 1))
            previous = set()
        position = item.position
        if not _holds(item, previous):
            found.append(JournalDamage(DamageKind.CONTENT, position, position))
        previous = {item.hash} | {chain(known, item.line) for known in previous}
    if position < at_least:
        found.append(JournalDamage(DamageKind.MISSING, position + 1, at_least))
    return found + _structure(database)


def _holds(row: StoredRow, previous: set[bytes]) -> bool:
    """Say whether a row is sound; after a gap (no previous hash) only its form can be judged."""
    if previous and row.hash not in {chain(known, row.line) for known in previous}:
        return False
    try:
        entry = read_line(row.line, row.hash)
    except ValueError:
        return False
    return entry.position == row.position and entry.kind == row.kind


def _rows(database: Database) -> Iterator[StoredRow | JournalDamage]:
    """Give every row in order; where a group cannot be read, its rows one by one, and what cannot be read as a run."""
    after = 0
    while True:
        try:
            rows = _read(database, after, READ_ENTRIES)
        except JournalDamaged:
            try:
                rows = _read(database, after, 1)
            except JournalDamaged as error:
                note = str(error.facts.get("error", ""))
                readable_after = _next_readable(database, after)
                if readable_after is None:
                    yield JournalDamage(DamageKind.UNREADABLE, after + 1, after + 1, f"{note}; nor any entry after it")
                    return
                yield JournalDamage(DamageKind.UNREADABLE, after + 1, readable_after, note)
                after = readable_after
                continue
        yield from rows
        if not rows:
            return
        after = rows[-1].position


def _next_readable(database: Database, unreadable_after: int) -> int | None:
    """Return the position after which the engine reads on; ``None`` if it reads nothing more.

    What cannot be read lies on damaged pages, so it is taken for one run: its end is looked for by steps that double,
    then by halving. A sound entry inside the run would be counted with it, and be mended along with it.
    """
    step = 1
    while not _reads_after(database, unreadable_after + step):
        step *= 2
        if step > UNREADABLE_MAX:
            return None
    low, high = unreadable_after + step // 2, unreadable_after + step
    while high - low > 1:
        middle = (low + high) // 2
        if _reads_after(database, middle):
            high = middle
        else:
            low = middle
    return high


def _reads_after(database: Database, after: int) -> bool:
    try:
        _read(database, after, 1)
    except JournalDamaged:
        return False
    return True


def readable_rows(database: Database, after: int) -> Iterator[StoredRow]:
    """Give rows one group at a time for as long as the engine can read them.

    Raises:
        JournalDamaged: the next row cannot be read.
    """
    count = READ_ENTRIES
    while True:
        try:
            rows = _read(database, after, count)
        except JournalDamaged:
            if count == 1:
                raise
            count = 1
            continue
        if not rows:
            return
        yield from rows
        after = rows[-1].position


def _read(database: Database, after: int, count: int) -> list[StoredRow]:
    """Return the next rows.

    Raises:
        JournalDamaged: the engine cannot read them, or gives them out of order.
    """
    columns = (entry_table.c.position, entry_table.c.kind, entry_table.c.line, entry_table.c.hash)
    statement = select(*columns).where(entry_table.c.position > after).order_by(entry_table.c.position).limit(count)
    with database.reading() as connection:
        rows = [
            StoredRow(position, kind if isinstance(kind, str) else "", _bytes(line), _bytes(entry_hash))
            for position, kind, line, entry_hash in connection.execute(statement)
        ]
    # A damaged page sends the engine's search to a wrong leaf, which gives rows that were read before, for ever.
    if any(this >= following for this, following in pairwise([after, *(row.position for row in rows)])):
        raise JournalDamaged(after=after, error="rows out of order")
    return rows


def _bytes(value: object) -> bytes:
    """Return bytes as they are; what a flipped bit of the record's header made text holds nothing that hashes."""
    return value if isinstance(value, bytes) else b""


def _structure(database: Database) -> list[JournalDamage]:
    try:
        with database.reading() as connection:
            faults = structure_faults(connection)
    except JournalDamaged as error:
        faults = [str(error.facts.get("error", ""))]
    return [JournalDamage(DamageKind.STRUCTURE, 0, 0, fault) for fault in faults]
