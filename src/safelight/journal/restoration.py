"""Rebuilding a journal: from the sealed segments in the vault, and from what a damaged file still holds."""

from collections.abc import Iterable
from pathlib import Path

from safelight.core.clock import Clock
from safelight.core.database import Database, Durability
from safelight.journal.entry import chain, genesis, read_line
from safelight.journal.errors import JournalDamaged, SegmentsDisagree
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.journal.segment import Segment, Signer
from safelight.journal.verification import readable_rows


def restore_journal(
    path: Path,
    clock: Clock,
    node_id: str,
    segments: Iterable[Segment],
    *,
    signer: Signer | None = None,
    salvage: Path | None = None,
) -> Journal:
    """Make a journal at ``path`` from proven segments, in any order, and return it open.

    Of a damaged journal given as ``salvage``, the entries after the last segment are taken as far
    as the chain holds. The first new entry says where the restored facts end. On an error nothing
    is left at ``path`` but a file without entries.

    Raises:
        JournalThere: there is a journal at ``path`` already.
        SegmentsDisagree: segments contradict each other, leave a gap, or are of another node.
    """
    journal = Journal.create(path, clock, node_id, signer)
    known, position, count = genesis(node_id), 0, 0
    for segment in sorted(segments, key=lambda one: (one.first, one.last)):
        if segment.node != node_id or segment.first > position + 1:
            journal.close()
            raise SegmentsDisagree(node=segment.node, first=segment.first, expected=position + 1)
        known, position = _take(journal, segment, known, position)
        count += 1
    sealed = position
    if salvage is not None:
        position = _salvage(journal, salvage, known, position)
    journal.append(
        FactKind.JOURNAL_RESTORED,
        {"last": sealed, "segments": count, "salvaged": position - sealed},
    )
    return journal


def _take(journal: Journal, segment: Segment, known: bytes, position: int) -> tuple[bytes, int]:
    """Add the entries of a segment that are not there yet, having compared those that are."""
    rows = []
    for entry, line in zip(segment.entries(), segment.lines(), strict=True):
        if entry.position <= position:
            if journal.hash_at(entry.position) != entry.hash:
                raise SegmentsDisagree(position=entry.position)
            continue
        if chain(known, line) != entry.hash:
            raise SegmentsDisagree(position=entry.position)
        known, position = entry.hash, entry.position
        rows.append({"position": position, "kind": entry.kind, "line": line, "hash": known})
    journal.put_back(rows)
    return known, position


def _salvage(journal: Journal, damaged: Path, known: bytes, position: int) -> int:
    database = Database(damaged, Durability.FULL, JournalDamaged, read_only=True)
    rows = []
    try:
        for row in readable_rows(database, position):
            if row.position != position + 1 or chain(known, row.line) != row.hash:
                break
            entry = read_line(row.line, row.hash)
            known, position = row.hash, row.position
            rows.append({"position": position, "kind": entry.kind, "line": row.line, "hash": known})
    except JournalDamaged:
        pass
    finally:
        database.close()
    journal.put_back(rows)
    return position
