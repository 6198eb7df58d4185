"""The landing log in daily use: taking in, reading, releasing, reusing, refusing, verifying."""

import hashlib
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from safelight.core.clock import SetClock
from safelight.core.disk import Disk, DiskFull, RealDisk
from safelight.core.instance import Arrival, LandingPlace, Wrapper
from safelight.vault.landing import Landing, LandingFull, LandingReleased, LandingSettings
from safelight.vault.landing_format import FIRST_RECORD, HEADER_BYTES, LandingFactsTooLong
from safelight.vault.landing_writer import NothingBegun
from support.landed import SMALL, START, head, land, read_back, receipt, take_in

Opened = Callable[..., Landing]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Landing] = []

    def _open(settings: LandingSettings = SMALL, disk: Disk | None = None) -> Landing:
        landing, _ = Landing.open(tmp_path / "landing", disk or RealDisk(), SetClock(START), settings)
        made.append(landing)
        return landing

    yield _open
    for landing in made:
        landing.close()


SIZES = [1, 3071, 3072, 3073, 4096, 7168, 8191, 8192, 15360, 15361, 16384, 50_000, 131_072, 400_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1000, 65_536])
def test_what_came_in_is_what_is_read(opened: Opened, size: int, piece: int) -> None:
    data = random.Random(size).randbytes(size)
    landing = opened()
    arrival = land(landing, data, piece=piece)
    assert arrival.digest == hashlib.sha256(data).digest()
    assert arrival.place.size == size
    assert read_back(landing, arrival.place) == data


@pytest.mark.parametrize("prefix_bytes", [132, 20_000])
def test_a_prefix_is_kept_and_not_hashed(opened: Opened, prefix_bytes: int) -> None:
    landing = opened()
    prefix, data = random.Random(1).randbytes(prefix_bytes), random.Random(2).randbytes(30_000)
    writer = landing.writer()
    writer.begin(prefix)
    take_in(writer, data)
    arrival = writer.finish(head("1.2.3"), receipt(), Wrapper(prefix_size=prefix_bytes))
    writer.close()
    assert arrival.digest == hashlib.sha256(data).digest()
    assert read_back(landing, arrival.place) == prefix + data


def test_the_start_of_the_data_set_can_be_scanned_before_the_instance_is_finished(opened: Opened) -> None:
    writer = opened().writer()
    data = random.Random(3).randbytes(100_000)
    take_in(writer, data)
    assert data.startswith(bytes(writer.first_bytes()))
    assert len(writer.first_bytes()) >= SMALL.buffer_bytes - HEADER_BYTES
    assert writer.size == 100_000
    writer.close()


def test_ranges_are_read_and_end_with_the_instance(opened: Opened) -> None:
    landing = opened()
    place = land(landing, bytes(range(200)) * 10).place
    land(landing, b"the next one")
    source = landing.read(place)
    assert source.size == 2000
    assert source.read(198, 4) == bytes([198, 199, 0, 1])
    assert source.read(1998, 100) == bytes([198, 199])
    assert source.read(5000, 10) == b""


def test_an_abandoned_instance_leaves_nothing_behind(opened: Opened, tmp_path: Path) -> None:
    landing = opened()
    writer = landing.writer()
    take_in(writer, b"kept")
    kept = writer.finish(head("1.1"), receipt())
    take_in(writer, b"\xaa" * 60_000)
    writer.abandon()
    take_in(writer, b"next")
    following = writer.finish(head("1.2"), receipt())
    writer.close()
    assert read_back(landing, kept.place) == b"kept"
    assert read_back(landing, following.place) == b"next"
    assert b"\xaa" * 100 not in (tmp_path / "landing" / "000001.log").read_bytes()


def test_an_instance_without_bytes_is_refused(opened: Opened) -> None:
    writer = opened().writer()
    with pytest.raises(NothingBegun):
        writer.finish(head("1.2"), receipt())


def test_uids_that_outgrow_the_header_are_refused_and_the_next_instance_lands(opened: Opened) -> None:
    landing = opened()
    writer = landing.writer()
    take_in(writer, b"bytes")
    with pytest.raises(LandingFactsTooLong):
        writer.finish(head("1." * 600), receipt())
    take_in(writer, b"good")
    arrival = writer.finish(head("1.2"), receipt())
    writer.close()
    assert read_back(landing, arrival.place) == b"good"


