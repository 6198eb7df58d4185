"""Taking instances out of the vault as Part 10 files."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.catalog.rows import HoldingRow, LandedRow
from safelight.core.errors import SafelightError, UsageError
from safelight.core.instance import Way
from safelight.core.progress import Progress, Report
from safelight.site.holdings import NotHeld
from safelight.site.opened import Site
from safelight.wire.dicom.part10 import write_prefix


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
    files = bytes_written = 0
    failed: list[dict[str, str]] = []
    written: set[bytes] = set()
    total = _count(site, wanted)
    for holding in _chosen(site, wanted):
        try:
            bytes_written += holding_size(holding) if dry_run else _write(site, holding, folder, written)
            files += 1
        except SafelightError as error:
            failed.append({"digest": holding.version.digest.hex(), "code": error.code})
        report(Progress("export", files + len(failed), total, "files"))
    if not files and not failed:
        raise NotHeld(study=wanted.study, digest=wanted.digest)
    return {"files": files, "bytes": bytes_written, "failed": failed, "to": str(folder)}


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


def _write(site: Site, holding: HoldingRow | LandedRow, folder: Path, written: set[bytes]) -> int:
    """Write one file under a name made of digests; a file appears whole or not at all.

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
    path = folder / (name + (".opaque" if version.opaque else ".dcm"))
    draft = path.with_name(path.name + ".part")
    size = len(prefix)
    try:
        with draft.open("wb", buffering=0) as file:
            if prefix:
                file.write(prefix)
            for piece in site.holdings.stored(holding):
                file.write(piece)
                size += len(piece)
        draft.replace(path)
    except OSError as error:
        raise FolderNotWritable(folder=str(folder), error=error.strerror or "unknown") from error
    finally:
        draft.unlink(missing_ok=True)
    return size
