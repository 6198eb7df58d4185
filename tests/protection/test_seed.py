"""Seeding from any folder tree: everything found ends as kept, held or listed."""

import json
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from safelight.core.instance import ByteSource
from safelight.media.source_folder import SourceFolder
from safelight.protection.seed import FileOutcome, Outcome, SeedSettings, SeedSummary, seed
from safelight.protection.seed_grouping import GroupingSettings
from safelight.protection.spill import Spill
from support.seed_packing import MemoryPacks, read_head

REAL_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def write_instance(path: Path, study: str, series: str, instance: str, *, size: int = 100, title: str = "A") -> None:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.SourceApplicationEntityTitle = title
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = study
    data.SeriesInstanceUID = series
    data.EncapsulatedDocument = bytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


class Run:
    def __init__(self, root: Path, packs: MemoryPacks | None = None, settings: SeedSettings | None = None) -> None:
        self.tree = SourceFolder(root)
        self.packs = packs or MemoryPacks(self.tree)
        self.outcomes: list[FileOutcome] = []
        self.summary: SeedSummary = seed(
            self.tree,
            read_head,
            self.packs,
            self.packs,
            settings=settings or SeedSettings(),
            tell=self.outcomes.append,
        )
        assert self.summary.found == len(self.outcomes)
        assert self.summary.outcomes == {one: sum(told.outcome is one for told in self.outcomes) for one in Outcome}
        assert len({outcome.locator for outcome in self.outcomes}) == len(self.outcomes)

    def count(self, outcome: Outcome) -> int:
        return self.summary.outcomes[outcome]

    def why(self, outcome: Outcome) -> dict[str, int]:
        return dict(self.summary.reasons[outcome])

    def of(self, locator: str) -> FileOutcome:
        return next(outcome for outcome in self.outcomes if outcome.locator == locator)


def test_every_file_of_pydicom_is_kept_byte_for_byte_whatever_it_is(tmp_path: Path) -> None:
    root = tmp_path / "source"
    shutil.copytree(REAL_FILES, root)
    run = Run(root)
    files = [path for path in root.rglob("*") if path.is_file() and path.stat().st_size]
    assert not set(run.why(Outcome.NOT_KEPT)) - {"empty"}
    assert set(run.packs.files.values()) == {path.read_bytes() for path in files}
    assert run.why(Outcome.KEPT)


def test_a_second_seed_packs_nothing(tmp_path: Path) -> None:
    for n in range(5):
        write_instance(tmp_path / "s" / f"{n}.dcm", "1.2", "1.2.1", f"1.2.1.{n}")
    first = Run(tmp_path / "s")
    again = Run(tmp_path / "s", first.packs)
    assert (first.count(Outcome.KEPT), first.count(Outcome.HELD)) == (5, 0)
    assert (again.count(Outcome.KEPT), again.count(Outcome.HELD), again.summary.jobs) == (0, 5, 0)


def test_an_interrupted_seed_goes_on_where_it_was(tmp_path: Path) -> None:
    for n in range(20):
        write_instance(tmp_path / "s" / f"{n:02}.dcm", f"1.{n}", f"1.{n}.1", f"1.{n}.1.1")

    class Cut(BaseException):
        pass

    tree = SourceFolder(tmp_path / "s")
    packs = MemoryPacks(tree, lag=0)
    submit = packs.submit

    def cut(job: object) -> None:
        if len(packs.jobs) == 7:
            raise Cut
        submit(job)  # type: ignore[arg-type]

    packs.submit = cut  # type: ignore[method-assign]
    with pytest.raises(Cut):
        seed(tree, read_head, packs, packs, settings=SeedSettings(), tell=lambda outcome: None)
    assert len(packs.files) == 7
    packs.submit = submit  # type: ignore[method-assign]
    run = Run(tmp_path / "s", packs)
    assert (run.count(Outcome.KEPT), run.count(Outcome.HELD)) == (13, 7)


