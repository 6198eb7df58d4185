"""What the landing log gives back after bits rotted, pages were lost and segment heads were spoilt."""

import random
from pathlib import Path

import pytest

from safelight.core.clock import SetClock
from safelight.core.disk import Disk, RealDisk
from safelight.core.instance import LandingPlace
from safelight.vault.landing import Landing, LandingSettings
from safelight.vault.landing_format import FIRST_RECORD, HEADER_BYTES, PAGE_BYTES
from safelight.vault.landing_recovery import LandingRecovery
from support.crash_disk import Call, CrashDisk
from support.landed import START, head, land, read_back, receipt, take_in

TINY = LandingSettings(segment_bytes=64 * 1024, buffer_bytes=8 * 1024, free_bytes_min=0, ready_segments_max=1)


def _open(folder: Path, disk: Disk | None = None) -> tuple[Landing, LandingRecovery]:
    return Landing.open(folder / "landing", disk or RealDisk(), SetClock(START), TINY)


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
