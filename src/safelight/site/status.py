"""What a home says of itself, without the help of `serve`, and in the same time however much is held."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.findings import GRAVEST_FIRST
from safelight.core.clock import SystemClock, to_text
from safelight.core.errors import UsageError
from safelight.gateway.control import is_serving
from safelight.journal.journal import Journal
from safelight.media.folder import FolderPlacement
from safelight.protection.exposure import Exposure, ExposureInputs, FeedWatch, SourceWatch, judge_exposure
from safelight.protection.finding import Finding as ProtectionFinding
from safelight.protection.scrub import CopySeen, ScrubSettings, overdue
from safelight.site.account_file import account_findings
from safelight.site.certificates import certificate_findings
from safelight.site.finding_table import hint_for
from safelight.site.hl7_status import message_feeds, messages_summary
from safelight.site.home import Home
from safelight.site.outages import outages_document, phase_of
from safelight.site.peers import find_peer
from safelight.site.room import full_disk_findings
from safelight.site.settings import Settings
from safelight.site.settled import settled
from safelight.vault.keys import load_public_keys

FINDINGS_SHOWN: Final = 1000


@contextmanager
def looked_at(home: Home) -> Iterator[tuple[Catalog, Journal]]:
    """Open a home's records for reading; a running `serve` is not disturbed, and uses what it has open."""
    if home.records is not None:
        yield home.records.catalog, home.records.journal
        return
    clock = SystemClock()
    settled(home)
    catalog = Catalog.open(home.catalog, read_only=True)
    try:
        node = load_public_keys(home.keys).signing.key_id
        journal = Journal.open(home.journal, clock, node, read_only=True)
        try:
            yield catalog, journal
        finally:
            journal.close()
    finally:
        catalog.close()


def status_document(home: Home) -> dict[str, Any]:
    """Return what `safelight status --json` prints."""
    settings = home.settings()
    with looked_at(home) as (catalog, journal):
        tally = catalog.tally()
        exposure = exposure_of(home, settings, catalog, journal)
        late = [*exposure.findings, *scrubs_overdue(home, settings, catalog)]
        of_console = [*certificate_findings(home, settings), *account_findings(home, settings)]
        computed = [*full_disk_findings(home, settings), *of_console]
        findings = gravest_first([*computed, *findings_document(catalog, late)])
        phase, outages = phase_of(journal), outages_document(journal)
    return {
        "site": settings.site.name,
        "home": str(home.directory),
        "serving": is_serving(home.control_socket),
        "phase": phase,
        "outages": outages,
        "instances_landed": tally.instances_landed,
        "instances_packed": tally.instances_packed,
        "studies": tally.studies,
        "series": tally.series,
        "patients": tally.patients,
        "packs": tally.packs,
        "bytes_raw": tally.bytes_raw,
        "bytes_packed": tally.bytes_packed,
        **messages_summary(home),
        "exposure_seconds": exposure.seconds,
        "exposure_because": because_of(exposure),
        "findings": findings,
    }


def protection_document(home: Home) -> dict[str, Any]:
    """Return what `safelight protection status --json` prints."""
    settings = home.settings()
    with looked_at(home) as (catalog, journal):
        tally = catalog.tally()
        exposure = exposure_of(home, settings, catalog, journal)
        inputs = catalog.exposure_inputs(settings.vault.copies_min)
        lacking = len(catalog.packs_lacking(settings.vault.copies_min))
    runs = [run.ended_at for run in inputs.last_complete_census.values()]
    return {
        "exposure_seconds": exposure.seconds,
        "exposure_because": because_of(exposure),
        "waiting_instances": tally.instances_waiting,
        "packs": tally.packs,
        "packs_lacking_copies": lacking,
        "claimed_unprotected": inputs.claimed_unprotected,
        "census": dict(tally.census),
        "last_complete_census": to_text(max(runs)) if runs else None,
    }


def usage_document(home: Home) -> dict[str, Any]:
    """Return what `safelight vault usage --json` prints."""
    settings = home.settings()
    with looked_at(home) as (catalog, _):
        tally = catalog.tally()
        waiting = sum(one.bytes for one in catalog.landed_waiting())
        missing = {name: len(catalog.packs_not_in(name)) for name, _ in placements_of(home, settings)}
    places = []
    for name, directory in placements_of(home, settings):
        there = (directory / "safelight-placement.json").is_file()
        places.append(
            {
                "name": name,
                "directory": str(directory),
                "packs": tally.packs - missing[name],
                "free_bytes": FolderPlacement(directory, name, "", None).free_bytes(),  # type: ignore[arg-type]
                "told": "" if there else "NOT THERE",
            }
        )
    return {
        "bytes_raw": tally.bytes_raw,
        "bytes_packed": tally.bytes_packed,
        "packs": tally.packs,
        "landing_bytes": waiting,
        "placements": places,
    }


