"""Putting instances in their place: patient, study, series, version; the same for landed and for packed ones.

Whatever describes a patient, a study or a series comes from the earliest received of its instances, so
that a catalog rebuilt in another order says the same.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table, bindparam, func, select, update

from safelight.catalog.description import INSTANCE_NUMBER, Description, decode, describe, folded_names
from safelight.catalog.rows import Standing
from safelight.catalog.schema import (
    encoding_table,
    name_table,
    origin_table,
    patient_table,
    series_table,
    study_table,
    version_table,
)
from safelight.core.database import insert_or_skip
from safelight.core.instance import Head, Receipt

LOOKUP_MAX: Final = 500
"""Values in one IN list."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Rank = tuple[datetime, bytes]
SeriesName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance that was received, wherever it lies now."""

    digest: bytes
    head: Head
    receipt: Receipt
    size: int
    """Bytes of the data set."""
    opaque: bool

    @property
    def rank(self) -> Rank:
        """Order of receipt; the digest decides between two of one moment."""
        return self.receipt.received_at, self.digest


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
    _place_studies(connection, informative, placed)
    if fresh:
        _add_versions(connection, fresh, placed)
    return placed


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
    origins = _find_or_make(connection, origin_table, {_origin(one) for one in informative})
    for one in informative:
        if one.digest in known:
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


def _first_of(named: Iterable[tuple[K, Seen]]) -> dict[K, Seen]:
    """Return the earliest received instance under each name."""
    first: dict[K, Seen] = {}
    for name, one in named:
        if name not in first or one.rank < first[name].rank:
            first[name] = one
    return first


def _place_studies(connection: Connection, informative: Sequence[Seen], placed: Placed) -> None:
    inside = [one for one in informative if one.head.study and not one.opaque]
    if not inside:
        return
    by_study = _first_of((one.head.study, one) for one in inside)
    described = {study: describe(one.head) for study, one in by_study.items()}
    patients = _place_patients(connection, [(described[study], one) for study, one in by_study.items()], placed)
    keys = _upsert_studies(connection, by_study, described, patients, placed)
    names = {(folded, keys[one.head.study]) for one in inside for folded in folded_names(describe_name(one.head))}
    if names:
        rows = [{"folded": folded, "study_key": key} for folded, key in sorted(names)]
        connection.execute(insert_or_skip(connection, name_table), rows)
    changed = _upsert_series(
        connection, _first_of(((one.head.study, one.head.series), one) for one in inside), keys, placed
    )
    _renew_modalities(connection, changed)


def describe_name(head: Head) -> str:
    """Return the patient's name as one head has it."""
    return decode(head.values.get(0x00100010, b"")[:1024], head.values.get(0x00080005, b""), is_name=True)


def _known_rows(
    connection: Connection, table: Table, column: str, values: Iterable[str]
) -> dict[str, tuple[int, Rank]]:
    found = {}
    columns = (table.c[column], table.c.key, table.c.described_at, table.c.described_by)
    for chunk in chunks(values):
        for name, key, at, by in connection.execute(select(*columns).where(table.c[column].in_(chunk))):
            found[name] = (key, (at, by))
    return found


def _place_patients(
    connection: Connection, found: Sequence[tuple[Description, Seen]], placed: Placed
) -> dict[tuple[str, str], int]:
    first: dict[tuple[str, str], tuple[Description, Seen]] = {}
    for description, one in found:
        name = (description.patient_id, description.issuer)
        if name not in first or one.rank < first[name][1].rank:
            first[name] = (description, one)
    keys: dict[tuple[str, str], int] = {}
    columns = (patient_table.c.key, patient_table.c.described_at, patient_table.c.described_by)
    for name, (description, one) in first.items():
        row = {
            "patient_id": description.patient_id,
            "issuer": description.issuer,
            "name": description.patient_name,
            "birth_date": description.birth_date,
            "sex": description.sex,
            "described_at": one.receipt.received_at,
            "described_by": one.digest,
        }
        known = connection.execute(
            select(*columns).where(patient_table.c.patient_id == name[0], patient_table.c.issuer == name[1])
        ).first()
        if known is None:
            keys[name] = next_key(connection, patient_table)
            connection.execute(patient_table.insert().values(key=keys[name], **row))
            placed.tallies["patients"] += 1
            continue
        keys[name] = known[0]
        if one.rank < (known[1], known[2]):
            connection.execute(update(patient_table).where(patient_table.c.key == known[0]).values(**row))
    return keys


