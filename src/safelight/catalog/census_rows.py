"""The census, kept in step: a study is compared when a pack or a claim changes it, never all of them.

A claim says what a source told us; a holding says what a pack contains. They are different facts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, distinct, func, select, update

from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.reading import chunks
from safelight.catalog.schema import (
    census_run_table,
    census_table,
    claim_table,
    instance_claim_table,
    series_claim_table,
    series_table,
    study_table,
    version_table,
)
from safelight.catalog.tallies import CENSUS, add_to_tallies
from safelight.core.database import insert_or_replace

NO_SOURCE = ""
VERDICT_COLUMNS = ("verdict", "verdict_claimed", "verdict_held", "verdict_missing", "verdict_by_name")
CLAIMS_LOST = "what this census found was lost with the catalog"


@dataclass(frozen=True, slots=True)
class SeriesClaim:
    """What a source says of one series."""

    series: str
    modality: str = ""
    instances: int | None = None
    sop_instances: tuple[str, ...] | None = None
    """Every SOP Instance UID, where the source was asked down to that level."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of comparing a claim with what was held then, by UID where numbers did not settle it."""

    outcome: CensusOutcome
    claimed: int | None
    """None where the source does not tell all its instances."""
    held: int
    """Landed or packed."""
    missing: int
    by_name: bool


@dataclass(frozen=True, slots=True)
class StudyClaim:
    """What a source says of one study."""

    study: str
    study_date: str = ""
    study_time: str = ""
    modalities: tuple[str, ...] = ()
    accession: str = ""
    series: int | None = None
    instances: int | None = None
    detail: tuple[SeriesClaim, ...] | None = None
    """Every series, where the source was asked down to that level."""
    verdict: Verdict | None = None
    """Where whoever asked has compared; without it, numbers and listed UIDs are compared here."""


