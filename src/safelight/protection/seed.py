"""Seeding: taking into the vault what a PACS keeps in folders, whatever else lies there too.

Nothing is skipped in silence: each thing found ends as kept, held already, or not kept with a reason.
Nobody was promised anything yet, so files are packed straight from the source. A seed that was
interrupted is simply run again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from safelight.core.errors import PeerError, ResourceError, UsageError
from safelight.core.instance import ByteSource, Head, Wrapper
from safelight.core.progress import Progress, Report, silent
from safelight.protection.seed_bytes import SourceChanged, digest_of
from safelight.protection.seed_grouping import Batch, Grouping, GroupingSettings, SurveyedFile
from safelight.protection.spill import Spill

MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file of the source. The locator is relative to the source and means something only to it."""

    locator: str
    size: int


@dataclass(frozen=True, slots=True)
class SourceGap:
    """Something in the source that cannot be taken: a link, a device, an unreadable folder."""

    locator: str
    reason: str


class SourceTree(Protocol):
    """Where files are seeded from."""

    def walk(self) -> Iterator[SourceFile | SourceGap]:
        """Name everything there is, in the same order every time."""

    def open(self, locator: str) -> AbstractContextManager[ByteSource]:
        """Open one file for ranged reading; opening or reading raises ResourceError."""


ReadHead = Callable[[ByteSource], tuple[Wrapper, Head]]
"""Reads prefix and head of a file; raises UsageError or PeerError for what is not DICOM or has no UIDs."""


@dataclass(frozen=True, slots=True)
class StoredName:
    """What tells two stored files apart: digest of the data set, and of what stands before it."""

    digest: bytes
    prefix_digest: bytes


class Vault(Protocol):
    """What the vault holds already."""

    def held(self, names: Sequence[StoredName]) -> AbstractSet[StoredName]:
        """Say which of these it holds."""

    def met(self, instances: Sequence[str]) -> AbstractSet[str]:
        """Say of which of these SOP Instance UIDs it holds any version, or has received one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A file as it was when it was hashed; the packer compares the digest."""

    name: StoredName
    wrapper: Wrapper
    head: Head
    opaque_because: str


@dataclass(frozen=True, slots=True)
class SeedItem:
    """One file that shall be packed.

    What the vault may hold already, or what is no instance, is measured first. Of an instance that it
    never met, the packer reads head and digest, so that its bytes are read once.
    """

    file: SurveyedFile
    measured: Measured | None

    @property
    def opaque_because(self) -> str:
        """Why it is kept as a mere file; empty for an instance."""
        return self.measured.opaque_because if self.measured else ""


@dataclass(frozen=True, slots=True)
class SeedJob:
    """Files that become one pack."""

    number: int
    study: str
    items: tuple[SeedItem, ...]

    @property
    def bytes(self) -> int:
        """Raw size of the pack."""
        return sum(item.file.size for item in self.items)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What became of a job: whatever is not in ``failed`` is sealed, recorded and findable."""

    number: int
    failed: Mapping[int, str] = field(default_factory=dict)
    """Position of the item, and the error's code."""
    digests: Mapping[int, bytes] = field(default_factory=dict)
    """Position and digest of what only the packer measured."""
    remarks: Mapping[int, str] = field(default_factory=dict)
    """Position of an instance that is sealed and is not as it should be, and the code that says why."""


class SeedPacker(Protocol):
    """Makes packs, several at a time if it likes."""

    def submit(self, job: SeedJob) -> None:
        """Take a job; return when there is room for another."""

    def finished(self, *, wait: bool) -> Sequence[SeedResult]:
        """Return what has finished since the last call.

        With ``wait``, return at least one result as long as any job is under way; empty means none is.
        """


class Outcome(StrEnum):
    """How one thing found in the source ended."""

    KEPT = "kept"
    HELD = "held"
    NOT_KEPT = "not-kept"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One line of a seed's list. The locator may name a patient: it belongs in that list and in no log."""

    locator: str
    outcome: Outcome
    size: int = 0
    digest: str = ""
    reason: str = ""
    """Why it was not kept, why it is kept opaque, or what is wrong with the instance that is kept."""

    def line(self) -> str:
        """Write as one line of JSON; file names that are no text survive as escaped surrogates."""
        return json.dumps(
            {
                "outcome": self.outcome.value,
                "locator": self.locator,
                "size_bytes": self.size,
                "digest": self.digest,
                "reason": self.reason,
            }
        )


