"""From the vault back to everything: the catalog from packs and journal, a lost journal from its sealed segments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import CopyState, PackRow
from safelight.core.clock import Clock
from safelight.core.disk import Disk
from safelight.core.errors import IntegrityError, ResourceError, SafelightError
from safelight.core.instance import ByteSource, Holding, MemorySource, Wrapper
from safelight.core.progress import Progress, Report, silent
from safelight.core.signing import BadSignature
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.journal.restoration import restore_journal
from safelight.journal.segment import Segment, read_segment
from safelight.site.copies import JOURNAL
from safelight.site.heads import head_of
from safelight.site.home import Home
from safelight.site.records import Records
from safelight.vault.keys import PublicKeys, SecretKeys
from safelight.vault.pack_format import IMAGES, PackEntry
from safelight.vault.pack_reader import PackReader
from safelight.vault.placement import Placement

FACTS_AT_ONCE: Final = 500
INSTANCES: Final = "instances"
STRANGERS_SINCE: Final = timedelta(hours=1)
Failed = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class PackFound:
    """A pack as its own index describes it."""

    row: PackRow
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class _Sealing:
    """What the journal says of a pack."""

    at: datetime
    position: int


def open_pack(placements: Sequence[Placement], pack: str) -> ByteSource:
    """Return the ciphertext of a pack from the first placement that has it."""
    for placement in placements[:-1]:
        with suppress(ResourceError):
            return placement.open(pack)
    return placements[-1].open(pack)


def read_pack(
    placements: Sequence[Placement], secret: SecretKeys, pack: str, sealing: _Sealing | None, journal_end: datetime
) -> PackFound:
    """Read a pack's index and the heads of what it holds, from the first placement that gives them whole.

    Raises:
        IntegrityError, ResourceError: no placement does.
    """
    failure: SafelightError | None = None
    for placement in placements:
        try:
            source = placement.open(pack)
            reader = PackReader(source, [secret.node], lambda name: open_pack(placements, name))
            return _found(reader, source, pack, sealing, journal_end)
        except (IntegrityError, ResourceError) as error:
            failure = error
    assert failure is not None, "there is always the home placement"
    raise failure


def _found(
    reader: PackReader, source: ByteSource, pack: str, sealing: _Sealing | None, journal_end: datetime
) -> PackFound:
    index = reader.index
    entries = reader.entries()
    raw_bytes = sum(entry.size for entry in entries) if index.kind == IMAGES else _stream_bytes(reader)
    row = PackRow(
        name=pack,
        size_bytes=source.size,
        raw_bytes=raw_bytes,
        sealed_at=sealing.at if sealing else journal_end,
        refers_to=index.refers_to,
        kind=INSTANCES if index.kind == IMAGES else index.kind,
        journal_position=sealing.position if sealing else None,
    )
    holdings = tuple(
        entry.holding(
            pack, number, head_of(MemorySource(reader.header(number)), _wrapper(entry), entry.transfer_syntax)
        )
        for number, entry in enumerate(entries)
    )
    return PackFound(row, holdings)


def _stream_bytes(reader: PackReader) -> int:
    return reader.index.content.length if reader.index.content else 0


def _wrapper(entry: PackEntry) -> Wrapper:
    return Wrapper(entry.prefix_size, entry.opaque)


def rebuild_catalog(
    home: Home,
    journal: Journal,
    placements: Sequence[Placement],
    secret: SecretKeys,
    disk: Disk,
    failed: Failed,
    report: Report = silent,
) -> int:
    """Compute the catalog again beside the old one and put it in its place when complete; return how many packs.

    What lies in the landing log alone is added when the home is opened.
    """
    draft = home.catalog.with_name("catalog-rebuilt.db")
    for leftover in _files_of(draft):
        leftover.unlink(missing_ok=True)
    catalog = Catalog.create(draft, disk=disk)
    try:
        count = _fill(catalog, journal, placements, secret, failed, report)
    finally:
        catalog.close()
    for leftover in _files_of(home.catalog)[1:]:
        leftover.unlink(missing_ok=True)
    disk.rename(draft, home.catalog)
    for leftover in _files_of(draft)[1:]:
        leftover.unlink(missing_ok=True)
    disk.sync_directory(home.directory)
    return count


def _files_of(database: Path) -> list[Path]:
    return [database, *(database.with_name(database.name + ending) for ending in ("-wal", "-shm"))]


def _fill(
    catalog: Catalog,
    journal: Journal,
    placements: Sequence[Placement],
    secret: SecretKeys,
    failed: Failed,
    report: Report,
) -> int:
    sealings = _sealings(journal)
    last = journal.last()
    end = last.at if last else datetime.min
    packs = _packs_in_order(placements, sealings, failed)
    count = 0
    for count, (pack, where) in enumerate(packs, start=1):
        try:
            found = read_pack(placements, secret, pack, sealings.get(pack), end)
        except (IntegrityError, ResourceError) as error:
            failed(error)
            continue
        catalog.record_packed(found.row, found.holdings)
        for placement in where:
            # Written, not verified: only reading a copy back makes it count.
            catalog.record_copy(pack, placement, CopyState.WRITTEN, None)
        report(Progress("rebuild", count, len(packs), "packs"))
    batch = []
    for entry in journal.entries():
        batch.append(entry)
        if len(batch) == FACTS_AT_ONCE:
            catalog.apply(batch)
            batch = []
    catalog.apply(batch)
    return count


def _sealings(journal: Journal) -> dict[str, _Sealing]:
    kinds = (FactKind.PACK_SEALED, FactKind.JOURNAL_SEALED)
    return {str(entry.facts["pack"]): _Sealing(entry.at, entry.position) for entry in journal.entries(kinds=kinds)}


def _packs_in_order(
    placements: Sequence[Placement], sealings: Mapping[str, _Sealing], failed: Failed
) -> list[tuple[str, list[str]]]:
    """Return every pack anywhere with the placements that have it, in the order in which they were sealed."""
    where: dict[str, list[str]] = {}
    for placement in placements:
        try:
            for pack in placement.names():
                where.setdefault(pack, []).append(placement.name)
        except ResourceError as error:
            failed(error)
    return sorted(
        where.items(), key=lambda item: (sealings[item[0]].position if item[0] in sealings else 2**62, item[0])
    )


def adopt_packs(records: Records, placements: Sequence[Placement], secret: SecretKeys, failed: Failed) -> None:
    """Record packs that were in place when a crash came before they were recorded."""
    sealings = _sealings_of(records, records.catalog.packs_not_found())
    for pack, sealing in sealings.items():
        _record(records, placements, secret, pack, sealing, failed)
    strangers = list(_strangers(records, placements[0]))
    told_of = _sealings_of(records, strangers)
    for pack in strangers:
        # Renamed and not recorded: it was decoded and compared before it got its name; it is read back now.
        try:
            placements[0].verify(pack)
        except SafelightError as error:
            failed(error)
            continue
        _record(records, placements, secret, pack, told_of.get(pack), failed)


def _strangers(records: Records, placement: Placement) -> Iterator[str]:
    """Give packs that nobody recorded; only what changed since shortly before the last fact can hold one."""
    last = records.journal.last()
    since = last.at - STRANGERS_SINCE if last else None
    yield from (pack for pack in placement.names(changed_since=since) if records.catalog.pack(pack) is None)


def _sealings_of(records: Records, packs: Sequence[str]) -> dict[str, _Sealing]:
    wanted = set(packs)
    if not wanted:
        return {}
    return {pack: sealing for pack, sealing in _sealings(records.journal).items() if pack in wanted}


def _record(
    records: Records,
    placements: Sequence[Placement],
    secret: SecretKeys,
    pack: str,
    sealing: _Sealing | None,
    failed: Failed,
) -> None:
    try:
        last = records.journal.last()
        assert last is not None, "a home begins with a fact"
        found = read_pack(placements, secret, pack, sealing, last.at)
    except SafelightError as error:
        failed(error)
        records.open_finding("vault.pack-not-found", pack, "critical", error=error.code)
        return
    if sealing is None and found.row.kind != JOURNAL:
        facts = {
            "pack": pack,
            "size_bytes": found.row.size_bytes,
            "raw_bytes": found.row.raw_bytes,
            "instances": len(found.holdings),
            "refers_to": list(found.row.refers_to),
        }
        entry = records.record(FactKind.PACK_SEALED, facts)
        sealing = _Sealing(entry.at, entry.position)
        found = read_pack(placements, secret, pack, sealing, entry.at)
    records.catalog.record_packed(found.row, found.holdings)
    records.close_finding("vault.pack-not-found", pack, "found again")
    for placement in placements:
        try:
            placement.verify(pack)
        except SafelightError:
            continue
        records.catalog.record_copy(pack, placement.name, CopyState.VERIFIED, records.journal.last().at)  # type: ignore[union-attr]


def restore_lost_journal(
    home: Home,
    clock: Clock,
    disk: Disk,
    node: str,
    public: PublicKeys,
    secret: SecretKeys,
    placements: Sequence[Placement],
) -> Journal:
    """Make the journal again from the segments sealed in the vault, and from what a damaged file still holds.

    The damaged file is kept beside it.
    """
    damaged: Path | None = None
    if home.journal.exists():
        damaged = home.journal.with_name(f"journal-damaged-{clock.now():%Y%m%dT%H%M%S}.db")
        for old, new in zip(_files_of(home.journal), _files_of(damaged), strict=True):
            if old.exists():
                disk.rename(old, new)
        disk.sync_directory(home.directory)
    return restore_journal(
        home.journal,
        clock,
        node,
        list(sealed_segments(placements, public, secret)),
        signer=secret.signing,
        salvage=damaged,
    )


def sealed_segments(placements: Sequence[Placement], public: PublicKeys, secret: SecretKeys) -> Iterator[Segment]:
    """Give every journal segment that lies in the vault and whose signature holds."""
    for pack in sorted({pack for placement in placements for pack in _names_of(placement)}):
        with suppress(IntegrityError, ResourceError):
            reader = PackReader(open_pack(placements, pack), [secret.node])
            if reader.index.kind == JOURNAL:
                yield read_segment(
                    b"".join(reader.content()), lambda key, message, signature: _holds(public, key, message, signature)
                )


def _names_of(placement: Placement) -> list[str]:
    try:
        return list(placement.names())
    except ResourceError:
        return []


def _holds(public: PublicKeys, key: str, message: bytes, signature: bytes) -> bool:
    try:
        public.signing.verify(signature, message)
    except BadSignature:
        return False
    return key == public.signing.key_id
