"""An outage of the department lasts as long as the plan's estimates say."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from safelight.plan.model import Plan
from safelight.plan.on_record import NOTHING, Figure, OnRecord
from safelight.plan.words import Disruption, Portion
from safelight.site.plan_folder import example_plan
from safelight.site.plan_outage import NoEstimate, declared_mtds, estimate_for, outage_estimates

TODAY = date(2026, 11, 24)


@pytest.fixture
def plan() -> Plan:
    return example_plan("400-bed", TODAY)


def department(*services: str) -> dict[str, Any]:
    """Return a department that has these services."""
    exams = {"class": "all", "per_week": 1}
    return {
        "department": {
            "name": "d",
            "classes": [{"name": "all", "rank": 0}],
            "modalities": [{"name": "CT", "devices": 1, "exam_minutes": 1, "reading_minutes": 1, "exams": [exams]}],
            "readers": [{"name": "all", "count": 1}],
            "services": [{"name": one, "class": "all", "start_minutes": 30} for one in services],
        }
    }


def test_the_service_that_is_back_last_says_how_long_and_only_those_of_the_department_count(plan: Plan) -> None:
    found = outage_estimates(plan, department("Intensive care", "stroke"), NOTHING)
    assert (found[Disruption.HARDWARE].service, found[Disruption.HARDWARE].hours) == ("Stroke", 4.5)
    assert outage_estimates(plan, department("Intensive care"), NOTHING)[Disruption.HARDWARE].hours == 4.0
    assert outage_estimates(plan, department("somebody else's"), NOTHING) == {}


def test_sizes_and_rates_of_a_home_make_it_longer_and_are_named(plan: Plan) -> None:
    everything = Figure(9000.0, "counted: 3 studies held")
    slow = OnRecord(dict.fromkeys(Portion, everything), Figure(100.0, "measured in drill 4 on 2026-11-20"))
    as_planned = outage_estimates(plan, department("stroke"), NOTHING)[Disruption.HARDWARE]
    on_record = outage_estimates(plan, department("stroke"), slow)[Disruption.HARDWARE]
    assert as_planned.hours is not None and on_record.hours is not None
    assert on_record.hours > as_planned.hours + 48
    assert any("measured in drill 4" in part["source"] for part in on_record.length.path)


def test_a_service_that_nobody_can_say_of_leaves_the_whole_unknown(plan: Plan) -> None:
    systems = tuple(replace(one, recovery=()) if one.id == "ct-1" else one for one in plan.systems)
    found = outage_estimates(replace(plan, systems=systems), department("Intensive care", "stroke"), NOTHING)
    assert (found[Disruption.HARDWARE].service, found[Disruption.HARDWARE].hours) == ("Stroke", None)
    with pytest.raises(NoEstimate) as refused:
        _ = found[Disruption.HARDWARE].length
    assert refused.value.facts["unknown"] == "ct-1: no `recovery` for hardware"


def test_what_nothing_is_brought_back_in_has_no_estimate_though_somebody_detects_it(plan: Plan) -> None:
    found = outage_estimates(plan, department("stroke"), NOTHING)
    assert set(found) == {Disruption.HARDWARE, Disruption.RANSOMWARE}
    with pytest.raises(NoEstimate):
        estimate_for(found, Disruption.PEOPLE)


def test_the_declared_mtd_is_that_of_the_plan_for_the_disruption_or_the_shortest(plan: Plan) -> None:
    told = department("stroke", "somebody else's")
    chosen = declared_mtds(plan, told, Disruption.RANSOMWARE)
    assert {name: (one.hours, one.source) for name, one in chosen.items()} == {
        "stroke": (96.0, "the plan, for ransomware")
    }
    assert declared_mtds(plan, told, None)["stroke"].source == "the plan, for hardware"
    assert declared_mtds(plan, told, None)["stroke"].hours == 12.0
    assert declared_mtds(plan, told, Disruption.PEOPLE) == {}, "the plan declares none for it"
