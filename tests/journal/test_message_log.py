"""The message log: what was answered is there, whatever happens to the machine."""

import random
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.disk import Disk, DiskFailed, DiskFull, RealDisk
from safelight.core.errors import ResourceError
from safelight.journal.message_log import MessageLog, MessageLogClosed, MessageLogFaults
from safelight.journal.message_log_format import FIRST_RECORD, SECTOR_BYTES, Arrived, NewMessage, records
from support.crash_disk import DURABLE, EVERY, Call, CrashDisk, FsyncLiar, PowerCut, When

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEGMENT = 64 * 1024
CLEAN = MessageLogFaults()


def _new(raw: bytes, arrived: Arrived = Arrived.MESSAGE) -> NewMessage:
    return NewMessage(arrived, AT, "ris.example", raw)


def _open(folder: Path, disk: Disk | None = None, journaled: int = 0) -> tuple[MessageLog, MessageLogFaults]:
    return MessageLog.open(folder / "messages", disk or RealDisk(), journaled, SEGMENT)


def _found(folder: Path, journaled: int = 0) -> tuple[list[bytes], MessageLogFaults]:
    log, faults = _open(folder, journaled=journaled)
    return [one.raw for one in log.left_over(journaled)], faults


def test_what_was_taken_is_found_again_in_order_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    log, faults = _open(tmp_path)
    assert faults == CLEAN
    taken = log.take([_new(b"one"), _new(b"", Arrived.STRAY)]) + log.take([_new(b"x" * 300_000)])
    assert [one.sequence for one in taken] == [1, 2, 3]
    again, faults = _open(tmp_path)
    assert faults == CLEAN
    assert list(again.left_over(0)) == taken
    assert list(again.left_over(2)) == taken[2:]
    assert again.take([_new(b"next")])[0].sequence == 4


def test_a_segment_goes_when_all_of_it_is_in_the_journal_and_no_sooner(tmp_path: Path) -> None:
    log, _ = _open(tmp_path)
    for _ in range(8):
        log.take([_new(b"x" * 20_000)])
    assert log.segments > 2
    log.release(3)
    assert _found(tmp_path)[0]
    last = 8
    log.release(last)
    assert log.segments == 1
    log.close(last)
    assert not list((tmp_path / "messages").iterdir())
    again, _ = _open(tmp_path, journaled=last)
    assert again.take([_new(b"y")])[0].sequence == last + 1


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    log, _ = _open(tmp_path)
    log.close(0)
    with pytest.raises(MessageLogClosed):
        log.take([_new(b"late")])


def test_many_threads_share_syncs_and_each_finds_its_own(tmp_path: Path) -> None:
    disk = CrashDisk(frozenset({Call.SYNC}))
    log, _ = MessageLog.open(tmp_path / "messages", disk)
    answered: dict[int, bytes] = {}
    begin = threading.Barrier(10)

    def send(number: int) -> None:
        begin.wait()
        for count in range(40):
            raw = f"{number}/{count}".encode()
            (one,) = log.take([_new(raw)])
            answered[one.sequence] = one.raw
            assert one.raw == raw

    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answered) == list(range(1, 401))
    assert len(disk.calls) < 400
    found, faults = _found(tmp_path)
    assert faults == CLEAN
    assert found == [answered[number] for number in sorted(answered)]
    for number in range(10):
        mine = [raw for raw in found if raw.startswith(f"{number}/".encode())]
        assert mine == [f"{number}/{count}".encode() for count in range(40)]


def _work(log: MessageLog, answered: dict[int, bytes], *tolerated: type[ResourceError]) -> None:
    chance = random.Random(1)
    for group in ([900], [10, 20, 30], [30_000, 5], [40_000], [100_000], [1, 2], [600] * 5):
        try:
            taken = log.take([_new(chance.randbytes(size)) for size in group])
        except tolerated:
            continue
        answered.update({one.sequence: one.raw for one in taken})
        with suppress(*tolerated):
            log.release(2)


