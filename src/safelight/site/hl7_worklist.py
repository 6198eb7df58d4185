"""What a home says of scheduled steps and reports, without the help of `serve`."""

from collections.abc import Mapping
from typing import Any

from safelight.catalog.errors import CatalogDamaged
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import OPEN_STATES, ReportRow, StepRow, StepSearch
from safelight.site.home import Home


def worklist_document(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `safelight catalog worklist --json` prints."""
    index = _index(home)
    if index is None:
        return {"as_of_position": 0, "steps": []}
    search = StepSearch(
        date_from=asked.get("date_from") or "",
        date_to=asked.get("date_to") or "",
        modality=asked.get("modality") or "",
        station=asked.get("station") or "",
        patient_id=asked.get("patient_id") or "",
        accession=asked.get("accession") or "",
        states=[StepState(state) for state in asked.get("states") or ()] or OPEN_STATES,
        limit=asked.get("limit") or 200,
    )
    try:
        return {"as_of_position": index.folded_position, "steps": [_step(row) for row in index.steps(search)]}
    finally:
        index.close()


def reports_document(home: Home, patient_id: str, accession: str, study: str, limit: int) -> dict[str, Any]:
    """Return what `safelight catalog reports --json` prints."""
    index = _index(home)
    if index is None:
        return {"reports": []}
    try:
        return {"reports": [_report(row) for row in index.reports(patient_id, accession, study, limit)]}
    finally:
        index.close()


def _index(home: Home) -> MessageIndex | None:
    try:
        return MessageIndex.open(home.messages_index, read_only=True)
    except CatalogDamaged:
        # No message ever came, or `serve` is about to compute it again.
        return None


def _step(row: StepRow) -> dict[str, Any]:
    return {
        "state": str(row.state),
        "patient_id": row.patient_id.text,
        "issuer": row.issuer,
        "patient": {name: value.text for name, value in row.patient.items()},
        "attributes": dict(row.attributes),
        "told_at": row.told_at,
        "journal_position": row.journal_position,
    }


def _report(row: ReportRow) -> dict[str, Any]:
    return {
        "message": row.message,
        "patient_id": row.patient_id.text,
        "issuer": row.issuer,
        "accession": row.accession,
        "study": row.study,
        "filler": row.filler,
        "status": row.status,
        "observed": row.observed,
        "title": row.title,
    }
