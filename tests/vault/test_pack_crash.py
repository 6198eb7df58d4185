"""Power cuts at every durable call of a pack (invariant I2, the pack's part)."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from safelight.core.disk import Disk
from safelight.core.errors import IntegrityError
from safelight.core.instance import MemorySource
from safelight.vault.pack_draft import sweep_drafts, verify_shallow
from safelight.vault.pack_format import place_of
from safelight.vault.pack_writer import PackWriter
from safelight.vault.stream_pack import write_stream_pack
from support.crash_disk import CrashDisk, FsyncLiar, PowerCut, When
from support.packed import RECIPIENTS, native, open_pack, read_whole

SAMPLE = native(np.random.default_rng(5).integers(0, 60_000, (1, 150, 150), "<u2"))


def pack_an_instance(directory: Path, disk: Disk) -> str:
    writer = PackWriter(directory, disk, RECIPIENTS)
    writer.add(SAMPLE[0], MemorySource(SAMPLE[1]), SAMPLE[2])
    return writer.seal().name


def pack_a_stream(directory: Path, disk: Disk) -> str:
    return write_stream_pack(directory, disk, RECIPIENTS, kind="journal", name="1", chunks=[SAMPLE[1]]).name


def sealed_before_the_cut(
    pack: Callable[[Path, Disk], str], directory: Path, crashing: CrashDisk, disk: Disk, seed: int
) -> list[str]:
    """Write two packs until the power goes, and lose what was unsynced; return those reported as sealed."""
    sealed: list[str] = []
    try:
        for _ in range(2):
            sealed.append(pack(directory, disk))
    except PowerCut:
        pass
    crashing.lose_power(seed)
    return sealed


def calls_of(pack: Callable[[Path, Disk], str], directory: Path) -> int:
    disk = CrashDisk()
    sealed_before_the_cut(pack, directory, disk, disk, 0)
    return len(disk.calls)


@pytest.mark.parametrize("pack", [pack_an_instance, pack_a_stream])
@pytest.mark.parametrize("when", When)
def test_a_power_cut_leaves_whole_packs_and_loses_none_that_was_reported(
    pack: Callable[[Path, Disk], str], when: When, tmp_path: Path
) -> None:
    count = calls_of(pack, tmp_path / "uncut")
    assert count >= 10
    for number, seed in product(range(1, count + 1), range(3)):
        directory = tmp_path / f"{number}-{seed}"
        disk = CrashDisk()
        disk.cut_at(number, when)
        sealed = sealed_before_the_cut(pack, directory, disk, disk, seed)
        named = {path.name[:64]: path for path in directory.rglob("*.zip.age")}
        assert set(sealed) <= set(named)
        for name, path in named.items():
            verify_shallow(path, name)
        if pack is pack_an_instance:
            assert all(read_whole(open_pack(directory, name), 0) == SAMPLE[1] for name in sealed)
        sweep_drafts(directory, CrashDisk())
        assert {path for path in directory.rglob("*") if path.is_file()} == {
            directory / place_of(name) for name in named
        }


def test_a_disk_that_does_not_sync_is_caught_by_these_tests(tmp_path: Path) -> None:
    broken = 0
    for seed in range(12):
        directory = tmp_path / str(seed)
        crashing = CrashDisk()
        sealed_before_the_cut(pack_an_instance, directory, crashing, FsyncLiar(crashing), seed)
        for path in directory.rglob("*.zip.age"):
            try:
                verify_shallow(path, path.name[:64])
            except IntegrityError:
                broken += 1
    assert broken
