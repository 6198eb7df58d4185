"""What the catalog knows of a department's work becomes its arrivals."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from safelight.catalog.catalog import Catalog
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import StepRow
from safelight.catalog.rows import StudyRow
from safelight.core.instance import Arrival
from safelight.core.names import Personal
from safelight.site.impact_calibration import calibrate, calibration_of
from support.catalog_filler import arrival, head
from support.hl7_house import make_home

MONDAY = datetime(2026, 9, 7)
STUDY = StudyRow(
    "1.2", Personal("p"), "", Personal("n"), Personal(""), "", "", "", "", "", "", Personal(""), ("CT",), 1, 1, 1, 1,
    500_000_000, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def study(moment: datetime, accession: str = "", modalities: tuple[str, ...] = ("CT",)) -> StudyRow:
    told = {"study_date": f"{moment:%Y%m%d}", "study_time": f"{moment:%H%M%S}"}
    return replace(STUDY, accession=accession, modalities=modalities, **told)


def step(accession: str, priority: str) -> StepRow:
    told = {"AccessionNumber": accession, "RequestedProcedurePriority": priority}
    return StepRow(1, StepState.COMPLETED, Personal("p"), "", {}, told, "", 1)


def test_studies_become_arrivals_by_modality_priority_and_hour_of_the_week() -> None:
    studies = [study(MONDAY + timedelta(days=7 * (n % 4), hours=n % 2 + 9), f"A{n}") for n in range(240)]
    found = calibrate(studies, [step(f"A{n}", "STAT") for n in range(240)], MONDAY, MONDAY + timedelta(weeks=4))
    (only,) = found.observed
    assert (only.modality, only.priority, only.studies, only.per_week, only.enough) == ("CT", "stat", 240, 60.0, True)
    assert {hour: count for hour, count in enumerate(only.hours) if count} == {9: 120, 10: 120}
    assert found.exam_gb == {"CT": 0.5}
    assert found.document()["exams"] == {"CT": [{"class": "stat", "per_week": 60.0, "hours": "CT stat"}]}


def test_what_is_not_known_is_counted_and_said() -> None:
    studies = [
        study(MONDAY + timedelta(hours=9)),
        study(MONDAY + timedelta(hours=9), modalities=("SR",)),
        study(MONDAY - timedelta(hours=1)),
        replace(STUDY, study_date="20260907", study_time=""),
        replace(STUDY, study_date="yesterday", study_time="0900"),
    ]
    found = calibrate(studies, [], MONDAY, MONDAY + timedelta(weeks=4))
    (only,) = found.observed
    assert (only.studies, only.priority, only.enough) == (1, "unknown", False)
    assert (found.without_time, found.without_priority) == (2, 1)
    assert "too few" in found.document()["sources"]["CT unknown"]
    assert "hours" not in found.document()["exams"]["CT"][0]
    assert "not in the catalog" in found.document()["not_known"]["exam_minutes"]


def acquired(number: int, day: bytes, time: bytes) -> Arrival:
    of = head(number)
    return arrival(number, of=replace(of, values={**of.values, 0x00080020: day, 0x00080030: time}))


def test_a_home_is_counted_by_the_days_of_its_studies(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    catalog = Catalog.open(home.catalog)
    arrivals = [acquired(one, b"20260908", b"143000") for one in range(1, 4)]
    arrivals.append(acquired(9, b"20261001", b"080000"))
    catalog.record_landed(arrivals)
    catalog.close()
    found = calibration_of(home, date(2026, 9, 21), 2)
    (only,) = found.observed
    assert (only.studies, only.priority, only.hours[24 + 14]) == (3, "unknown", 3)
