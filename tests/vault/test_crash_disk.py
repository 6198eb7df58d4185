"""The crash disk itself: what it keeps, what it may lose, and that it can show a lie."""

from pathlib import Path

import pytest

from safelight.core.disk import DiskFailed, DiskFull, write_file
from support.crash_disk import EVERY, CrashDisk, FsyncLiar, PowerCut, When

SEEDS = range(40)


def _fresh(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / str(number)
    folder.mkdir()
    return folder


def test_what_was_synced_stays_whatever_the_disk_does_to_the_rest(tmp_path: Path) -> None:
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        descriptor = disk.create(folder / "log")
        disk.write(descriptor, b"a" * 3000, 0)
        disk.sync(descriptor)
        disk.sync_directory(folder)
        disk.write(descriptor, b"b" * 3000, 3072)
        disk.lose_power(seed)
        assert (folder / "log").read_bytes()[:3000] == b"a" * 3000


def test_unsynced_bytes_are_lost_or_there_or_torn_or_garbage(tmp_path: Path) -> None:
    seen = set()
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        descriptor = disk.create(folder / "log")
        disk.write(descriptor, bytes(4096), 0)
        disk.sync(descriptor)
        disk.sync_directory(folder)
        disk.write(descriptor, b"n" * 4096, 0)
        disk.lose_power(seed)
        letters = set((folder / "log").read_bytes())
        seen.add(
            "lost" if letters == {0} else "there" if letters == {110} else "torn" if letters == {0, 110} else "bad"
        )
    assert seen == {"lost", "there", "torn", "bad"}


def test_an_unsynced_length_is_one_of_those_that_were_set_and_brings_no_bytes_of_its_own(tmp_path: Path) -> None:
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        descriptor = disk.create(folder / "log")
        disk.write(descriptor, b"1" * 512, 0)
        disk.sync(descriptor)
        disk.sync_directory(folder)
        disk.truncate(descriptor, 1024)
        disk.truncate(descriptor, 256)
        disk.truncate(descriptor, 512)
        disk.lose_power(seed)
        content = (folder / "log").read_bytes()
        assert content.strip(b"\0") in {b"1" * 512, b"1" * 256}
        assert len(content) in {256, 512, 1024}


def test_a_name_is_open_until_its_folder_is_synced(tmp_path: Path) -> None:
    states = set()
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        write_file(disk, folder / "file", b"old")
        descriptor = disk.create(folder / "draft")
        disk.write(descriptor, b"new", 0)
        disk.sync(descriptor)
        disk.rename(folder / "draft", folder / "file")
        disk.lose_power(seed)
        names = tuple(sorted(path.name for path in folder.iterdir()))
        states.add((names, (folder / "file").read_bytes()))
    assert states == {
        (("file",), b"old"),
        (("draft", "file"), b"old"),
        (("file",), b"new"),
    }


def test_a_removed_file_may_come_back_whole(tmp_path: Path) -> None:
    found = set()
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        write_file(disk, folder / "file", b"bytes")
        disk.remove(folder / "file")
        disk.lose_power(seed)
        found.add((folder / "file").read_bytes() if (folder / "file").exists() else None)
    assert found == {None, b"bytes"}


@pytest.mark.parametrize("when", list(When))
def test_a_file_put_in_its_place_is_whole_or_absent_after_every_cut(tmp_path: Path, when: When) -> None:
    counting = CrashDisk(EVERY)
    write_file(counting, tmp_path / "whole", b"new" * 1000)
    for number in range(1, len(counting.calls) + 1):
        for seed in range(8):
            folder = _fresh(tmp_path, number * 100 + seed)
            write_file(CrashDisk(), folder / "file", b"old" * 1000)
            disk = CrashDisk(EVERY)
            disk.cut_at(number, when)
            with pytest.raises(PowerCut):
                write_file(disk, folder / "file", b"new" * 1000)
            disk.lose_power(seed)
            expected = {b"old" * 1000, b"new" * 1000}
            if number == len(counting.calls) and when is When.AFTER:
                expected = {b"new" * 1000}
            assert (folder / "file").read_bytes() in expected


def test_after_the_cut_nothing_works_but_closing(tmp_path: Path) -> None:
    disk = CrashDisk()
    descriptor = disk.create(tmp_path / "file")
    disk.cut_at(2)
    with pytest.raises(PowerCut):
        disk.sync(descriptor)
    with pytest.raises(PowerCut):
        disk.write(descriptor, b"x", 0)
    disk.close(descriptor)


def test_a_refused_write_leaves_half_of_itself_and_the_next_one_works(tmp_path: Path) -> None:
    disk = CrashDisk(EVERY)
    disk.fail_at(2)
    descriptor = disk.create(tmp_path / "file")
    with pytest.raises(DiskFull):
        disk.write(descriptor, b"12345678", 0)
    assert (tmp_path / "file").read_bytes() == b"1234"
    disk.write(descriptor, b"abcdefgh", 0)
    assert (tmp_path / "file").read_bytes() == b"abcdefgh"


def test_after_a_failed_sync_a_later_one_that_succeeds_keeps_nothing(tmp_path: Path) -> None:
    lost = 0
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        descriptor = disk.create(folder / "file")
        disk.sync_directory(folder)
        disk.write(descriptor, b"promised", 0)
        disk.fail_at(3, DiskFailed)
        with pytest.raises(DiskFailed):
            disk.sync(descriptor)
        disk.sync(descriptor)
        disk.lose_power(seed)
        lost += (folder / "file").read_bytes() != b"promised"
    assert lost


def test_a_liar_loses_what_it_called_durable(tmp_path: Path) -> None:
    lost = 0
    for seed in SEEDS:
        folder = _fresh(tmp_path, seed)
        disk = CrashDisk()
        write_file(FsyncLiar(disk), folder / "file", b"bytes")
        disk.lose_power(seed)
        lost += (folder / "file").read_bytes() != b"bytes"
    assert lost
