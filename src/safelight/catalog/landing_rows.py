"""Instances in the landing log: which wait to be packed, and which need not stay."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select

from safelight.catalog.lineage import Seen
from safelight.catalog.placing import place
from safelight.catalog.reading import chunks
from safelight.catalog.rows import LandedRow, Standing, WaitingSeries
from safelight.catalog.schema import holding_table, landed_table, series_table, study_table, version_table
from safelight.catalog.tallies import add_to_tallies
from safelight.catalog.versions import select_versions, version_row
from safelight.core.database import insert_or_skip
from safelight.core.instance import Arrival, LandingPlace

WAITING_MAX: Final = 100_000


def record_landed(connection: Connection, arrivals: Sequence[Arrival]) -> list[Standing]:
    """Record arrivals that are durable in the landing log; return for each what it is to the catalog."""
    placed = place(connection, [_seen(arrival) for arrival in arrivals])
    there = _already_landed(connection, [arrival.place for arrival in arrivals])
    known = {key for digest, key in placed.keys.items() if placed.standings[digest] is Standing.KNOWN}
    held = _already_held(connection, known)
    rows = []
    for arrival in arrivals:
        spot = _spot(arrival.place)
        if spot in there:
            continue
        there.add(spot)
        key = placed.keys[arrival.digest]
        rows.append(
            {
                "segment": arrival.place.segment,
                "epoch": arrival.place.epoch,
                "offset": arrival.place.offset,
                "size": arrival.place.size,
                "prefix_size": arrival.wrapper.prefix_size,
                "version_key": key,
                # A data set that is held already needs no second packing; a prefix of its own does.
                "packed": key in held and arrival.wrapper.prefix_size == 0,
                "received_at": arrival.receipt.received_at,
            }
        )
    if rows:
        connection.execute(insert_or_skip(connection, landed_table), rows)
        placed.tallies["instances_waiting"] += sum(not row["packed"] for row in rows)
    add_to_tallies(connection, placed.tallies)
    return _in_order(arrivals, placed.standings)


def mark_landed_packed(connection: Connection, version_keys: Iterable[int], places: Iterable[LandingPlace]) -> int:
    """Mark what need not be packed any more, and return how many places that was.

    A place without prefix is covered by any pack that holds its data set; one with a prefix only when
    the packer says so by naming the place.
    """
    marked = 0
    for chunk in chunks(version_keys):
        covered = and_(
            landed_table.c.version_key.in_(chunk), landed_table.c.prefix_size == 0, landed_table.c.packed.is_(False)
        )
        marked += connection.execute(landed_table.update().where(covered).values(packed=True)).rowcount
    for named in _at(places):
        covered = and_(named, landed_table.c.packed.is_(False))
        marked += connection.execute(landed_table.update().where(covered).values(packed=True)).rowcount
    return marked


def waiting_series(connection: Connection) -> list[WaitingSeries]:
    """Return what waits to be packed, by series, the oldest first.

    What names no study waits under empty UIDs.
    """
    landed = (
        landed_table.join(version_table, version_table.c.key == landed_table.c.version_key)
        .outerjoin(study_table, study_table.c.key == version_table.c.study_key)
        .outerjoin(series_table, series_table.c.key == version_table.c.series_key)
    )
    oldest = func.min(landed_table.c.received_at, type_=landed_table.c.received_at.type)
    newest = func.max(landed_table.c.received_at, type_=landed_table.c.received_at.type)
    statement = (
        select(study_table.c.study, series_table.c.series, func.count(), func.sum(landed_table.c.size), oldest, newest)
        .select_from(landed)
        .where(landed_table.c.packed.is_(False))
        .group_by(version_table.c.study_key, version_table.c.series_key, study_table.c.study, series_table.c.series)
        .order_by(oldest)
        .limit(WAITING_MAX)
    )
    return [
        WaitingSeries(study or "", series or "", count, size, first, last)
        for study, series, count, size, first, last in connection.execute(statement)
    ]


def landed_in(
    connection: Connection, study: str | None, series: str | None, segment: int | None, *, waiting_only: bool
) -> list[LandedRow]:
    """Return landed instances of a study, a series or a segment, in the order of receipt."""
    statement = select_versions(
        landed_table.c.segment,
        landed_table.c.epoch,
        landed_table.c.offset,
        landed_table.c.size,
        landed_table.c.prefix_size,
        landed_table.c.packed,
        landed_table.c.received_at,
        joined=(landed_table, landed_table.c.version_key == version_table.c.key),
    )
    if study is not None:
        statement = statement.where(study_table.c.study == study if study else study_table.c.study.is_(None))
    if series is not None:
        statement = statement.where(
            series_table.c.series == series if study or series else series_table.c.series.is_(None)
        )
    if segment is not None:
        statement = statement.where(landed_table.c.segment == segment)
    if waiting_only:
        statement = statement.where(landed_table.c.packed.is_(False))
    statement = statement.order_by(landed_table.c.received_at, landed_table.c.segment, landed_table.c.offset)
    rows = []
    for row in connection.execute(statement):
        segment_, epoch, offset, size, prefix_size, packed, received_at = row[-7:]
        place_ = LandingPlace(segment_, epoch, offset, size)
        rows.append(LandedRow(version_row(row), place_, prefix_size, packed, received_at))
    return rows


def settled_segments(connection: Connection) -> list[tuple[int, int]]:
    """Return segments (with their epoch) of which every recorded instance is packed."""
    other = landed_table.alias()
    waits = exists().where(
        other.c.segment == landed_table.c.segment, other.c.epoch == landed_table.c.epoch, other.c.packed.is_(False)
    )
    statement = select(landed_table.c.segment, landed_table.c.epoch).where(~waits).distinct()
    return [(segment, epoch) for segment, epoch in connection.execute(statement)]


def forget_places(connection: Connection, places: Iterable[LandingPlace]) -> None:
    """Drop places of landing that were freed."""
    freed = 0
    for named in _at(places):
        freed += connection.execute(
            select(func.count()).select_from(landed_table).where(named, landed_table.c.packed.is_(False))
        ).scalar_one()
        connection.execute(delete(landed_table).where(named))
    add_to_tallies(connection, {"instances_waiting": -freed})


def forget_segment(connection: Connection, segment: int, epoch: int) -> None:
    """Drop every place of a segment that was freed."""
    here = and_(landed_table.c.segment == segment, landed_table.c.epoch == epoch)
    waited = connection.execute(
        select(func.count()).select_from(landed_table).where(here, landed_table.c.packed.is_(False))
    ).scalar_one()
    connection.execute(delete(landed_table).where(here))
    add_to_tallies(connection, {"instances_waiting": -waited})


def _seen(arrival: Arrival) -> Seen:
    size = arrival.place.size - arrival.wrapper.prefix_size
    return Seen(arrival.digest, arrival.head, arrival.receipt, size, arrival.wrapper.opaque)


def _spot(place_: LandingPlace) -> tuple[int, int, int]:
    return place_.segment, place_.epoch, place_.offset


def _at(places: Iterable[LandingPlace]) -> Iterator[ColumnElement[bool]]:
    """Give conditions that together cover these places, each many of one segment."""
    for (segment, epoch), offsets in _by_segment(places).items():
        for chunk in chunks(offsets):
            yield and_(
                landed_table.c.segment == segment, landed_table.c.epoch == epoch, landed_table.c.offset.in_(chunk)
            )


def _by_segment(places: Iterable[LandingPlace]) -> dict[tuple[int, int], list[int]]:
    offsets: dict[tuple[int, int], list[int]] = {}
    for place_ in places:
        offsets.setdefault((place_.segment, place_.epoch), []).append(place_.offset)
    return offsets


def _already_landed(connection: Connection, places: Sequence[LandingPlace]) -> set[tuple[int, int, int]]:
    found: set[tuple[int, int, int]] = set()
    for (segment, epoch), offsets in _by_segment(places).items():
        for chunk in chunks(offsets):
            statement = select(landed_table.c.offset).where(
                landed_table.c.segment == segment, landed_table.c.epoch == epoch, landed_table.c.offset.in_(chunk)
            )
            found.update((segment, epoch, offset) for offset in connection.execute(statement).scalars())
    return found


def _already_held(connection: Connection, version_keys: Iterable[int]) -> set[int]:
    held: set[int] = set()
    for chunk in chunks(version_keys):
        statement = select(holding_table.c.version_key).where(holding_table.c.version_key.in_(chunk))
        held.update(connection.execute(statement).scalars())
    return held


def _in_order(arrivals: Sequence[Arrival], standings: dict[bytes, Standing]) -> list[Standing]:
    """Of one digest that stands twice in a batch, only the first is new."""
    told: set[bytes] = set()
    answer = []
    for arrival in arrivals:
        answer.append(Standing.KNOWN if arrival.digest in told else standings[arrival.digest])
        told.add(arrival.digest)
    return answer
