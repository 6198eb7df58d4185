"""Whole runs against the published vectors and the formulas of a liquid."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest

from safelight.impact.closed_forms import flow, queue_drain, reconciliation_hours
from safelight.impact.department import (
    Demand,
    Department,
    Disk,
    Duration,
    Messages,
    Modality,
    PriorityClass,
    Readers,
    Reconciliation,
    Service,
    UnitValues,
)
from safelight.impact.document import read_department, read_scenario
from safelight.impact.draws import Exams, draw
from safelight.impact.measures import Plan, outcome
from safelight.impact.scenario import Scenario, Scope
from safelight.impact.simulation import DEFERRED, Outage, run
from safelight.impact.summary import spread, summarise, wilson
from safelight.impact.tolerance import (
    LENGTHS_HOURS,
    Counts,
    Late,
    Tolerance,
    add,
    count_late,
    derive,
    tolerance_of,
)

WEEK = 168


def queue(arrivals: float, servers: int, rate: float, variation: float = 1.0, disk_gb: float = 100) -> Department:
    """A department that is one M/M/c queue, read at once."""
    return Department(
        "one queue",
        (PriorityClass("all", 0),),
        (
            Modality(
                "CT",
                (servers,) * WEEK,
                Duration(60 / rate, variation),
                Duration(0, 0),
                (Demand("all", arrivals * WEEK),),
                Disk(disk_gb, 0.5),
            ),
        ),
        (Readers("all", (1,) * WEEK, ("CT",)),),
        (),
    )


def stop(hours: float, **changed: Any) -> Scenario:
    return replace(Scenario("stop", Scope.EVERYTHING, 0, hours), **changed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arrivals", "servers", "rate", "hours", "backlog", "clear"),
    [(8, 2, 5, 8, 66.6, 32.9), (8, 2, 5, 24, 194.2, 96.9), (6, 3, 2.5, 4, 26.8, 17.5)],
)
def test_the_published_vectors_come_out_within_their_intervals(
    arrivals: float, servers: int, rate: float, hours: float, backlog: float, clear: float
) -> None:
    department, scenario = queue(arrivals, servers, rate), stop(hours)
    found = [outcome(department, scenario, Plan(3, 1), seed).figures for seed in range(120)]
    for measure, published in (("backlog", backlog), ("backlog_empty_hours", clear)):
        values = np.array([one[measure, "CT"] for one in found])
        values = values[np.isfinite(values)]
        # Theirs has 400 seeds of the same spread: the difference of two means.
        error = values.std(ddof=1) * sqrt(1 / len(values) + 1 / 400)
        assert abs(values.mean() - published) <= 2.6 * error + 0.1, (measure, values.mean(), error)


def test_without_chance_a_stop_grows_and_clears_as_a_liquid_does() -> None:
    """Little chance: a hundred servers' worth of arrivals, fixed services; the flow's backlog and clearance appear."""
    department, scenario = queue(800, 100, 10, variation=0.0), stop(4, start_hour=20)
    figures = outcome(department, scenario, Plan(1, 0), 3).figures
    liquid = flow(800, 1000, 4, 0.0, 1000)
    assert figures["backlog", "CT"] - figures["backlog_usual", "CT"] == pytest.approx(liquid.backlog, rel=0.05)
    assert figures["backlog_clearance_hours", "CT"] == pytest.approx(liquid.clear_hours, rel=0.12)
    assert figures["delay_exam_hours", ""] == pytest.approx(liquid.delay_exam_hours, rel=0.12)


def test_residual_capacity_catch_up_and_deferral_follow_the_liquid_too() -> None:
    scenario = stop(
        4,
        start_hour=20,
        exam_shares={"CT": ((0.0, 0.3),)},
        catch_up_share=1.2,
        catch_up_hours=100,
        diverted={"all": 0.4},
    )
    figures = outcome(queue(800, 100, 10, variation=0.0), scenario, Plan(1, 0), 5).figures
    liquid = flow(800, 1000, 4, 0.3, 1200, 0.4)
    assert figures["backlog", "CT"] == pytest.approx(liquid.backlog, rel=0.08)
    # After the restore nobody is diverted any more.
    assert figures["backlog_clearance_hours", "CT"] == pytest.approx(liquid.backlog / (1200 - 800), rel=0.15)
    assert figures["diverted", ""] == pytest.approx(0.4 * 800 * 4, rel=0.1)


def test_what_is_unread_grows_and_clears_as_a_liquid_does_while_devices_go_on() -> None:
    """Devices with room to spare, and readers that stop: the second queue is the one that is read off."""
    one = queue(80, 100, 10, variation=0.0)
    department = replace(
        one,
        modalities=(replace(one.modalities[0], reading=Duration(6, 0)),),
        readers=(Readers("all", (10,) * WEEK, ("CT",)),),
        services=(Service("CT", "all", ("CT",), result_minutes=90),),
        unit_values=UnitValues("EUR", deferred_exam=3, lost_exam=50, outage_hour=10),
    )
    scenario = stop(8, start_hour=20, exam_shares={"*": ((0.0, 1.0),)}, deferred={"all": 0.25}, lost={"all": 0.2})
    found = [outcome(department, scenario, Plan(1, 0), seed).figures for seed in range(6)]

    def mean(measure: str, subject: str = "") -> float:
        return float(np.mean([one[measure, subject] for one in found]))

    liquid = flow(80, 100, 8, 0.0, 100, 0.25)
    assert mean("unread", "all") == pytest.approx(liquid.backlog, rel=0.05)
    # After the restore nobody is postponed any more.
    assert mean("unread_clearance_hours", "all") == pytest.approx(liquid.backlog / (100 - 80), rel=0.12)
    assert mean("deferred") == pytest.approx(80 * 8 * 0.25 * 0.8, rel=0.08)
    assert mean("lost") == pytest.approx(80 * 8 * 0.25 * 0.2, rel=0.2)
    # The first that is late was ordered before the stop: six minutes of exam and six of waiting had gone by.
    assert mean("first_breach_hours", "CT") == pytest.approx((90 - 12) / 60, abs=0.03)
    for one in found:
        assert one["cost", ""] == one["deferred", ""] * 3 + one["lost", ""] * 50 + 80


def test_work_recovery_is_the_longer_of_the_urgent_backlog_and_of_reconciling() -> None:
    one = queue(60, 20, 10)
    scenario = Scenario("island", Scope.NETWORK, 0, 24, exam_shares={"*": ((0.0, 1.0),)})
    for people in (1.0, 1e4):
        department = replace(one, reconciliation=Reconciliation(people=people))
        figures = outcome(department, scenario, Plan(2, 1), 1).figures
        longer = max(figures["backlog_clearance_hours", "CT"], figures["reconciliation_hours", ""] / people)
        assert figures["work_recovery_hours", ""] == longer


def test_disks_queues_and_hands_agree_with_their_formulas() -> None:
    department = replace(queue(60, 20, 10, disk_gb=600), messages=Messages(0, 1800, 0.1))
    scenario = Scenario("island", Scope.NETWORK, 0, 24, exam_shares={"*": ((0.0, 1.0),)})
    figures = [outcome(department, scenario, Plan(2, 1), seed).figures for seed in range(6)]
    waiting, seconds = queue_drain(0.5, 0.1, 24)
    assert np.mean([one["messages_waiting", ""] for one in figures]) == pytest.approx(waiting, rel=0.01)
    assert np.mean([one["messages_drain_seconds", ""] for one in figures]) == pytest.approx(seconds, rel=0.02)
    # 600 GB less a tenth at half a gigabyte: 1080 exams at 60 an hour are 18 hours.
    assert np.mean([one["disk_full_hours", "CT"] for one in figures]) == pytest.approx(18.0, rel=0.03)
    hours = reconciliation_hours(1440, 3, 0.064, 15, 0, 5)
    assert np.mean([one["reconciliation_hours", ""] for one in figures]) == pytest.approx(hours, rel=0.05)


def test_both_runs_are_one_until_the_outage_begins(told: dict[str, Any], outage: dict[str, Any]) -> None:
    department = read_department(told)
    scenario = read_scenario(outage, department)
    exams = draw(department, (0.0,) * 3, 3, 1)
    one, other = run(department, exams, Plan(3, 1).outage(scenario), 504), run(department, exams, None, 504)
    for with_it, without in zip(one, other, strict=True):
        before = without.result < 178
        assert before.any()
        assert np.allclose(with_it.result[before], without.result[before])
        assert (with_it.start[np.isfinite(with_it.start)] >= with_it.come[np.isfinite(with_it.start)]).all()
        assert (with_it.result >= with_it.read).all()


@pytest.mark.parametrize("scope", list(Scope))
def test_what_had_begun_before_the_outage_is_taken_over_to_the_last_bit(
    told: dict[str, Any], outage: dict[str, Any], scope: Scope
) -> None:
    department = read_department(told)
    scenario = read_scenario({**outage, "scope": str(scope), "surge": {"urgent": 0.3}}, department)
    exams = draw(department, (0.0, 0.3, 0.0), 3, 5)
    placed, usual = Plan(3, 1).outage(scenario), run(department, exams, None, 504)
    anew, taken_over = run(department, exams, placed, 504), run(department, exams, placed, 504, usual)
    for one, other in zip(anew, taken_over, strict=True):
        for name in ("come", "start", "acquired", "read_start", "read", "result", "fate"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_whoever_is_on_shift_only_during_a_stop_takes_nobody() -> None:
    lunch = (1,) * 12 + (5,) + (1,) * 11
    (ct,) = queue(1, 1, 1).modalities
    department = replace(queue(1, 1, 1), modalities=(replace(ct, devices=lunch * 7),))
    ordered, none = np.array([10.0, 10.1, 10.2, 10.3]), np.zeros(4)
    kinds, marks = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.bool_)
    exams = Exams(ordered, kinds, kinds, np.array([3.0, 1.0, 1.0, 1.0]), none, none, none, none, marks)
    stop = Outage(Scenario("a stop", Scope.EVERYTHING, 11, 4), 11.0)
    (passage,) = run(department, [exams], stop, WEEK)
    assert passage.start == pytest.approx([10, 17, 18, 19])


def test_a_postponed_exam_gets_the_same_hour_of_a_later_week(told: dict[str, Any], outage: dict[str, Any]) -> None:
    department = read_department(told)
    scenario = read_scenario(outage, department)
    exams = draw(department, (0.0,) * 3, 4, 2)
    placed = Outage(scenario, 178.0)
    for drawn, passage in zip(exams, run(department, exams, placed, 672), strict=True):
        moved = passage.fate == DEFERRED
        assert moved.any()
        weeks = (passage.come[moved] - drawn.ordered[moved]) / WEEK
        assert np.allclose(weeks, weeks.round())
        assert (passage.come[moved] >= placed.ends).all()
        assert set(weeks.round()) <= {1, 2}


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(
    told: dict[str, Any], outage: dict[str, Any]
) -> None:
    department = read_department(told)
    scenario = read_scenario(outage, department)
    one, again, other = (outcome(department, scenario, Plan(), seed).figures for seed in (4, 4, 5))
    assert str(one) == str(again)
    assert str(one) != str(other)


def test_a_neighbours_surge_adds_exams_and_leaves_the_others_as_they_were(
    told: dict[str, Any], outage: dict[str, Any]
) -> None:
    department = read_department(told)
    quiet = draw(department, (0.0, 0.0, 0.0), 3, 9)
    busy = draw(department, (0.0, 0.35, 0.0), 3, 9)
    for one, other in zip(quiet, busy, strict=True):
        assert np.array_equal(one.ordered, other.ordered[~other.surge])
        assert np.array_equal(one.exam_hours, other.exam_hours[~other.surge])
    scenario = read_scenario({**outage, "surge": {"urgent": 0.35}}, department)
    surging = np.mean([outcome(department, scenario, Plan(), seed).figures["surge", ""] for seed in range(10)])
    assert surging == pytest.approx(750 / 7 * 0.35, rel=0.2)


def test_arrivals_follow_the_hours_of_the_week() -> None:
    hours = tuple(float(hour % 24 in (9, 10)) for hour in range(WEEK))
    department = replace(
        queue(1, 1, 10), modalities=(replace(queue(1, 1, 10).modalities[0], demands=(Demand("all", 700.0, hours),)),)
    )
    ordered = draw(department, (0.0,), 20, 0)[0].ordered
    assert set((ordered % 24).astype(int)) == {9, 10}
    assert len(ordered) == pytest.approx(14_000, rel=0.03)


def test_a_stroke_service_stands_its_limit_and_not_much_more_when_everything_stops(
    told: dict[str, Any], outage: dict[str, Any]
) -> None:
    """In a full stop who comes at random is late with probability 1 - limit / length."""
    told["modalities"][0]["exams"][0]["per_week"] = 400
    told["modalities"][0]["devices"] = 6
    told["readers"][0]["count"] = 8
    told["services"] = [{"name": "stroke", "class": "stroke", "modalities": ["CT"], "start_minutes": 30}]
    department = read_department(told)
    scenario = read_scenario({**outage, "scope": "everything"}, department)
    lengths = (0.25, 0.5, 1.0, 2.0)
    counts = add(count_late(department, scenario, Plan(2, 1), lengths, seed) for seed in range(25))
    assert counts["stroke", 0.25].share == 0
    assert counts["stroke", 1.0].share == pytest.approx(0.5, abs=0.15)
    assert counts["stroke", 2.0].share == pytest.approx(0.75, abs=0.12)
    found = tolerance_of(counts, "stroke", 0.95)
    assert found is not None
    assert (found.stands_hours, found.breached_hours) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("late", "stands", "breached"),
    [
        ((0, 0, 0, 0), 8, None),
        ((9, 9, 9, 9), 0, 1),
        ((0, 5, 9, 20), 2, 4),
        ((0, 6, 0, 0), 1, 2),
        ((9, 0, 0, 20), 0, 1),
    ],
)
def test_a_service_stands_what_is_shorter_than_its_first_breach(
    late: tuple[int, ...], stands: float, breached: float | None
) -> None:
    counts = {("ct", hours): Late(one, 100) for hours, one in zip((1.0, 2.0, 4.0, 8.0), late, strict=True)}
    found = tolerance_of(counts, "ct", 0.95)
    assert found is not None
    assert (found.stands_hours, found.breached_hours) == (stands, breached)
    assert found.surely_stands_hours <= stands
    assert found.surely_breached_hours is None or found.surely_breached_hours >= (breached or 0)


def test_a_few_exams_never_show_that_a_service_stands_an_outage_and_may_show_that_it_does_not() -> None:
    assert tolerance_of({("rare", 1.0): Late(0, 5)}, "rare", 0.95) is None
    few = tolerance_of({("rare", 0.5): Late(0, 5), ("rare", 1.0): Late(4, 9)}, "rare", 0.95)
    assert few == Tolerance(0.0, 1.0, 0.0, 1.0)


def test_exams_that_are_late_together_count_as_fewer() -> None:
    """Ten runs of a hundred exams, in one of which all are late: as good as ten exams, and not a thousand."""
    together = sum((Late.of_run(100 * (run == 0), 100) for run in range(10)), Late(0, 0))
    alone = sum((Late.of_run(10, 100) for _ in range(10)), Late(0, 0))
    assert (together.share, alone.share) == (0.1, 0.1)
    assert together.clustering == pytest.approx(100 * 10 / 9)
    assert alone.clustering == 1
    assert together.interval == pytest.approx(wilson(0.9, 9))


@pytest.mark.parametrize("true_hours", [0.6, 3.0, 21.0])
def test_seeds_are_spent_where_the_limit_of_a_service_lies(true_hours: float) -> None:
    """A service of which 4 % are late up to its limit, and 7 % beyond it: forty runs leave that open."""
    spent: dict[float, int] = {}

    def count(lengths: Sequence[float], seeds: range) -> Counts:
        for hours in lengths:
            spent[hours] = spent.get(hours, 0) + len(seeds)
        random = np.random.default_rng([11, len(spent), seeds.start])
        shares = {hours: 0.04 if hours <= true_hours else 0.07 for hours in lengths}
        return {
            ("ct", hours): sum((Late.of_run(int(random.binomial(20, share)), 20) for _ in seeds), Late(0, 0))
            for hours, share in shares.items()
        }

    counts = derive(count, ["ct"], 0.95, 2000)
    found = tolerance_of(counts, "ct", 0.95)
    assert found is not None
    assert found.breached_hours is not None
    assert found.stands_hours <= true_hours < found.breached_hours
    for hours in (found.stands_hours, found.breached_hours):
        low, high = counts["ct", hours].interval
        assert spent[hours] == 2000 or not low <= 0.05 < high
    assert sum(spent.values()) < 0.6 * 2000 * len(LENGTHS_HOURS)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_what_never_came_to_be_is_later_than_everything_and_is_counted() -> None:
    one = spread([1.0, 2.0, 3.0, float("nan")])
    assert (one.median, one.high, one.mean, one.never) == (3.0, None, None, 0.25)
    assert spread([1.0, 2.0]).median == 1.5


def test_money_is_told_only_where_the_site_gave_values(told: dict[str, Any], outage: dict[str, Any]) -> None:
    with_values = read_department(told)
    del told["unit_values"]
    without = read_department(told)
    scenario = read_scenario(outage, with_values)
    assert summarise([outcome(with_values, scenario, Plan(), 0)]).figures["cost", ""].median == 240.0
    assert ("cost", "") not in outcome(without, scenario, Plan(), 0).figures
