from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pydicom
import pytest

from safelight.core.disk import RealDisk, make_directory, write_file
from safelight.core.instance import ByteSource, MemorySource
from safelight.recovery.facts import Level
from safelight.recovery.folder import FolderTarget
from safelight.recovery.ports import HeldInstance, Target
from support.recovery_journal import Rehearsal
from support.recovery_target import MemoryArchive, MemoryHoldings, at_once, held
from support.recovery_target_contract import CLAUSES

INSTANCES = [held("1.2.3.1"), held("1.2.3.2", series="1.2.8"), held("1.2.3.3", b"\0" * 3_000_000)]


class RealFolder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        place = self.root / name
        make_directory(RealDisk(), place.parent)
        write_file(RealDisk(), place, b"".join(pieces))

    def get(self, name: str) -> ByteSource | None:
        place = self.root / name
        return MemorySource(place.read_bytes()) if place.is_file() else None


@pytest.mark.parametrize("clause", CLAUSES)
def test_the_double_keeps_the_contract(clause: Callable[[Target, Sequence[HeldInstance]], None]) -> None:
    clause(MemoryArchive(), INSTANCES)


@pytest.mark.parametrize("clause", CLAUSES)
def test_the_folder_keeps_the_contract(
    clause: Callable[[Target, Sequence[HeldInstance]], None], tmp_path: Path
) -> None:
    clause(FolderTarget(RealFolder(tmp_path)), INSTANCES)


def test_a_folder_gets_files_that_other_programs_read(tmp_path: Path) -> None:
    data_set = b"\x08\x00\x18\x00UI\x08\x001.2.3.4\x00\x10\x00\x10\x00PN\x04\x00Anon"
    list(FolderTarget(RealFolder(tmp_path)).send("1.2.3", [held("1.2.3.4", data_set)], at_once()))
    (file,) = tmp_path.rglob("*.dcm")
    read = pydicom.dcmread(file)
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert read.PatientName == "Anon"
    assert file.read_bytes().endswith(data_set)
    assert "1.2.3" not in str(file.relative_to(tmp_path))


def test_a_file_that_decays_before_it_is_read_back_is_not_confirmed(tmp_path: Path) -> None:
    it = Rehearsal(MemoryHoldings({"A": [held("1.1")], "B": [held("2.1")], "C": [held("3.1")]}))
    it.set(required=Level.BYTES)
    folder = RealFolder(tmp_path)
    put = folder.put

    def decay(name: str, pieces: Iterable[bytes | memoryview]) -> None:
        whole = bytearray(b"".join(pieces))
        if b"2.12.1" in whole:
            whole[-1] ^= 1
        if b"3.13.1" in whole:
            whole[:] = bytes(len(whole))
        put(name, [bytes(whole)])

    folder.put = decay  # type: ignore[method-assign]
    it.archive = FolderTarget(folder)  # type: ignore[assignment]
    it.run()
    assert it.stages() == {"A": "confirmed", "B": "differs", "C": "differs"}
    assert it.whys()["C"] == "success-without-storing"
