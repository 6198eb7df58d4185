"""What a home knows of a department's work becomes its arrivals and durations."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import StudyRow
from safelight.cli.plan_impact import impact, impact_calibrate
from safelight.core.clock import SetClock
from safelight.core.instance import Arrival, Way
from safelight.core.names import Personal
from safelight.gateway.dicom.procedure_step_service import StepStatus
from safelight.gateway.hl7.mapping import Mappings
from safelight.impact.calibration import Counted, calibrated
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.home import Home
from safelight.site.impact_calibration import JournalReading, Told, count, counted_of
from safelight.vault.keys import load_secret_keys
from support.catalog_filler import arrival, head, receipt
from support.hl7_house import make_home
from support.worked_hospital import MONDAY, WEEKS, WorkedHospital, report_message, step_fact, worked_hospital

LOCAL_MONDAY = datetime(2026, 9, 7)
HOSPITAL = Path(__file__).parents[2] / "docs/cases/general-hospital.yaml"
STUDY = StudyRow(
    "1.2", Personal("p"), "", Personal("n"), Personal(""), "", "", "", "", "", "", Personal(""), ("CT",), 1, 1, 1, 1,
    500_000_000, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def study(moment: datetime, accession: str = "", modalities: tuple[str, ...] = ("CT",)) -> StudyRow:
    told = {"study_date": f"{moment:%Y%m%d}", "study_time": f"{moment:%H%M%S}"}
    return replace(STUDY, accession=accession, modalities=modalities, **told)


def counted_hospital(seed: int) -> tuple[WorkedHospital, Counted]:
    hospital = worked_hospital(seed)
    since, until = MONDAY, MONDAY + timedelta(weeks=WEEKS)
    reading = JournalReading(Mappings.read(), since, until)
    for entry in hospital.entries:
        reading.take(entry)
    local = since.replace(tzinfo=None), until.replace(tzinfo=None)
    return hospital, count(hospital.studies, hospital.priorities, hospital.stored, reading.told, *local)


@pytest.mark.slow
def test_the_rates_and_durations_of_a_known_hospital_are_found_among_what_went_wrong() -> None:
    """Three times eight weeks, thirty thousand exams: what was put in lies in its intervals, as often as they say."""
    missed = []
    for seed in (1, 2, 3):
        hospital, found = counted_hospital(seed)
        lines = {(one.subject, one.what): one for one in calibrated(hospital.department, found).lines}
        for modality in hospital.department.modalities:
            truths = {(f"{modality.name} {one.class_name}", "exams a week"): one.per_week for one in modality.demands}
            truths[modality.name, "exam minutes"] = modality.exam.mean_minutes
            truths[modality.name, "reading minutes"] = modality.reading.mean_minutes
            for name, truth in truths.items():
                assert lines[name].source.startswith("counted: ")
                low, high = lines[name].interval or (0, 0)
                # An interval that holds everything would say nothing.
                assert 0 < high - low < 0.2 * truth, lines[name]
                assert abs((lines[name].value or 0) - truth) < 0.1 * truth, lines[name]
                if not low <= truth <= high:
                    missed.append(lines[name])
    # Of 24 intervals at 95 % one or two miss; more than three would in three of a hundred such tests.
    assert len(missed) <= 3, missed


@pytest.mark.slow
def test_the_spread_and_the_hours_of_a_known_hospital_are_found_and_what_went_wrong_is_counted() -> None:
    hospital, found = counted_hospital(5)
    told = calibrated(hospital.department, found)
    for modality, truth in zip(told.department.modalities, hospital.department.modalities, strict=True):
        assert modality.exam.variation == pytest.approx(truth.exam.variation, abs=0.05)
        assert modality.reading.variation == pytest.approx(truth.reading.variation, abs=0.2)
        always, office = (one.hourly() for one in modality.demands)
        at_work = [hour for hour in range(120) if hour % 24 in range(8, 17)]
        assert sum(office[hour] for hour in at_work) > 0.93 * sum(office)
        assert sum(always[hour] for hour in at_work) == pytest.approx(sum(always) * 45 / 168, rel=0.1)
    wrong, left_out = hospital.wrong, Counter[str]()
    for one in told.lines:
        left_out.update(one.left_out)
    # Of a long exam that ends before it begins the clocks differ too much first.
    set_wrong = left_out["the device's clock and ours differ"] + left_out["ends before it begins"]
    assert set_wrong >= wrong.clock_jumped + wrong.ended_before > 50
    assert left_out["discontinued"] == wrong.discontinued > 20
    assert left_out["its end was never told"] >= wrong.never_ended > 20
    assert left_out["reported before it was complete"] == wrong.reported_before > 5


def test_studies_become_arrivals_by_modality_priority_and_hour_of_the_week() -> None:
    studies = [study(LOCAL_MONDAY + timedelta(days=7 * (n % 4), hours=n % 2 + 9), f"A{n}") for n in range(240)]
    priorities = {f"A{n}": "stat" for n in range(240)}
    found = count(studies, priorities, set(), Told(), LOCAL_MONDAY, LOCAL_MONDAY + timedelta(weeks=4))
    (of,) = found.modalities
    (only,) = of.arrivals
    assert (of.name, only.priority, only.rate.exams, only.rate.per_week) == ("CT", "stat", 240, 60.0)
    assert {hour: count for hour, count in enumerate(only.hours) if count} == {9: 120, 10: 120}
    assert of.study_gb == 0.5
    (told,) = found.document()["modalities"]
    assert told["exams"] == [{"class": "stat", "per_week": 60.0, "hours": "CT stat"}]


def test_what_is_not_known_is_counted_and_said() -> None:
    studies = [
        study(LOCAL_MONDAY + timedelta(hours=9)),
        study(LOCAL_MONDAY + timedelta(hours=9), modalities=("SR",)),
        study(LOCAL_MONDAY - timedelta(hours=1)),
        replace(STUDY, study_date="20260907", study_time=""),
        replace(STUDY, study_date="yesterday", study_time="0900"),
    ]
    found = count(studies, {}, set(), Told(), LOCAL_MONDAY, LOCAL_MONDAY + timedelta(weeks=4))
    (of,) = found.modalities
    assert [(one.priority, one.rate.exams) for one in of.arrivals] == [("unknown", 1)]
    assert found.left_out == {"study without date or time": 2, "study without an order that tells its priority": 1}
    (told,) = found.document()["modalities"]
    assert "hours" not in told["exams"][0]
    assert "exam_minutes" not in told
    assert told["reading_minutes"]["source"].startswith("published fallback")
    assert of.spans.left_out == {"not sent by the modality as it was made": 1}


@pytest.fixture
def worked(tmp_path: Path) -> Home:
    """A home with two weeks of CT: sixty exams that came as they were made, and one that was pulled."""
    home = make_home(tmp_path)
    clock = SetClock(datetime(2026, 9, 7, tzinfo=UTC))
    catalog, keys = Catalog.open(home.catalog), load_secret_keys(home.keys)
    journal = Journal.open(home.journal, clock, keys.signing.key_id, keys.signing)
    for number in range(1, 61):
        start = datetime(2026, 9, 7, 8, tzinfo=UTC) + timedelta(hours=5 * number)
        end = start + timedelta(minutes=10 + number % 5)
        catalog.record_landed([_arrived(number, start, one) for one in (start + timedelta(minutes=4), end)])
        clock.advance(start - clock.now())
        journal.append(
            FactKind.PROCEDURE_STEP_BEGUN, step_fact(f"2.25.{number}", StepStatus.IN_PROGRESS, "CT", start, None)
        )
        clock.advance(end - clock.now())
        journal.append(
            FactKind.PROCEDURE_STEP_CHANGED, step_fact(f"2.25.{number}", StepStatus.COMPLETED, "", None, end)
        )
        clock.advance(timedelta(minutes=30))
        for status in ("P", "F", "C"):
            raw = report_message(f"A{number:07d}", end + timedelta(minutes=29), "R1", status)
            journal.append(FactKind.HL7_RECEIVED, {"event": "ORU^R01", "sender": "RIS", "raw": raw})
    pulled = _arrived(99, datetime(2026, 9, 8, 9, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))
    catalog.record_landed([replace(pulled, receipt=replace(pulled.receipt, way=Way.PULL))])
    journal.close()
    catalog.close()
    return home


def _arrived(number: int, start: datetime, at: datetime) -> Arrival:
    of = head(number, instance=at.minute + 1, modality="CT")
    values = {0x00080020: f"{start:%Y%m%d}".encode(), 0x00080030: f"{start:%H%M%S}".encode()}
    made = arrival(number, instance=at.minute + 1, of=replace(of, values={**of.values, **values}))
    return replace(made, receipt=replace(receipt(), received_at=at))


def test_a_home_is_counted_from_its_catalog_and_its_journal(worked: Home) -> None:
    found = counted_of(worked, date(2026, 9, 21), 2)
    (ct,) = found.modalities
    assert ct.studies == 61
    assert len(ct.steps.minutes) == 60
    assert ct.steps.mean == 12
    assert len(ct.spans.minutes) == 60
    assert ct.spans.mean == 8
    assert ct.spans.left_out == {"not sent by the modality as it was made": 1}
    assert set(ct.turnaround.minutes) == {30.0}
    assert ct.readings.left_out["the reader may have waited for images"] == 59
    assert counted_of(worked, date(2026, 8, 1), 2).modalities == ()


def test_the_command_tells_on_what_each_figure_rests_and_the_simulation_takes_it(worked: Home) -> None:
    options = ["--home", str(worked.directory), "--until", "2026-09-21"]
    shown = CliRunner().invoke(impact_calibrate, [*options, "--weeks", "2"])
    assert shown.exit_code == 0, shown.output
    assert "counted: 60 performed procedure steps, mean 11.6 to 12.4 min" in shown.stdout
    assert "left out: the reader may have waited for images" in shown.stdout
    pasted = CliRunner().invoke(impact_calibrate, [*options, "--weeks", "2", "--yaml"])
    assert "exam_minutes: {mean: 12.0" in pasted.stdout.replace("\n", " ")
    words = ["--department", str(HOSPITAL), "--seeds", "1", "--no-tolerance", "--calibrate", "--count-weeks", "2"]
    told = CliRunner().invoke(impact, [*words, *options, "--json"])
    assert told.exit_code == 0, told.output
    lines = {(one["subject"], one["what"]): one for one in json.loads(told.stdout)["calibration"]}
    assert lines["CT", "exam minutes"]["rests_on"] == 60
    assert lines["CT stroke", "exams a week"]["source"] == "as the file says: 61 studies in 2 weeks are too few"
    assert "CT exam: 12 min, counted" in CliRunner().invoke(impact, [*words, *options]).stdout
    assert CliRunner().invoke(impact, words, env={"SAFELIGHT_HOME": ""}).exit_code == 2
