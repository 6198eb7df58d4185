"""Taking instances out of the vault as Part 10 files."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safelight.catalog.rows import HoldingRow, LandedRow
from safelight.core.errors import SafelightError, UsageError
from safelight.core.instance import Way
from safelight.core.progress import Progress, Report
from safelight.site.holdings import NotHeld
from safelight.site.opened import Site
from safelight.site.unpacker import Unpackers, UnpackerSettings, UnpackOrder, UnpackTask, write_whole
from safelight.wire.dicom.part10 import write_prefix

ORDER_BYTES: Final = 8 * 2**20
ORDER_FILES: Final = 256
WORTH_WORKERS_BYTES: Final = 8 * 2**20


class FolderNotWritable(UsageError):
    """The folder for the files cannot be made or written."""

    code = "vault.folder-not-writable"
    hint = "Give another folder with --to, or mend its rights."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: a study, one version, or (neither) everything."""

    study: str | None
    digest: str | None


def export(site: Site, wanted: Wanted, folder: Path, *, dry_run: bool, report: Report) -> dict[str, Any]:
    """Write every version that is wanted, each in every wrapper that it came with.

    Raises:
        NotHeld: nothing of that name is held.
        FolderNotWritable: the folder cannot be made.
    """
    site.arrivals.settle()
    if not dry_run:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderNotWritable(folder=str(folder), error=error.strerror or "unknown") from error
    tally = _Tally(_count(site, wanted), report)
    if dry_run:
        for holding in _chosen(site, wanted):
            tally.written(holding_size(holding))
    elif wanted.digest:
        for holding in _chosen(site, wanted):
            _write_here(site, folder, _file_of(holding, set()), tally)
    else:
        _write_by_workers(site, wanted, folder, tally)
    if not tally.files and not tally.failed:
        raise NotHeld(study=wanted.study, digest=wanted.digest)
    return {"files": tally.files, "bytes": tally.bytes, "failed": tally.failed, "to": str(folder)}


@dataclass(slots=True)
class _Tally:
    """What an export came to so far."""

    total: int
    report: Report
    files: int = 0
    bytes: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)

    def written(self, size: int) -> None:
        self.files += 1
        self.bytes += size
        self._tell()

    def refused(self, holding: HoldingRow | LandedRow, code: str) -> None:
        self.failed.append({"digest": holding.version.digest.hex(), "code": code})
        self._tell()

    def _tell(self) -> None:
        self.report(Progress("export", self.files + len(self.failed), self.total, "files"))


def holding_size(holding: HoldingRow | LandedRow) -> int:
    """Return how many stored bytes a holding has."""
    return holding.size if isinstance(holding, HoldingRow) else holding.place.size


def _count(site: Site, wanted: Wanted) -> int:
    if wanted.digest:
        return 1
    if wanted.study is None:
        return site.catalog.tally().instances_landed
    row = site.catalog.study(wanted.study)
    return row.versions if row else 0


def _chosen(site: Site, wanted: Wanted) -> Iterator[HoldingRow | LandedRow]:
    """Give what is wanted; what lies in one pack comes together, in the pack's order."""
    catalog = site.catalog
    if wanted.digest:
        digest = _digest(wanted.digest)
        yield from _distinct(
            catalog.holdings(digests=[digest]), [row for row in _waiting(site, None) if row.version.digest == digest]
        )
    elif wanted.study is not None:
        yield from _distinct(catalog.holdings(study=wanted.study), _waiting(site, wanted.study))
    else:
        for study in catalog.studies():
            yield from _distinct(catalog.holdings(study=study.study), _waiting(site, study.study))
        opaque = (version.digest for version in catalog.opaque())
        while some := list(itertools.islice(opaque, 500)):
            yield from _distinct(catalog.holdings(digests=some), [])
        yield from _distinct([], _waiting(site, ""))


def _waiting(site: Site, study: str | None) -> list[LandedRow]:
    return site.catalog.landed(study)


def _distinct(packed: Iterable[HoldingRow], waiting: Iterable[LandedRow]) -> Iterator[HoldingRow | LandedRow]:
    seen: set[tuple[bytes, bytes]] = set()
    for holding in sorted(packed, key=lambda one: (one.pack, one.position)):
        key = (holding.version.digest, holding.prefix_digest)
        if key not in seen:
            seen.add(key)
            yield holding
    plain = {digest for digest, _ in seen}
    for row in waiting:
        if row.prefix_size or row.version.digest not in plain:
            plain.add(row.version.digest)
            yield row


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise NotHeld(digest=text[:64]) from error


