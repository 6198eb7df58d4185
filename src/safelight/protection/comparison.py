"""Comparing one study as the source claims it with what we hold: counts first, names where counts differ."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from safelight.protection.source import HeldCount, HeldStudies, SeriesClaim, SourceArchive, StudyClaim


class Standing(StrEnum):
    """How a study stands."""

    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    """The source claims instances and we hold none."""
    DIFFERING = "differing"
    """We hold some, and the source claims others as well."""
    EMPTY = "empty"
    """The source knows the study and claims no instance; there is nothing to protect yet."""
    UNKNOWN = "unknown"
    """The source did not tell its instances, or not all of them."""


class Depth(StrEnum):
    """How far down a comparison looks."""

    COUNTS = "counts"
    """Counts of studies only: nothing more is asked."""
    DIFFERING = "differing"
    """Instances are named where the counts of a study differ or are not given."""
    SERIES = "series"
    """The counts of the series of every study that is held are compared as well."""
    ALL = "all"
    """Every instance is named."""


class ComparedLevel(StrEnum):
    """What was compared: equal counts are weaker than equal names."""

    COUNTS = "counts"
    INSTANCES = "instances"


@dataclass(frozen=True, slots=True)
class SeriesComparison:
    """One series of a study, claimed and held."""

    series: str
    claimed: int | None
    """None where the source neither counts its instances nor names them all."""
    missing: int
    """Claimed and not held; by count where the source does not name all it claims."""
    extra: int
    """Held and not claimed."""
    level: ComparedLevel
    counted: bool = True
    """Whether the source told the number of instances; without it, only a row limit could show a gap."""


@dataclass(frozen=True, slots=True)
class StudyComparison:
    """One study, claimed and held."""

    study: str
    standing: Standing
    level: ComparedLevel
    claimed: int | None
    held: int
    missing: int
    series: tuple[SeriesComparison, ...] = ()


def compare_study(
    source: SourceArchive,
    held: HeldStudies,
    claim: StudyClaim,
    count: HeldCount | None,
    *,
    depth: Depth = Depth.DIFFERING,
    by_series: bool = False,
    row_limit: int | None = None,
) -> StudyComparison:
    """Compare a study, asking the source no more than is needed.

    Args:
        source: Asked for series and instances where counts do not settle it.
        held: Asked for the names we hold.
        claim: What the source says of the study.
        count: How much of it we hold.
        depth: How far down to look.
        by_series: Name the series of a study that is not held at all, too.
        row_limit: The suspected limit of the source: an answer as long as this is not taken to be whole.

    Raises:
        PeerError: the source did not answer.
    """
    by_counts = compare_counts(claim, count)
    if _is_settled(by_counts.standing, depth, by_series=by_series):
        return by_counts
    ours = held.instances(claim.study) if count else {}
    comparisons = [
        _compare_series(
            source, claim.study, series, ours.get(series.series, frozenset()), depth=depth, row_limit=row_limit
        )
        for series in one_row_each(source.find_series(claim.study))
    ]
    return _sum_up(claim, ours, comparisons)


def _is_settled(standing: Standing, depth: Depth, *, by_series: bool) -> bool:
    """Whether the counts of the study say all that is asked for."""
    match depth:
        case Depth.COUNTS:
            return True
        case Depth.DIFFERING:
            return standing is Standing.PROTECTED or (standing is Standing.UNPROTECTED and not by_series)
        case Depth.SERIES:
            return standing is Standing.UNPROTECTED and not by_series
        case Depth.ALL:
            return False


def compare_counts(claim: StudyClaim, count: HeldCount | None) -> StudyComparison:
    """Compare the number of instances, and of series where the source gives it."""
    held = count.instances if count else 0
    claimed = claim.instance_count
    if claimed is None:
        standing = Standing.UNKNOWN
    elif claimed == 0 and not held:
        standing = Standing.EMPTY
    elif not held:
        standing = Standing.UNPROTECTED
    elif claimed == held and (claim.series_count is None or count is None or claim.series_count == count.series):
        standing = Standing.PROTECTED
    else:
        standing = Standing.DIFFERING
    missing = max((claimed or 0) - held, 0)
    return StudyComparison(claim.study, standing, ComparedLevel.COUNTS, claimed, held, missing)


def one_row_each(rows: Sequence[SeriesClaim]) -> Sequence[SeriesClaim]:
    """Merge rows that name one series twice; the larger count is kept."""
    merged: dict[str, SeriesClaim] = {}
    for row in rows:
        before = merged.get(row.series)
        if before is None or (row.instance_count or 0) > (before.instance_count or 0):
            merged[row.series] = row
    return list(merged.values())


def _compare_series(
    source: SourceArchive,
    study: str,
    claim: SeriesClaim,
    ours: AbstractSet[str],
    *,
    depth: Depth,
    row_limit: int | None,
) -> SeriesComparison:
    claimed = claim.instance_count
    if depth is not Depth.ALL and claimed is not None and (not ours or claimed == len(ours)):
        return SeriesComparison(claim.series, claimed, claimed - len(ours), 0, ComparedLevel.COUNTS)
    rows = source.find_instances(study, claim.series)
    named = {row.instance for row in rows}
    missing = len(named - ours)
    cut_short = row_limit is not None and len(rows) >= row_limit
    if claimed is None and cut_short:
        return SeriesComparison(claim.series, None, missing, 0, ComparedLevel.COUNTS, counted=False)
    if claimed is not None and len(named) < claimed:
        return SeriesComparison(claim.series, claimed, max(missing, claimed - len(ours)), 0, ComparedLevel.COUNTS)
    extra = len(ours - named)
    return SeriesComparison(
        claim.series, len(named), missing, extra, ComparedLevel.INSTANCES, counted=claimed is not None
    )


def _sum_up(
    claim: StudyClaim, ours: Mapping[str, AbstractSet[str]], series: Sequence[SeriesComparison]
) -> StudyComparison:
    held = sum(len(instances) for instances in ours.values())
    counted = [part.claimed for part in series]
    all_listed = claim.series_count is None or len(series) >= claim.series_count
    unnamed = sum(part.claimed or 0 for part in series)
    missing = sum(part.missing for part in series)
    claimed: int | None = unnamed
    if not all_listed:
        # The source names fewer series than it counts: only the count of the study can tell.
        claimed = claim.instance_count
        missing = max(missing, (claimed or 0) - held)
    if None in counted or claimed is None:
        standing, claimed = Standing.UNKNOWN, None
    elif claimed == 0 and not held:
        standing = Standing.EMPTY
    elif missing == 0:
        standing = Standing.PROTECTED
    else:
        standing = Standing.DIFFERING if held else Standing.UNPROTECTED
    names = all_listed and all(part.level is ComparedLevel.INSTANCES for part in series)
    level = ComparedLevel.INSTANCES if names else ComparedLevel.COUNTS
    return StudyComparison(claim.study, standing, level, claimed, held, missing, tuple(series))
