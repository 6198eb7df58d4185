"""Counting what the source says it holds against what we hold, and saying what could not be counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Protocol

from safelight.core.clock import Clock
from safelight.core.errors import FactValue, PeerError
from safelight.core.progress import Progress, Report, silent
from safelight.protection.comparison import Depth, Standing, StudyComparison, compare_study
from safelight.protection.enumeration import (
    Answer,
    Doubt,
    Enumeration,
    answer_of,
    fold_answer,
    give_up,
    next_queries,
)
from safelight.protection.finding import Finding, FindingCode
from safelight.protection.source import (
    HeldCount,
    HeldStudies,
    SourceArchive,
    SourceUnreachable,
    StudyClaim,
    StudyQuery,
)

_LISTED_MAX: Final = 1000
"""How many studies of unknown content a summary names; all are counted."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What is kept of a claim and its comparison until the next census."""

    at: datetime
    """When the census that made it began."""
    claim: StudyClaim
    comparison: StudyComparison


Days = Sequence[tuple[date, date]] | None
"""Ranges of study dates, both ends included; None is everything."""


@dataclass(frozen=True, slots=True)
class Listed:
    """How many studies there are, and the first of them by UID."""

    count: int = 0
    first: tuple[str, ...] = ()


class CensusBook(HeldStudies, Protocol):
    """Where claims are kept, beside what is held."""

    def claims(self, source: str, studies: Sequence[str]) -> Mapping[str, ClaimRow]:
        """Return what is kept of these studies; the comparison's series need not be kept."""

    def record_claims(self, source: str, rows: Sequence[ClaimRow]) -> None:
        """Keep rows, each in place of an older one of its study; doing it twice is harmless."""

    def claimed_before(self, source: str, since: datetime, days: Days) -> int:
        """Count studies that this source claimed for the first time before ``since`` and has not taken back."""

    def vanished(self, source: str, since: datetime, days: Days) -> Listed:
        """Name studies that this source claimed before ``since``, and not since.

        With ``days``, only studies dated within them.
        """

    def unclaimed(self, source: str, since: datetime, days: Days) -> Listed:
        """Name studies that are held and have no claim of this source made at or after ``since``.

        With ``days``, only studies dated within them.
        """


@dataclass(frozen=True, slots=True)
class CensusScope:
    """What a census counts: `enumeration.begin_whole`, or `begin_days` with the same ``days``."""

    enumeration: Enumeration
    days: tuple[tuple[date, date], ...] | None = None
    depth: Depth = Depth.DIFFERING
    row_limit: int | None = None
    """The limit that the last census suspected, if any."""


@dataclass(frozen=True, slots=True)
class CensusSummary:
    """The result of a census."""

    source: str
    began_at: datetime
    ended_at: datetime
    whole: bool
    """Whether all days, and the studies without a date, were in scope."""
    complete: bool
    """Whether everything in scope is known, if what ``assumes`` says is true of the source."""
    unknown: tuple[str, ...]
    assumes: tuple[str, ...]
    studies: int
    standings: Mapping[Standing, int]
    instances_claimed: int
    instances_missing: int
    only_in_vault: Listed | None
    """Studies that are held and not claimed; None where an incomplete census cannot tell."""
    claimed_before: int
    """Studies in scope that the source claimed at an earlier census."""
    vanished: Listed | None
    """Of these, the studies that it claims no more; None where an incomplete census cannot tell."""
    queries: int
    row_limit: int | None
    """The row limit that the source seems to have; give it to the next census."""

    @property
    def speaks_for_source(self) -> bool:
        """Whether the exposure may rest on it."""
        return self.whole and self.complete

    def facts(self) -> dict[str, FactValue]:
        """Return the summary as facts for the journal, without lists."""
        return {
            "source": self.source,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "whole": self.whole,
            "complete": self.complete,
            "unknown_parts": len(self.unknown),
            "studies": self.studies,
            **{f"studies_{standing.value}": self.standings.get(standing, 0) for standing in Standing},
            "instances_claimed": self.instances_claimed,
            "instances_missing": self.instances_missing,
            "studies_only_in_vault": None if self.only_in_vault is None else self.only_in_vault.count,
            "studies_claimed_before": self.claimed_before,
            "studies_vanished": None if self.vanished is None else self.vanished.count,
            "queries": self.queries,
            "row_limit": self.row_limit,
        }

    def findings(self) -> tuple[Finding, ...]:
        """Return what a person must look at."""
        if self.complete:
            return ()
        facts: dict[str, FactValue] = {"unknown_parts": len(self.unknown), "first": self.unknown[0]}
        return (Finding(FindingCode.CENSUS_INCOMPLETE, self.source, facts),)