@dataclass(frozen=True, slots=True)
class _File:
    """One file to write."""

    holding: HoldingRow | LandedRow
    name: str
    prefix: bytes


def _file_of(holding: HoldingRow | LandedRow, written: set[bytes]) -> _File:
    """Name a file by digests, and say what goes before the stored bytes.

    What came as a file leaves as that file, be it without preamble and file meta; what came over an
    association gets ours.
    """
    version = holding.version
    came_as_file = version.opaque or holding.prefix_size > 0 or version.way is Way.SEED
    prefix = b"" if came_as_file else write_prefix(version.sop_class, version.sop_instance, version.transfer_syntax)
    name = version.digest.hex()
    if version.digest in written and isinstance(holding, HoldingRow):
        name += f"-{holding.prefix_digest.hex()[:16]}"
    written.add(version.digest)
    return _File(holding, name + (".opaque" if version.opaque else ".dcm"), prefix)


def _write_by_workers(site: Site, wanted: Wanted, folder: Path, tally: _Tally) -> None:
    """Have the workers write what lies in packs; write here what waits in the log, and what they could not."""
    given: dict[int, Sequence[_File]] = {}
    here: deque[_File] = deque()
    orders = _orders(site, wanted, given, here)
    first = list(_first(orders, given))
    if _bytes_of(given) < WORTH_WORKERS_BYTES:
        # Starting workers would take longer than the little there is to do.
        here.extend(itertools.chain.from_iterable(given.values()))
        while here:
            _write_here(site, folder, here.popleft(), tally)
        return
    settings = UnpackerSettings(tuple(site.placements), (site.secret.node,), str(folder))
    unpackers = Unpackers(site.workers, settings, site.settings.vault.packers)
    try:
        for order, outcome in unpackers.unpack(itertools.chain(first, orders)):
            for file, size in zip(given.pop(order.number), outcome.sizes, strict=True):
                if size is None:
                    here.append(file)
                else:
                    tally.written(size)
            while here:
                _write_here(site, folder, here.popleft(), tally)
    finally:
        unpackers.stop()
    while here:
        _write_here(site, folder, here.popleft(), tally)


def _orders(site: Site, wanted: Wanted, given: dict[int, Sequence[_File]], here: deque[_File]) -> Iterator[UnpackOrder]:
    """Cut what lies in packs into orders, remembered in ``given``; what waits in the landing log goes ``here``."""
    written: set[bytes] = set()
    numbers = itertools.count()
    for pack, holdings in itertools.groupby(_chosen(site, wanted), _pack_of):
        files = (_file_of(holding, written) for holding in holdings)
        if pack is None:
            here.extend(files)
            continue
        for some in _cut(files):
            number = next(numbers)
            given[number] = some
            yield UnpackOrder(number, pack, tuple(_task_of(file) for file in some))


def _first(orders: Iterator[UnpackOrder], given: Mapping[int, Sequence[_File]]) -> Iterator[UnpackOrder]:
    """Give orders until they are worth workers."""
    while _bytes_of(given) < WORTH_WORKERS_BYTES and (order := next(orders, None)) is not None:
        yield order


def _bytes_of(given: Mapping[int, Sequence[_File]]) -> int:
    return sum(holding_size(file.holding) for files in given.values() for file in files)


def _pack_of(holding: HoldingRow | LandedRow) -> str | None:
    return holding.pack if isinstance(holding, HoldingRow) else None


def _task_of(file: _File) -> UnpackTask:
    assert isinstance(file.holding, HoldingRow), "only what lies in a pack goes to a worker"
    return UnpackTask(file.holding.position, file.name, file.prefix)


def _cut(files: Iterable[_File]) -> Iterator[list[_File]]:
    """Cut a pack's files so that two workers share it and neither is given much at once."""
    some: list[_File] = []
    size = 0
    for file in files:
        some.append(file)
        size += holding_size(file.holding)
        if size >= ORDER_BYTES or len(some) == ORDER_FILES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _write_here(site: Site, folder: Path, file: _File, tally: _Tally) -> None:
    """Write one file in this process, from whichever placement gives it whole."""
    try:
        pieces = itertools.chain([file.prefix] if file.prefix else [], site.holdings.stored(file.holding))
        tally.written(write_whole(folder / file.name, pieces))
    except OSError:
        tally.refused(file.holding, FolderNotWritable.code)
    except SafelightError as error:
        tally.refused(file.holding, error.code)
