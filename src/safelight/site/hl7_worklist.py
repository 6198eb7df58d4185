"""What a home says of scheduled steps and reports, without the help of `serve`."""

from collections.abc import Mapping
from typing import Any

from safelight.catalog.catalog import Catalog
from safelight.catalog.listed_steps import Listing
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import OPEN_STATES, ReportRow, StepRow, StepSearch
from safelight.catalog.search import read_date
from safelight.core.clock import to_text
from safelight.journal.journal import Journal
from safelight.site.archive_reports import archive_reports
from safelight.site.downtime_steps import known_stations
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home, Scheduled
from safelight.site.scheduled_steps import ScheduledSteps
from safelight.site.status import looked_at
from safelight.site.worklist_mirror import SHRUNK, SOURCE_FAILED
from safelight.vault.keys import load_public_keys


def worklist_document(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `safelight catalog worklist --json` prints.

    Raises:
        BadSearch: a day is none.
    """
    with looked_at(home) as (catalog, journal):
        return steps_document(home, catalog, journal, asked)


def steps_document(home: Home, catalog: Catalog, journal: Journal, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same of a home whose records are open."""
    search = StepSearch(
        **days_asked(asked),
        modality=asked.get("modality") or "",
        station=asked.get("station") or "",
        patient_id=asked.get("patient_id") or "",
        accession=asked.get("accession") or "",
        states=[StepState(state) for state in asked.get("states") or ()] or OPEN_STATES,
        limit=asked.get("limit") or 200,
    )
    with messages_looked_at(home) as index:
        rows = _scheduled(home, journal, catalog).find(index, search)
        frozen = _frozen(catalog)
        return {
            "as_of_position": index.folded_position if index is not None else 0,
            "lists": [_list(one, frozen) for one in index.listings()] if index is not None else [],
            "steps": [_step(row) for row, _ in rows],
        }


def days_asked(asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the first and the last day asked for, as DICOM writes them.

    Raises:
        BadSearch: one is no day.
    """
    return {name: read_date(asked[name]) for name in ("date_from", "date_to") if asked.get(name)}


def _scheduled(home: Home, journal: Journal, catalog: Catalog) -> Scheduled:
    if home.records is not None:
        return home.records.scheduled_steps
    node = load_public_keys(home.keys).signing.key_id
    return ScheduledSteps(journal, lambda: known_stations(home, catalog), node)


def reports_document(home: Home, patient_id: str, accession: str, study: str, limit: int) -> dict[str, Any]:
    """Return what `safelight catalog reports --json` prints."""
    with messages_looked_at(home) as index:
        rows = index.reports(patient_id, accession, study, limit) if index is not None else []
    with looked_at(home) as (catalog, _):
        held = archive_reports(catalog, patient_id, accession, study, limit)
    return {"reports": [*(_report(row) for row in rows), *held][:limit]}


def lists_document(home: Home) -> dict[str, Any]:
    """Return what `safelight gateway worklist list --json` prints."""
    with looked_at(home) as (catalog, _):
        frozen = _frozen(catalog)
    with messages_looked_at(home) as index:
        known = index.listings() if index is not None else []
        counts = index.listed_counts() if index is not None else {}
    return {"lists": [{**_list(one, frozen), "steps": counts.get(one.source, 0)} for one in known]}


def _frozen(catalog: Catalog) -> dict[str, str]:
    """Return the lists that stand still because their source fails, and why."""
    return {one.subject: code for code in (SOURCE_FAILED, SHRUNK) for one in catalog.findings(code=code)}


def _list(known: Listing, frozen: Mapping[str, str]) -> dict[str, Any]:
    return {"source": known.source, "as_of": to_text(known.as_of), "frozen": frozen.get(known.source, "")}


def _step(row: StepRow) -> dict[str, Any]:
    return {
        "state": str(row.state),
        "patient_id": row.patient_id.text,
        "issuer": row.issuer,
        "patient": {name: value.text for name, value in row.patient.items()},
        "attributes": dict(row.attributes),
        "told_at": row.told_at,
        "journal_position": row.journal_position,
        "sources": list(row.sources),
        "as_of": to_text(row.as_of) if row.as_of else None,
    }


def _report(row: ReportRow) -> dict[str, Any]:
    return {
        "message": row.message,
        "instance": "",
        "form": "message",
        "patient_id": row.patient_id.text,
        "issuer": row.issuer,
        "accession": row.accession,
        "study": row.study,
        "filler": row.filler,
        "status": row.status,
        "observed": row.observed,
        "title": row.title,
    }
