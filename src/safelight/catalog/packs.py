"""Packs, what they hold, and their copies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select, update

from safelight.catalog.census_rows import settle
from safelight.catalog.errors import PackUnknown
from safelight.catalog.landing_rows import mark_landed_packed
from safelight.catalog.lineage import Seen
from safelight.catalog.placing import place
from safelight.catalog.reading import chunks, next_key
from safelight.catalog.rows import CopyRow, CopyState, PackRow
from safelight.catalog.schema import (
    copy_table,
    expected_table,
    holding_table,
    pack_table,
    reference_table,
    series_table,
    study_table,
    version_table,
)
from safelight.catalog.tallies import add_to_tallies
from safelight.core.database import insert_or_replace
from safelight.core.instance import Holding, LandingPlace


def record_packed(
    connection: Connection, pack: PackRow, held: Sequence[Holding], places: Iterable[LandingPlace]
) -> bool:
    """Record a sealed pack with all it holds; return whether it was new."""
    placed = place(connection, [_seen(one) for one in held])
    version_keys = [placed.keys[one.digest] for one in held]
    if _key_of(connection, pack.name) is not None:
        marked = mark_landed_packed(connection, dict.fromkeys(version_keys), places)
        add_to_tallies(connection, {"instances_waiting": -marked})
        return False
    expected = _expected(connection, pack.name)
    key = next_key(connection, pack_table)
    connection.execute(
        pack_table.insert().values(
            key=key,
            name=pack.name,
            kind=pack.kind,
            size_bytes=pack.size_bytes,
            raw_bytes=pack.raw_bytes,
            instance_count=len(held),
            sealed_at=pack.sealed_at,
            journal_position=pack.journal_position or expected,
            oldest_received_at=min((one.receipt.received_at for one in held), default=pack.sealed_at),
            copies_whole=0,
        )
    )
    if pack.refers_to:
        rows = [{"pack_key": key, "refers_to": name} for name in dict.fromkeys(pack.refers_to)]
        connection.execute(reference_table.insert(), rows)
    if held:
        connection.execute(holding_table.insert(), [_holding(key, placed.keys[one.digest], one) for one in held])
    studies = _mark_packed(connection, version_keys, placed.tallies)
    placed.tallies["instances_waiting"] -= mark_landed_packed(connection, dict.fromkeys(version_keys), places)
    placed.tallies["packs"] += 1
    placed.tallies["bytes_raw"] += pack.raw_bytes
    placed.tallies["bytes_packed"] += pack.size_bytes
    add_to_tallies(connection, placed.tallies)
    settle(connection, studies)
    return True


def expect_pack(connection: Connection, name: str, journal_position: int) -> None:
    """Take the journal's word that a pack was sealed."""
    if _key_of(connection, name) is None:
        row = {"name": name, "journal_position": journal_position}
        connection.execute(insert_or_replace(connection, expected_table), row)
    else:
        connection.execute(
            update(pack_table).where(pack_table.c.name == name).values(journal_position=journal_position)
        )


def packs_not_found(connection: Connection) -> list[str]:
    """Return packs that the journal says were sealed and that nobody has recorded."""
    return list(connection.execute(select(expected_table.c.name).order_by(expected_table.c.journal_position)).scalars())


def record_copy(connection: Connection, name: str, placement: str, state: CopyState, at: datetime | None) -> None:
    """Record what was found of a pack's copy in a placement, and what follows for packs that refer to it.

    Raises:
        PackUnknown: no such pack was recorded.
    """
    key = _key_of(connection, name)
    if key is None:
        raise PackUnknown(pack=name)
    before = connection.execute(
        select(copy_table.c.whole).where(copy_table.c.pack_key == key, copy_table.c.placement == placement)
    ).scalar()
    row = {
        "pack_key": key,
        "placement": placement,
        "state": state.value,
        "whole": bool(before),
        "checked_at": at,
    }
    connection.execute(insert_or_replace(connection, copy_table), row)
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if _judge_copy(connection, one, placement):
            waiting.extend(_referring(connection, one))


def copies(connection: Connection, name: str) -> list[CopyRow]:
    """Return the copies of a pack."""
    statement = _copy_rows().where(pack_table.c.name == name).order_by(copy_table.c.placement)
    return [_copy_row(row) for row in connection.execute(statement)]


