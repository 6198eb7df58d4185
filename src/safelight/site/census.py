"""Counting what a PACS holds: protection's procedure, remembered in the catalog and told to the journal."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from safelight.core.clock import to_text
from safelight.core.progress import Report
from safelight.journal.kinds import FactKind
from safelight.protection.census import CensusScope, CensusSummary, Listed, take_census
from safelight.protection.comparison import Depth, Standing
from safelight.protection.enumeration import EnumerationSettings, begin_days, begin_whole
from safelight.protection.finding import FindingCode
from safelight.protection.ransomware import Observed, SignSettings, ransomware_signs
from safelight.protection.source import SourceUnreachable
from safelight.site.census_book import CatalogBook
from safelight.site.opened import Site
from safelight.site.sources import day_text, days_told, local_time, source_told

DEPTH_OF: Final[Mapping[str, Depth]] = {"study": Depth.DIFFERING, "series": Depth.SERIES, "instance": Depth.ALL}
NOT_COVERED_CHARACTERS: Final = 2000


def census(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Count what the source says it holds against what we hold.

    Raises:
        SourceUnreachable: not one question could be asked.
    """
    source = source_told(site, told)
    run = to_text(site.clock.now())
    book = CatalogBook(site.catalog, run)
    days = days_told(told, site.clock)
    settings = EnumerationSettings()
    scope = CensusScope(
        begin_days(settings, days) if days else begin_whole(settings, local_time(site.clock).date()),
        tuple(days) if days else None,
        DEPTH_OF.get(str(told.get("level")), Depth.DIFFERING),
        site.catalog.row_limit(source.name) or None,
    )
    summary = take_census(source, book, scope, site.clock, report=report)
    if not summary.queries and not summary.complete:
        # Nothing was asked and nothing learnt: no fact about what the source claims, and no finding that would stay.
        raise SourceUnreachable(source=source.name)
    _record(site, run, summary, days)
    return _document(summary, book)


def _document(summary: CensusSummary, book: CatalogBook) -> dict[str, Any]:
    only, vanished = summary.only_in_vault or Listed(), summary.vanished or Listed()
    return {
        "source": summary.source,
        "complete": summary.complete,
        "whole": summary.whole,
        "protected": summary.standings.get(Standing.PROTECTED, 0) + summary.standings.get(Standing.EMPTY, 0),
        "unprotected": summary.standings.get(Standing.UNPROTECTED, 0),
        "differing": summary.standings.get(Standing.DIFFERING, 0),
        "not_known": summary.standings.get(Standing.UNKNOWN, 0),
        "only_in_vault": only.count,
        "only_in_vault_studies": list(only.first),
        "vanished": vanished.count,
        "vanished_studies": list(vanished.first),
        "instances_claimed": summary.instances_claimed,
        "instances_missing": summary.instances_missing,
        "queries": summary.queries,
        "row_limit": summary.row_limit,
        "unknown": list(summary.unknown),
        "assumes": list(summary.assumes),
        "studies": [
            {
                "study": row.claim.study,
                "state": row.comparison.standing.value,
                "told": f"claimed {row.comparison.claimed}, held {row.comparison.held}",
            }
            for row in book.differing
        ],
    }


def _record(site: Site, run: str, summary: CensusSummary, days: Sequence[tuple[date, date]]) -> None:
    facts = {**summary.facts(), "run": run, "not_covered": "; ".join(summary.unknown)[:NOT_COVERED_CHARACTERS]}
    if days:
        facts["date_from"], facts["date_to"] = day_text(days[0][0]), day_text(days[-1][1])
    site.records.record(FactKind.SOURCE_CLAIMED, facts)
    signs = ransomware_signs([_observed(summary)], SignSettings())
    for finding in (*summary.findings(), *signs):
        site.records.open_finding(str(finding.code), finding.subject, "serious", **dict(finding.facts))
    if summary.speaks_for_source:
        site.records.close_finding(FindingCode.CENSUS_INCOMPLETE, summary.source, "a complete census was taken")


def _observed(summary: CensusSummary) -> Observed:
    vanished = None if summary.vanished is None else summary.vanished.count
    return Observed(summary.source, arrived=0, conflicts=0, claimed_before=summary.claimed_before, vanished=vanished)