def test_junk_is_listed_with_its_reason(tmp_path: Path) -> None:
    root = tmp_path / "s"
    write_instance(root / "a" / "good.dcm", "1.2", "1.2.1", "1.2.1.1")
    write_instance(root / "a" / "nouid.dcm", "", "1.2.1", "1.2.1.2")
    (root / "notes.txt").write_text("not DICOM")
    (root / "empty").touch()
    (root / "large.bin").write_bytes(bytes(5000))
    (root / "link.dcm").symlink_to(root / "a" / "good.dcm")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    shutil.copy(str(get_testdata_file("DICOMDIR", download=False)), root / "DICOMDIR")
    run = Run(root, settings=SeedSettings(opaque_bytes_max=4000))
    reasons = {outcome.locator: (outcome.outcome, outcome.reason) for outcome in run.outcomes}
    assert reasons == {
        "a/good.dcm": (Outcome.KEPT, ""),
        "a/nouid.dcm": (Outcome.KEPT, reasons["a/nouid.dcm"][1]),
        "notes.txt": (Outcome.KEPT, "wire.not-dicom"),
        "empty": (Outcome.NOT_KEPT, "empty"),
        "large.bin": (Outcome.NOT_KEPT, "opaque-too-large"),
        "link.dcm": (Outcome.NOT_KEPT, "symbolic-link"),
        "loop": (Outcome.NOT_KEPT, "symbolic-link"),
        "pipe": (Outcome.NOT_KEPT, "special-file"),
        "socket": (Outcome.NOT_KEPT, "special-file"),
        "DICOMDIR": (Outcome.NOT_KEPT, "opaque-too-large"),
    }
    assert reasons["a/nouid.dcm"][1] in ("uids-missing", "wire.bad-data-set")
    assert not run.summary.complete


def test_a_dicomdir_is_kept_opaque(tmp_path: Path) -> None:
    shutil.copy(str(get_testdata_file("DICOMDIR", download=False)), tmp_path / "DICOMDIR")
    run = Run(tmp_path)
    assert run.count(Outcome.KEPT) == 1
    assert sum(run.why(Outcome.KEPT).values()) == 1
    wrappers = [item.measured and item.measured.wrapper for job in run.packs.jobs for item in job.items]
    assert all(wrapper and wrapper.opaque and wrapper.prefix_size == 0 for wrapper in wrappers)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything for a while; anybody else has no such right to give up."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_listed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        write_instance(root / "s" / "a.dcm", "1.2", "1.2.1", "1.2.1.1")
        write_instance(root / "s" / "closed" / "b.dcm", "1.2", "1.2.1", "1.2.1.2")
        (root / "s" / "a.dcm").chmod(0)
        (root / "s" / "closed").chmod(0)
        with as_nobody():
            run = Run(root / "s")
        (root / "s" / "closed").chmod(0o700)
    assert run.why(Outcome.NOT_KEPT) == {"media.source-unreadable": 1, "folder-unreadable": 1}


def test_a_source_that_is_not_there_is_listed_and_not_taken_for_empty(tmp_path: Path) -> None:
    assert Run(tmp_path / "gone").why(Outcome.NOT_KEPT) == {"folder-unreadable": 1}