def _upsert_studies(
    connection: Connection,
    by_study: Mapping[str, Seen],
    described: Mapping[str, Description],
    patients: Mapping[tuple[str, str], int],
    placed: Placed,
) -> dict[str, int]:
    known = _known_rows(connection, study_table, "study", by_study)
    keys = {study: key for study, (key, _) in known.items()}
    free = next_key(connection, study_table)
    rows: list[dict[str, Any]] = []
    for study, one in by_study.items():
        if study in known and known[study][1] <= one.rank:
            continue
        description = described[study]
        row = {
            "patient_key": patients[description.patient_id, description.issuer],
            "patient_name": description.patient_name,
            "study_date": description.study_date,
            "study_time": description.study_time,
            "accession": description.accession,
            "study_id": description.study_id,
            "description": description.study_description,
            "referring": description.referring,
            "described_at": one.receipt.received_at,
            "described_by": one.digest,
        }
        if study in known:
            connection.execute(update(study_table).where(study_table.c.key == keys[study]).values(**row))
            continue
        keys[study] = free + len(rows)
        rows.append({"key": keys[study], "study": study, "last_received_at": one.receipt.received_at, **row})
    if rows:
        connection.execute(study_table.insert(), rows)
        placed.tallies["studies"] += len(rows)
    return keys


def _upsert_series(
    connection: Connection, by_series: Mapping[SeriesName, Seen], study_keys: Mapping[str, int], placed: Placed
) -> set[int]:
    """Make or correct the series, and return the keys of the studies whose series changed."""
    known = _known_series(connection, by_series, study_keys)
    free = next_key(connection, series_table)
    rows: list[dict[str, Any]] = []
    changed = set()
    for (study, series), one in by_series.items():
        key, rank = known.get((study, series), (None, None))
        if rank is not None and rank <= one.rank:
            continue
        changed.add(study_keys[study])
        description = describe(one.head)
        row = {
            "modality": one.head.modality,
            "series_number": description.series_number,
            "description": description.series_description,
            "body_part": description.body_part,
            "described_at": one.receipt.received_at,
            "described_by": one.digest,
        }
        if key is not None:
            connection.execute(update(series_table).where(series_table.c.key == key).values(**row))
            continue
        rows.append({"key": free + len(rows), "study_key": study_keys[study], "series": series, **row})
    if rows:
        connection.execute(series_table.insert(), rows)
        placed.tallies["series"] += len(rows)
        counts = Counter(row["study_key"] for row in rows)
        connection.execute(
            update(study_table)
            .where(study_table.c.key == bindparam("owner"))
            .values(series_count=study_table.c.series_count + bindparam("more")),
            [{"owner": key, "more": count} for key, count in counts.items()],
        )
    return changed


def _known_series(
    connection: Connection, names: Iterable[SeriesName], study_keys: Mapping[str, int]
) -> dict[SeriesName, tuple[int, Rank]]:
    wanted = {(study_keys[study], series): (study, series) for study, series in names if study in study_keys}
    columns = (
        series_table.c.study_key,
        series_table.c.series,
        series_table.c.key,
        series_table.c.described_at,
        series_table.c.described_by,
    )
    found = {}
    for chunk in chunks(wanted):
        statement = select(*columns).where(
            series_table.c.study_key.in_({key for key, _ in chunk}),
            series_table.c.series.in_({uid for _, uid in chunk}),
        )
        for study_key, series, key, at, by in connection.execute(statement):
            if (study_key, series) in wanted:
                found[wanted[study_key, series]] = (key, (at, by))
    return found


def _renew_modalities(connection: Connection, study_keys: Iterable[int]) -> None:
    for chunk in chunks(study_keys):
        modalities: dict[int, set[str]] = {key: set() for key in chunk}
        statement = (
            select(series_table.c.study_key, series_table.c.modality)
            .where(series_table.c.study_key.in_(chunk))
            .distinct()
        )
        for key, modality in connection.execute(statement):
            modalities[key].add(modality)
        connection.execute(
            update(study_table).where(study_table.c.key == bindparam("owner")).values(modalities=bindparam("told")),
            [{"owner": key, "told": "\\".join(sorted(told - {""}))} for key, told in modalities.items()],
        )


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


def _add_versions(connection: Connection, fresh: Sequence[Seen], placed: Placed) -> None:
    study_keys = {
        name: key for name, (key, _) in _known_rows(connection, study_table, "study", _studies(fresh)).items()
    }
    series_keys = {
        name: key
        for name, (key, _) in _known_series(
            connection, {(one.head.study, one.head.series) for one in fresh}, study_keys
        ).items()
    }
    encodings = _find_or_make(connection, encoding_table, {_encoding(one) for one in fresh})
    origins = _find_or_make(connection, origin_table, {_origin(one) for one in fresh})
    uids = {one.head.sop_instance for one in fresh if one.head.sop_instance and not one.opaque}
    known_uids = _places_of_uids(connection, uids)
    growth: dict[tuple[int, int], _Growth] = {}
    free = next_key(connection, version_table)
    rows: list[dict[str, Any]] = []
    for one in sorted(fresh, key=lambda item: item.rank):
        placed.keys[one.digest] = key = free + len(rows)
        study_key = None if one.opaque else study_keys.get(one.head.study)
        series_key = None if study_key is None else series_keys[one.head.study, one.head.series]
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


def _studies(seen: Iterable[Seen]) -> set[str]:
    return {one.head.study for one in seen if one.head.study}


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
