"""What cannot be is refused, with its place in the file."""

from math import inf, nan
from typing import Any

import pytest

from safelight.impact.document import read_department, read_scenario, utilisation
from safelight.impact.draws import check_size
from safelight.impact.errors import BadModel, Overloaded, TooLarge


def put(told: Any, path: list[str | int], value: Any) -> None:
    for step in path[:-1]:
        told = told[step]
    told[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["modalities", 0, "exams", 1, "per_week"], 0, "department.modalities[0].exams[1].per_week"),
        (["modalities", 0, "exams", 1, "per_week"], nan, "department.modalities[0].exams[1].per_week"),
        (["modalities", 0, "exams", 1, "per_week"], -inf, "department.modalities[0].exams[1].per_week"),
        (["modalities", 0, "exams", 1, "per_week"], True, "department.modalities[0].exams[1].per_week"),
        (["modalities", 0, "exams", 1, "class"], "nobody", "department.modalities[0].exams[1].class"),
        (["modalities", 0, "exams", 1, "class"], None, "department.modalities[0].exams[1].class"),
        (["modalities", 0, "exam_minutes"], -1, "department.modalities[0].exam_minutes"),
        (["modalities", 0, "exam_minutes"], {"mean": 0}, "department.modalities[0].exam_minutes.mean"),
        (["modalities", 0, "devices"], 0, "department.modalities[0].devices"),
        (["modalities", 0, "devices"], [0] * 24, "department.modalities[0].devices"),
        (["modalities", 0, "devices"], [1] * 25, "department.modalities[0].devices"),
        (["modalities", 0, "disk", "exam_gb"], 0, "department.modalities[0].disk.exam_gb"),
        (["modalities", 1, "name"], "CT", "department.modalities"),
        (["classes", 0, "rank"], None, "department.classes[0].rank"),
        (["classes", 1, "name"], "stroke", "department.classes"),
        (["classes"], [], "department.classes"),
        (["hours", "office"], [0] * 168, "department.hours.office"),
        (["readers", 0, "modalities"], ["CT"], "department.readers"),
        (["services", 0, "start_minutes"], 0, "department.services[0].start_minutes"),
        (["services", 0], {"name": "x", "class": "stroke"}, "department.services[0]"),
        (["reconciliation", "people"], 0, "department.reconciliation.people"),
        (["colour"], "blue", "department.colour"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(told: dict[str, Any], path: list[Any], value: Any, where: str) -> None:
    read_department(told)
    put(told, path, value)
    with pytest.raises(BadModel) as caught:
        read_department(told)
    assert caught.value.facts["where"] == where


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hours", -1),
        ("hours", 0),
        ("hours", nan),
        ("hours", 1e9),
        ("scope", "moon"),
        ("deferred", {"elective": 1.5}),
        ("deferred", {"nobody": 0.5}),
        ("diverted", {"elective": 0.6}),
        ("exam_shares", {"MR": 0.5}),
        ("exam_shares", {"CT": [{"after_hours": 2, "share": 0.5}]}),
        ("reading_shares", -0.1),
        ("catch_up_share", 0),
        ("start_hour", 168),
    ],
)
def test_a_bad_scenario_is_refused(told: dict[str, Any], outage: dict[str, Any], key: str, value: Any) -> None:
    department = read_department(told)
    read_scenario(outage, department)
    with pytest.raises(BadModel) as caught:
        read_scenario({**outage, key: value}, department)
    assert str(caught.value.facts["where"]).startswith("scenario.")


def test_more_work_than_hours_is_refused_and_names_the_station(told: dict[str, Any]) -> None:
    assert max(utilisation(read_department(told)).values()) < 1
    told["modalities"][0]["exams"][1]["per_week"] = 5000
    with pytest.raises(Overloaded) as caught:
        read_department(told)
    assert caught.value.facts["station"] == "CT"


def test_a_thousand_million_exams_a_day_are_refused_before_anything_is_drawn(told: dict[str, Any]) -> None:
    modality = told["modalities"][0]
    modality["devices"], modality["exam_minutes"] = 1000, 1e-6
    modality["reading_minutes"], told["readers"][0]["count"] = 0, 5
    modality["exams"][1]["per_week"] = 7e9
    with pytest.raises(TooLarge):
        check_size(read_department(told), 4)


@pytest.mark.parametrize("value", [None, [], "text", 7, {"name": "x"}])
def test_what_is_no_department_is_refused(value: Any) -> None:
    with pytest.raises(BadModel):
        read_department(value)