@dataclass(frozen=True, slots=True)
class SeedSettings:
    """Limits of a seed."""

    opaque_bytes_max: int = 1024 * 1024 * 1024
    """A file that is no DICOM instance and is larger than this is listed and not kept."""
    grouping: GroupingSettings = field(default_factory=GroupingSettings)
    spill_directory: str | None = None


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """Counts of a seed: each thing found has one outcome."""

    outcomes: Mapping[Outcome, int]
    reasons: Mapping[Outcome, Mapping[str, int]]
    """Of each outcome: how many have something said about them, by what is said."""
    bytes_found: int
    bytes_kept: int
    jobs: int

    @property
    def found(self) -> int:
        """How many things were found."""
        return sum(self.outcomes.values())

    @property
    def complete(self) -> bool:
        """Whether everything found is held now."""
        return not self.outcomes[Outcome.NOT_KEPT]


def seed(
    tree: SourceTree,
    read_head: ReadHead,
    vault: Vault,
    packer: SeedPacker,
    *,
    settings: SeedSettings,
    tell: Callable[[FileOutcome], None],
    report: Report = silent,
) -> SeedSummary:
    """Pack every file of the source that is not held, and tell how each one ended.

    Raises:
        SpillFailed: no room for the temporary file that sorts a scattered source.
    """
    book = _Book(tell, report)
    with Spill(settings.spill_directory) as spill:
        for batch in _survey(tree, read_head, Grouping(settings.grouping, spill), settings, book):
            instances = {file.instance for file in batch}
            while not instances.isdisjoint(book.unmeasured):
                # What is packed just now may be equal to what comes here; the vault will know.
                _settle(packer, book, wait=True)
            job = _form_job(batch, tree, read_head, vault, book)
            if job is not None:
                packer.submit(job)
            _settle(packer, book, wait=False)
    while book.under_way:
        _settle(packer, book, wait=True)
    return book.summary()


def _settle(packer: SeedPacker, book: "_Book", *, wait: bool) -> None:
    results = packer.finished(wait=wait)
    assert results or not wait, "jobs are under way but the packer says that none is"
    for result in results:
        book.settle(result)


class _Book:
    """Every file's way to its outcome, and the counts."""

    def __init__(self, tell: Callable[[FileOutcome], None], report: Report) -> None:
        self._tell = tell
        self._report = report
        self._outcomes: Counter[Outcome] = Counter()
        self._reasons: dict[Outcome, Counter[str]] = {outcome: Counter() for outcome in Outcome}
        self._bytes_kept = 0
        self._jobs = 0
        self._twins: dict[StoredName, list[SeedItem]] = {}
        self.bytes_found = 0
        self.under_way: dict[int, SeedJob] = {}
        self.unmeasured: set[str] = set()
        """SOP Instance UIDs under way whose bytes only the packer knows."""

    def refuse(self, locator: str, size: int, reason: str) -> None:
        """List a file that is not kept."""
        self._end(FileOutcome(locator, Outcome.NOT_KEPT, size, reason=reason))

    def holds(self, item: SeedItem, digest: bytes) -> None:
        """List a file that the vault holds already."""
        self._end(FileOutcome(item.file.locator, Outcome.HELD, item.file.size, digest.hex(), item.opaque_because))

    def joins_twin(self, item: SeedItem) -> bool:
        """Let a file share the fate of an equal one whose job is under way."""
        twins = self._twins.get(item.measured.name) if item.measured else None
        if twins is None:
            return False
        twins.append(item)
        return True

    def expect(self, item: SeedItem) -> None:
        """Remember that this file is about to be packed."""
        if item.measured:
            self._twins[item.measured.name] = []
        else:
            self.unmeasured.add(item.file.instance)

    def start(self, study: str, items: Sequence[SeedItem]) -> SeedJob:
        """Number a job."""
        self._jobs += 1
        job = SeedJob(self._jobs, study, tuple(items))
        self.under_way[job.number] = job
        return job

    def settle(self, result: SeedResult) -> None:
        """Take the end of a job."""
        job = self.under_way.pop(result.number)
        for position, item in enumerate(job.items):
            reason = result.failed.get(position)
            twins = self._twins.pop(item.measured.name) if item.measured else []
            self.unmeasured.discard(item.file.instance)
            if reason is None:
                digest = item.measured.name.digest if item.measured else result.digests[position]
                size = item.file.size
                self._bytes_kept += size
                said = item.opaque_because or result.remarks.get(position, "")
                self._end(FileOutcome(item.file.locator, Outcome.KEPT, size, digest.hex(), said))
                for twin in twins:
                    self.holds(twin, digest)
            else:
                for lost in (item, *twins):
                    self.refuse(lost.file.locator, lost.file.size, reason)

    def summary(self) -> SeedSummary:
        """Give the counts."""
        return SeedSummary(
            outcomes={outcome: self._outcomes[outcome] for outcome in Outcome},
            reasons=self._reasons,
            bytes_found=self.bytes_found,
            bytes_kept=self._bytes_kept,
            jobs=self._jobs,
        )

    def _end(self, outcome: FileOutcome) -> None:
        self._outcomes[outcome.outcome] += 1
        if outcome.reason:
            self._reasons[outcome.outcome][outcome.reason] += 1
        self._tell(outcome)
        self._report(Progress("seed", self._outcomes.total(), 0, "files", f"{self.bytes_found} bytes found"))