def test_equal_files_are_packed_once_and_equal_data_sets_with_other_file_meta_twice(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for folder in "abc":
        write_instance(root / folder / "x.dcm", "1.2", "1.2.1", "1.2.1.1")
    write_instance(root / "d" / "x.dcm", "1.2", "1.2.1", "1.2.1.1", title="OTHER")
    run = Run(root)
    assert (run.count(Outcome.KEPT), run.count(Outcome.HELD)) == (2, 2)
    assert len({name.digest for name in run.packs.files}) == 1


def test_twins_of_a_file_that_could_not_be_packed_are_not_called_held(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for folder in "ab":
        write_instance(root / folder / "x.dcm", "1.2", "1.2.1", "1.2.1.1")

    class Vanishing(MemoryPacks):
        def submit(self, job: object) -> None:
            (root / "a" / "x.dcm").unlink(missing_ok=True)
            super().submit(job)  # type: ignore[arg-type]

    run = Run(root, Vanishing(SourceFolder(root)))
    assert run.why(Outcome.NOT_KEPT) == {"media.source-unreadable": 2}
    assert Run(root, MemoryPacks(SourceFolder(root))).count(Outcome.KEPT) == 1


@pytest.mark.parametrize("lag", [0, 2, 50])
def test_an_equal_file_that_comes_while_the_first_is_being_packed_is_held(tmp_path: Path, lag: int) -> None:
    root = tmp_path / "s"
    for folder in ("a", "z"):
        for n in range(9):
            write_instance(root / folder / f"{n}.dcm", "1.2", "1.2.1", f"1.2.1.{n}", size=1000)
    grouping = GroupingSettings(pack_bytes_max=4000, shared_bytes_max=1500)
    packs = MemoryPacks(SourceFolder(root), lag)
    run = Run(root, packs, SeedSettings(grouping=grouping))
    assert (run.count(Outcome.KEPT), run.count(Outcome.HELD)) == (9, 9)
    assert any(item.measured is None for job in packs.jobs for item in job.items)


def test_what_the_packer_alone_has_hashed_is_told_with_its_digest(tmp_path: Path) -> None:
    write_instance(tmp_path / "a.dcm", "1.2", "1.2.1", "1.2.1.1")
    run = Run(tmp_path)
    (name,) = run.packs.files
    assert run.of("a.dcm").digest == name.digest.hex()


def test_a_file_that_changes_between_survey_and_packing_is_listed(tmp_path: Path) -> None:
    root = tmp_path / "s"
    write_instance(root / "a.dcm", "1.2", "1.2.1", "1.2.1.1")
    write_instance(root / "b.dcm", "1.2", "1.2.1", "1.2.1.2")

    class Rewriting(SourceFolder):
        def walk(self) -> Iterator[object]:  # type: ignore[override]
            yield from super().walk()
            write_instance(root / "a.dcm", "1.3", "1.3.1", "1.3.1.1")

    tree = Rewriting(root)
    packs = MemoryPacks(tree)
    outcomes: list[FileOutcome] = []
    seed(tree, read_head, packs, packs, settings=SeedSettings(), tell=outcomes.append)
    assert {outcome.locator: outcome.reason for outcome in outcomes} == {
        "a.dcm": "protection.source-changed",
        "b.dcm": "",
    }


def test_packs_hold_one_study_and_no_more_than_a_pack(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for study in range(3):
        for series in range(4):
            for n in range(6):
                uid = f"1.{study}.{series}"
                write_instance(root / str(study) / f"{series}-{n}.dcm", f"1.{study}", uid, f"{uid}.{n}", size=1000)
    grouping = GroupingSettings(pack_bytes_max=4000, shared_bytes_max=1500, idle_files=8)
    run = Run(root, settings=SeedSettings(grouping=grouping))
    assert run.count(Outcome.KEPT) == 72
    for job in run.packs.jobs:
        assert job.bytes <= 4000
        assert {item.file.study for item in job.items} == {job.study}
        assert len({item.file.series for item in job.items}) == 1


@pytest.mark.parametrize("window", [1, 7, 40, 10_000])
def test_scattered_files_of_a_study_come_together_within_any_window(tmp_path: Path, window: int) -> None:
    root = tmp_path / "s"
    for n in range(8):
        for study in range(12):
            write_instance(root / f"{n}" / f"{study}.dcm", f"1.{study}", f"1.{study}.1", f"1.{study}.1.{n}")
    grouping = GroupingSettings(window_files_max=window, idle_files=2)
    run = Run(root, settings=SeedSettings(grouping=grouping))
    assert (run.count(Outcome.KEPT), run.summary.jobs) == (96, 12)
    assert Counter(len(job.items) for job in run.packs.jobs) == {8: 12}


def test_a_walk_is_the_same_every_time_and_names_no_text_too(tmp_path: Path) -> None:
    for name in (b"b", b"a", b"\xff\xfe", "ü".encode()):
        write_instance(tmp_path / os.fsdecode(name) / "x", "1.2", "1.2.1", f"1.2.1.{len(name)}{name[0]}")
    assert list(SourceFolder(tmp_path).walk()) == list(SourceFolder(tmp_path).walk())
    run = Run(tmp_path)
    assert run.count(Outcome.KEPT) == 4
    assert all(json.loads(outcome.line())["locator"] == outcome.locator for outcome in run.outcomes)
    assert all(outcome.line().isascii() for outcome in run.outcomes)


def test_a_spill_gives_everything_back_in_order() -> None:
    entries = [(f"{n * 7919 % 1000}", f"{n % 3}", f"\udcff{n}", n, f"1.{n}") for n in range(5000)]
    with Spill(run_entries_max=128) as spill:
        for entry in entries:
            spill.add(entry)
        assert list(spill.in_order()) == sorted(entries)


def test_an_open_file_gives_ranges_and_fewer_bytes_only_past_its_end(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with SourceFolder(tmp_path).open("x") as source:
        taken: ByteSource = source
        assert (taken.size, taken.read(10, 5), taken.read(95, 50)) == (100, bytes(range(10, 15)), bytes(range(95, 100)))
