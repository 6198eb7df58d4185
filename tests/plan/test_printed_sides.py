"""On paper, what radiology does stands beside the runbook of IT that it is paired with."""

import re
from datetime import UTC, date, datetime

import pytest

from safelight.plan.model import Plan
from safelight.plan.printing import PackFacts, pack_html, phases
from safelight.plan.words import Phase
from safelight.site.plan_assessment import objectives_document
from safelight.site.plan_folder import example_plan

TODAY = date(2026, 11, 24)
BESIDE = r"<tr><td>\s*<h4>{}</h4>(?:(?!</tr>).)*<td>\s*<h4>{}</h4>"


@pytest.fixture
def plan() -> Plan:
    return example_plan("400-bed", TODAY)


def printed(plan: Plan) -> str:
    return pack_html(plan, (), objectives_document(plan), datetime(2026, 11, 24, tzinfo=UTC), PackFacts("P-1", "", ""))


def test_every_paired_procedure_is_printed_on_the_right_of_its_runbook(plan: Plan) -> None:
    html, names = printed(plan), {one.id: one.name for one in plan.procedures}
    paired = [one for one in plan.runbooks if one.paired_with]
    assert {one.phase for one in paired} >= {Phase.DETECT, Phase.RESTORE, Phase.FAILBACK, Phase.UPGRADE}
    for one in paired:
        row = BESIDE.format(re.escape(one.name), re.escape(names[one.paired_with or ""]))
        assert re.search(row, html, re.DOTALL), one.name


def test_every_procedure_and_runbook_of_the_example_has_steps(plan: Plan) -> None:
    assert [one.id for one in (*plan.procedures, *plan.runbooks) if not one.steps] == []
    assert "No steps are written yet." not in printed(plan)


def test_nothing_is_printed_twice_in_a_phase_and_a_silent_side_is_told(plan: Plan) -> None:
    for phase in phases(plan, Phase):
        right = [row.radiology.id for row in phase.rows if row.radiology]
        assert len(right) == len(set(right))
    (downtime,) = phases(plan, (Phase.DOWNTIME,))
    assert [str(side) for side in downtime.silent] == ["it"]
    assert printed(plan).count("Nothing is written for this side.") == sum(
        len(one.silent) for one in phases(plan, Phase) if one.rows
    )
