"""A neighbour's outage is simulated from the department that lies beside the plan."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from safelight.plan.model import Plan
from safelight.site.plan_assessment import assessment_of
from safelight.site.plan_department import DEPARTMENT
from safelight.site.plan_folder import PlanFolder, example_beside, example_plan, example_texts, write_plan
from safelight.site.plan_surge import surge_of

TODAY = date(2026, 11, 24)


@pytest.fixture
def plan() -> Plan:
    return example_plan("400-bed", TODAY)


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    write_plan(folder, {**example_texts("400-bed", TODAY), **example_beside("400-bed")})
    text = (folder / DEPARTMENT).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / DEPARTMENT).write_text(text)
    return folder


def test_the_department_of_the_example_bears_what_a_neighbour_sends(tmp_path: Path, plan: Plan) -> None:
    folder = written(tmp_path / "plan")
    surge = surge_of(folder, plan)
    assert surge is not None
    assert (surge.trouble, surge.overloaded) == ("", {})
    assert {"stroke", "emergency"} <= set(surge.services)
    assert all(one.exams >= 100 for one in surge.services.values())
    told = assessment_of(PlanFolder(folder), plan, TODAY)
    assert "R47" not in {one.rule.id for one in told.findings}
    assert surge_of(folder, plan) == surge, "the same plan is told the same every time"


def test_a_department_without_room_is_late_and_overloaded(tmp_path: Path, plan: Plan) -> None:
    ct = "devices: [2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2]"
    surge = surge_of(
        written(
            tmp_path / "plan",
            (ct, "devices: 1"),
            (
                "exam_minutes: {mean: 20, variation: 0.5, source: assumption}\n      reading_minutes: {mean: 16.6",
                "exam_minutes: {mean: 19, variation: 0.5, source: assumption}\n      reading_minutes: {mean: 16.6",
            ),
        ),
        plan,
    )
    assert surge is not None
    assert surge.overloaded["CT"] > 1
    assert surge.services["emergency"].late > 0


def test_what_the_department_says_of_a_surge_counts_before_what_was_published(tmp_path: Path, plan: Plan) -> None:
    named = ("scenarios:", "scenarios:\n  - {name: theirs, scope: pacs, hours: 24, start_hour: 8, surge: {stroke: 9}}")
    surge = surge_of(written(tmp_path / "plan", named), plan)
    usual = surge_of(written(tmp_path / "other"), plan)
    assert surge is not None and usual is not None
    assert surge.services["stroke"].exams > 5 * usual.services["stroke"].exams


def test_a_plan_without_a_department_or_with_a_bad_one_is_told_and_breaks_nothing(tmp_path: Path, plan: Plan) -> None:
    assert surge_of(tmp_path, plan) is None
    for old, new in (
        ("rank: 0", "rank: x"),
        ("devices: [1, 1,", "devices: [-1, 1,"),
        ("department:", "&a department:"),
    ):
        folder = written(tmp_path / new.replace(" ", ""), (old, new))
        surge = surge_of(folder, plan)
        assert surge is not None
        assert surge.trouble.startswith("impact/department.yaml")
    strangers = replace(plan, services=())
    surge = surge_of(written(tmp_path / "strangers"), strangers)
    assert surge is not None and "no service of the plan" in surge.trouble