def placements_of(home: Home, settings: Settings) -> list[tuple[str, Path]]:
    """Return the placements by name, the home first."""
    second = [("second", Path(settings.vault.second))] if settings.vault.second else []
    return [("home", home.vault), *second]


def exposure_of(
    home: Home, settings: Settings, catalog: Catalog, journal: Journal, *, images_only: bool = False
) -> Exposure:
    """Judge what would be lost right now; of images only, without the journal's entries that are not sealed yet."""
    now = SystemClock().now()
    known = catalog.exposure_inputs(settings.vault.copies_min)
    protection = settings.protection
    # Where the settings name no source, those that were counted before are watched.
    named = [_source_name(home, protection.source)] if protection.source else sorted(known.last_complete_census)
    sources = []
    for source in named:
        run = known.last_complete_census.get(source)
        # Since it began: what the source took in while it was asked may have been missed.
        began = None if run is None else run.began_at or run.ended_at
        sources.append(SourceWatch(source, began, timedelta(hours=protection.census_hours_max)))
    _, oldest_unsealed = journal.unsealed()
    feeds = _feeds(home, settings, catalog)
    return judge_exposure(
        ExposureInputs(
            oldest_unpacked_at=known.oldest_unpacked_at,
            oldest_lacking_copies_at=known.oldest_lacking_copies_at,
            oldest_claimed_unprotected_at=known.oldest_claimed_unprotected_at,
            oldest_unsealed_at=None if images_only else oldest_unsealed,
            sources=sources,
            feeds=feeds,
        ),
        now,
    )


def _source_name(home: Home, text: str) -> str:
    """Return the name under which a census speaks of the source in the settings."""
    try:
        return str(find_peer(home.peers, text))
    except UsageError:
        return text


def _feeds(home: Home, settings: Settings, catalog: Catalog) -> list[FeedWatch]:
    """Watch whoever stores or sends messages here: one that falls silent is not known to be well."""
    silence = timedelta(hours=settings.protection.feed_silence_hours_max)
    feeds = message_feeds(home, silence)
    for caller in catalog.callers():
        heard = caller.last.get("store")  # type: ignore[call-overload]
        if isinstance(heard, datetime):
            feeds.append(FeedWatch(f"{caller.title}@{caller.host}", heard, caller.first_seen_at, silence))
    return feeds


def because_of(exposure: Exposure) -> list[str]:
    """Say in words what the exposure comes from."""
    return [str(reason) for reason in exposure.because]


def scrubs_overdue(home: Home, settings: Settings, catalog: Catalog) -> list[ProtectionFinding]:
    """Tell of each placement whose longest unseen copy is later than the schedule promises, as when nothing serves."""
    schedule = ScrubSettings(days=max(settings.vault.scrub_days, 1))
    found = []
    for name, _ in placements_of(home, settings):
        for row in catalog.least_recently_verified(name, limit=1):
            pack = catalog.pack(row.pack)
            if pack is not None:
                seen = CopySeen(row.pack, name, pack.size_bytes, row.checked_at, pack.sealed_at)
                found.append(overdue(seen, SystemClock().now(), schedule))
    return [one for one in found if one is not None]


def gravest_first(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort findings by how grave they are; of equal ones the order stays."""
    rank = {severity: number for number, severity in enumerate(GRAVEST_FIRST)}
    return sorted(findings, key=lambda one: rank.get(one["severity"], len(rank)))


def findings_document(catalog: Catalog, found: Sequence[ProtectionFinding]) -> list[dict[str, Any]]:
    """Return every open finding: recorded ones, and those that follow from what is not recorded in time."""
    recorded = [
        {
            "code": one.code,
            "subject": one.subject,
            "severity": one.severity,
            "opened_at": to_text(one.opened_at),
            "hint": hint_for(one.code),
            "facts": dict(one.facts),
        }
        for one in catalog.findings(limit=FINDINGS_SHOWN)
    ]
    computed = [
        {
            "code": str(one.code),
            "subject": one.subject,
            "severity": "serious",
            "opened_at": None,
            "hint": one.hint,
            "facts": dict(one.facts),
        }
        for one in found
    ]
    return recorded + computed
