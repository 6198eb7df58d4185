"""Drills of a home before the rules of a plan: what they close, what they open, and which drill comes first for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.drill.facts import Finished, Measured, Recorded, Started, Step, TierMeasured, to_body
from safelight.drill.state import DrillState, fold
from safelight.findings.rule import Severity
from safelight.plan.model import Plan
from safelight.plan.practice import Measurement, Rehearsal
from safelight.plan.words import Disruption, DrillKind
from safelight.site.drill_choice import Choice, rank, supposed_by
from safelight.site.drill_plan import covered_digest
from safelight.site.drill_records import drills_of
from safelight.site.drill_report import items_document, planned_drills
from safelight.site.drills import say
from safelight.site.home import Home
from safelight.site.opened import Site
from safelight.site.plan_assessment import assessment_of
from safelight.site.plan_folder import PlanFolder, example_beside, example_plan, example_texts, write_plan
from safelight.site.plan_records import PlanRecords, records_of
from safelight.site.plan_review import agenda
from support.hl7_house import make_home, opened

TODAY = datetime.now().astimezone().date()
DAY = timedelta(days=1)
NOW = datetime.now(UTC)
PLAN = example_plan("400-bed", TODAY)
HOUR = timedelta(hours=1)
WHO = {"reason": "practice", "by": "A. Admin"}


@pytest.fixture
def folder(tmp_path: Path) -> PlanFolder:
    write_plan(tmp_path / "plan", {**example_texts("400-bed", TODAY), **example_beside("400-bed")})
    return PlanFolder(tmp_path / "plan")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def begun(**more: Any) -> Started:
    values: dict[str, Any] = {
        "drill": "1", "at": NOW, "type": "restore-tier", "rehearsal": "tier-restore", "disruption": "hardware",
        "covers": ("pacs",), "covered_digest": "", "target": "R@h:1", "limit": None, "exposure_seconds": 0.0,
        "reason": "why", "by": "who",
    }  # fmt: skip
    return Started(**{**values, **more})


def restored(rto: timedelta) -> tuple[Recorded, ...]:
    tier = TierMeasured("emergency", 2, 2, rto.total_seconds(), 0.0)
    return begun(), Measured("1", NOW, "7", (tier,)), Finished("1", NOW)


def folded(*facts: Recorded) -> DrillState:
    state = DrillState()
    for fact in facts:
        state = fold(state, fact)
    return state


def record(home: Home, *facts: Recorded) -> None:
    with Site.open(home) as site:
        for fact in facts:
            site.records.journal.append(fact.kind, to_body(fact))


def found(folder: PlanFolder, rule: str, plan: Plan, records: PlanRecords, today: date = TODAY) -> list[str]:
    told = assessment_of(folder, plan, today, records=records)
    assert not told.broken
    return [one.what for one in told.findings if one.rule.id == rule]


# R32: a time that nobody has measured, or that a drill has disproved.


def test_a_restore_on_record_measures_what_the_plan_claims_and_nobody_had_measured(
    folder: PlanFolder, home: Home
) -> None:
    def unmeasured(measured: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        return tuple(one for one in measured if one.system != "pacs")

    plan = replace(PLAN, drills=tuple(replace(one, measured=unmeasured(one.measured)) for one in PLAN.drills))
    before = found(folder, "R32", plan, records_of(home))
    assert [one for one in before if one.startswith("PACS, hardware")] == [
        "PACS, hardware: RTO 4 h was never measured."
    ]
    record(home, *restored(HOUR))
    after = found(folder, "R32", plan, records_of(home))
    assert set(before) - set(after) == {"PACS, hardware: RTO 4 h was never measured."}
    assert set(after) < set(before), "a drill for hardware says nothing of ransomware"


def test_a_restore_on_record_that_took_too_long_disproves_what_the_plan_claims(folder: PlanFolder, home: Home) -> None:
    # A home that hears nobody cannot say how old its copy is.
    before = found(folder, "R32", PLAN, records_of(home))
    assert all("RPO" in one for one in before)
    record(home, *restored(5 * HOUR))
    after = found(folder, "R32", PLAN, records_of(home))
    assert [one for one in after if one not in before] == ["PACS, hardware: RTO 4 h claimed, 5 h measured."]
    assert found(folder, "R32", PLAN, records_of(None)) == [], "the plan says what it said"


# R48: what was promised after a drill is late.


@contextmanager
def with_items(home: Home, count: int, drill: str = "1") -> Iterator[Site]:
    """Give a site with a shift that left so much open."""
    steps = (Step("labels", "Labels lie there", "radiology"), Step("forms", "Forms lie there", "radiology"))
    with opened(home) as site:
        of_drill = {"drill": drill, "at": site.clock.now(), "type": "downtime-shift", "rehearsal": "", "target": ""}
        begins = begun(**of_drill, exposure_seconds=None, steps=steps)
        site.records.journal.append(begins.kind, to_body(begins))
        left = [{"what": f"Thing {number}", "owner": "omar"} for number in range(1, count + 1)]
        say(site, {"number": drill, "what": "step", "step": "labels", "executed": True, "open": left})
        yield site


def test_what_a_drill_left_open_is_found_when_its_day_is_over_and_not_before_or_once_it_is_done(
    folder: PlanFolder, home: Home
) -> None:
    with with_items(home, 2) as site:
        for item in (1, 2):
            day = {"due_on": TODAY.isoformat(), "item": item}
            say(site, {"number": "1", "what": "assign-item", **day, **WHO})
        say(site, {"number": "1", "what": "close-item", "item": 2, **WHO})
    records = records_of(home)
    assert found(folder, "R48", PLAN, records) == [], "today is not over"
    late = [f"Due on {TODAY}: Thing 1"]
    assert found(folder, "R48", PLAN, records, TODAY + DAY) == late, "what was closed is not late"
    assert found(folder, "R48", PLAN, records_of(None), TODAY + DAY) == [], "the plan promised nothing of it"
    (due,) = [one for one in agenda(folder, PLAN, TODAY, records)["actions"] if one["id"] == "drill-1-item-1"]
    assert (due["owner"], due["due_on"]) == ("omar", TODAY.isoformat())

    named = replace(PLAN.actions[0], id="drill-1-item-1", due_on=TODAY + 9 * DAY)
    written = replace(PLAN, actions=(*PLAN.actions, named))
    assert found(folder, "R48", written, records, TODAY + DAY) == [], "the plan has this item by its name"


def test_what_was_closed_is_found_again_when_a_later_drill_leaves_the_same_open(folder: PlanFolder, home: Home) -> None:
    with with_items(home, 1) as site:
        day = {"due_on": (TODAY + DAY).isoformat(), "item": 1}
        say(site, {"number": "1", "what": "assign-item", **day, **WHO})
        say(site, {"number": "1", "what": "close-item", "item": 1, **WHO})
    assert found(folder, "R48", PLAN, records_of(home)) == []
    with with_items(home, 1, drill="2") as site:
        told = found(folder, "R48", PLAN, PlanRecords(drills=drills_of(site.records.journal)))
        assert told == ["A drill showed that this was not solved: Thing 1"]
        say(site, {"number": "2", "what": "close-item", "item": 1, **WHO})
    assert found(folder, "R48", PLAN, records_of(home)) == []


def test_an_item_is_given_to_its_owner_or_another_one_and_a_dry_run_records_nothing(home: Home) -> None:
    with with_items(home, 2) as site:
        to_come = (TODAY + DAY).isoformat()
        say(site, {"number": "1", "what": "assign-item", "item": 2, "due_on": to_come, "owner": "paula", **WHO})
        entries = len(list(site.records.journal.entries()))
        dry = say(site, {"number": "1", "what": "assign-item", "item": 1, "due_on": to_come, "dry_run": True, **WHO})
        assert [(one["owner"], one["due_on"]) for one in dry["open_items"]] == [("omar", to_come), ("paula", to_come)]
        assert len(list(site.records.journal.entries())) == entries
    told = items_document(home, TODAY + 2 * DAY, everything=False)
    assert [(one["item"], one["owner"], one["overdue"]) for one in told["items"]] == [
        ("1.2", "paula", True),
        ("1.1", "omar", False),
    ]
    assert (told["open"], told["overdue"]) == (2, 1)


# Which drill is first.


def asked_for(kind: DrillKind, name: str, disruption: Disruption = Disruption.HARDWARE) -> Rehearsal:
    every = timedelta(days=90)
    return Rehearsal(id=name, kind=kind, disruption=disruption, every=every, systems=("pacs",), owner="tove")


def unmeasured_plan(*rehearsals: Rehearsal) -> Plan:
    """Return a plan whose PACS nobody measured for hardware, and whose people nobody called for long."""
    kept = tuple(one for one in PLAN.drills if one.disruption is not Disruption.HARDWARE)
    people = tuple(replace(one, verified_on=TODAY - 500 * DAY) for one in PLAN.people)
    return replace(PLAN, drills=kept, people=people, rehearsals=rehearsals)


def ranked(plan: Plan, drills: dict[str, DrillState] | None = None) -> list[tuple[str, set[str]]]:
    planned = planned_drills(plan, drills or {}, TODAY, ())
    return [(one["rehearsal"], {closes["rule"] for closes in one["closes"]}) for one in planned]


def test_what_would_close_the_graver_finding_comes_first_however_many_the_other_would_close() -> None:
    key, calls = asked_for(DrillKind.ESCROW_KEY, "key"), asked_for(DrillKind.NOTIFICATION, "calls")
    tier = asked_for(DrillKind.RESTORE_TIER, "tier")
    plan = unmeasured_plan(key, calls, tier)
    assert ranked(plan) == [("tier", {"R32"}), ("calls", {"R08"}), ("key", set())]
    choice = Choice(plan, {}, TODAY)
    critical, many = choice.closed_by(supposed_by(tier)), choice.closed_by(supposed_by(calls))
    assert {one.rule.severity for one in critical} == {Severity.CRITICAL}
    assert len(many) > len(critical)
    assert rank(critical) < rank(many) < rank([])


def test_what_is_red_comes_before_what_is_green_whatever_that_would_close() -> None:
    # A shift that went well, and closes something still: nobody has called the people for long.
    key, calls = asked_for(DrillKind.ESCROW_KEY, "key"), asked_for(DrillKind.NOTIFICATION, "calls")
    plan = unmeasured_plan(calls, key)
    digest = covered_digest(plan, calls.systems)
    well = folded(begun(type="notification", rehearsal="calls", target="", covered_digest=digest), Finished("1", NOW))
    assert ranked(plan) == [("calls", {"R08"}), ("key", set())]
    assert ranked(plan, {"1": well}) == [("key", set()), ("calls", {"R08"})]


def test_what_a_drill_would_close_is_gone_once_it_was_held(folder: PlanFolder) -> None:
    tier = supposed_by(asked_for(DrillKind.RESTORE_TIER, "tier"))
    plan = unmeasured_plan()
    would_close = {one.what for one in Choice(plan, {}, TODAY).closed_by(tier)}
    assert would_close == {"PACS, hardware: RTO 4 h was never measured."}
    held = PlanRecords(drills={"1": folded(*restored(HOUR))})
    before, after = found(folder, "R32", plan, PlanRecords()), found(folder, "R32", plan, held)
    assert set(before) - set(after) == would_close
    assert Choice(plan, held.drills, TODAY).closed_by(tier) == []
