"""Reports that are held as instances, beside those that came as messages."""

from pathlib import Path

import pytest

from safelight.site.hl7_worklist import reports_document
from support.archive_door import invented, open_archive

pytestmark = pytest.mark.peer
TEXT, PDF, KEY_OBJECTS = (f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("88.11", "104.1", "88.59"))


def test_reports_in_the_archive_are_found_by_patient_accession_number_and_study(tmp_path: Path) -> None:
    with open_archive(tmp_path) as door:
        door.store([invented(2, 1, 1, sop_class=TEXT, SeriesDescription="Report", Modality="SR")])
        door.store([invented(3, 1, 1, sop_class=PDF, SeriesDescription="Letter", Modality="DOC"), invented(3, 2, 1)])
        door.store([invented(3, 3, 1, sop_class=KEY_OBJECTS, Modality="KO")])
        door.site.arrivals.settle()
        home = door.site.home
        by_patient = reports_document(home, "P1", "", "", 10)["reports"]
        assert [(one["form"], one["title"], one["accession"]) for one in by_patient] == [
            ("PDF", "Letter", "A003"),
            ("structured report", "Report", "A002"),
        ]
        (found,) = reports_document(home, "", "A002", "", 10)["reports"]
        assert found["instance"].endswith(".2.1.1") and found["observed"] == "20260102021500"
        study = by_patient[0]["study"]
        assert len(reports_document(home, "P1", "", study, 10)["reports"]) == 2
        assert reports_document(home, "", "", study, 10)["reports"] == by_patient[:1]
        assert reports_document(home, "", "", "", 10)["reports"] == []
        assert len(reports_document(home, "P1", "", "", 1)["reports"]) == 1
