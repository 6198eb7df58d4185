"""The index of messages: one object to record in and to ask. Computed from the journal; may be deleted.

It has a file of its own, so that messages never wait for what happens to images.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, func, select, update

from safelight.catalog import listed_steps, message_facts, order_fold, order_search, worklist
from safelight.catalog.errors import CatalogDamaged
from safelight.catalog.listed_step import ListedStep
from safelight.catalog.listed_steps import Listing
from safelight.catalog.message_facts import ChainedFact
from safelight.catalog.message_rows import DeliveryRow, DeliveryState, Hold, MessageRow, QueueTally, SenderRow
from safelight.catalog.message_tables import (
    FORMAT,
    about_table,
    delivery_table,
    hold_table,
    message_schema,
    message_table,
    sender_table,
)
from safelight.catalog.order_changes import Changes, PatientName
from safelight.catalog.order_search import KnownPatient, ReportRow, StepRow, StepSearch
from safelight.catalog.order_tables import person_table, report_table, step_name_table, step_table
from safelight.catalog.reading import chunks, touch
from safelight.core.database import Database, Durability, is_database

ROWS_MAX: Final = 1000
_MESSAGE: Final = tuple(message_table.columns)
_DELIVERY: Final = tuple(
    delivery_table.c[name]
    for name in ("destination", "queued", "state", "released", "attempts", "code", "told", "settled_at")
)


class MessageIndex:
    """What came, to whom it goes, and how far each destination is. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the index; where there is none, or none that can be read, an empty one is begun.

        Raises:
            CatalogDamaged: it was to be read only, and there is none that can be.
        """
        try:
            return cls(_opened(path, read_only=read_only))
        except CatalogDamaged:
            if read_only:
                raise
        return cls._begun(path)

    @classmethod
    def again(cls, path: Path) -> Self:
        """Begin an empty index in place of one that no longer goes with its journal."""
        return cls._begun(path)

    @classmethod
    def _begun(cls, path: Path) -> Self:
        for leftover in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)
        path.touch(mode=0o600)
        database = Database(path, Durability.NORMAL, CatalogDamaged, read_only=False)
        with database.writing() as connection:
            message_schema.create_all(connection)
            connection.execute(
                about_table.insert().values(format=FORMAT, journal_position=0, journal_hash=b"", folded=0, mapping="")
            )
        return cls(database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def apply(self, facts: Sequence[ChainedFact]) -> None:
        """Take journal entries about messages into account, in journal order."""
        with self._database.writing() as connection:
            message_facts.apply_all(connection, facts)

    @property
    def journal_place(self) -> tuple[int, bytes]:
        """Up to where the journal was taken into account, and the hash of the entry there."""
        with self._database.reading() as connection:
            return message_facts.journal_place(connection)

    def last_sequence_until(self, position: int) -> int:
        """Return the highest sequence of the message log among the facts up to a journal position."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(message_table.c.sequence)
                .where(message_table.c.position <= position)
                .order_by(message_table.c.sequence.desc())
                .limit(1)
            ).scalar()
        return int(found or 0)

    @property
    def last_sequence(self) -> int:
        """The highest sequence of the message log that is a fact of the journal."""
        with self._database.reading() as connection:
            return int(connection.execute(select(func.coalesce(func.max(message_table.c.sequence), 0))).scalar_one())

    def named(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, bytes]]:
        """Return for sender and control id the newest message of that name that is no duplicate: position, digest."""
        wanted = set(names)
        found = {}
        table = message_table.c
        with self._database.reading() as connection:
            for chunk in chunks({control_id for _, control_id in wanted}):
                newest = (
                    select(func.max(table.position))
                    .where(table.control_id.in_(chunk), table.duplicate_of.is_(None))
                    .group_by(table.control_id, table.sender)
                )
                columns = (table.sender, table.control_id, table.position, table.digest)
                for sender, control_id, position, digest in connection.execute(
                    select(*columns).where(table.position.in_(newest))
                ):
                    if (sender, control_id) in wanted:
                        found[sender, control_id] = (position, digest)
        return found

    def waiting(self, destination: str, limit: int) -> list[DeliveryRow]:
        """Return what waits for a destination, the oldest first; while it is held, only what was let through."""
        with self._database.reading() as connection:
            statement = _deliveries(destination, DeliveryState.WAITING)
            if _hold(connection, destination) is not None:
                statement = statement.where(delivery_table.c.released.is_(True))
            return [_delivery(row) for row in connection.execute(statement.limit(limit))]

    def deliveries(
        self, destination: str, state: DeliveryState | None = None, limit: int = ROWS_MAX
    ) -> list[DeliveryRow]:
        """Return what was or is to be sent to a destination, the oldest first."""
        with self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(_deliveries(destination, state).limit(limit))]

    def delivery(self, destination: str, message: int) -> DeliveryRow | None:
        """Return the newest delivery of a message to a destination."""
        statement = _deliveries(destination, None).where(delivery_table.c.message == message)
        with self._database.reading() as connection:
            rows = [_delivery(row) for row in connection.execute(statement)]
        return rows[-1] if rows else None

    def messages(
        self,
        since: datetime | None = None,
        first: int | None = None,
        until: datetime | None = None,
        limit: int = ROWS_MAX,
    ) -> list[MessageRow]:
        """Return messages in the order of receipt, from a moment or a position on; fragments are left out."""
        statement = select(*_MESSAGE).where(message_table.c.arrived == "message")
        if since is not None:
            statement = statement.where(message_table.c.received_at >= since)
        if until is not None:
            statement = statement.where(message_table.c.received_at <= until)
        if first is not None:
            statement = statement.where(message_table.c.position >= first)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(message_table.c.position).limit(limit))
            return [_message(row) for row in rows]

    def message(self, position: int) -> MessageRow | None:
        """Return one message."""
        with self._database.reading() as connection:
            row = connection.execute(select(*_MESSAGE).where(message_table.c.position == position)).first()
        return None if row is None else _message(row)

    def count(self) -> int:
        """Return how many messages came, duplicates and fragments too."""
        return self.tally()[0]

    def tally(self) -> tuple[int, int]:
        """Return how many messages came, and how many of them were duplicates; costs time with their number."""
        counts = select(func.count(), func.count(message_table.c.duplicate_of)).select_from(message_table)
        with self._database.reading() as connection:
            row = connection.execute(counts).one()
            return int(row[0]), int(row[1])

    # Patients, steps, reports

    def begin_folding(self, mapping: str) -> None:
        """Go on folding by a mapping of this name; after another one everything is folded again."""
        with self._database.writing() as connection:
            if connection.execute(select(about_table.c.mapping)).scalar() == mapping:
                return
            for table in (person_table, step_table, step_name_table, report_table):
                connection.execute(table.delete())
            connection.execute(update(about_table).values(folded=0, mapping=mapping))

    @property
    def folded_position(self) -> int:
        """The journal position of the last message that was folded."""
        with self._database.reading() as connection:
            return int(connection.execute(select(about_table.c.folded)).scalar_one())

    def unfolded(self, limit: int) -> list[MessageRow]:
        """Return the next messages to be folded, in order; fragments and duplicates are left out."""
        with self._database.reading() as connection:
            folded = connection.execute(select(about_table.c.folded)).scalar_one()
            statement = select(*_MESSAGE).where(
                message_table.c.position > folded,
                message_table.c.arrived == "message",
                message_table.c.duplicate_of.is_(None),
            )
            rows = connection.execute(statement.order_by(message_table.c.position).limit(limit))
            return [_message(row) for row in rows]

    def fold(self, changes: Sequence[tuple[int, Changes]]) -> set[int]:
        """Take what messages say into account, in order of their positions, in one commit.

        Return the positions of those that name a patient by an identifier that an older message merged away.
        """
        with self._database.writing() as connection:
            missed = order_fold.fold_all(connection, changes)
            if changes:
                connection.execute(update(about_table).values(folded=changes[-1][0]))
        return missed

    def steps(self, search: StepSearch, by_hand: Sequence[StepRow] = ()) -> list[StepRow]:
        """Return scheduled procedure steps, by start: from messages and lists, and what people registered by hand."""
        with self._database.reading() as connection:
            return worklist.steps(connection, search, by_hand)

    def listings(self) -> list[Listing]:
        """Return the lists of steps that others keep, in the order in which they count."""
        with self._database.reading() as connection:
            return listed_steps.listings(connection)

    def listed(self, source: str) -> dict[str, ListedStep]:
        """Return the steps of a list by their keys."""
        with self._database.reading() as connection:
            return listed_steps.listed(connection, source)

    def listed_counts(self) -> dict[str, int]:
        """Return how many steps each list has; one without any is not there."""
        with self._database.reading() as connection:
            return listed_steps.listed_counts(connection)

    def reports(self, patient_id: str = "", accession: str = "", study: str = "", limit: int = 100) -> list[ReportRow]:
        """Return reports that fit any of what is given, the newest first."""
        with self._database.reading() as connection:
            return order_search.reports(connection, patient_id, accession, study, limit)

    def patient(self, name: PatientName) -> tuple[PatientName, dict[str, str], bool] | None:
        """Return under which identifier a patient goes now, what is known, and whether it is in the house."""
        with self._database.reading() as connection:
            return order_search.patient(connection, name)

    def patients_called(self, patient_ids: Sequence[str]) -> list[KnownPatient]:
        """Return everybody who goes, or went before a merge, by one of these identifiers, whoever issued it."""
        with self._database.reading() as connection:
            return order_search.patients_called(connection, patient_ids)

    def queue(self, destination: str) -> QueueTally:
        """Return how a destination's queue stands."""
        with self._database.reading() as connection:
            counted = connection.execute(
                select(delivery_table.c.state, func.count())
                .where(delivery_table.c.destination == destination)
                .group_by(delivery_table.c.state)
            ).all()
            first = connection.execute(_deliveries(destination, DeliveryState.WAITING).limit(1)).first()
            counts = dict.fromkeys(DeliveryState, 0) | {DeliveryState(state): count for state, count in counted}
            oldest = None if first is None else _delivery(first).message.received_at
            return QueueTally(destination, counts, oldest, _hold(connection, destination))

    def senders(self) -> list[SenderRow]:
        """Return who sends messages here."""
        with self._database.reading() as connection:
            rows = connection.execute(select(sender_table).order_by(sender_table.c.sender))
            return [SenderRow(row.sender, row.host, row.first_at, row.last_at, row.message_count) for row in rows]

    def open_deliveries(self, destinations: Iterable[str]) -> dict[DeliveryState, int]:
        """Count what waits and what is dead; costs nothing for what was delivered."""
        counts = {DeliveryState.WAITING: 0, DeliveryState.DEAD: 0}
        with self._database.reading() as connection:
            for destination in destinations:
                for state in counts:
                    statement = select(func.count()).where(
                        delivery_table.c.destination == destination, delivery_table.c.state == state
                    )
                    counts[state] += connection.execute(statement).scalar_one()
        return counts

    def destinations(self) -> list[str]:
        """Return every destination that ever had a message, or is held."""
        with self._database.reading() as connection:
            sent = connection.execute(select(delivery_table.c.destination).distinct()).scalars().all()
            held = connection.execute(select(hold_table.c.destination)).scalars().all()
        return sorted({*sent, *held})