def least_recently_verified(connection: Connection, placement: str, limit: int) -> list[CopyRow]:
    """Return the copies in a placement whose last check is longest ago; never checked comes first."""
    unchecked = _copy_rows().where(copy_table.c.placement == placement, copy_table.c.checked_at.is_(None))
    rows = connection.execute(unchecked.order_by(pack_table.c.key).limit(limit)).all()
    if len(rows) < limit:
        checked = _copy_rows().where(copy_table.c.placement == placement, copy_table.c.checked_at.is_not(None))
        ordered = checked.order_by(copy_table.c.checked_at, copy_table.c.pack_key)
        rows = [*rows, *connection.execute(ordered.limit(limit - len(rows)))]
    return [_copy_row(row) for row in rows]


def copies_in_state(connection: Connection, placement: str, state: CopyState, limit: int) -> list[CopyRow]:
    """Return copies in a placement that are, say, damaged."""
    statement = _copy_rows().where(copy_table.c.placement == placement, copy_table.c.state == state.value)
    return [_copy_row(row) for row in connection.execute(statement.order_by(copy_table.c.pack_key).limit(limit))]


def packs_lacking(connection: Connection, copies_min: int, limit: int) -> list[PackRow]:
    """Return packs with fewer than ``copies_min`` whole copies, those that would lose most time first."""
    statement = select(pack_table).where(pack_table.c.copies_whole < copies_min)
    return _pack_rows(connection, statement.order_by(pack_table.c.oldest_received_at).limit(limit))


def packs_not_in(connection: Connection, placement: str, limit: int) -> list[PackRow]:
    """Return packs of which a placement has no copy that is written or verified."""
    there = exists().where(
        copy_table.c.pack_key == pack_table.c.key,
        copy_table.c.placement == placement,
        copy_table.c.state.in_([CopyState.WRITTEN.value, CopyState.VERIFIED.value]),
    )
    statement = select(pack_table).where(~there).order_by(pack_table.c.key).limit(limit)
    return _pack_rows(connection, statement)


def packs(connection: Connection, after: str, limit: int) -> list[PackRow]:
    """Return packs by name, from the one after ``after``."""
    statement = select(pack_table).where(pack_table.c.name > after).order_by(pack_table.c.name).limit(limit)
    return _pack_rows(connection, statement)


def pack(connection: Connection, name: str) -> PackRow | None:
    """Return one pack."""
    found = _pack_rows(connection, select(pack_table).where(pack_table.c.name == name))
    return found[0] if found else None


def pixels_known(
    connection: Connection, pixel_digests: Iterable[bytes], copies_min: int
) -> dict[bytes, tuple[str, int]]:
    """Return for pixel digests the pack and position where the pixels themselves lie.

    Only packs with ``copies_min`` whole copies are named: nothing must come to depend on a damaged one.
    """
    found: dict[bytes, tuple[str, int]] = {}
    columns = (holding_table.c.pixel_digest, pack_table.c.name, holding_table.c.position)
    source = holding_table.join(pack_table, pack_table.c.key == holding_table.c.pack_key)
    for chunk in chunks(pixel_digests):
        statement = (
            select(*columns)
            .select_from(source)
            .where(
                holding_table.c.pixel_digest.in_(chunk),
                holding_table.c.refers_to.is_(None),
                pack_table.c.copies_whole >= copies_min,
            )
            .order_by(holding_table.c.pack_key, holding_table.c.position)
        )
        for digest, name, position in connection.execute(statement):
            found.setdefault(digest, (name, position))
    return found


def known(connection: Connection, digests: Iterable[bytes], *, packed_only: bool) -> set[bytes]:
    """Return which of these digests name a version that is known (or packed)."""
    found: set[bytes] = set()
    for chunk in chunks(digests):
        statement = select(version_table.c.digest).where(version_table.c.digest.in_(chunk))
        if packed_only:
            statement = statement.where(version_table.c.packed.is_(True))
        found.update(connection.execute(statement).scalars())
    return found


def _seen(one: Holding) -> Seen:
    return Seen(one.digest, one.head, one.receipt, one.size - one.wrapper.prefix_size, one.wrapper.opaque)


def _holding(pack_key: int, version_key: int, one: Holding) -> dict[str, object]:
    return {
        "pack_key": pack_key,
        "position": one.position,
        "version_key": version_key,
        "size": one.size,
        "prefix_size": one.wrapper.prefix_size,
        "prefix_digest": one.prefix_digest,
        "pixel_digest": one.pixel_digest,
        "refers_to": one.refers_to,
    }


