"""What the catalog remembers for protection: what is held, and what a source claimed."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.census_outcome import CensusOutcome
from safelight.catalog.census_rows import SeriesClaim, StudyClaim, Verdict
from safelight.catalog.claims import Counted, KeptClaim
from safelight.protection.census import ClaimRow, Listed
from safelight.protection.comparison import ComparedLevel, Standing, StudyComparison
from safelight.protection.source import HeldCount
from safelight.protection.source import StudyClaim as Claim
from safelight.site.sources import day_text

LISTED_MAX: Final = 10_000
OUTCOME_OF: Final[Mapping[Standing, CensusOutcome]] = {
    Standing.PROTECTED: CensusOutcome.PROTECTED,
    Standing.UNPROTECTED: CensusOutcome.UNPROTECTED,
    Standing.DIFFERING: CensusOutcome.DIFFERING,
    Standing.EMPTY: CensusOutcome.EMPTY,
    Standing.UNKNOWN: CensusOutcome.UNCOUNTED,
}
STANDING_OF: Final = {outcome: standing for standing, outcome in OUTCOME_OF.items()}


class CatalogHeld:
    """What is held, in landing or in packs. Used by several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.asked: set[int] = set()
        """Every study that was counted, by a hash: a million of them must fit into memory."""

    def counts(self, studies: Sequence[str]) -> Mapping[str, HeldCount]:
        """Count by study; a study that is not held is absent."""
        self.asked.update(hash(study) for study in studies)
        held = self._catalog.held_studies(studies)
        return {study: HeldCount(one.series, one.instances, one.bytes) for study, one in held.items()}

    def instances(self, study: str) -> Mapping[str, AbstractSet[str]]:
        """Name the instances of a study, by series."""
        named: dict[str, set[str]] = {}
        for version in self._catalog.versions(study):
            named.setdefault(version.series, set()).add(version.sop_instance)
        return named


class CatalogBook:
    """Claims and holdings as the catalog keeps them, for one census."""

    def __init__(self, catalog: Catalog, run: str) -> None:
        self._catalog = catalog
        self._run = run
        self._held = CatalogHeld(catalog)
        self.differing: list[ClaimRow] = []
        """Studies that are not protected, the first ten thousand that were compared."""

    def counts(self, studies: Sequence[str]) -> Mapping[str, HeldCount]:
        """Count by study; a study that is not held is absent."""
        return self._held.counts(studies)

    def instances(self, study: str) -> Mapping[str, AbstractSet[str]]:
        """Name the instances of a study, by series."""
        return self._held.instances(study)

    def claims(self, source: str, studies: Sequence[str]) -> Mapping[str, ClaimRow]:
        """Return what was claimed of these studies when the source was last asked, and what came of it."""
        kept = self._catalog.kept_claims(source, studies)
        return {study: row for study, one in kept.items() if (row := _row_of(one)) is not None}

    def record_claims(self, source: str, rows: Sequence[ClaimRow]) -> None:
        """Keep rows, each in place of an older one of its study."""
        if not rows:
            return
        self._catalog.record_claims(source, self._run, [_claim_of(row) for row in rows], rows[0].at)
        lacking = (row for row in rows if row.comparison.standing not in (Standing.PROTECTED, Standing.EMPTY))
        for row in lacking:
            if len(self.differing) < LISTED_MAX:
                self.differing.append(row)

    def claimed_before(self, source: str, since: datetime, days: Sequence[tuple[date, date]] | None) -> int:
        """Count the studies that the source claimed before and has not taken back."""
        return self._catalog.claims_before(source, since, _dates(days))

    def vanished(self, source: str, since: datetime, days: Sequence[tuple[date, date]] | None) -> Listed:
        """Name studies that the source claimed before ``since`` and not after."""
        return _listed(self._catalog.vanished(source, since, _dates(days)))

    def unclaimed(self, source: str, since: datetime, days: Sequence[tuple[date, date]] | None) -> Listed:
        """Name studies that are held and that the source has not claimed since."""
        return _listed(self._catalog.unclaimed(source, since, _dates(days)))


def _dates(days: Sequence[tuple[date, date]] | None) -> tuple[str, str] | None:
    return (day_text(days[0][0]), day_text(days[-1][1])) if days else None


def _listed(counted: Counted) -> Listed:
    return Listed(counted.count, counted.first)


def _row_of(kept: KeptClaim) -> ClaimRow | None:
    claim, verdict = kept.claim, kept.claim.verdict
    if verdict is None:
        return None
    return ClaimRow(
        kept.claimed_at,
        Claim(
            claim.study,
            claim.study_date,
            claim.study_time,
            modalities=claim.modalities,
            series_count=claim.series,
            instance_count=claim.instances,
        ),
        StudyComparison(
            claim.study,
            STANDING_OF[verdict.outcome],
            ComparedLevel.INSTANCES if verdict.by_name else ComparedLevel.COUNTS,
            verdict.claimed,
            verdict.held,
            verdict.missing,
        ),
    )


def _claim_of(row: ClaimRow) -> StudyClaim:
    claim, found = row.claim, row.comparison
    return StudyClaim(
        claim.study,
        claim.date_text,
        claim.time_text,
        claim.modalities,
        series=claim.series_count,
        instances=claim.instance_count,
        detail=tuple(SeriesClaim(part.series, instances=part.claimed) for part in found.series) or None,
        verdict=Verdict(
            OUTCOME_OF[found.standing],
            found.claimed,
            found.held,
            found.missing,
            found.level is ComparedLevel.INSTANCES,
        ),
    )
