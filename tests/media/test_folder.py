"""A folder as a placement: copies are proven, damage has a name, bad copies are healed and never deleted."""

import hashlib
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from safelight.core.disk import Disk, DiskFailed, DiskFull, RealDisk
from safelight.core.instance import MemorySource
from safelight.media.folder import MARKER, FolderPlacement
from safelight.vault.placement import CopyDamaged, CopyMissing, PlacementForeign, PlacementMissing
from support.crash_disk import EVERY, Call, CrashDisk, FsyncLiar, PowerCut, When

DATA = random.Random(1).randbytes(20_000)
PACK = hashlib.sha256(DATA).hexdigest()
BESIDE = {"README.txt": b"how to read this", "rescue.py": b"print('saved')\n"}


def _folder(path: Path, name: str = "home", disk: Disk | None = None) -> FolderPlacement:
    return FolderPlacement.create(path / name, name, "vault-1", disk or RealDisk(), BESIDE)


def _file(placement: FolderPlacement, pack: str = PACK) -> Path:
    return placement.directory / "packs" / pack[:2] / f"{pack}.zip.age"


def _heal(bad: FolderPlacement, good: FolderPlacement) -> None:
    good.verify(PACK)
    bad.put(PACK, good.open(PACK))


def test_a_copy_is_read_back_as_it_was_put(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.put(PACK, MemorySource(DATA))
    source = folder.open(PACK)
    assert source.size == len(DATA)
    assert source.read(0, 100_000) == DATA
    assert source.read(19_990, 100) == DATA[19_990:]
    assert folder.verify(PACK) == len(DATA)
    assert list(folder.names()) == [PACK]


def test_what_rescues_the_packs_lies_beside_them_and_is_put_back_when_it_was_changed(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder.directory / "rescue.py").write_bytes(b"something else")
    _folder(tmp_path)
    assert {name: (folder.directory / name).read_bytes() for name in BESIDE} == BESIDE
    assert json.loads((folder.directory / MARKER).read_bytes())["vault"] == "vault-1"


def test_nothing_is_written_where_the_marker_is_missing(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder.directory / MARKER).unlink()
    with pytest.raises(PlacementMissing):
        folder.put(PACK, MemorySource(DATA))
    assert not _file(folder).exists()


def test_an_unmounted_folder_is_said_to_be_missing_and_not_each_of_its_copies(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.put(PACK, MemorySource(DATA))
    shutil.move(folder.directory, tmp_path / "unplugged")
    folder.directory.mkdir()
    for ask in (folder.verify, folder.open, folder.quarantine):
        with pytest.raises(PlacementMissing):
            ask(PACK)
    with pytest.raises(PlacementMissing):
        list(folder.names())


def test_the_folder_of_another_vault_is_refused(tmp_path: Path) -> None:
    _folder(tmp_path)
    with pytest.raises(PlacementForeign):
        FolderPlacement.create(tmp_path / "home", "home", "vault-2", RealDisk(), BESIDE)


def test_a_source_that_is_not_the_pack_leaves_nothing(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with pytest.raises(CopyDamaged):
        folder.put(PACK, MemorySource(DATA[:-1]))
    assert not [path for path in (folder.directory / "packs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("bad", ["home", "second"])
def test_any_flipped_bit_in_either_placement_is_found_and_healed_from_the_other(tmp_path: Path, bad: str) -> None:
    folders = {name: _folder(tmp_path, name) for name in ("home", "second")}
    for folder in folders.values():
        folder.put(PACK, MemorySource(DATA))
    victim = folders.pop(bad)
    (other,) = folders.values()
    chance = random.Random(2)
    bits = [0, len(DATA) * 8 - 1, *(chance.randrange(len(DATA) * 8) for _ in range(40))]
    for bit in bits:
        spoilt = bytearray(DATA)
        spoilt[bit // 8] ^= 1 << bit % 8
        _file(victim).write_bytes(spoilt)
        with pytest.raises(CopyDamaged) as damage:
            victim.verify(PACK)
        assert (damage.value.facts["pack"], damage.value.facts["placement"]) == (PACK, bad)
        _heal(victim, other)
        victim.verify(PACK)
        other.verify(PACK)
    assert len(list((victim.directory / "quarantine").iterdir())) == len(bits)


@pytest.mark.parametrize("length", [0, 1, 512, 19_999])
def test_a_copy_cut_short_is_found_and_healed(tmp_path: Path, length: int) -> None:
    home, second = _folder(tmp_path), _folder(tmp_path, "second")
    for folder in (home, second):
        folder.put(PACK, MemorySource(DATA))
    _file(home).write_bytes(DATA[:length])
    with pytest.raises(CopyDamaged):
        home.verify(PACK)
    _heal(home, second)
    assert home.verify(PACK) == len(DATA)


def test_a_copy_that_grew_is_found(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    home.put(PACK, MemorySource(DATA))
    _file(home).write_bytes(DATA + b"\0")
    with pytest.raises(CopyDamaged):
        home.verify(PACK)


def test_a_missing_copy_is_named_and_made_again(tmp_path: Path) -> None:
    home, second = _folder(tmp_path), _folder(tmp_path, "second")
    second.put(PACK, MemorySource(DATA))
    for ask in (home.verify, home.open):
        with pytest.raises(CopyMissing) as missing:
            ask(PACK)
        assert missing.value.facts["pack"] == PACK
    _heal(home, second)
    assert home.verify(PACK) == len(DATA)


def test_when_both_copies_are_bad_neither_is_touched(tmp_path: Path) -> None:
    home, second = _folder(tmp_path), _folder(tmp_path, "second")
    for folder in (home, second):
        folder.put(PACK, MemorySource(DATA))
        _file(folder).write_bytes(DATA[:-1] + b"?")
    for bad, good in ((home, second), (second, home)):
        with pytest.raises(CopyDamaged):
            _heal(bad, good)
    assert all(_file(folder).read_bytes() == DATA[:-1] + b"?" for folder in (home, second))


def test_a_bad_source_never_replaces_a_copy(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    home.put(PACK, MemorySource(DATA))
    home.put(PACK, MemorySource(b"something else"))
    assert home.verify(PACK) == len(DATA)


def test_an_unknown_pack_is_listed_and_what_is_no_pack_is_not(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    home.put(PACK, MemorySource(DATA))
    unknown = "ab" + "0" * 62
    _file(home, unknown).parent.mkdir(exist_ok=True)
    _file(home, unknown).write_bytes(b"?")
    (home.directory / "packs" / "thumbs.db").write_bytes(b"?")
    _file(home).with_suffix(".draft").write_bytes(b"?")
    assert sorted(home.names()) == sorted([PACK, unknown])


def test_names_since_a_moment_include_all_that_came_since(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    before = datetime.now(UTC) - timedelta(minutes=1)
    home.put(PACK, MemorySource(DATA))
    assert list(home.names(before)) == [PACK]
    assert list(home.names(before + timedelta(hours=1))) == []


def test_quarantine_keeps_every_bad_copy(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    for number in range(3):
        home.put(PACK, MemorySource(DATA))
        _file(home).write_bytes(bytes([number]))
        home.quarantine(PACK)
    kept = sorted(path.read_bytes() for path in (home.directory / "quarantine").iterdir())
    assert kept == [b"\0", b"\1", b"\2"]


def test_free_bytes_are_none_where_the_folder_is_gone(tmp_path: Path) -> None:
    home = _folder(tmp_path)
    assert home.free_bytes() > 0
    shutil.rmtree(home.directory)
    assert home.free_bytes() == 0


def _put(folder: Path, disk: Disk) -> bool:
    placement = FolderPlacement(folder / "home", "home", "vault-1", disk)
    placement.put(PACK, MemorySource(DATA))
    return True


@pytest.mark.parametrize("when", list(When))
def test_no_copy_counts_that_a_power_cut_takes_away(tmp_path: Path, when: When) -> None:
    counting = tmp_path / "counting"
    _folder(counting)
    disk = CrashDisk(EVERY)
    _put(counting, disk)
    for number in range(1, len(disk.calls) + 1):
        for seed in range(4):
            place = tmp_path / f"{number}-{seed}"
            home = _folder(place)
            disk = CrashDisk(EVERY)
            disk.cut_at(number, when)
            with pytest.raises(PowerCut):
                _put(place, disk)
            disk.lose_power(seed)
            # Whatever carries the pack's name is the pack, and the copy can be made.
            assert not _file(home).exists() or home.verify(PACK) == len(DATA)
            home.put(PACK, MemorySource(DATA))
            assert home.verify(PACK) == len(DATA)


def test_a_copy_that_was_put_outlives_a_power_cut_unless_the_disk_lies(tmp_path: Path) -> None:
    lost = 0
    for seed in range(12):
        honest, lying = tmp_path / f"honest-{seed}", tmp_path / f"lying-{seed}"
        for place in (honest, lying):
            _folder(place)
        disk = CrashDisk()
        _put(honest, disk)
        disk.lose_power(seed)
        assert _file(_folder(honest)).read_bytes() == DATA
        disk = CrashDisk()
        _put(lying, FsyncLiar(disk))
        disk.lose_power(seed)
        lost += _file(_folder(lying)).read_bytes() != DATA
    assert lost


@pytest.mark.parametrize("error", [DiskFull, DiskFailed])
def test_a_refusal_by_the_disk_leaves_no_copy_and_the_next_try_works(
    tmp_path: Path, error: type[DiskFull] | type[DiskFailed]
) -> None:
    counting = tmp_path / "counting"
    _folder(counting)
    disk = CrashDisk(EVERY)
    _put(counting, disk)
    for number, call in enumerate(disk.calls, start=1):
        place = tmp_path / str(number)
        home = _folder(place)
        failing = CrashDisk(EVERY)
        failing.fail_at(number, error)
        with pytest.raises(error):
            _put(place, failing)
        assert call is Call.SYNC_DIRECTORY or not _file(home).exists()
        assert _put(place, failing)
        assert home.verify(PACK) == len(DATA)


def test_a_folder_is_unused_until_its_making_is_through_and_not_afterwards(tmp_path: Path) -> None:
    count, disk = 0, CrashDisk()
    _folder(tmp_path / "whole", disk=disk)
    for count in range(1, len(disk.calls) + 1):
        cut = CrashDisk()
        cut.cut_at(count)
        with pytest.raises(PowerCut):
            _folder(tmp_path / str(count), disk=cut)
        cut.lose_power(count)
        directory = tmp_path / str(count) / "home"
        assert FolderPlacement.is_unused(directory) != (directory / MARKER).exists()
        _folder(tmp_path / str(count)).put(PACK, MemorySource(DATA))
        assert not FolderPlacement.is_unused(directory)
    assert count > 5


def test_a_folder_with_anything_else_in_it_is_not_taken_for_an_unused_one(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert FolderPlacement.is_unused(tmp_path)
    (tmp_path / "photo.jpg").touch()
    assert not FolderPlacement.is_unused(tmp_path)