def _check(folder: Path, answered: dict[int, bytes]) -> MessageLogFaults:
    log, faults = _open(folder, journaled=2)
    found = {one.sequence: one.raw for one in log.left_over(2)}
    must = {number: raw for number, raw in answered.items() if number > 2}
    assert must.items() <= found.items()
    assert not faults.damaged and not faults.unreadable
    (more,) = log.take([_new(b"after the cut")])
    assert more.sequence > max(found, default=0)
    return faults


def _calls(folder: Path, counted: frozenset[Call]) -> int:
    disk = CrashDisk(counted)
    log, _ = _open(folder, disk)
    _work(log, {})
    log.close(0)
    return len(disk.calls)


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("seed", range(3))
def test_no_answered_message_is_lost_by_a_cut_at_any_durable_write(tmp_path: Path, when: When, seed: int) -> None:
    counted = frozenset(DURABLE | {Call.WRITE})
    total = _calls(tmp_path / "counting", counted)
    assert total > 20
    for number in range(1, total + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        disk, answered = CrashDisk(counted), {}
        disk.cut_at(number, when)
        with suppress(PowerCut):
            log, _ = _open(folder, disk)
            _work(log, answered)
            log.close(0)
        disk.lose_power(seed)
        _check(folder, answered)


@pytest.mark.parametrize("error", [DiskFull, DiskFailed])
def test_a_refused_write_answers_nobody_and_the_next_message_flows(tmp_path: Path, error: type[ResourceError]) -> None:
    total = _calls(tmp_path / "counting", EVERY)
    for number in range(1, total + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        disk, answered = CrashDisk(EVERY), {}
        disk.fail_at(number, error)  # type: ignore[arg-type]
        try:
            log, _ = _open(folder, disk)
        except ResourceError:
            continue
        _work(log, answered, ResourceError)
        assert len(answered) >= 10
        disk.lose_power(number)
        _check(folder, answered)


def test_the_crash_test_can_fail(tmp_path: Path) -> None:
    lost = False
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disk, answered = CrashDisk(), {}
        log, _ = _open(folder, FsyncLiar(disk))
        _work(log, answered)
        disk.lose_power(seed)
        again, _ = _open(folder, journaled=2)
        found = {one.sequence: one.raw for one in again.left_over(2)}
        lost |= not {number: raw for number, raw in answered.items() if number > 2}.items() <= found.items()
    assert lost


def test_a_flipped_bit_in_an_answered_message_is_told_and_the_others_are_given(tmp_path: Path) -> None:
    log, _ = _open(tmp_path)
    taken = [log.take([_new(f"message {number}".encode() * 20)])[0] for number in range(5)]
    path = next((tmp_path / "messages").iterdir())
    whole = path.read_bytes()
    at = whole.index(b"message 2")
    for offset in (at, at - 60, at - 107):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
        found, faults = _found(tmp_path)
        assert faults.damaged == (3,)
        assert found == [one.raw for one in taken if one.sequence != 3]
    path.write_bytes(b"\0" * FIRST_RECORD + whole[FIRST_RECORD:])
    assert _found(tmp_path)[1].unreadable == (path.name,)


def test_a_message_that_looks_like_a_record_is_not_taken_for_one(tmp_path: Path) -> None:
    log, _ = _open(tmp_path)
    log.take([_new(b"first")])
    path = next((tmp_path / "messages").iterdir())
    forged = path.read_bytes()[FIRST_RECORD : FIRST_RECORD + SECTOR_BYTES]
    log.close(0)
    other, _ = _open(tmp_path / "other")
    for pad in range(0, SECTOR_BYTES, 37):
        other.take([_new(b"\0" * pad + forged)])
    found, faults = _found(tmp_path / "other")
    assert faults == CLEAN
    assert b"first" not in found and len(found) == len(range(0, SECTOR_BYTES, 37))


@given(st.binary(max_size=2000), st.binary(min_size=16, max_size=16))
def test_no_bytes_on_the_disk_make_reading_fail(noise: bytes, salt: bytes) -> None:
    assert list(records(b"\0" * FIRST_RECORD + b"SLmsr\r\n\x1a" + noise, salt)) == []