class ClaimChange(StrEnum):
    """How a claim differs from the same source's last one."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class CensusRow:
    """One study, seen from one source."""

    study: str
    source: str
    """Empty when no source claims the study."""
    outcome: CensusOutcome
    claimed: int | None
    """Instances the source says it has; unknown when it does not say."""
    held: int
    """Instances that lie in a pack."""
    study_date: str
    claimed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CensusRun:
    """One enumeration of a source, ended."""

    source: str
    run: str
    ended_at: datetime
    complete: bool
    """Whether everything in its scope is known."""
    studies: int
    not_covered: str = ""
    whole: bool = True
    """Whether its scope was all the source has, and not some days only."""
    began_at: datetime | None = None
    row_limit: int = 0
    """How many rows the source seems to give at most; nought where nothing points to a limit."""


def record_claims(
    connection: Connection, source: str, run: str, claims: Sequence[StudyClaim], at: datetime
) -> list[ClaimChange]:
    """Record what a source says of some studies, compare those studies, and tell what changed."""
    known = _known_claims(connection, source, [claim.study for claim in claims])
    changes = []
    unsettled = set()
    for claim in claims:
        before = known.get(claim.study)
        row = {
            "source": source,
            "study": claim.study,
            "study_date": claim.study_date,
            "study_time": claim.study_time,
            "modalities": "\\".join(sorted(claim.modalities)),
            "accession": claim.accession,
            "series_count": claim.series,
            "instance_count": claim.instances,
            "run": run,
            "first_claimed_at": at if before is None else before.first_claimed_at,
            "claimed_at": at,
            "gone_at": None,
            **_verdict_columns(claim.verdict),
        }
        connection.execute(insert_or_replace(connection, claim_table), row)
        change = _change(before, row)
        changes.append(change)
        if claim.detail is not None:
            _record_detail(connection, source, claim.study, claim.detail)
        elif change is ClaimChange.CHANGED:
            # What was said of its series is no longer what the source has.
            _record_detail(connection, source, claim.study, ())
        if change is not ClaimChange.SAME or claim.detail is not None or verdict_of(before) != claim.verdict:
            unsettled.add(claim.study)
        known[claim.study] = connection.execute(_claim(source, claim.study)).one()
    settle(connection, unsettled)
    return changes


def end_census(connection: Connection, run: CensusRun, dates: tuple[str, str] | None) -> list[str]:
    """Record that a run ended, and return the studies that the source no longer claims.

    Only a complete run can say that something is gone; ``dates`` (first and last, inclusive) is what
    it covered, ``None`` is everything. Nothing held is touched: a deletion at the source is a
    tombstone here. A run whose claims were lost with an older catalog counts for nothing: what it found
    unprotected is not known any more.
    """
    of_run = select(func.count()).where(claim_table.c.source == run.source, claim_table.c.run == run.run)
    if run.complete and connection.execute(of_run).scalar_one() < run.studies:
        run = replace(run, complete=False, not_covered=CLAIMS_LOST)
    row = {column.name: getattr(run, column.name) for column in census_run_table.columns}
    connection.execute(insert_or_replace(connection, census_run_table), row)
    if not run.complete:
        return []
    unseen = [claim_table.c.source == run.source, claim_table.c.gone_at.is_(None), claim_table.c.run != run.run]
    if dates is not None:
        unseen.append(claim_table.c.study_date.between(*dates))
    gone = list(connection.execute(select(claim_table.c.study).where(*unseen)).scalars())
    connection.execute(update(claim_table).where(*unseen).values(gone_at=run.ended_at))
    settle(connection, gone)
    return gone


def settle(connection: Connection, studies: Iterable[str]) -> None:
    """Compare claim and holding of these studies anew."""
    changes: Counter[str] = Counter()
    for chunk in chunks(sorted(set(studies))):
        before = select(census_table.c.outcome).where(census_table.c.study.in_(chunk))
        changes.subtract(CENSUS + outcome for outcome in connection.execute(before).scalars())
        connection.execute(delete(census_table).where(census_table.c.study.in_(chunk)))
        rows = [row for study in chunk for row in _compared(connection, study)]
        if rows:
            connection.execute(census_table.insert(), rows)
        changes.update(CENSUS + str(row["outcome"]) for row in rows)
    add_to_tallies(connection, changes)


def census_rows(
    connection: Connection,
    outcomes: Iterable[CensusOutcome] | None,
    dates: tuple[str, str] | None,
    source: str | None,
    *,
    limit: int,
    offset: int,
) -> list[CensusRow]:
    """Return compared studies by date, newest first."""
    statement = select(census_table)
    if outcomes is not None:
        statement = statement.where(census_table.c.outcome.in_([outcome.value for outcome in outcomes]))
    if dates is not None:
        statement = statement.where(census_table.c.study_date.between(*dates))
    if source is not None:
        statement = statement.where(census_table.c.source == source)
    ordered = statement.order_by(census_table.c.study_date.desc(), census_table.c.study, census_table.c.source)
    return [_row(row) for row in connection.execute(ordered.limit(limit).offset(offset))]


def series_claims(connection: Connection, source: str, study: str) -> list[SeriesClaim]:
    """Return what a source says of the series of a study, as far as it was asked."""
    here = and_(series_claim_table.c.source == source, series_claim_table.c.study == study)
    listed: dict[str, list[str]] = {}
    uids = select(instance_claim_table.c.series, instance_claim_table.c.sop_instance).where(
        instance_claim_table.c.source == source, instance_claim_table.c.study == study
    )
    for series, uid in connection.execute(uids.order_by(instance_claim_table.c.sop_instance)):
        listed.setdefault(series, []).append(uid)
    return [
        SeriesClaim(
            row.series, row.modality, row.instance_count, tuple(listed.get(row.series, ())) if row.listed else None
        )
        for row in connection.execute(select(series_claim_table).where(here).order_by(series_claim_table.c.series))
    ]


def last_runs(connection: Connection) -> list[CensusRun]:
    """Return the last run of each source that was complete and spoke of all that it has."""
    newest = (
        select(census_run_table.c.source, func.max(census_run_table.c.ended_at).label("ended_at"))
        .where(census_run_table.c.complete.is_(True), census_run_table.c.whole.is_(True))
        .group_by(census_run_table.c.source)
        .subquery()
    )
    statement = select(census_run_table).join(
        newest,
        and_(census_run_table.c.source == newest.c.source, census_run_table.c.ended_at == newest.c.ended_at),
    )
    counted = statement.where(census_run_table.c.complete.is_(True), census_run_table.c.whole.is_(True))
    found = connection.execute(counted.order_by(census_run_table.c.run))
    by_source = {row.source: CensusRun(*row) for row in found}
    return [by_source[source] for source in sorted(by_source)]


def row_limit(connection: Connection, source: str) -> int:
    """Return the row limit that the last run of a source saw."""
    last = select(census_run_table.c.row_limit).where(census_run_table.c.source == source)
    return connection.execute(last.order_by(census_run_table.c.run.desc()).limit(1)).scalar() or 0


def _row(row: Row[Any]) -> CensusRow:
    return CensusRow(
        row.study, row.source, CensusOutcome(row.outcome), row.claimed, row.held, row.study_date, row.claimed_at
    )


def _claim(source: str, study: str) -> Any:
    return select(claim_table).where(claim_table.c.source == source, claim_table.c.study == study)


def _known_claims(connection: Connection, source: str, studies: Iterable[str]) -> dict[str, Row[Any]]:
    known = {}
    for chunk in chunks(studies):
        statement = select(claim_table).where(claim_table.c.source == source, claim_table.c.study.in_(chunk))
        known.update({row.study: row for row in connection.execute(statement)})
    return known


def _change(before: Row[Any] | None, now: dict[str, Any]) -> ClaimChange:
    if before is None or before.gone_at is not None:
        return ClaimChange.NEW
    told = ("study_date", "study_time", "modalities", "accession", "series_count", "instance_count")
    same = all(getattr(before, name) == now[name] for name in told)
    return ClaimChange.SAME if same else ClaimChange.CHANGED


def _verdict_columns(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return dict.fromkeys(VERDICT_COLUMNS)
    told = (verdict.outcome.value, verdict.claimed, verdict.held, verdict.missing, verdict.by_name)
    return dict(zip(VERDICT_COLUMNS, told, strict=True))


def verdict_of(claim: Row[Any] | None) -> Verdict | None:
    """Read what came of the last comparison, if there was one."""
    if claim is None or claim.verdict is None:
        return None
    return Verdict(
        CensusOutcome(claim.verdict),
        claim.verdict_claimed,
        claim.verdict_held,
        claim.verdict_missing,
        claim.verdict_by_name,
    )


def _record_detail(connection: Connection, source: str, study: str, detail: Sequence[SeriesClaim]) -> None:
    for table in (series_claim_table, instance_claim_table):
        connection.execute(delete(table).where(table.c.source == source, table.c.study == study))
    series = [
        {
            "source": source,
            "study": study,
            "series": one.series,
            "modality": one.modality,
            "instance_count": one.instances,
            "listed": one.sop_instances is not None,
        }
        for one in {one.series: one for one in detail}.values()
    ]
    if series:
        connection.execute(series_claim_table.insert(), series)
    instances = [
        {"source": source, "study": study, "series": one.series, "sop_instance": uid}
        for one in {one.series: one for one in detail}.values()
        for uid in dict.fromkeys(one.sop_instances or ())
    ]
    if instances:
        connection.execute(instance_claim_table.insert(), instances)


def _compared(connection: Connection, study: str) -> list[dict[str, Any]]:
    """Return the census rows of one study: one for each source that claims it, or one for none."""
    vault = connection.execute(
        select(
            study_table.c.key,
            study_table.c.study_date,
            study_table.c.instance_count,
            study_table.c.version_count,
            study_table.c.packed_count,
        ).where(study_table.c.study == study)
    ).first()
    held_count = 0 if vault is None else _packed_instances(connection, vault)
    claims = connection.execute(
        select(claim_table).where(claim_table.c.study == study, claim_table.c.gone_at.is_(None))
    ).all()
    rows = []
    for claim in claims:
        claimed, outcome = _judged(connection, claim, vault, held_count)
        row = {
            "study": study,
            "source": claim.source,
            "outcome": outcome.value,
            "claimed": claimed,
            "held": held_count,
            "study_date": claim.study_date,
            "claimed_at": claim.first_claimed_at,
        }
        rows.append(row)
    if not rows and vault is not None and held_count:
        rows.append(
            {
                "study": study,
                "source": NO_SOURCE,
                "outcome": CensusOutcome.ONLY_IN_VAULT.value,
                "claimed": None,
                "held": held_count,
                "study_date": vault.study_date,
                "claimed_at": None,
            }
        )
    return rows


def _packed_instances(connection: Connection, study: Any) -> int:
    """Return how many instances of a study lie in packs, without reading them where all do or none does."""
    if study.packed_count in (0, study.version_count):
        return int(study.instance_count) if study.packed_count else 0
    packed = select(func.count(distinct(version_table.c.sop_instance))).where(
        version_table.c.study_key == study.key, version_table.c.packed.is_(True)
    )
    return int(connection.execute(packed).scalar_one())


def _judged(connection: Connection, claim: Any, study: Any, packed: int) -> tuple[int | None, CensusOutcome]:
    verdict = verdict_of(claim)
    if verdict is not None:
        held = 0 if study is None else study.instance_count
        return verdict.claimed, judge_verdict(verdict, held, packed)
    detail = series_claims(connection, claim.source, claim.study)
    claimed = _claimed_count(claim.instance_count, detail)
    if not detail or study is None or not packed:
        return claimed, _judge_number(claimed, packed)
    return claimed, judge(claimed, detail, _held_instances(connection, study.key))


def judge_verdict(verdict: Verdict, held: int, packed: int) -> CensusOutcome:
    """Carry a verdict on to now: ``held`` instances have landed, of which ``packed`` lie in packs.

    What came since counts for what was missing; the next census looks closer.
    """
    if not packed:
        return CensusOutcome.EMPTY if verdict.claimed == 0 else CensusOutcome.UNPROTECTED
    if verdict.claimed is None:
        return CensusOutcome.UNCOUNTED
    lacking = max(verdict.missing - max(held - verdict.held, 0), 0)
    # Numbers that differ although nothing is missing say that nobody has looked at the names.
    looked_at = verdict.outcome is not CensusOutcome.DIFFERING or verdict.missing > 0
    whole = looked_at and not lacking and packed == held
    return CensusOutcome.PROTECTED if whole else CensusOutcome.DIFFERING


def judge(claimed: int | None, detail: Sequence[SeriesClaim], held: dict[str, set[str]]) -> CensusOutcome:
    """Compare a claim with the SOP Instance UIDs held by series, as deep as the claim goes."""
    everything = {uid for uids in held.values() for uid in uids}
    if not everything:
        return _judge_number(claimed, 0)
    if detail and all(one.sop_instances is not None for one in detail):
        listed = {uid for one in detail for uid in one.sop_instances or ()}
        return CensusOutcome.PROTECTED if listed <= everything else CensusOutcome.DIFFERING
    by_series = [(one.instances, len(held.get(one.series, ()))) for one in detail]
    if any(count is not None and count != found for count, found in by_series):
        return CensusOutcome.DIFFERING
    return _judge_number(claimed, len(everything))


def _judge_number(claimed: int | None, held: int) -> CensusOutcome:
    if not held:
        return CensusOutcome.EMPTY if claimed == 0 else CensusOutcome.UNPROTECTED
    if claimed is None:
        return CensusOutcome.UNCOUNTED
    return CensusOutcome.PROTECTED if claimed == held else CensusOutcome.DIFFERING


def _claimed_count(told: int | None, detail: Sequence[SeriesClaim]) -> int | None:
    if detail and all(one.sop_instances is not None for one in detail):
        return len({uid for one in detail for uid in one.sop_instances or ()})
    if told is None and detail and all(one.instances is not None for one in detail):
        return sum(one.instances or 0 for one in detail)
    return told


def _held_instances(connection: Connection, study_key: int) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    source = version_table.join(series_table, series_table.c.key == version_table.c.series_key)
    statement = (
        select(series_table.c.series, version_table.c.sop_instance)
        .select_from(source)
        .where(version_table.c.study_key == study_key, version_table.c.packed.is_(True))
    )
    for series, uid in connection.execute(statement):
        held.setdefault(series, set()).add(uid)
    return held
