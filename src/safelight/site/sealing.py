"""Journal segments go into the vault, so that one surviving copy of the vault and a key give everything back."""

from typing import TYPE_CHECKING

from safelight.catalog.rows import CopyState, PackRow
from safelight.site.copies import JOURNAL
from safelight.vault.stream_pack import write_stream_pack

if TYPE_CHECKING:
    from safelight.site.opened import Site


def seal_journal(site: "Site") -> int:
    """Pack every entry that has no sealed copy; return how many segments that made. Harmless when repeated."""
    made = 0
    while (segment := site.records.journal.seal()) is not None:
        sealed = write_stream_pack(
            site.home.vault / "packs",
            site.disk,
            site.public.recipients,
            kind=JOURNAL,
            name=segment.name,
            chunks=[segment.content],
        )
        entry = site.records.mark_sealed(segment, sealed.name)
        row = PackRow(
            sealed.name,
            sealed.size_bytes,
            sealed.raw_bytes,
            entry.at,
            kind=JOURNAL,
            journal_position=entry.position,
        )
        site.catalog.record_packed(row, [])
        site.catalog.record_copy(sealed.name, site.placements[0].name, CopyState.VERIFIED, entry.at)
        made += 1
    return made