@dataclass(frozen=True, slots=True)
class _Look:
    """What a file says it is."""

    wrapper: Wrapper
    head: Head
    opaque_because: str = ""

    def surveyed(self, locator: str, size: int) -> SurveyedFile:
        """Say where the file belongs; opaque files belong together."""
        if self.opaque_because:
            return SurveyedFile(locator, size, "", "")
        return SurveyedFile(locator, size, self.head.study, self.head.series, self.head.sop_instance)


def _look(source: ByteSource, read_head: ReadHead) -> _Look:
    opaque = Wrapper(opaque=True)
    try:
        wrapper, head = read_head(source)
    except (UsageError, PeerError) as error:
        return _Look(opaque, Head("", "", "", "", "", ""), error.code)
    if head.sop_class == MEDIA_STORAGE_DIRECTORY:
        return _Look(opaque, head, "dicomdir")
    if wrapper.opaque:
        return _Look(opaque, head, "not-dicom")
    if not (head.study and head.series and head.sop_instance):
        return _Look(opaque, head, "uids-missing")
    return _Look(wrapper, head)


def _survey(
    tree: SourceTree, read_head: ReadHead, grouping: Grouping, settings: SeedSettings, book: _Book
) -> Iterator[Batch]:
    for found in tree.walk():
        if isinstance(found, SourceGap):
            book.refuse(found.locator, 0, found.reason)
            continue
        book.bytes_found += found.size
        try:
            with tree.open(found.locator) as source:
                size, look = source.size, _look(source, read_head)
        except ResourceError as error:
            book.refuse(found.locator, found.size, error.code)
            continue
        if size == 0:
            book.refuse(found.locator, 0, "empty")
        elif look.opaque_because and size > settings.opaque_bytes_max:
            book.refuse(found.locator, size, "opaque-too-large")
        else:
            yield from grouping.add(look.surveyed(found.locator, size))
    yield from grouping.rest()


def _form_job(batch: Batch, tree: SourceTree, read_head: ReadHead, vault: Vault, book: _Book) -> SeedJob | None:
    """Keep what the vault lacks of a batch; hash only what it may hold."""
    seen = Counter(file.instance for file in batch)
    met = vault.met([instance for instance in seen if instance])
    items: list[SeedItem] = []
    for file in batch:
        if file.instance and seen[file.instance] == 1 and file.instance not in met:
            items.append(SeedItem(file, None))
        elif (measured := _measure(file, tree, read_head, book)) is not None:
            items.append(SeedItem(file, measured))
    held = vault.held([item.measured.name for item in items if item.measured])
    lacking: list[SeedItem] = []
    for item in items:
        if item.measured and item.measured.name in held:
            book.holds(item, item.measured.name.digest)
        elif not book.joins_twin(item):
            book.expect(item)
            lacking.append(item)
    return book.start(batch[0].study, lacking) if lacking else None


def _measure(file: SurveyedFile, tree: SourceTree, read_head: ReadHead, book: _Book) -> Measured | None:
    """Hash one file. Its head is read again, so that head and digest are of the same bytes."""
    try:
        with tree.open(file.locator) as source:
            look = _look(source, read_head)
            if look.surveyed(file.locator, source.size) != file:
                raise SourceChanged(size=source.size)
            prefix = bytes(source.read(0, look.wrapper.prefix_size))
            name = StoredName(digest_of(source, len(prefix)), hashlib.sha256(prefix).digest())
            return Measured(name, look.wrapper, look.head, look.opaque_because)
    except ResourceError as error:
        book.refuse(file.locator, file.size, error.code)
        return None
