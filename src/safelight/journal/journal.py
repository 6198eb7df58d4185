"""The journal: append facts, read them, prove them, seal them, mend them.

Every commit is durable before the call returns. A journal may be used from several threads and read
from several processes; entries get their place in the chain inside the writing transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, Select, func, select, text

from safelight.core.clock import Clock
from safelight.core.database import Database, Durability, insert_or_replace, is_database
from safelight.core.disk import Disk, RealDisk
from safelight.journal.entry import Entry, JsonValue, chain, genesis, read_line, write_line
from safelight.journal.errors import JournalDamaged, JournalMissing, JournalThere, SegmentDoesNotFit
from safelight.journal.kinds import FactKind
from safelight.journal.schema import about_table, entry_table, schema
from safelight.journal.segment import Segment, Signer, seal_segment
from safelight.journal.verification import JournalDamage, find_damage

FORMAT: Final = 1
READ_ENTRIES: Final = 500
SEGMENT_ENTRIES_MAX: Final = 50_000
SEGMENT_BYTES_MAX: Final = 32 * 1024 * 1024
SEAL_KINDS: Final = (FactKind.JOURNAL_SEALED.value, FactKind.JOURNAL_RESTORED.value)

Fact = tuple[str, Mapping[str, JsonValue]]


class Journal:
    """The facts of one node, in order."""

    def __init__(self, database: Database, clock: Clock, node_id: str, signer: Signer | None) -> None:
        self._database = database
        self._clock = clock
        self._node = node_id
        self._signer = signer
        self._head_proven = False

    @classmethod
    def create(
        cls, path: Path, clock: Clock, node_id: str, signer: Signer | None = None, *, disk: Disk | None = None
    ) -> Self:
        """Make an empty journal whose name is durable.

        Raises:
            JournalThere: there is one already.
        """
        if path.exists():
            raise JournalThere(path=str(path))
        disk = disk or RealDisk()
        disk.close(disk.create(path))
        database = Database(path, Durability.FULL, JournalDamaged, read_only=False)
        with database.writing() as connection:
            schema.create_all(connection)
            connection.execute(about_table.insert().values(format=FORMAT))
        disk.sync_directory(path.parent)
        return cls(database, clock, node_id, signer)

    @classmethod
    def open(
        cls, path: Path, clock: Clock, node_id: str, signer: Signer | None = None, *, read_only: bool = False
    ) -> Self:
        """Open the journal of this node.

        Raises:
            JournalMissing: there is none, or an empty file stands in its place.
            JournalDamaged: the file is not a journal any more.
        """
        if not path.is_file() or path.stat().st_size == 0:
            raise JournalMissing(path=str(path))
        if not is_database(path):
            raise JournalDamaged(path=str(path), error="not a database")
        database = Database(path, Durability.FULL, JournalDamaged, read_only=read_only)
        with database.reading() as connection:
            found = connection.execute(select(about_table.c.format)).scalar()
        if found != FORMAT:
            database.close()
            raise JournalDamaged(path=str(path), format=found)
        return cls(database, clock, node_id, signer)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def append(self, kind: str, facts: Mapping[str, JsonValue]) -> Entry:
        """Record one fact; it is durable when this returns.

        Raises:
            BadFact: the kind is not one, or the fact is too large.
            JournalDamaged: the last entry does not hold, so nothing can be chained on it.
        """
        return self.append_all([(kind, facts)])[0]

    def append_all(self, facts: Sequence[Fact]) -> list[Entry]:
        """Record facts in one commit: all of them, or none.

        Raises:
            BadFact: a kind is not one, or a fact is too large.
            JournalDamaged: the last entry does not hold, so nothing can be chained on it.
        """
        if not facts:
            return []
        with self._database.writing() as connection:
            position, known = self._head(connection)
            moment = self._clock.now()
            rows, entries = [], []
            for kind, fact in facts:
                position += 1
                line = write_line(position, moment, kind, fact)
                known = chain(known, line)
                rows.append({"position": position, "kind": kind, "line": line, "hash": known})
                entries.append(read_line(line, known))
            connection.execute(entry_table.insert(), rows)
        return entries

    def entries(self, after: int = 0, kinds: Iterable[str] | None = None, until: int | None = None) -> Iterator[Entry]:
        """Give entries in order, from the one after ``after`` to ``until``, a few hundred in memory at a time.

        Raises:
            JournalDamaged: an entry cannot be read.
        """
        statement = select(entry_table.c.position, entry_table.c.line, entry_table.c.hash)
        if kinds is not None:
            statement = statement.where(entry_table.c.kind.in_([str(kind) for kind in kinds]))
        if until is not None:
            statement = statement.where(entry_table.c.position <= until)
        statement = statement.order_by(entry_table.c.position).limit(READ_ENTRIES)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(statement.where(entry_table.c.position > after)).all()
            for position, line, entry_hash in rows:
                if position <= after:  # a damaged page sends the engine's search back to a leaf that was read before
                    raise JournalDamaged(position=position)
                after = position
                yield _read(position, line, entry_hash)
            if len(rows) < READ_ENTRIES:
                return

    def position_before(self, moment: datetime) -> int:
        """Return a position up to which every entry is older than a moment, without reading what lies before it.

        A clock that was set back makes it too early, which costs time and loses nothing, or late by as much as it was
        set.

        Raises:
            JournalDamaged: an entry cannot be read.
        """
        last = self.last()
        low, high = 0, last.position if last is not None else 0
        while low < high:
            middle = (low + high + 1) // 2
            entry = next(self.entries(after=middle - 1, until=middle), None)
            if entry is not None and entry.at < moment:
                low = middle
            else:
                high = middle - 1
        return low

    def last(self) -> Entry | None:
        """Return the newest entry.

        Raises:
            JournalDamaged: it cannot be read.
        """
        with self._database.reading() as connection:
            row = connection.execute(_newest()).first()
        return None if row is None else _read(*row)

    def last_position(self) -> int:
        """Return where the newest entry stands; 0 before the first."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(entry_table.c.position))).scalar() or 0

    def kinds_after(self, position: int) -> frozenset[str]:
        """Return which kinds of facts were recorded after a position, without reading the facts."""
        statement = select(entry_table.c.kind).where(entry_table.c.position > position).distinct()
        with self._database.reading() as connection:
            return frozenset(row.kind for row in connection.execute(statement))

    def verify(self, at_least: int = 0) -> list[JournalDamage]:
        """Return what is damaged; empty when every entry holds and the chain is whole.

        ``at_least`` is a position that is known from elsewhere (the catalog, a pack) to have been
        written: a damaged write-ahead log loses the newest entries without leaving a gap.
        """
        return find_damage(self._database, genesis(self._node), at_least)

    def unsealed(self, ignored: Iterable[str] = ()) -> tuple[int, datetime | None]:
        """Return how many entries have no sealed copy, and when the oldest of them was written.

        Kinds of facts that are ``ignored`` are not counted.

        The facts that say a segment was sealed are not counted: they are sealed with the next one,
        and a journal in which nothing else happened has nothing to lose.
        """
        with self._database.reading() as connection:
            sealed = _sealed_until(connection)
            waiting = [entry_table.c.position > sealed, entry_table.c.kind.not_in([*SEAL_KINDS, *ignored])]
            count = connection.execute(select(func.count()).select_from(entry_table).where(*waiting)).scalar_one()
            oldest = connection.execute(
                select(entry_table.c.position, entry_table.c.line, entry_table.c.hash)
                .where(*waiting)
                .order_by(entry_table.c.position)
                .limit(1)
            ).first()
        return count, None if oldest is None else _read(*oldest).at

    def sealed_until(self) -> int:
        """Return the last position of which a sealed copy lies in the vault; 0 before the first."""
        with self._database.reading() as connection:
            return _sealed_until(connection)

    def seal(self, minimum_entries: int | None = None) -> Segment | None:
        """Return the entries since the last sealed one as a signed segment, for the caller to pack.

        Nothing is recorded: call `mark_sealed` once the pack is in place. A long tail gives several
        segments, one a call. ``None`` when fewer than ``minimum_entries`` (1) facts wait.

        Raises:
            JournalDamaged: an entry to be sealed does not hold.
        """
        count, _ = self.unsealed()
        if count < (minimum_entries or 1):
            return None
        with self._database.reading() as connection:
            sealed = _sealed_until(connection)
            known = previous = self._hash_at(connection, sealed)
            chosen: list[tuple[int, bytes]] = []
            size = 0
            statement = (
                select(entry_table.c.position, entry_table.c.line, entry_table.c.hash)
                .where(entry_table.c.position > sealed)
                .order_by(entry_table.c.position)
                .limit(SEGMENT_ENTRIES_MAX)
                .execution_options(yield_per=READ_ENTRIES)
            )
            for position, line, entry_hash in connection.execute(statement):
                known = chain(known, _stored(position, line))
                if known != entry_hash or position != sealed + len(chosen) + 1:
                    raise JournalDamaged(position=position)
                chosen.append((position, line))
                size += len(line)
                if size >= SEGMENT_BYTES_MAX:
                    break
        return seal_segment(self._node, previous, chosen, self._signer)

    def mark_sealed(self, segment: Segment, pack: str) -> Entry:
        """Record that a segment lies in the vault, in the pack named."""
        facts: dict[str, JsonValue] = {
            "first": segment.first,
            "last": segment.last,
            "hash": segment.hash.hex(),
            "pack": pack,
        }
        return self.append(FactKind.JOURNAL_SEALED, facts)

    def mend(self, position: int, segment: Segment) -> None:
        """Put one damaged entry back from a sealed segment that `read_segment` has proven.

        Raises:
            SegmentDoesNotFit: the segment does not cover the position, or is of another node.
        """
        if segment.node != self._node or not segment.first <= position <= segment.last:
            raise SegmentDoesNotFit(position=position, first=segment.first, last=segment.last)
        entry, line = next(
            (entry, line)
            for entry, line in zip(segment.entries(), segment.lines(), strict=True)
            if entry.position == position
        )
        row = {"position": position, "kind": entry.kind, "line": line, "hash": entry.hash}
        with self._database.writing() as connection:
            # The index by kind may be what is damaged; it is made again from the entries.
            connection.execute(insert_or_replace(connection, entry_table), row)
            connection.execute(text("REINDEX"))
        self._head_proven = False

    def hash_at(self, position: int) -> bytes:
        """Return the hash that stands at a position; before the first entry, the node's genesis.

        Raises:
            JournalDamaged: there is no such entry.
        """
        with self._database.reading() as connection:
            return self._hash_at(connection, position)

    def put_back(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write entries that were proven to follow the last one; for restoring only."""
        with self._database.writing() as connection:
            for start in range(0, len(rows), READ_ENTRIES):
                connection.execute(entry_table.insert(), [dict(row) for row in rows[start : start + READ_ENTRIES]])
        self._head_proven = False

    def go_on_after_damage(self, reason: str, by: str) -> Entry:
        """Chain on to a last entry that is damaged and has no sealed copy, as somebody decided.

        The damaged entry stays as it is, and `verify` goes on naming it.
        """
        with self._database.writing() as connection:
            position, known = self._stored_head(connection)
            line = write_line(
                position + 1,
                self._clock.now(),
                FactKind.JOURNAL_DAMAGE_ACCEPTED,
                {"position": position, "hash": known.hex(), "reason": reason, "by": by},
            )
            entry = read_line(line, chain(known, line))
            row = {"position": position + 1, "kind": entry.kind, "line": line, "hash": entry.hash}
            connection.execute(entry_table.insert(), row)
        self._head_proven = True
        return entry

    def _head(self, connection: Connection) -> tuple[int, bytes]:
        position, known = self._stored_head(connection)
        if not self._head_proven and position > 0:
            line = connection.execute(select(entry_table.c.line).where(entry_table.c.position == position)).scalar_one()
            if chain(self._hash_at(connection, position - 1), _stored(position, line)) != known:
                raise JournalDamaged(position=position)
        self._head_proven = True
        return position, known

    def _stored_head(self, connection: Connection) -> tuple[int, bytes]:
        row = connection.execute(_newest()).first()
        return (0, genesis(self._node)) if row is None else (row[0], _stored(row[0], row[2]))

    def _hash_at(self, connection: Connection, position: int) -> bytes:
        if position == 0:
            return genesis(self._node)
        found = connection.execute(select(entry_table.c.hash).where(entry_table.c.position == position)).scalar()
        if found is None:
            raise JournalDamaged(position=position)
        return _stored(position, found)


def _newest() -> Select[int, bytes, bytes]:
    return (
        select(entry_table.c.position, entry_table.c.line, entry_table.c.hash)
        .order_by(entry_table.c.position.desc())
        .limit(1)
    )


def _sealed_until(connection: Connection) -> int:
    """Return the last position that has a sealed copy, as the newest fact about sealing says."""
    row = connection.execute(
        select(entry_table.c.position, entry_table.c.line, entry_table.c.hash)
        .where(entry_table.c.kind.in_(SEAL_KINDS))
        .order_by(entry_table.c.position.desc())
        .limit(1)
    ).first()
    if row is None:
        return 0
    last = _read(*row).facts["last"]
    assert isinstance(last, int)
    return last


def _stored(position: int, value: object) -> bytes:
    """Return stored bytes as such; one flipped bit of a record's header makes the engine take them for text."""
    if not isinstance(value, bytes):
        raise JournalDamaged(position=position)
    return value


def _read(position: int, line: bytes, entry_hash: bytes) -> Entry:
    try:
        entry = read_line(_stored(position, line), _stored(position, entry_hash))
    except ValueError as error:
        raise JournalDamaged(position=position) from error
    if entry.position != position:
        raise JournalDamaged(position=position)
    return entry
