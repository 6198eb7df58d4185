"""What the landing log gives back after power cuts, full disks, refused syncs and rot."""

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
from safelight.vault.landing_format import FIRST_RECORD, HEADER_BYTES, PAGE_BYTES
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
def test_a_refusal_by_the_disk_costs_nothing_answered(tmp_path: Path, error: type[ResourceError]) -> None:
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


def _landed(folder: Path, count: int = 4) -> list[LandingPlace]:
    landing, _ = _open(folder)
    writer = landing.writer()
    places = []
    for number in range(count):
        take_in(writer, random.Random(number).randbytes(5000))
        places.append(writer.finish(head(f"1.2.{number}"), receipt()).place)
        writer.sync()
    writer.close()
    landing.close()
    return places


def _spoil(folder: Path, offset: int, data: bytes) -> None:
    with (folder / "landing" / "000001.log").open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _flip(folder: Path, bit: int) -> None:
    path = folder / "landing" / "000001.log"
    byte = path.read_bytes()[bit // 8]
    _spoil(folder, bit // 8, bytes([byte ^ 1 << bit % 8]))


def test_a_flipped_bit_in_a_header_is_mended_and_told(tmp_path: Path) -> None:
    places = _landed(tmp_path)
    for bit in (0, 100, 5000, HEADER_BYTES * 8 - 1):
        _flip(tmp_path, (places[1].offset - HEADER_BYTES) * 8 + bit)
        landing, found = _open(tmp_path)
        landing.close()
        assert [arrival.mended for arrival in found.arrivals] == [False, True, False, False]
        assert not found.damaged
        _flip(tmp_path, (places[1].offset - HEADER_BYTES) * 8 + bit)


@pytest.mark.parametrize("victim", range(4))
def test_a_flipped_bit_in_answered_bytes_is_damage_with_a_name_and_the_others_are_recovered(
    tmp_path: Path, victim: int
) -> None:
    places = _landed(tmp_path)
    _flip(tmp_path, (places[victim].offset + 1234) * 8 + 3)
    landing, found = _open(tmp_path)
    (bad,) = found.damaged
    assert (bad.segment, bad.offset) == (1, places[victim].offset - HEADER_BYTES)
    assert bad.sop_instance == f"1.2.{victim}"
    assert [one.sop_instance for one in found.arrivals] == [f"1.2.{n}" for n in range(4) if n != victim]
    kept = (tmp_path / "landing" / "quarantine" / bad.quarantine).read_bytes()
    assert len(kept) == bad.length
    assert not found.unanswered
    landing.close()


@pytest.mark.parametrize("victim", range(4))
@pytest.mark.parametrize("rubbish", [b"\0", b"\xff"], ids=["zeros", "ones"])
@pytest.mark.parametrize("extent", [1, 2], ids=["header", "all"])
def test_an_answered_record_whose_pages_are_lost_is_damage(
    tmp_path: Path, victim: int, rubbish: bytes, extent: int
) -> None:
    places = _landed(tmp_path)
    start = places[victim].offset - HEADER_BYTES
    _spoil(tmp_path, start, rubbish * PAGE_BYTES * extent)
    landing, found = _open(tmp_path)
    assert [(bad.segment, bad.offset, bad.length) for bad in found.damaged] == [(1, start, 2 * PAGE_BYTES)]
    assert len(found.arrivals) == 3
    assert not found.unanswered
    landing.close()


def test_damage_is_told_again_until_its_segment_is_freed(tmp_path: Path) -> None:
    places = _landed(tmp_path)
    _spoil(tmp_path, places[2].offset, b"rot")
    for _ in range(2):
        landing, found = _open(tmp_path)
        landing.close()
        assert len(found.damaged) == 1
    landing, found = _open(tmp_path)
    landing.release([arrival.place for arrival in found.arrivals])
    landing.close()
    _, found = _open(tmp_path)
    assert not found.damaged
    assert len(list((tmp_path / "landing" / "quarantine").iterdir())) == 1


def test_damage_that_cannot_be_copied_keeps_its_segment(tmp_path: Path) -> None:
    places = _landed(tmp_path)
    _spoil(tmp_path, places[2].offset, b"rot")
    disk = CrashDisk(frozenset({Call.CREATE}))
    disk.fail_at(1)
    landing, found = _open(tmp_path, disk)
    assert [bad.quarantine for bad in found.damaged] == [""]
    landing.release([arrival.place for arrival in found.arrivals])
    assert landing.usage().segments_freed == 0
    assert landing.usage().segments_in_use == 1
    landing.close()
    _, found = _open(tmp_path)
    assert len(found.arrivals) == 3
    assert len(found.damaged) == 1


@pytest.mark.parametrize("slot", [0, 1])
def test_a_lost_segment_head_costs_nothing(tmp_path: Path, slot: int) -> None:
    landing, _ = _open(tmp_path)
    landing.release([land(landing, b"an earlier one").place])
    assert landing.zero_one_freed()
    landing.close()
    _landed(tmp_path)
    _spoil(tmp_path, slot * PAGE_BYTES, b"\xff" * PAGE_BYTES)
    landing, found = _open(tmp_path)
    assert [one.sop_instance for one in found.arrivals] == ["1.2.0", "1.2.1", "1.2.2", "1.2.3"]
    landing.release([arrival.place for arrival in found.arrivals])
    assert landing.zero_one_freed()
    landing.close()
    landing, found = _open(tmp_path)
    assert not found.arrivals and not found.damaged
    landing.close()


def test_both_heads_lost_still_cost_nothing(tmp_path: Path) -> None:
    _landed(tmp_path)
    _spoil(tmp_path, 0, b"\xff" * FIRST_RECORD)
    landing, found = _open(tmp_path)
    assert len(found.arrivals) == 4
    landing.close()


def test_a_segment_of_rubbish_is_set_aside_and_told(tmp_path: Path) -> None:
    _landed(tmp_path)
    path = tmp_path / "landing" / "000001.log"
    path.write_bytes(random.Random(3).randbytes(path.stat().st_size))
    landing, found = _open(tmp_path)
    assert found.unreadable == ["000001.log"]
    assert (tmp_path / "landing" / "quarantine" / "segment-000001.log").exists()
    assert read_back(landing, land(landing, b"on").place) == b"on"
    landing.close()


def test_a_flipped_bit_in_a_segment_head_is_mended(tmp_path: Path) -> None:
    _landed(tmp_path)
    for bit in range(0, 512 * 8, 97):
        _flip(tmp_path, PAGE_BYTES * 8 + bit)
        landing, found = _open(tmp_path)
        landing.close()
        assert len(found.arrivals) == 4
        _flip(tmp_path, PAGE_BYTES * 8 + bit)


def test_a_data_set_that_poses_as_a_record_is_not_taken_for_one(tmp_path: Path) -> None:
    landing, _ = _open(tmp_path)
    victim = land(landing, b"v" * 5000, uid="1.2.1").place
    forged = (tmp_path / "landing" / "000001.log").read_bytes()[FIRST_RECORD : FIRST_RECORD + 2 * PAGE_BYTES]
    landing.release([victim])
    assert landing.zero_one_freed()
    # An instance that carries a copy of an earlier record of this very segment, where a page begins.
    place = land(landing, b"\0" * (PAGE_BYTES - HEADER_BYTES) + forged, uid="1.2.2").place
    landing.close()
    _spoil(tmp_path, place.offset - HEADER_BYTES, b"\xff" * 512)
    landing, found = _open(tmp_path)
    assert not found.arrivals
    assert len(found.damaged) == 1
    landing.close()


def test_opening_an_empty_log_finds_nothing(tmp_path: Path) -> None:
    landing, found = _open(tmp_path)
    assert found == LandingRecovery()
    landing.close()
    landing, found = _open(tmp_path)
    assert found == LandingRecovery()
    landing.close()
