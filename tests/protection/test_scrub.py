"""Every copy is read back within the days that the settings promise."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from safelight.protection.finding import FindingCode
from safelight.protection.scrub import CopySeen, ScrubSettings, choose, due_bytes, overdue

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = ScrubSettings(days=30)


def copy(size: int, *, seen: timedelta | None, made: timedelta = timedelta(days=90), name: str = "p") -> CopySeen:
    return CopySeen(name, "home", size, None if seen is None else NOW - seen, NOW - made)


@given(sizes=st.lists(st.integers(1, 1000), min_size=1, max_size=40), hours=st.integers(1, 100))
def test_scrubbing_by_the_budget_sees_every_copy_within_the_days(sizes: list[int], hours: int) -> None:
    seen = {str(number): NOW for number in range(len(sizes))}
    now = NOW
    step = timedelta(hours=hours)
    while now - NOW < timedelta(days=30):
        now += step
        copies = [CopySeen(name, "home", sizes[int(name)], at, NOW) for name, at in seen.items()]
        copies.sort(key=lambda one: (one.seen_at or NOW, one.pack))
        for one in choose(copies, due_bytes(sum(sizes), step, SETTINGS)):
            seen[one.pack] = now
    assert all(at > NOW for at in seen.values())


def test_a_long_pause_asks_for_everything_once_and_no_more() -> None:
    assert due_bytes(1000, timedelta(days=300), SETTINGS) == 1000
    assert due_bytes(1000, timedelta(0), SETTINGS) == 0


def test_a_copy_larger_than_the_budget_is_read_all_the_same() -> None:
    large, small = copy(10_000, seen=timedelta(days=9)), copy(1, seen=timedelta(days=8))
    assert list(choose([large, small], 5)) == [large]
    assert list(choose([large], 0)) == []


def test_a_copy_unseen_for_longer_than_promised_is_a_finding() -> None:
    assert overdue(None, NOW, SETTINGS) is None
    assert overdue(copy(1, seen=timedelta(days=30)), NOW, SETTINGS) is None
    assert overdue(copy(1, seen=None, made=timedelta(days=29)), NOW, SETTINGS) is None
    for late in (copy(1, seen=timedelta(days=31)), copy(1, seen=None, made=timedelta(days=31))):
        finding = overdue(late, NOW, SETTINGS)
        assert finding is not None
        assert finding.code is FindingCode.SCRUB_BEHIND