def _opened(path: Path, *, read_only: bool) -> Database:
    if not path.is_file() or path.stat().st_size == 0 or not is_database(path):
        raise CatalogDamaged(path=str(path), error="not a database")
    database = Database(path, Durability.NORMAL, CatalogDamaged, read_only=read_only)
    try:
        with database.reading() as connection:
            found = connection.execute(select(about_table.c.format)).scalar()
            touch(connection, message_schema.sorted_tables)
        if found != FORMAT:
            raise CatalogDamaged(path=str(path), format=found)
    except CatalogDamaged:
        database.close()
        raise
    return database


def _deliveries(destination: str, state: DeliveryState | None) -> Any:
    source = delivery_table.join(message_table, message_table.c.position == delivery_table.c.message)
    statement = select(*_DELIVERY, *_MESSAGE).select_from(source).where(delivery_table.c.destination == destination)
    if state is not None:
        statement = statement.where(delivery_table.c.state == state)
    return statement.order_by(delivery_table.c.queued, delivery_table.c.message)


def _delivery(row: Sequence[Any]) -> DeliveryRow:
    return DeliveryRow(
        destination=row[0],
        queued=row[1],
        state=DeliveryState(row[2]),
        released=row[3],
        attempts=row[4],
        code=row[5],
        told=row[6],
        settled_at=row[7],
        message=_message(row[len(_DELIVERY) :]),
    )


def _message(row: Sequence[Any]) -> MessageRow:
    return MessageRow(
        position=row[0],
        sequence=row[1],
        received_at=row[2],
        arrived=row[3],
        host=row[4],
        sender=row[5],
        event=row[6],
        control_id=row[7],
        digest=row[8],
        size_bytes=row[9],
        duplicate_of=row[10],
        patients=None if row[11] is None else tuple(json.loads(row[11])),
    )


def _hold(connection: Connection, destination: str) -> Hold | None:
    row = connection.execute(select(hold_table).where(hold_table.c.destination == destination)).first()
    return None if row is None else Hold(*row)
