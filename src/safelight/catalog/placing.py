"""Putting instances in their place: patient, study, series, version; the same for landed and for packed ones.

Whatever describes a patient, a study or a series comes from the earliest received of its instances, unless a decision
chose versions (see `in_force`), so that a catalog rebuilt in another order says the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from safelight.catalog.description import INSTANCE_NUMBER, OF_STUDY, Description, decode, describe
from safelight.catalog.in_force import description_keys, description_name, follow_choices
from safelight.catalog.lineage import Lineage, Seen, place_lineage
from safelight.catalog.reading import chunks, next_key
from safelight.catalog.rows import Standing
from safelight.catalog.schema import encoding_table, origin_table, series_table, study_table, version_table
from safelight.catalog.withdrawn import follow_rejections


@dataclass(slots=True)
class Placed:
    """Where a batch of instances went."""

    keys: dict[bytes, int] = field(default_factory=dict)
    """Key of each version by its digest."""
    standings: dict[bytes, Standing] = field(default_factory=dict)
    tallies: Counter[str] = field(default_factory=Counter)


def place(connection: Connection, seen: Sequence[Seen]) -> Placed:
    """Make sure that every instance has its version, series, study and patient.

    Repeating a batch changes nothing.
    """
    earliest: dict[bytes, Seen] = {}
    for one in seen:
        known = earliest.get(one.digest)
        if known is None or one.rank < known.rank:
            earliest[one.digest] = one
    placed = Placed()
    informative = _earlier_than_known(connection, earliest, placed)
    fresh = [one for one in informative if one.digest not in placed.keys]
    lineage = place_lineage(connection, informative, placed.tallies)
    if fresh:
        _add_versions(connection, fresh, lineage, placed)
    instances = [one.head.sop_instance for one in informative if one.has_study]
    follow_choices(connection, instances, (study_key for study_key, _ in lineage.values()))
    follow_rejections(connection, instances, (series_key for _, series_key in lineage.values()))
    return placed


def _earlier_than_known(connection: Connection, earliest: Mapping[bytes, Seen], placed: Placed) -> list[Seen]:
    """Return the instances that are new or were received before what is known of them, and note the known."""
    known: dict[bytes, datetime] = {}
    columns = (version_table.c.digest, version_table.c.key, version_table.c.received_at)
    for chunk in chunks(earliest):
        for digest, key, received_at in connection.execute(select(*columns).where(version_table.c.digest.in_(chunk))):
            placed.keys[digest] = key
            placed.standings[digest] = Standing.KNOWN
            known[digest] = received_at
    informative = [
        one for digest, one in earliest.items() if digest not in known or one.receipt.received_at < known[digest]
    ]
    known_later = [one for one in informative if one.digest in known]
    origins = _find_or_make(connection, origin_table, {_origin(one) for one in known_later})
    for one in known_later:
        connection.execute(
            update(version_table)
            .where(version_table.c.digest == one.digest)
            .values(received_at=one.receipt.received_at, origin_key=origins[_origin(one)])
        )
    return informative


def _origin(one: Seen) -> tuple[str, ...]:
    receipt = one.receipt
    return receipt.way.value, receipt.calling, receipt.called, receipt.sender


def _encoding(one: Seen) -> tuple[str, ...]:
    return one.head.sop_class, one.head.transfer_syntax


def _find_or_make(
    connection: Connection, table: Table, wanted: Iterable[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """Return keys of rows that consist of texts alone."""
    keys: dict[tuple[str, ...], int] = {}
    columns = [column for column in table.columns if column.name != "key"]
    for values in wanted:
        found = connection.execute(
            select(table.c.key).where(*(column == value for column, value in zip(columns, values, strict=True)))
        ).scalar()
        if found is None:
            found = next_key(connection, table)
            row = {column.name: value for column, value in zip(columns, values, strict=True)}
            connection.execute(table.insert().values(key=found, **row))
        keys[values] = found
    return keys


@dataclass(slots=True)
class _Growth:
    """What a batch adds to a study or series."""

    versions: int = 0
    instances: int = 0
    bytes: int = 0
    newest: datetime | None = None

    def add(self, one: Seen, *, new_instance: bool) -> None:
        self.versions += 1
        self.instances += new_instance
        self.bytes += one.size
        self.newest = max(self.newest or one.receipt.received_at, one.receipt.received_at)


def _add_versions(connection: Connection, fresh: Sequence[Seen], lineage: Lineage, placed: Placed) -> None:
    encodings = _find_or_make(connection, encoding_table, {_encoding(one) for one in fresh})
    origins = _find_or_make(connection, origin_table, {_origin(one) for one in fresh})
    uids = {one.head.sop_instance for one in fresh if one.head.sop_instance and not one.opaque}
    known_uids = _places_of_uids(connection, uids)
    said = {
        one.digest: description_name(lineage[one.series_name][0], saying)
        for one, saying in _descriptions(fresh)
        if one.has_study
    }
    descriptions = description_keys(connection, dict.fromkeys(said.values()))
    growth: dict[tuple[int, int], _Growth] = {}
    free = next_key(connection, version_table)
    rows: list[dict[str, Any]] = []
    for one in sorted(fresh, key=lambda item: item.rank):
        placed.keys[one.digest] = key = free + len(rows)
        study_key, series_key = lineage.get(one.series_name, (None, None)) if one.has_study else (None, None)
        here = (study_key or 0, series_key or 0)
        places = known_uids.setdefault(one.head.sop_instance, set()) if one.head.sop_instance in uids else set()
        placed.standings[one.digest] = Standing.CONFLICT if places else Standing.NEW
        placed.tallies["conflicts"] += bool(places)
        if study_key is not None:
            growth.setdefault(here, _Growth()).add(one, new_instance=here not in places)
        places.add(here)
        rows.append(
            {
                "key": key,
                "digest": one.digest,
                "sop_instance": one.head.sop_instance,
                "encoding_key": encodings[_encoding(one)],
                "origin_key": origins[_origin(one)],
                "study_key": study_key,
                "series_key": series_key,
                "description_key": descriptions[said[one.digest]] if one.digest in said else None,
                "size": one.size,
                "instance_number": decode(one.head.values.get(INSTANCE_NUMBER, b"")[:64]),
                "opaque": one.opaque,
                "packed": False,
                "received_at": one.receipt.received_at,
            }
        )
    connection.execute(version_table.insert(), rows)
    placed.tallies["instances_landed"] += len(rows)
    _grow(connection, growth)


def _descriptions(seen: Iterable[Seen]) -> Iterator[tuple[Seen, Description]]:
    """Give of each instance what it says; instances of one study mostly say the same."""
    known: dict[tuple[bytes, ...], Description] = {}
    for one in seen:
        raw = tuple(one.head.values.get(tag, b"") for tag in OF_STUDY)
        said = known.get(raw)
        if said is None:
            known[raw] = said = describe(one.head)
        yield one, said


def _places_of_uids(connection: Connection, uids: Iterable[str]) -> dict[str, set[tuple[int, int]]]:
    """Return in which study and series versions of these SOP Instance UIDs lie already."""
    places: dict[str, set[tuple[int, int]]] = {}
    columns = (version_table.c.sop_instance, version_table.c.study_key, version_table.c.series_key)
    for chunk in chunks(uids):
        statement = select(*columns).where(version_table.c.sop_instance.in_(chunk), version_table.c.opaque.is_(False))
        for uid, study_key, series_key in connection.execute(statement):
            places.setdefault(uid, set()).add((study_key or 0, series_key or 0))
    return places


def _grow(connection: Connection, growth: Mapping[tuple[int, int], _Growth]) -> None:
    studies: dict[int, _Growth] = {}
    for (study_key, _), more in growth.items():
        total = studies.setdefault(study_key, _Growth())
        total.versions += more.versions
        total.instances += more.instances
        total.bytes += more.bytes
        assert more.newest is not None
        total.newest = max(total.newest or more.newest, more.newest)
    by_series = {series_key: more for (_, series_key), more in growth.items()}
    for table, found in ((series_table, by_series), (study_table, studies)):
        if found:
            connection.execute(
                update(table)
                .where(table.c.key == bindparam("owner"))
                .values(
                    instance_count=table.c.instance_count + bindparam("instances"),
                    version_count=table.c.version_count + bindparam("versions"),
                    bytes=table.c.bytes + bindparam("size"),
                ),
                [
                    {"owner": key, "instances": more.instances, "versions": more.versions, "size": more.bytes}
                    for key, more in found.items()
                ],
            )
    if studies:
        connection.execute(
            update(study_table)
            .where(study_table.c.key == bindparam("owner"), study_table.c.last_received_at < bindparam("newest"))
            .values(last_received_at=bindparam("newest")),
            [{"owner": key, "newest": more.newest} for key, more in studies.items()],
        )
