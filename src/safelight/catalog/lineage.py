"""Patients, studies and series: made with the first of their instances, described by the earliest received."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from safelight.catalog.description import Description, describe, folded_names, patient_name
from safelight.catalog.reading import chunks, next_key
from safelight.catalog.schema import name_table, patient_table, series_table, study_table
from safelight.core.database import insert_or_skip
from safelight.core.instance import Head, Receipt

K = TypeVar("K", bound=Hashable)
Rank = tuple[datetime, bytes]
SeriesName = tuple[str, str]
Lineage = dict[SeriesName, tuple[int, int]]
"""Keys of study and series, by their UIDs."""


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
    def has_study(self) -> bool:
        """Whether it belongs to a study at all."""
        return bool(self.head.study) and not self.opaque

    @property
    def series_name(self) -> SeriesName:
        """UIDs of its study and series; the same series UID in two studies is two series."""
        return self.head.study, self.head.series

    @property
    def rank(self) -> Rank:
        """Order of receipt; the digest decides between two of one moment."""
        return self.receipt.received_at, self.digest


def place_lineage(connection: Connection, seen: Sequence[Seen], tallies: Counter[str]) -> Lineage:
    """Make sure that the studies and series of these instances are there; return their keys."""
    inside = [one for one in seen if one.has_study]
    if not inside:
        return {}
    by_study = _first_of((one.head.study, one) for one in inside)
    described = {study: describe(one.head) for study, one in by_study.items()}
    studies = _place_studies(connection, by_study, described, tallies)
    names = {(folded, studies[one.head.study]) for one in inside for folded in folded_names(patient_name(one.head))}
    if names:
        rows = [{"folded": folded, "study_key": key} for folded, key in sorted(names)]
        connection.execute(insert_or_skip(connection, name_table), rows)
    return _place_series(connection, _first_of((one.series_name, one) for one in inside), studies, tallies)


def _first_of(named: Iterable[tuple[K, Seen]]) -> dict[K, Seen]:
    """Return the earliest received instance under each name."""
    first: dict[K, Seen] = {}
    for name, one in named:
        if name not in first or one.rank < first[name].rank:
            first[name] = one
    return first


def _known_studies(connection: Connection, studies: Iterable[str]) -> tuple[dict[str, tuple[int, Rank]], set[str]]:
    """Return key and rank of the studies that are known, and which of them a decision described."""
    found, settled = {}, set()
    of = study_table.c
    for chunk in chunks(studies):
        statement = select(of.study, of.key, of.described_at, of.described_by, of.decided).where(of.study.in_(chunk))
        for study, key, at, by, decided in connection.execute(statement):
            found[study] = (key, (at, by))
            if decided:
                settled.add(study)
    return found, settled


def _place_patients(
    connection: Connection, found: Sequence[tuple[Description, Seen]], tallies: Counter[str]
) -> dict[tuple[str, str], int]:
    first: dict[tuple[str, str], tuple[Description, Seen]] = {}
    for description, one in found:
        name = (description.patient_id, description.issuer)
        if name not in first or one.rank < first[name][1].rank:
            first[name] = (description, one)
    keys: dict[tuple[str, str], int] = {}
    columns = (
        patient_table.c.key,
        patient_table.c.described_at,
        patient_table.c.described_by,
        patient_table.c.decided,
    )
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
            tallies["patients"] += 1
            continue
        keys[name] = known[0]
        if not known.decided and one.rank < (known[1], known[2]):
            connection.execute(update(patient_table).where(patient_table.c.key == known[0]).values(**row))
    return keys


def _place_studies(
    connection: Connection,
    by_study: Mapping[str, Seen],
    described: Mapping[str, Description],
    tallies: Counter[str],
) -> dict[str, int]:
    known, settled = _known_studies(connection, by_study)
    keys = {study: key for study, (key, _) in known.items()}
    # What a decision described stays so, whatever is received.
    telling = {
        study: one
        for study, one in by_study.items()
        if study not in known or (study not in settled and one.rank < known[study][1])
    }
    patients = _place_patients(connection, [(described[study], one) for study, one in telling.items()], tallies)
    free = next_key(connection, study_table)
    rows: list[dict[str, Any]] = []
    for study, one in telling.items():
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
            "first_received_at": one.receipt.received_at,
        }
        if study in known:
            connection.execute(update(study_table).where(study_table.c.key == keys[study]).values(**row))
            continue
        keys[study] = free + len(rows)
        rows.append({"key": keys[study], "study": study, "last_received_at": one.receipt.received_at, **row})
    if rows:
        connection.execute(study_table.insert(), rows)
        tallies["studies"] += len(rows)
    return keys


def _place_series(
    connection: Connection, by_series: Mapping[SeriesName, Seen], study_keys: Mapping[str, int], tallies: Counter[str]
) -> Lineage:
    known = _known_series(connection, by_series, study_keys)
    lineage: Lineage = {(study, series): (study_keys[study], key) for (study, series), (key, _) in known.items()}
    free = next_key(connection, series_table)
    rows: list[dict[str, Any]] = []
    changed = set()
    for (study, series), one in by_series.items():
        if (study, series) in known and known[study, series][1] <= one.rank:
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
        if (study, series) in known:
            key = known[study, series][0]
            connection.execute(update(series_table).where(series_table.c.key == key).values(**row))
            continue
        lineage[study, series] = (study_keys[study], free + len(rows))
        rows.append({"key": free + len(rows), "study_key": study_keys[study], "series": series, **row})
    if rows:
        connection.execute(series_table.insert(), rows)
        tallies["series"] += len(rows)
        counts = Counter(row["study_key"] for row in rows)
        connection.execute(
            update(study_table)
            .where(study_table.c.key == bindparam("owner"))
            .values(series_count=study_table.c.series_count + bindparam("more")),
            [{"owner": key, "more": count} for key, count in counts.items()],
        )
    _renew_modalities(connection, changed)
    return lineage


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
