"""Systems in the order of IT's tiers: where PACS stands against finance and nurse scheduling."""

from datetime import date, timedelta

import pytest

from safelight.plan.ranking import Ranked, ranking, silent, standings
from safelight.plan.reading import read_plan
from safelight.plan.words import EXAMPLES
from safelight.site.plan_folder import example_plan

TODAY = date(2026, 11, 24)


def ids(ranked: tuple[Ranked, ...]) -> set[str]:
    return {one.system.id for one in ranked}


BUSINESS = {"finance", "nurse-scheduling"}
AFTER = {"400-bed": set[str](), "100-bed": BUSINESS, "rehearsal": BUSINESS}
"""Of which systems of the business IT's tiers put PACS after, in each example; it comes before the others."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_rank_pacs_against_finance_and_nurse_scheduling(name: str) -> None:
    (told,) = standings(ranking(example_plan(name, TODAY)))
    assert told.pacs.system.id == "pacs"
    assert (ids(told.after), ids(told.beside), ids(told.before)) == (AFTER[name], set(), BUSINESS - AFTER[name])


def test_a_tier_comes_before_none_and_a_system_is_as_urgent_as_what_needs_it() -> None:
    system = "{{id: {0}, name: {0}, kind: {1}, site: s, in_it_plan: yes{2}}}"
    systems = (
        system.format("cart", "other", ""),
        system.format("payroll", "business", ", tier: 2, needs: [directory]"),
        system.format("pacs", "pacs", ", tier: 2, needs: [directory]"),
        system.format("directory", "directory", ", tier: 1"),
    )
    service = "{{id: {0}, name: {0}, kind: {1}, systems: [{2}]{3}}}"
    services = (
        service.format("wages", "business", "payroll", ", tolerances: [{disruption: people, rto: 4 h}]"),
        service.format("stroke", "stroke", "pacs", ", tolerances: [{disruption: hardware, rto: 4 h}]"),
        service.format("mute", "icu", "pacs", ""),
    )
    head = "plan: {title: T, hospital: H, version: 1, horizon: 28 d, planned_outage: 0 min}\n"
    head += "sites: [{id: s, name: S, power: p, fabric: f}]\n"
    plan = read_plan({"a.yaml": f"{head}systems: [{', '.join(systems)}]\nservices: [{', '.join(services)}]"}).plan
    ranked = ranking(plan)
    assert [one.system.id for one in ranked] == ["directory", "payroll", "pacs", "cart"]
    assert [one.need and one.need.service.id for one in ranked] == ["stroke", "wages", "stroke", None]
    assert ranked[0].need is not None
    assert ranked[0].need.bears == timedelta(hours=4)
    (told,) = standings(ranked)
    assert (ids(told.after), ids(told.beside), ids(told.before)) == (set(), {"payroll"}, set())
    assert [one.id for one in silent(plan)] == ["mute"]
