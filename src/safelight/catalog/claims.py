"""What a source claimed, remembered until its next census: asked for by study, by day, and by what is missing now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from safelight.catalog.census_rows import StudyClaim, verdict_of
from safelight.catalog.reading import chunks
from safelight.catalog.schema import claim_table, study_table

Dates = tuple[str, str]
"""First and last Study Date, both included."""


@dataclass(frozen=True, slots=True)
class KeptClaim:
    """A claim that the source has not taken back."""

    claim: StudyClaim
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are, and the first of them by name."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldStudy:
    """How much of a study is held, landed or packed."""

    series: int
    instances: int
    bytes: int


def held_studies(connection: Connection, studies: Iterable[str]) -> dict[str, HeldStudy]:
    """Count what is held of studies; one that is not held is absent."""
    columns = study_table.c
    wanted = select(columns.study, columns.series_count, columns.instance_count, columns.bytes)
    return {
        row.study: HeldStudy(row.series_count, row.instance_count, row.bytes)
        for chunk in chunks(studies)
        for row in connection.execute(wanted.where(columns.study.in_(chunk), columns.instance_count > 0))
    }


def kept_claims(connection: Connection, source: str, studies: Iterable[str]) -> dict[str, KeptClaim]:
    """Return what a source claimed of studies when it was last asked; what is gone is absent."""
    columns = claim_table.c
    there = select(claim_table).where(columns.source == source, columns.gone_at.is_(None))
    kept = {}
    for chunk in chunks(studies):
        for row in connection.execute(there.where(columns.study.in_(chunk))):
            claim = StudyClaim(
                row.study,
                row.study_date,
                row.study_time,
                tuple(part for part in row.modalities.split("\\") if part),
                row.accession,
                row.series_count,
                row.instance_count,
                verdict=verdict_of(row),
            )
            kept[row.study] = KeptClaim(claim, row.claimed_at)
    return kept


def claims_before(connection: Connection, source: str, moment: datetime, dates: Dates | None) -> int:
    """Count the studies that a source claimed for the first time before a moment and has not taken back."""
    columns = claim_table.c
    known = [*_there(source, dates), columns.first_claimed_at < moment]
    return int(connection.execute(select(func.count()).where(*known)).scalar_one())


def vanished(connection: Connection, source: str, moment: datetime, dates: Dates | None, limit: int) -> Counted:
    """Return the studies that a source claimed before a moment and not since."""
    unseen = select(claim_table.c.study).where(*_there(source, dates), claim_table.c.claimed_at < moment)
    return _counted(connection, unseen, claim_table.c.study, limit)


def unclaimed(connection: Connection, source: str, moment: datetime, dates: Dates | None, limit: int) -> Counted:
    """Return the studies that are held and that a source has not claimed since a moment."""
    claimed = exists().where(
        claim_table.c.source == source, claim_table.c.study == study_table.c.study, claim_table.c.claimed_at >= moment
    )
    held = select(study_table.c.study).where(study_table.c.instance_count > 0, ~claimed)
    if dates is not None:
        held = held.where(study_table.c.study_date.between(*dates))
    return _counted(connection, held, study_table.c.study, limit)


def _there(source: str, dates: Dates | None) -> list[ColumnElement[bool]]:
    there: list[ColumnElement[bool]] = [claim_table.c.source == source, claim_table.c.gone_at.is_(None)]
    if dates is not None:
        there.append(claim_table.c.study_date.between(*dates))
    return there


def _counted(connection: Connection, statement: Select[tuple[str]], name: ColumnElement[str], limit: int) -> Counted:
    count = connection.execute(statement.with_only_columns(func.count())).scalar_one()
    first = connection.execute(statement.order_by(name).limit(limit)).scalars().all()
    return Counted(count, tuple(str(study) for study in first))
