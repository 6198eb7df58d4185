"""Generate the rehearsal hospital into a folder: studies, real test files, and who is in the house today."""

import csv
import importlib.util
import multiprocessing
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from safelight.core.clock import SystemClock
from safelight.core.errors import SafelightError, UsageError
from safelight.core.instance import MemorySource
from safelight.core.progress import Progress, Report, silent
from safelight.site.rehearsal.people import ISSUER
from safelight.site.rehearsal.studies import StudyPlan, WrittenStudy, plan_studies, write_study
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import encoding_of, settle_explicit
from safelight.wire.dicom.part10 import read_prefix
from safelight.wire.dicom.tree import read_tree

DEFAULT_SEED: Final = 1895
DEFAULT_SIZE_BYTES: Final = 300_000_000

_ONE_PROCESS_BYTES: Final = 24_000_000
_UID: Final = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")


class FolderInUse(UsageError):
    """The rehearsal hospital is only written into a new or empty folder."""

    code: ClassVar[str] = "site.folder-in-use"
    hint: ClassVar[str] = "Name a folder that does not exist yet, or empty it first."


@dataclass(frozen=True, slots=True)
class RehearsalSummary:
    """What was generated, and where."""

    images: Path
    """Folder of all DICOM files: ``hospital``, ``vendor`` (private class and syntax) and ``real``."""
    patients: Path
    """CSV of who is in the house or on today's and tomorrow's lists."""
    studies: int
    instances: int
    size_bytes: int
    real_files: int
    """Of the instances: real files that come with the pydicom and pydicom-data packages."""
    rejected: tuple[str, ...]
    """SOP Instance UIDs that a rejection note names."""


def generate(
    folder: Path,
    *,
    seed: int = DEFAULT_SEED,
    size_bytes: int = DEFAULT_SIZE_BYTES,
    report: Report = silent,
    today: date | None = None,
    with_real_files: bool = True,
) -> RehearsalSummary:
    """Generate a hospital of about ``size_bytes``; the same seed, size and day make the same files.

    Raises:
        FolderInUse: there is something in the folder already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FolderInUse(folder=str(folder))
    images = folder / "images"
    images.mkdir(parents=True)
    today = today or SystemClock().now().date()
    real = list(_copy_real_files(images / "real")) if with_real_files else []
    real_bytes = sum(path.stat().st_size for path, _ in real)
    plans = plan_studies(seed, max(size_bytes - real_bytes, size_bytes // 2), today)
    written: list[WrittenStudy] = []
    done = real_bytes
    for study in _write_all(images, plans, size_bytes):
        written.append(study)
        done += study.size_bytes
        report(Progress("generate", done, max(size_bytes, done), "bytes", f"{len(written)} of {len(plans)} studies"))
    patients = folder / "patients.csv"
    _write_patients(patients, plans)
    return RehearsalSummary(
        images,
        patients,
        studies=len(plans) + len({study for _, study in real}),
        instances=sum(study.instances for study in written) + len(real),
        size_bytes=done,
        real_files=len(real),
        rejected=tuple(uid for study in written for uid in study.rejected),
    )


def _write_all(images: Path, plans: list[StudyPlan], size_bytes: int) -> Iterator[WrittenStudy]:
    if size_bytes <= _ONE_PROCESS_BYTES:
        yield from (write_study(images, plan) for plan in plans)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        yield from pool.map(partial(write_study, images), plans)


def _write_patients(path: Path, plans: list[StudyPlan]) -> None:
    """Write everybody who is in the house or expected, once."""
    kinds: dict[int, StudyPlan] = {}
    for plan in plans:
        kinds.setdefault(plan.frame.patient.number, plan)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("patient_id", "class", "location", "scheduled", "issuer", "modality", "body_part"))
        for _, plan in sorted(kinds.items()):
            patient = plan.frame.patient
            if patient.patient_class:
                scheduled = patient.scheduled.isoformat() if patient.scheduled else ""
                expected = (plan.kind, plan.frame.body_part) if patient.scheduled else ("", "")
                row = (patient.patient_id, patient.patient_class, patient.location, scheduled, ISSUER, *expected)
                writer.writerow(row)


def _copy_real_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Copy the sound test files of the installed packages, one of each SOP instance; yield each with its study."""
    seen: set[str] = set()
    for name, root in _packaged_roots():
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            uids = _sound_uids(path)
            if uids is None or uids[0] in seen:
                continue
            seen.add(uids[0])
            target = folder / name / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            yield target, uids[1]


def _packaged_roots() -> Iterator[tuple[str, Path]]:
    for package, inside in (("pydicom", "data/test_files"), ("pydicom", "data/charset_files"), ("data_store", "data")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            yield package, Path(spec.origin).parent / inside


def _sound_uids(path: Path) -> tuple[str, str] | None:
    """Return SOP instance and study of a file with valid UIDs whose elements end where they should."""
    source = MemorySource(path.read_bytes())
    try:
        prefix = read_prefix(source)
        head = scan_head(source, prefix.transfer_syntax, prefix.prefix_size)
        encoding = settle_explicit(encoding_of(prefix.transfer_syntax), source.read(prefix.prefix_size, 8))
        if not encoding.deflated:
            read_tree(source, prefix.prefix_size, encoding)
    except SafelightError:
        return None
    uids = (head.sop_class, head.sop_instance, head.study, head.series)
    return (head.sop_instance, head.study) if all(_UID.fullmatch(uid) and len(uid) <= 64 for uid in uids) else None