def take_census(
    source: SourceArchive,
    book: CensusBook,
    scope: CensusScope,
    clock: Clock,
    *,
    report: Report = silent,
) -> CensusSummary:
    """Ask the source for all in scope, compare, and keep the claims.

    A source that cannot be reached ends the census; what was still open is then unknown.
    """
    run = _Run(source, book, scope, clock.now())
    state = scope.enumeration
    while queries := next_queries(state, 1):
        try:
            state = fold_answer(state, run.ask(queries[0], state))
        except SourceUnreachable:
            state = give_up(state, Doubt.UNREACHABLE)
        report(Progress("census", run.studies, 0, "studies", f"{len(state.pending)} questions open"))
    row_limit = state.row_limit or scope.row_limit
    run.doubt_uncounted(row_limit)
    unknown = (*(f"{part.query.in_words}: {part.doubt}" for part in state.unknown), *run.unknown)
    name, since, days = source.name, run.began_at, scope.days
    return CensusSummary(
        source=name,
        began_at=since,
        ended_at=clock.now(),
        whole=state.whole,
        complete=not unknown,
        unknown=unknown,
        assumes=tuple(sorted(state.assumes)),
        studies=run.studies,
        standings=dict(run.standings),
        instances_claimed=run.instances_claimed,
        instances_missing=run.instances_missing,
        only_in_vault=None if unknown else book.unclaimed(name, since, days),
        claimed_before=book.claimed_before(name, since, days),
        vanished=None if unknown else book.vanished(name, since, days),
        queries=state.asked,
        row_limit=row_limit,
    )


@dataclass(slots=True)
class _Run:
    """One census under way. It remembers counts; which studies it has seen, the book knows."""

    source: SourceArchive
    book: CensusBook
    scope: CensusScope
    began_at: datetime
    standings: Counter[Standing] = field(default_factory=Counter)
    instances_claimed: int = 0
    instances_missing: int = 0
    unknown: list[str] = field(default_factory=list)
    uncounted: Counter[int] = field(default_factory=Counter)
    """Series of which the source does not tell the number of instances, by the length of its answer."""

    @property
    def studies(self) -> int:
        """How many different studies were compared."""
        return self.standings.total()

    def ask(self, query: StudyQuery, state: Enumeration) -> Answer:
        """Ask one question, compare the studies that it brings, and keep the claims.

        Raises:
            SourceUnreachable: the source is gone.
        """
        try:
            found = self.source.find_studies(query)
        except SourceUnreachable:
            raise
        except PeerError:
            return Answer(query, 0, failed=True)
        limit = state.row_limit or self.scope.row_limit
        claims = one_claim_each(found.claims)
        before = self.book.claims(self.source.name, list(claims))
        counts = self.book.counts(list(claims))
        rows = []
        for study, claim in claims.items():
            kept = before.get(study)
            if kept is not None and kept.at >= self.began_at:
                continue
            rows.append(ClaimRow(self.began_at, claim, self._compare(claim, counts.get(study), kept, limit)))
        self.book.record_claims(self.source.name, rows)
        for row in rows:
            self._count(row.comparison)
        return answer_of(query, found.claims, truncated=found.truncated)

    def _compare(
        self, claim: StudyClaim, count: HeldCount | None, kept: ClaimRow | None, limit: int | None
    ) -> StudyComparison:
        if kept is not None and self.scope.depth is not Depth.ALL and _unchanged(kept, claim, count):
            return kept.comparison
        try:
            return compare_study(self.source, self.book, claim, count, depth=self.scope.depth, row_limit=limit)
        except SourceUnreachable:
            raise
        except PeerError:
            return compare_study(self.source, self.book, claim, count, depth=Depth.COUNTS)

    def _count(self, comparison: StudyComparison) -> None:
        self.standings[comparison.standing] += 1
        self.instances_claimed += comparison.claimed or 0
        self.instances_missing += comparison.missing
        self.uncounted.update(part.claimed for part in comparison.series if part.claimed and not part.counted)
        if comparison.standing is Standing.UNKNOWN and len(self.unknown) < _LISTED_MAX:
            self.unknown.append(f"study {comparison.study}: instances not told")

    def doubt_uncounted(self, row_limit: int | None) -> None:
        """Doubt series that were compared before the limit showed, and whose answer was just as long."""
        series = self.uncounted[row_limit] if row_limit is not None else 0
        if series:
            self.unknown.append(f"{series} series: answers of {row_limit} instances may be cut short")


def one_claim_each(claims: Sequence[StudyClaim]) -> dict[str, StudyClaim]:
    """Merge rows that name one study twice; the row that claims more instances is kept."""
    merged: dict[str, StudyClaim] = {}
    for claim in claims:
        before = merged.get(claim.study)
        if claim.study and (before is None or (claim.instance_count or 0) > (before.instance_count or 0)):
            merged[claim.study] = claim
    return merged


def _unchanged(kept: ClaimRow, claim: StudyClaim, count: HeldCount | None) -> bool:
    same_claim = (kept.claim.instance_count, kept.claim.series_count) == (claim.instance_count, claim.series_count)
    same_held = kept.comparison.held == (count.instances if count else 0)
    counted = claim.instance_count is not None and kept.comparison.standing is not Standing.UNKNOWN
    return same_claim and same_held and counted
