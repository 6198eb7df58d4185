"""When waiting instances become packs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.protection.packing import Because, PackingSettings, SeriesGroup, Urgency, cut_packs, decide_packing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SETTINGS = PackingSettings()
MB = 1024 * 1024


def group(
    study: str, series: str, *, size: int = MB, age: float = 10, newest: float = 10, count: int = 4
) -> SeriesGroup:
    return SeriesGroup(
        study, series, 4, size, NOW - timedelta(seconds=max(age, newest)), NOW - timedelta(seconds=newest)
    )


def test_a_series_waits_until_it_has_been_quiet() -> None:
    large = 20 * MB
    assert not decide_packing([group("1", "1.1", size=large, newest=2.9)], NOW, SETTINGS, Urgency.CALM)
    (job,) = decide_packing([group("1", "1.1", size=large, newest=3)], NOW, SETTINGS, Urgency.CALM)
    assert (job.because, job.tail, job.series) == (Because.QUIET, True, ("1.1",))


def test_a_growing_series_gives_its_full_packs_and_keeps_its_tail() -> None:
    (job,) = decide_packing([group("1", "1.1", size=64 * MB, newest=0)], NOW, SETTINGS, Urgency.CALM)
    assert (job.because, job.tail) == (Because.FULL, False)


def test_a_series_that_never_falls_quiet_is_packed_after_the_longest_wait() -> None:
    (job,) = decide_packing([group("1", "1.1", age=60, newest=0.1)], NOW, SETTINGS, Urgency.CALM)
    assert (job.because, job.tail) == (Because.WAITED, True)


@pytest.mark.parametrize("urgency", [Urgency.PRESSURE, Urgency.FLUSH])
def test_pressure_and_flush_pack_what_still_arrives(urgency: Urgency) -> None:
    groups = [group("1", "1.1", newest=0, age=5), group("2", "2.1", size=30 * MB, newest=0, age=1)]
    jobs = decide_packing(groups, NOW, SETTINGS, urgency)
    assert {job.study for job in jobs} == {"1", "2"}
    assert all(job.tail for job in jobs)
    assert jobs[0].study == ("2" if urgency is Urgency.PRESSURE else "1")


def test_a_series_that_its_senders_have_done_with_need_not_be_quiet() -> None:
    done = replace(group("1", "1.1", size=20 * MB, newest=0.1), settled=True)
    (job,) = decide_packing([done], NOW, SETTINGS, Urgency.CALM)
    assert (job.because, job.tail) == (Because.QUIET, True)


def test_small_series_that_senders_have_done_with_wait_for_what_still_comes_of_their_study() -> None:
    done = replace(group("1", "1.1", newest=0.1), settled=True)
    assert not decide_packing([done, group("1", "1.2", newest=0.1)], NOW, SETTINGS, Urgency.CALM)
    (job,) = decide_packing([done, replace(done, series="1.2")], NOW, SETTINGS, Urgency.CALM)
    assert job.series == ("1.1", "1.2")


def test_small_series_wait_for_their_study_and_share_a_pack() -> None:
    groups = [group("1", f"1.{n}", size=MB) for n in range(40)]
    still = [*groups, group("1", "1.99", size=MB, newest=1, age=1)]
    assert not decide_packing(still, NOW, SETTINGS, Urgency.CALM)
    jobs = decide_packing(groups, NOW, SETTINGS, Urgency.CALM)
    assert [len(job.series) for job in jobs] == [16, 16, 8]


def test_studies_never_share_a_pack() -> None:
    jobs = decide_packing([group("1", "1.1"), group("2", "2.1")], NOW, SETTINGS, Urgency.CALM)
    assert [job.study for job in jobs] == ["1", "2"]


@pytest.mark.parametrize(("newest", "size", "urgency"), list(product([0, 3, 60], [1, 16 * MB, 64 * MB], Urgency)))
def test_every_state_of_a_series_is_packed_or_has_a_reason_to_wait(newest: int, size: int, urgency: Urgency) -> None:
    jobs = decide_packing([group("1", "1.1", size=size, newest=newest, age=newest)], NOW, SETTINGS, urgency)
    calmly_due = newest >= 3 or size >= 64 * MB
    assert bool(jobs) == (calmly_due or urgency is not Urgency.CALM)


@given(
    groups=st.lists(
        st.tuples(st.sampled_from("12"), st.integers(0, 30), st.integers(1, 80 * MB), st.floats(0, 100)),
        unique_by=lambda part: part[:2],
    ),
    urgency=st.sampled_from(Urgency),
)
def test_no_series_is_in_two_jobs_and_the_same_state_gives_the_same_jobs(
    groups: list[tuple[str, int, int, float]], urgency: Urgency
) -> None:
    waiting = [group(study, f"{study}.{n}", size=size, newest=newest) for study, n, size, newest in groups]
    jobs = decide_packing(waiting, NOW, SETTINGS, urgency)
    taken = [(job.study, series) for job in jobs for series in job.series]
    assert len(taken) == len(set(taken))
    assert list(jobs) == list(decide_packing(waiting[::-1], NOW, SETTINGS, urgency))
    if urgency in (Urgency.PRESSURE, Urgency.FLUSH):
        assert set(taken) == {(part.study, part.series) for part in waiting}


@given(sizes=st.lists(st.integers(1, 100)), limit=st.integers(1, 120), tail=st.booleans())
def test_packs_hold_whole_instances_in_order_and_stay_within_the_limit(
    sizes: list[int], limit: int, tail: bool
) -> None:
    parts = list(cut_packs(sizes, limit, tail=tail))
    taken = [index for part in parts for index in part]
    assert taken == list(range(len(taken)))
    assert all(len(part) == 1 or sum(sizes[i] for i in part) <= limit for part in parts)
    left = sizes[len(taken) :]
    assert not left if tail else sum(left) < limit
    assert all(sum(sizes[i] for i in a) + sizes[b.start] > limit for a, b in pairwise(parts))
