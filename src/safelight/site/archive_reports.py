"""Reports that lie in the archive as instances: structured reports, and documents wrapped in DICOM.

Nothing is imported for them: what is held is found.
"""

from collections.abc import Mapping
from typing import Any, Final

from safelight.catalog.catalog import Catalog
from safelight.core.query import Exactly, Match, OneOf, QueryLevel, Selection

FORMS: Final[Mapping[str, str]] = {
    **{
        f"1.2.840.10008.5.1.4.1.1.88.{number}": "structured report"
        # Basic text, enhanced, comprehensive, comprehensive 3D, extensible; and what came before them.
        for number in (1, 2, 3, 4, 11, 22, 33, 34, 35)
    },
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
    "1.2.840.10008.5.1.4.1.1.104.2": "CDA",
}
"""SOP classes of reports. Key objects, dose reports and computed findings are structured, and no reports."""
_SOP_CLASS, _INSTANCE, _STUDY = 0x00080016, 0x00080018, 0x0020000D
_ACCESSION, _PATIENT, _ISSUER = 0x00080050, 0x00100020, 0x00100021
_DATE, _TIME, _SERIES_DESCRIPTION = 0x00080020, 0x00080030, 0x0008103E
_GIVEN: Final = (
    _SOP_CLASS,
    _INSTANCE,
    _STUDY,
    _ACCESSION,
    _PATIENT,
    _ISSUER,
    _DATE,
    _TIME,
    _SERIES_DESCRIPTION,
)


def archive_reports(catalog: Catalog, patient_id: str, accession: str, study: str, limit: int) -> list[dict[str, Any]]:
    """Return reports that fit any of what is given, the newest study first; none where nothing is given."""
    found: dict[str, dict[str, Any]] = {}
    for tag, value in ((_PATIENT, patient_id), (_ACCESSION, accession), (_STUDY, study)):
        if value:
            matches: dict[int, Match] = {tag: Exactly(value), _SOP_CLASS: OneOf(tuple(FORMS))}
            keys = catalog.level_keys(Selection(QueryLevel.IMAGE, matches), limit)
            for row in catalog.level_rows(QueryLevel.IMAGE, _GIVEN, keys):
                report = _report(dict(zip(_GIVEN, row, strict=True)))
                found[report["instance"]] = report
    withdrawn = {one.sop_instance for one in catalog.rejections(instances=found)} if found else set()
    for instance, report in found.items():
        report["status"] = "withdrawn" if instance in withdrawn else ""
    newest = sorted(found.values(), key=lambda report: str(report["observed"]), reverse=True)
    return newest[:limit]


def _report(told: Mapping[int, str]) -> dict[str, Any]:
    return {
        "message": None,
        "instance": told[_INSTANCE],
        "form": FORMS[told[_SOP_CLASS]],
        "patient_id": told[_PATIENT],
        "issuer": told[_ISSUER],
        "accession": told[_ACCESSION],
        "study": told[_STUDY],
        "filler": "",
        "status": "",
        "observed": told[_DATE] + told[_TIME].partition(".")[0],
        "title": told[_SERIES_DESCRIPTION],
    }
