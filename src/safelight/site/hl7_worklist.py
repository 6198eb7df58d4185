"""What a home says of scheduled steps and reports, without the help of `serve`."""

from collections.abc import Mapping
from typing import Any

from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import OPEN_STATES, ReportRow, StepRow, StepSearch
from safelight.site.hl7_status import messages_looked_at
from safelight.site.home import Home


def worklist_document(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `safelight catalog worklist --json` prints."""
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
    with messages_looked_at(home) as index:
        if index is None:
            return {"as_of_position": 0, "steps": []}
        return {"as_of_position": index.folded_position, "steps": [_step(row) for row in index.steps(search)]}


def reports_document(home: Home, patient_id: str, accession: str, study: str, limit: int) -> dict[str, Any]:
    """Return what `safelight catalog reports --json` prints."""
    with messages_looked_at(home) as index:
        rows = index.reports(patient_id, accession, study, limit) if index is not None else []
    return {"reports": [_report(row) for row in rows]}


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
