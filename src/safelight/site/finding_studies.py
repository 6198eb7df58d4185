"""Finding studies for people: a search of the catalog that needs no `serve`."""

from collections.abc import Mapping
from typing import Any

from safelight.catalog.rows import StudyRow
from safelight.catalog.search import StudySearch
from safelight.core.clock import to_text
from safelight.site.home import Home
from safelight.site.status import looked_at


def find_studies(home: Home, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return matching studies as JSON. Names of patients are shown: the one who asks has the home's keys."""
    told = {name: value for name, value in asked.items() if value is not None}
    with looked_at(home) as (catalog, _):
        return [_document(row) for row in catalog.find(StudySearch(**told))]


def _document(row: StudyRow) -> dict[str, Any]:
    return {
        "study": row.study,
        "date": row.study_date,
        "time": row.study_time,
        "modalities": list(row.modalities),
        "patient_id": row.patient_id.text,
        "patient_name": row.patient_name.text,
        "birth_date": row.birth_date.text,
        "accession": row.accession,
        "description": row.description,
        "series": row.series,
        "instances": row.instances,
        "packed": row.packed,
        "bytes": row.bytes,
        "received_at": to_text(row.last_received_at),
    }
