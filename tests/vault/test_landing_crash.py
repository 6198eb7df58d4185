"""Invariant I1: no answered instance is lost by power cuts, full disks and refused syncs."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.disk import Disk, DiskFailed, DiskFull, RealDisk
from safelight.core.errors import ResourceError
from safelight.core.instance import Arrival, LandingPlace
from safelight.vault.landing import Landing, LandingSettings
from safelight.vault.landing_recovery import LandingRecovery
from support.crash_disk import DURABLE, EVERY, Call, CrashDisk, FsyncLiar, PowerCut, When
from support.landed import START, head, land, read_back, receipt, take_in

TINY = LandingSettings(segment_bytes=64 * 1024, buffer_bytes=8 * 1024, free_bytes_min=0, ready_segments_max=1)
SEEDS = range(2)


@dataclass
class Day:
    """What was answered and what was let go of, while a log was used until something stopped it."""

    answered: dict[str, bytes] = field(default_factory=dict)
    releasing: set[str] = field(default_factory=set)
    sent: dict[str, bytes] = field(default_factory=dict)


def _open(folder: Path, disk: Disk | None = None) -> tuple[Landing, LandingRecovery]:
    return Landing.open(folder / "landing", disk or RealDisk(), SetClock(START), TINY)


def _work(landing: Landing, day: Day, *tolerated: type[ResourceError]) -> None:
    """Single and grouped stores, long ones, an abandoned one, two associations, release and reuse."""
    chance = random.Random(1)
    arrivals: dict[str, Arrival] = {}
    number = 0

    def associate(sizes: list[int], group: int, abandoned: int = 0) -> None:
        nonlocal number
        writer = landing.writer()
        waiting: list[tuple[str, Arrival]] = []
        try:
            for size in sizes:
                number += 1
                uid, data = f"1.2.{number}", chance.randbytes(size)
                day.sent[uid] = data
                take_in(writer, data)
                try:
                    waiting.append((uid, writer.finish(head(uid), receipt())))
                except tolerated:
                    continue
                if len(waiting) == group:
                    commit(writer.sync, waiting)
            commit(writer.sync, waiting)
            if abandoned:
                take_in(writer, chance.randbytes(abandoned))
                writer.abandon()
        finally:
            with suppress(*tolerated):
                writer.close()

    def commit(sync: Callable[[], None], waiting: list[tuple[str, Arrival]]) -> None:
        try:
            sync()
        except tolerated:
            waiting.clear()
            return
        for uid, arrival in waiting:
            day.answered[uid] = day.sent[uid]
            arrivals[uid] = arrival
        waiting.clear()

    def release(uids: list[str]) -> None:
        day.releasing.update(uids)
        with suppress(*tolerated):
            landing.release([arrivals[uid].place for uid in uids])
            while landing.zero_one_freed():
                pass

    associate([3000, 9000, 30_000], group=1, abandoned=20_000)
    associate([500, 600, 25_000, 700], group=4)
    release([uid for uid in ("1.2.1", "1.2.2", "1.2.3", "1.2.4") if uid in arrivals])
    associate([90_000, 100], group=2)
    release([uid for uid in ("1.2.5", "1.2.6", "1.2.7", "1.2.8") if uid in arrivals])
    associate([2000, 40_000], group=1)


def _check(folder: Path, day: Day) -> LandingRecovery:
    landing, found = _open(folder)
    recovered = {arrival.sop_instance: read_back(landing, arrival.place) for arrival in found.arrivals}
    must = day.answered.keys() - day.releasing
    assert must <= recovered.keys()
    assert all(data == day.sent[uid] for uid, data in recovered.items())
    assert not found.damaged
    assert not found.unreadable
    assert all(bad.quarantine for bad in found.unanswered)
    assert landing.usage().records_waiting == len(found.arrivals)
    # It goes on: what is recovered can be let go of, and a new instance lands.
    land(landing, b"after the cut", uid="1.9")
    landing.release([arrival.place for arrival in found.arrivals])
    while landing.zero_one_freed():
        pass
    assert landing.usage().records_waiting == 1
    landing.close()
    again, found_again = _open(folder)
    assert [arrival.sop_instance for arrival in found_again.arrivals] == ["1.9"]
    assert not found_again.damaged and not found_again.unanswered
    again.close()
    return found


def _calls(tmp_path: Path, counted: frozenset[Call]) -> int:
    disk = CrashDisk(counted)
    landing, _ = _open(tmp_path / "counting", disk)
    _work(landing, Day())
    return len(disk.calls)


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("counted", [DURABLE, EVERY], ids=["durable", "every"])
def test_no_answered_instance_is_lost_by_a_power_cut(tmp_path: Path, when: When, counted: frozenset[Call]) -> None:
    (tmp_path / "counting").mkdir()
    calls = _calls(tmp_path, counted)
    assert calls > 25
    unanswered = 0
    for number in range(1, calls + 1):
        for seed in SEEDS:
            folder = tmp_path / f"{number}-{seed}"
            folder.mkdir()
            day = Day()
            disk = CrashDisk(counted)
            disk.cut_at(number, when)
            with pytest.raises(PowerCut):
                landing, _ = _open(folder, disk)
                _work(landing, day)
            disk.lose_power(seed)
            unanswered += len(_check(folder, day).unanswered)
    assert unanswered or (counted is DURABLE and when is When.AFTER)


@pytest.mark.parametrize("when", list(When))
def test_a_power_cut_while_recovering_from_one_loses_nothing(tmp_path: Path, when: When) -> None:
    for number in range(1, 12):
        folder = tmp_path / str(number)
        folder.mkdir()
        day = Day()
        disk = CrashDisk(EVERY)
        disk.cut_at(50)
        with pytest.raises(PowerCut):
            landing, _ = _open(folder, disk)
            _work(landing, day)
        disk.lose_power(number)
        second = CrashDisk(EVERY)
        second.cut_at(number, when)
        with suppress(PowerCut):
            landing, _ = _open(folder, second)
            landing.close()
        second.lose_power(number)
        _check(folder, day)


def test_a_disk_that_lies_about_syncing_is_caught_by_these_tests(tmp_path: Path) -> None:
    lost = 0
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        day = Day()
        disk = CrashDisk()
        landing, _ = _open(folder, FsyncLiar(disk))
        _work(landing, day)
        disk.lose_power(seed)
        try:
            _check(folder, day)
        except AssertionError:
            lost += 1
    assert lost


@pytest.mark.parametrize("error", [DiskFull, DiskFailed])
def test_a_refusal_by_the_disk_costs_nothing_answered(tmp_path: Path, error: type[DiskFull] | type[DiskFailed]) -> None:
    (tmp_path / "counting").mkdir()
    calls = _calls(tmp_path, EVERY)
    refused = 0
    for number in range(2, calls + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        day = Day()
        disk = CrashDisk(EVERY)
        landing, _ = _open(folder, disk)
        disk.fail_at(number, error)
        _work(landing, day, error)
        refused += len(day.sent) - len(day.answered)
        assert len(day.answered) >= len(day.sent) - 4
        for uid, place in _places(landing):
            assert read_back(landing, place) == day.sent[uid]
        land(landing, b"and on it goes", uid="1.8")
        day.sent["1.8"] = day.answered["1.8"] = b"and on it goes"
        disk.lose_power(number)
        _check(folder, day)
    assert refused


def _places(landing: Landing) -> Iterator[tuple[str, LandingPlace]]:
    for check in landing.verify():
        assert not check.damage
        yield check.sop_instance, check.place


def test_a_sync_that_fails_while_the_segment_is_changed_is_told_by_the_next_sync(tmp_path: Path) -> None:
    disk = CrashDisk(frozenset({Call.SYNC}))
    landing, _ = _open(tmp_path, disk)
    writer = landing.writer()
    take_in(writer, b"a" * 30_000)
    writer.finish(head("1.1"), receipt())
    disk.fail_at(len(disk.calls) + 1, DiskFailed)
    take_in(writer, b"b" * 6_000)
    writer.finish(head("1.2"), receipt())
    take_in(writer, b"c" * 50_000)
    writer.finish(head("1.3"), receipt())
    with pytest.raises(DiskFailed):
        writer.sync()
    assert landing.usage().records_waiting == 0
    take_in(writer, b"d")
    arrival = writer.finish(head("1.4"), receipt())
    writer.sync()
    assert read_back(landing, arrival.place) == b"d"