def test_an_instance_longer_than_a_segment_lands_whole(opened: Opened) -> None:
    landing = opened()
    data = random.Random(5).randbytes(SMALL.segment_bytes * 2 + 77)
    small = land(landing, b"before")
    large = land(landing, data, piece=10_000)
    after = land(landing, b"after")
    assert [read_back(landing, one.place) for one in (small, large, after)] == [b"before", data, b"after"]


def test_short_associations_share_a_segment(opened: Opened) -> None:
    landing = opened()
    places = [land(landing, b"one instance").place for _ in range(10)]
    assert {place.segment for place in places} == {1}


def test_associations_at_the_same_time_write_different_segments(opened: Opened) -> None:
    landing = opened()
    arrivals: dict[int, list[tuple[Arrival, bytes]]] = {}

    def associate(number: int) -> None:
        chance = random.Random(number)
        writer = landing.writer()
        arrivals[number] = []
        for index in range(40):
            data = chance.randbytes(chance.choice([200, 5_000, 40_000]))
            take_in(writer, data)
            arrivals[number].append((writer.finish(head(f"1.{number}.{index}"), receipt()), data))
            writer.sync()
        writer.close()

    threads = [Thread(target=associate, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [pair for many in arrivals.values() for pair in many]
    assert len(everything) == 160
    assert all(read_back(landing, arrival.place) == data for arrival, data in everything)
    assert landing.usage().records_waiting == 160
    assert [check.damage for check in landing.verify()] == [""] * 160


def test_a_segment_is_freed_when_its_last_record_is_released_and_no_writer_has_it(opened: Opened) -> None:
    landing = opened()
    writer = landing.writer()
    places = []
    for index in range(3):
        take_in(writer, b"x" * 5000)
        places.append(writer.finish(head(f"1.{index}"), receipt()).place)
    writer.sync()
    landing.release(places[:2])
    landing.release(places[:2])
    assert read_back(landing, places[2]) == b"x" * 5000
    landing.release(places)
    assert landing.usage().segments_freed == 0
    assert landing.usage().bytes_waiting == 0
    writer.close()
    assert landing.usage().segments_freed == 1
    assert landing.usage().bytes_held == 0


def test_a_released_place_is_never_read_as_something_else(opened: Opened) -> None:
    landing = opened()
    old = land(landing, b"first patient").place
    source = landing.read(old)
    landing.release([old])
    assert landing.zero_one_freed()
    new = land(landing, b"other patient").place
    assert (new.segment, new.offset) == (old.segment, old.offset)
    with pytest.raises(LandingReleased):
        landing.read(old)
    with pytest.raises(LandingReleased):
        source.read(0, 5)
    landing.release([old])
    assert read_back(landing, new) == b"other patient"


def test_freed_segments_are_overwritten_with_zeros_and_cut_back(opened: Opened, tmp_path: Path) -> None:
    landing = opened()
    place = land(landing, b"\xcd" * (SMALL.segment_bytes + 9000)).place
    landing.release([place])
    assert landing.zero_one_freed()
    assert not landing.zero_one_freed()
    content = (tmp_path / "landing" / "000001.log").read_bytes()
    assert len(content) == SMALL.segment_bytes
    assert not content[FIRST_RECORD:].strip(b"\0")
    assert landing.usage().segments_ready == 1


def test_segments_beyond_those_kept_ready_are_removed_and_their_names_never_mistaken(
    opened: Opened, tmp_path: Path
) -> None:
    landing = opened(LandingSettings(segment_bytes=65_536, buffer_bytes=8192, free_bytes_min=0, ready_segments_max=1))
    writers = [landing.writer() for _ in range(3)]
    places: list[LandingPlace] = []
    for writer in writers:
        take_in(writer, b"a patient's")
        places.append(writer.finish(head("1.2"), receipt()).place)
    for writer in writers:
        writer.close()
    landing.release(places)
    while landing.zero_one_freed():
        pass
    assert len(list((tmp_path / "landing").glob("*.log"))) == 1
    landing.close()
    again = opened()
    writers = [again.writer() for _ in range(3)]
    for writer in writers:
        take_in(writer, b"another's")
        writer.finish(head("1.3"), receipt())
        writer.close()
    for place in places:
        with pytest.raises(LandingReleased):
            again.read(place)


def test_beyond_the_watermark_instances_are_refused_and_what_is_held_is_read(opened: Opened) -> None:
    landing = opened(LandingSettings(segment_bytes=65_536, bytes_max=20_000, buffer_bytes=8192, free_bytes_min=0))
    writer = landing.writer()
    places = []
    for index in range(3):
        take_in(writer, b"y" * 5000)
        places.append(writer.finish(head(f"1.{index}"), receipt()).place)
    take_in(writer, b"z" * 100_000)
    with pytest.raises(LandingFull) as refusal:
        writer.finish(head("1.9"), receipt())
    assert isinstance(refusal.value, DiskFull)
    writer.sync()
    assert read_back(landing, places[0]) == b"y" * 5000
    writer.close()
    landing.release(places)
    assert read_back(landing, land(landing, b"room again").place) == b"room again"


def test_too_many_waiting_records_are_refused(opened: Opened) -> None:
    landing = opened(LandingSettings(segment_bytes=65_536, records_max=2, free_bytes_min=0))
    land(landing, b"1")
    land(landing, b"2")
    with pytest.raises(LandingFull):
        land(landing, b"3")


def test_the_reserve_of_the_file_system_is_kept(opened: Opened) -> None:
    landing = opened()
    place = land(landing, b"held").place
    landing.close()
    tight = opened(LandingSettings(segment_bytes=65_536, free_bytes_min=1 << 60))
    with pytest.raises(LandingFull):
        land(tight, b"more")
    assert read_back(tight, place) == b"held"


def test_usage_says_how_much_waits_and_since_when(opened: Opened) -> None:
    landing = opened()
    assert landing.usage().oldest_waiting_at is None
    first = land(landing, b"1", at=START + timedelta(seconds=5))
    second = land(landing, b"2", at=START + timedelta(seconds=9))
    usage = landing.usage()
    assert (usage.records_waiting, usage.bytes_waiting) == (2, 8192)
    assert usage.oldest_waiting_at == START + timedelta(seconds=5)
    landing.release([first.place])
    assert landing.usage().oldest_waiting_at == START + timedelta(seconds=9)
    landing.release([second.place])
    assert landing.usage().oldest_waiting_at is None
    assert landing.usage().bytes_held == 0


def test_what_is_held_is_counted_the_same_by_every_path(opened: Opened) -> None:
    landing = opened()
    chance = random.Random(11)
    places: list[LandingPlace] = []
    for _ in range(60):
        places.append(land(landing, chance.randbytes(chance.choice([10, 9000, 70_000]))).place)
        if len(places) > 8:
            landing.release([places.pop(chance.randrange(len(places)))])
    landing.release(places)
    usage = landing.usage()
    assert (usage.records_waiting, usage.bytes_waiting, usage.bytes_held) == (0, 0, 0)


def test_verify_names_a_flipped_bit_anywhere_in_a_record(opened: Opened, tmp_path: Path) -> None:
    landing = opened()
    land(landing, b"a" * 3000, uid="1.2.840.1")
    place = land(landing, random.Random(6).randbytes(2000), uid="1.2.840.2").place
    start = place.offset - HEADER_BYTES
    path = tmp_path / "landing" / "000001.log"
    chance = random.Random(7)
    bits = {0, 7, HEADER_BYTES * 8 - 1, HEADER_BYTES * 8, (HEADER_BYTES + 2000) * 8 - 1}
    bits |= {chance.randrange((HEADER_BYTES + 2000) * 8) for _ in range(150)}
    for bit in bits:
        _flip(path, start * 8 + bit)
        good, bad = list(landing.verify())
        assert not good.damage and not good.mended
        assert bad.place == place and bad.sop_instance == "1.2.840.2"
        assert (bad.damage, bad.mended) == (("", True) if bit < HEADER_BYTES * 8 else ("bytes", False))
        _flip(path, start * 8 + bit)
    assert all(not check.damage and not check.mended for check in landing.verify())


def test_verify_names_a_header_that_cannot_be_mended(opened: Opened, tmp_path: Path) -> None:
    landing = opened()
    place = land(landing, b"b" * 3000).place
    path = tmp_path / "landing" / "000001.log"
    for bit in (5, 50, 500):
        _flip(path, (place.offset - HEADER_BYTES) * 8 + bit)
    (check,) = landing.verify()
    assert check.damage == "header"
    assert check.place.offset == place.offset


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def test_instants_survive_to_the_microsecond(opened: Opened, tmp_path: Path) -> None:
    landing = opened()
    moment = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    land(landing, b"1", at=moment)
    landing.close()
    _, found = Landing.open(tmp_path / "landing", RealDisk(), SetClock(START), SMALL)
    assert [arrival.receipt.received_at for arrival in found.arrivals] == [moment]