def _key_of(connection: Connection, name: str) -> int | None:
    return connection.execute(select(pack_table.c.key).where(pack_table.c.name == name)).scalar()


def _expected(connection: Connection, name: str) -> int | None:
    here = expected_table.c.name == name
    position = connection.execute(select(expected_table.c.journal_position).where(here)).scalar()
    if position is not None:
        connection.execute(expected_table.delete().where(here))
    return position


def _mark_packed(connection: Connection, version_keys: Iterable[int], tallies: Counter[str]) -> set[str]:
    """Mark versions as packed, count them, and return the studies they belong to."""
    studies: set[str] = set()
    for chunk in chunks(dict.fromkeys(version_keys)):
        fresh = and_(version_table.c.key.in_(chunk), version_table.c.packed.is_(False))
        for table, column in (
            (series_table, version_table.c.series_key),
            (study_table, version_table.c.study_key),
        ):
            counts = connection.execute(select(column, func.count()).where(fresh).group_by(column)).all()
            for owner, count in counts:
                if owner is not None:
                    more = table.c.packed_count + count
                    connection.execute(update(table).where(table.c.key == owner).values(packed_count=more))
        belongs = select(study_table.c.study).where(
            study_table.c.key.in_(select(version_table.c.study_key).where(version_table.c.key.in_(chunk)))
        )
        studies.update(connection.execute(belongs).scalars())
        tallies["instances_packed"] += connection.execute(
            update(version_table).where(fresh).values(packed=True)
        ).rowcount
    return studies


def _judge_copy(connection: Connection, name: str, placement: str) -> bool:
    """Say of one copy whether it is whole, count the whole copies of its pack, and return whether that changed."""
    key = connection.execute(select(pack_table.c.key).where(pack_table.c.name == name)).scalar()
    here = and_(copy_table.c.pack_key == key, copy_table.c.placement == placement)
    copy = connection.execute(select(copy_table.c.state, copy_table.c.whole).where(here)).first()
    if copy is None:
        return False
    target, target_copy = pack_table.alias(), copy_table.alias()
    targets_whole = exists().where(
        target.c.name == reference_table.c.refers_to,
        target_copy.c.pack_key == target.c.key,
        target_copy.c.placement == placement,
        target_copy.c.whole.is_(True),
    )
    lacking = connection.execute(
        select(func.count()).select_from(reference_table).where(reference_table.c.pack_key == key, ~targets_whole)
    ).scalar_one()
    whole = copy.state == CopyState.VERIFIED.value and lacking == 0
    if whole == copy.whole:
        return False
    connection.execute(update(copy_table).where(here).values(whole=whole))
    count = pack_table.c.copies_whole + (1 if whole else -1)
    connection.execute(update(pack_table).where(pack_table.c.key == key).values(copies_whole=count))
    return True


def _referring(connection: Connection, name: str) -> list[str]:
    source = reference_table.join(pack_table, pack_table.c.key == reference_table.c.pack_key)
    statement = select(pack_table.c.name).select_from(source).where(reference_table.c.refers_to == name)
    return list(connection.execute(statement).scalars())


def _copy_rows() -> Select[Any]:
    return select(
        pack_table.c.name,
        copy_table.c.placement,
        copy_table.c.state,
        copy_table.c.whole,
        copy_table.c.checked_at,
    ).join_from(copy_table, pack_table, pack_table.c.key == copy_table.c.pack_key)


def _copy_row(row: Sequence[Any]) -> CopyRow:
    name, placement, state, whole, checked_at = row
    return CopyRow(name, placement, CopyState(state), whole, checked_at)


def _pack_rows(connection: Connection, statement: Select[Any]) -> list[PackRow]:
    rows = connection.execute(statement).all()
    references: dict[int, list[str]] = {}
    for chunk in chunks(row.key for row in rows):
        wanted = select(reference_table).where(reference_table.c.pack_key.in_(chunk))
        for key, name in connection.execute(wanted.order_by(reference_table.c.refers_to)):
            references.setdefault(key, []).append(name)
    return [
        PackRow(
            name=row.name,
            size_bytes=row.size_bytes,
            raw_bytes=row.raw_bytes,
            sealed_at=row.sealed_at,
            refers_to=tuple(references.get(row.key, ())),
            kind=row.kind,
            journal_position=row.journal_position,
        )
        for row in rows
    ]
