"""What is counted covers the truth as often as it says, and leaves out what cannot be true."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from safelight.impact.calibration import Arrivals, Counted, CountedModality, calibrated
from safelight.impact.counted import EXAM, Rate, Reported, Sample, reading_samples, turnaround_sample
from safelight.impact.department import HOURS_A_WEEK
from safelight.impact.document import read_department
from safelight.impact.errors import BadModel, Overloaded

NINE = datetime(2026, 9, 7, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(("per_week", "dispersion"), [(3.0, 1.0), (400.0, 1.0), (400.0, 4.0)])
def test_a_rate_lies_in_its_interval_nineteen_times_in_twenty(per_week: float, dispersion: float) -> None:
    """Also where weeks differ more than chance makes them: holidays, closed days."""
    random = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        expected = np.full(12, per_week)
        if dispersion > 1:
            expected = random.gamma(per_week / (dispersion - 1), dispersion - 1, 12)
        low, high = Rate(tuple(int(one) for one in random.poisson(expected)), 12).interval
        hits += low <= per_week <= high
    # Twelve weeks tell of their spread only roughly, so that a few more are missed there.
    assert hits / 400 >= (0.93 if dispersion == 1 else 0.89)


def test_a_rate_of_nothing_is_not_certain() -> None:
    low, high = Rate((0,) * 10, 10).interval
    assert low == 0
    assert 0.3 < high < 0.6


def test_a_mean_duration_lies_in_its_interval_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        low, high = Sample.of(random.lognormal(2.7, 0.5, 300).tolist(), EXAM).interval
        hits += low <= np.exp(2.7 + 0.125) <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_what_cannot_be_true_is_left_out_and_counted_by_its_reason() -> None:
    sample = Sample.of([20.0, -5.0, 0.1, 3e6, 480.0], EXAM, {"discontinued": 2})
    assert sample.minutes == (20.0, 480.0)
    assert sample.left_out == {
        "discontinued": 2,
        "ends before it begins": 1,
        "shorter than half a minute": 1,
        "longer than 8 h": 1,
    }
    assert not sample.is_enough


def reported(
    complete: float, received: float, reader: str = "A", modality: str = "CT", signed: float | None = None
) -> Reported:
    told = None if signed is None else datetime(2026, 9, 7, 9, 0) + timedelta(minutes=signed)
    return Reported(modality, reader, NINE + timedelta(minutes=complete), NINE + timedelta(minutes=received), told)


def test_a_reading_is_what_lies_between_two_reports_while_the_second_study_waited() -> None:
    reports = [
        reported(0, 10),
        reported(5, 22, modality="MR"),  # waited at 10: twelve minutes
        reported(30, 40),  # came when nobody read: nothing is known
        reported(20, 47, reader="B"),  # of another reader
        reported(1, 400),  # a break
        reported(2, 50, reader=""),
    ]
    found = reading_samples(reports)
    assert found["MR"].minutes == (12.0,)
    assert found["CT"].minutes == ()
    assert found["CT"].left_out == {
        "the reader may have waited for images": 1,
        "longer than 2 h: a break": 1,
        "report without a reader": 1,
    }


def test_the_times_of_signing_count_before_those_of_receipt_and_a_clock_set_back_is_left_out() -> None:
    reports = [reported(0, 10, signed=3), reported(0, 11, signed=10), reported(0, 12, signed=-60)]
    (sample,) = reading_samples(reports).values()
    assert sample.minutes == (7.0,)
    assert sample.left_out == {"ends before it begins": 1}


def test_a_report_before_its_images_and_one_after_months_are_no_turnaround() -> None:
    sample = turnaround_sample([reported(0, 60), reported(10, 5), reported(0, 1440 * 90)])
    assert sample.minutes == (60.0,)
    assert sample.left_out == {"reported before it was complete": 1, "reported after more than 30 days": 1}


def arrivals(priority: str, by_week: Sequence[int], hour: int = 9) -> Arrivals:
    return Arrivals(
        priority, Rate(tuple(by_week), len(by_week)), tuple(sum(by_week) * (at == hour) for at in range(HOURS_A_WEEK))
    )


def counted(*modalities: CountedModality, weeks: float = 10) -> Counted:
    return Counted(date(2026, 9, 7), weeks, modalities)


def test_priorities_become_the_classes_of_the_file_and_the_unknown_are_spread_alike(told: dict[str, Any]) -> None:
    told["classes"][1]["priorities"] = ["STAT", "high"]
    told["classes"][2]["priorities"] = ["routine"]
    ct = CountedModality(
        "CT",
        (
            arrivals("stat", [100] * 10),
            arrivals("high", [50] * 10),
            arrivals("routine", [50] * 10, 33),
            arrivals("unknown", [40] * 10),
        ),
    )
    found = calibrated(read_department(told), counted(ct))
    demands = {one.class_name: one for one in found.department.modalities[0].demands}
    # 240 a week, of which 200 are told apart: 150 and 50.
    assert demands["urgent"].per_week == pytest.approx(180)
    assert demands["elective"].per_week == pytest.approx(60)
    assert demands["stroke"].per_week == 21
    assert [hour for hour, weight in enumerate(demands["elective"].hours) if weight] == [33]
    of = {(one.subject, one.what): one for one in found.lines}
    assert of["CT stroke", "exams a week"].source == "as the file says: no order has a priority of this class"
    assert of["CT urgent", "exams a week"].rests_on == 1500
    assert "83%" in of["CT urgent", "exams a week"].source
    assert "too few" in of["CR urgent", "exams a week"].source


def test_without_priorities_the_mixture_of_the_file_holds(told: dict[str, Any]) -> None:
    found = calibrated(read_department(told), counted(CountedModality("CT", (arrivals("unknown", [200] * 10),))))
    per_week = [one.per_week for one in found.department.modalities[0].demands]
    assert per_week == pytest.approx([200 * 21 / 391, 200 * 250 / 391, 200 * 120 / 391])


def test_durations_and_sizes_are_taken_over_where_enough_were_counted(told: dict[str, Any]) -> None:
    ct = CountedModality(
        "CT",
        (arrivals("unknown", [200] * 10),),
        steps=Sample((10.0, 20.0) * 20),
        readings=Sample((8.0,) * 29),
        study_gb=0.7,
    )
    found = calibrated(read_department(told), counted(ct)).department.modalities[0]
    assert (found.exam.mean_minutes, found.exam.variation) == (15.0, 0.34)
    assert found.exam.source == "counted: 40 performed procedure steps, mean 13.4 to 16.6 min"
    assert found.reading.mean_minutes == 12
    assert found.disk is not None
    assert found.disk.exam_gb == 0.7


def test_a_span_of_images_is_an_exam_only_where_images_come_as_they_are_made() -> None:
    made = CountedModality("CT", spans=Sample((4.0, 6.0) * 20))
    at_end = CountedModality("CT", spans=Sample((0.6, 0.8) * 20))
    assert made.exam is not None
    assert "the least it can be" in made.exam.source
    assert at_end.exam is None


def test_modalities_that_the_file_calls_one_are_counted_together(told: dict[str, Any]) -> None:
    told["modalities"][1]["counted_as"] = ["CR", "DX"]
    parts = [
        CountedModality("CR", (arrivals("unknown", [100] * 10),), Sample((5.0,) * 20)),
        CountedModality("DX", (arrivals("unknown", [300] * 10),), Sample((7.0,) * 20)),
    ]
    found = calibrated(read_department(told), counted(*parts)).department.modalities[1]
    assert sum(one.per_week for one in found.demands) == pytest.approx(400)
    assert found.exam.mean_minutes == 6


def test_published_figures_stand_in_and_are_called_so_and_others_are_not_invented() -> None:
    lines = {(one.subject, one.what): one for one in counted(CountedModality("CT"), CountedModality("XA")).lines()}
    assert lines["CT", "reading minutes"].source.startswith("published fallback: mean of CT, Sexauer 2022")
    assert lines["XA", "reading minutes"].value is None
    assert lines["XA", "exam minutes"].source == "not known: 0 counted, no published figure"


def test_more_work_than_the_file_has_devices_for_is_refused(told: dict[str, Any]) -> None:
    ct = CountedModality("CT", (arrivals("unknown", [3000] * 10),))
    with pytest.raises(Overloaded):
        calibrated(read_department(told), counted(ct))


@pytest.mark.parametrize(
    ("place", "value"), [(["classes", 0, "priorities"], [7]), (["modalities", 0, "counted_as"], "CT")]
)
def test_words_for_counting_are_judged_too(told: dict[str, Any], place: list[Any], value: Any) -> None:
    told[place[0]][place[1]][place[2]] = value
    with pytest.raises(BadModel):
        read_department(told)
