"""Queues against what theory says of them."""

from itertools import product
from math import factorial, sqrt

import numpy as np
import pytest

from safelight.impact.closed_forms import disk_hours, erlang_c, flow, queue_drain, reconciliation_hours
from safelight.impact.station import WorkingTime, serve


def test_a_single_server_serves_by_rank_and_then_by_arrival() -> None:
    assert serve([0, 1, 2, 3], [10, 1, 1, 1], [1, 1, 0, 1], [(0, 1)], 100) == [0, 11, 10, 12]


def test_who_has_begun_is_not_interrupted_when_the_shift_ends_and_nobody_else_begins() -> None:
    starts = serve([0, 0.5, 1.5], [2, 2, 1], [0, 0, 0], [(0, 2), (1, 0), (5, 1)], 100)
    assert starts == [0, 0.5, 5]


def test_what_does_not_begin_before_the_end_is_never() -> None:
    assert serve([0, 1], [10, 1], [0, 0], [(0, 1)], 5)[1] == float("inf")


@pytest.mark.parametrize(
    "shifts",
    [
        [(0.0, 2), (20.0, 0), (30.0, 1), (45.0, 3)],
        # Shorter than a service: whoever goes home before the end of one may be called back before it.
        [(0.0, 3), (5.0, 1), (7.0, 4), (20.0, 0), (22.0, 2), (24.0, 1), (25.0, 3)],
    ],
)
def test_a_slow_check_by_hand_agrees_on_random_queues(shifts: list[tuple[float, int]]) -> None:
    """An independent simulation: step by step in small ticks, which nobody would use but everybody can read."""
    random = np.random.default_rng(7)
    for _ in range(40):
        arrivals = np.sort(random.integers(0, 60, 25)).astype(float).tolist()
        works = random.integers(1, 9, 25).astype(float).tolist()
        ranks = random.integers(0, 3, 25).tolist()
        assert serve(arrivals, works, ranks, shifts, 500.0) == _by_hand(arrivals, works, ranks, shifts)


def _by_hand(
    arrivals: list[float], works: list[float], ranks: list[int], shifts: list[tuple[float, int]]
) -> list[float]:
    starts = [float("inf")] * len(arrivals)
    ends: list[float] = []
    for tick in range(500):
        ends = [end for end in ends if end > tick]
        servers = [count for at, count in shifts if at <= tick][-1]
        queue = sorted((ranks[i], i) for i in range(len(arrivals)) if arrivals[i] <= tick and starts[i] > tick)
        queue = [(rank, i) for rank, i in queue if starts[i] == float("inf")]
        for _, i in queue[: max(0, servers - len(ends))]:
            starts[i] = float(tick)
            ends.append(tick + works[i])
    return starts


@pytest.mark.parametrize(("wall", "work"), [(5, 5), (10, 10), (15, 10), (20, 10), (30, 15), (40, 20), (50, 32)])
def test_working_time_stands_still_in_a_stop_and_creeps_at_half_speed(wall: float, work: float) -> None:
    clock = WorkingTime([(10, 0.0), (20, 0.5), (40, 1.2)])
    assert clock.to_work(np.array([wall]))[0] == pytest.approx(work)
    back = clock.to_wall(np.array([float(work)]))[0]
    assert back == pytest.approx(20 if 10 <= wall <= 20 else wall)


@pytest.mark.slow
@pytest.mark.parametrize(("arrivals", "rate", "servers"), [(8.0, 5.0, 2), (6.0, 2.5, 3), (3.0, 5.0, 1)])
def test_mean_waits_are_those_of_erlang_c_within_two_percent(arrivals: float, rate: float, servers: int) -> None:
    """Batch means over two million exams; the confidence interval must be narrow enough and hold the truth."""
    means, count = [], 25_000
    for seed in range(80):
        random = np.random.default_rng([11, seed])
        come = np.cumsum(random.exponential(1 / arrivals, count))
        starts = serve(come.tolist(), random.exponential(1 / rate, count).tolist(), [0] * count, [(0, servers)], 1e9)
        means.append(float((np.array(starts) - come)[2_000:].mean()))
    truth, error = erlang_c(arrivals, rate, servers)[1], np.std(means, ddof=1) / sqrt(len(means))
    assert abs(np.mean(means) - truth) <= 0.02 * truth
    assert 1.96 * error <= 0.02 * truth
    assert abs(np.mean(means) - truth) <= 3.3 * error


def test_erlang_c_is_the_published_vector_and_its_own_definition() -> None:
    waits, hours = erlang_c(8, 5, 2)
    assert (round(waits, 3), round(hours * 60, 1)) == (0.711, 21.3)
    for offered, servers in product((0.5, 2.5), (3, 5)):
        top = offered**servers / factorial(servers) / (1 - offered / servers)
        whole = sum(offered**k / factorial(k) for k in range(servers)) + top
        assert erlang_c(offered, 1, servers)[0] == pytest.approx(top / whole)


def test_an_outage_as_a_liquid_gives_the_published_vectors() -> None:
    one = flow(8, 10, 24, 0.3, 12)
    assert (one.backlog, one.clear_hours, one.delay_exam_hours) == pytest.approx((120, 30, 3240))
    two = flow(8, 10, 24, 0.3, 12, 0.4)
    assert (two.backlog, two.clear_hours, two.delay_exam_hours) == pytest.approx((43.2, 6, 648))
    three = flow(8, 10, 144, 0.3, 12, 0.4)
    assert (three.backlog, three.clear_hours) == pytest.approx((259.2, 36))
    assert flow(8, 10, 8, 0, 8).clear_hours == float("inf")


def test_queues_disks_and_hands_have_their_formulas() -> None:
    waiting, seconds = queue_drain(0.5, 0.1, 8)
    assert (waiting, round(seconds)) == (14_400, 1_516)
    assert queue_drain(10, 0.1, 1)[1] == float("inf")
    assert disk_hours(500, 0.1, 0.5, 10) == pytest.approx(90)
    assert reconciliation_hours(100, 3, 0.064, 15, 0.1, 5) == pytest.approx((300 + 96 + 50) / 60)
