"""Seeding from a folder: files go straight into packs; what is held already is left alone."""

import queue
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Final

from safelight.core.errors import SafelightError, UsageError
from safelight.core.instance import Receipt, Way
from safelight.core.progress import Progress, Report
from safelight.journal.kinds import FactKind
from safelight.media.source_folder import SourceFolder
from safelight.protection.seed import (
    FileOutcome,
    Outcome,
    SeedItem,
    SeedJob,
    SeedResult,
    SeedSettings,
    SeedSummary,
    StoredName,
    seed,
)
from safelight.protection.seed_grouping import GroupingSettings
from safelight.site.flushing import finish_copies
from safelight.site.follow_up import FollowUp
from safelight.site.heads import read_head
from safelight.site.opened import Site
from safelight.site.packer import PackOrder, PackOutcome, PackTask, Unread
from safelight.site.packing_desk import cut_short_of, holdings_of
from safelight.vault.pack_format import PackItem
from safelight.wire.dicom.elements import DataSetCutShort


class NoFolder(UsageError):
    """The folder to seed from is not there."""

    code: ClassVar[str] = "protection.no-folder"
    hint: ClassVar[str] = "Give a folder that this machine can read."


def seed_folder(site: Site, told: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Take in a folder tree; returns counts and, for every file that is no DICOM instance, a reason.

    Raises:
        NoFolder: there is no such folder.
    """
    folder = Path(told["folder"])
    if not folder.is_dir():
        raise NoFolder(folder=str(folder))
    label = str(told["label"])
    dry_run = bool(told.get("dry_run"))
    packer = _LookingOnly() if dry_run else _SitePacker(site, folder, label)
    settings = SeedSettings(
        opaque_bytes_max=site.settings.vault.opaque_bytes_max,
        grouping=GroupingSettings(),
        spill_directory=str(site.home.run),
    )
    if not dry_run:
        site.records.record(FactKind.SEED_STARTED, {"label": label})
    with ExitStack() as stack:
        tell = _listing(told.get("list") or "", stack)
        summary = seed(
            SourceFolder(folder),
            read_head,
            _LookedAt(site) if dry_run else _Vault(site),
            packer,
            settings=settings,
            tell=tell,
            report=report,
        )
    document = _document(summary)
    if not dry_run:
        site.records.record(FactKind.SEED_FINISHED, {"label": label, **document})
        report(Progress("copy", 0, 0, "packs"))
        finish_copies(site)
    return document


_WORDS: Final = {Outcome.KEPT: "kept", Outcome.HELD: "held_already", Outcome.NOT_KEPT: "not_kept"}


def _document(summary: SeedSummary) -> dict[str, Any]:
    return {
        "found": summary.found,
        "kept": summary.outcomes[Outcome.KEPT],
        "held_already": summary.outcomes[Outcome.HELD],
        "not_kept": summary.outcomes[Outcome.NOT_KEPT],
        "reasons": {_WORDS[outcome]: dict(summary.reasons[outcome]) for outcome in Outcome},
        "bytes_found": summary.bytes_found,
        "bytes_kept": summary.bytes_kept,
        "packs": summary.jobs,
    }


def _listing(file: str, stack: ExitStack) -> Callable[[FileOutcome], None]:
    if not file:
        return lambda _: None
    lines = stack.enter_context(Path(file).open("w", encoding="utf-8"))  # noqa: SIM115 - the stack closes it

    def tell(outcome: FileOutcome) -> None:
        lines.write(outcome.line() + "\n")

    return tell


class _Vault:
    """What the catalog says is held."""

    def __init__(self, site: Site) -> None:
        self._catalog = site.catalog

    def held(self, names: Sequence[StoredName]) -> AbstractSet[StoredName]:
        known = self._catalog.known((name.digest for name in names), packed_only=True)
        if not known:
            return frozenset()
        return {StoredName(one.version.digest, one.prefix_digest) for one in self._catalog.holdings(digests=known)}

    def met(self, instances: Sequence[str]) -> AbstractSet[str]:
        return self._catalog.met(instances)


class _LookedAt(_Vault):
    """The same, with every file hashed: nobody else will, when nothing is packed."""

    def met(self, instances: Sequence[str]) -> AbstractSet[str]:
        return frozenset(instances)


class _LookingOnly:
    """Packs nothing: everything that would be packed counts as kept."""

    def __init__(self) -> None:
        self._results: list[SeedResult] = []

    def submit(self, job: SeedJob) -> None:
        self._results.append(SeedResult(job.number))

    def finished(self, *, wait: bool) -> Sequence[SeedResult]:
        del wait
        results, self._results = self._results, []
        return results


class _SitePacker:
    """Hands jobs to the packers and records what they seal."""

    def __init__(self, site: Site, folder: Path, label: str) -> None:
        self._site = site
        self._folder = folder
        self._label = label
        self._results: queue.SimpleQueue[SeedResult] = queue.SimpleQueue()
        self._under_way = 0
        self._follow = FollowUp(site.records, site.holdings)

    def submit(self, job: SeedJob) -> None:
        receipt = Receipt(self._site.clock.now(), Way.SEED, "", "", self._label)
        tasks = tuple(
            PackTask(str(self._folder / item.file.locator), 0, item.file.size, _item(item, receipt))
            for item in job.items
        )
        self._under_way += 1
        self._site.packing.submit(PackOrder(tasks), lambda order, outcome: self._settle(job, order, outcome))

    def finished(self, *, wait: bool) -> Sequence[SeedResult]:
        results: list[SeedResult] = []
        while self._under_way and (wait or not self._results.empty()):
            results.append(self._results.get())
            self._under_way -= 1
            wait = False
        return results

    def _settle(self, job: SeedJob, order: PackOrder, outcome: PackOutcome) -> None:
        failed = dict(outcome.failed)
        digests: dict[int, bytes] = {}
        try:
            if outcome.sealed is not None:
                holdings = holdings_of(outcome.sealed, order, outcome)
                self._site.desk.record_sealed(outcome.sealed, holdings, (), cut_short_of(holdings, outcome))
                self._follow.after_packing(holdings)
                digests = {
                    number: one.digest for number, one in zip(outcome.packed, outcome.sealed.entries, strict=True)
                }
            else:
                failed = {number: failed.get(number, outcome.error) for number in range(len(order.tasks))}
        except SafelightError as error:
            self._site.log.failure(error)
            failed = dict.fromkeys(range(len(order.tasks)), error.code)
        remarks = dict.fromkeys(outcome.cut_short, DataSetCutShort.code)
        self._results.put(SeedResult(job.number, failed, digests, remarks))


def _item(item: SeedItem, receipt: Receipt) -> PackItem | Unread:
    if item.measured is None:
        return Unread(item.file.study, item.file.series, item.file.instance, receipt)
    return PackItem(item.measured.name.digest, item.measured.wrapper, item.measured.head, receipt)
