"""Messages too large for the journal: each lies in a pack of its own, and its fact names the pack."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from safelight.catalog.rows import CopyState, PackRow
from safelight.core.disk import Disk
from safelight.journal.kinds import FactKind
from safelight.site.rebuilding import open_pack
from safelight.site.records import Records
from safelight.vault.age import Identity, Recipient
from safelight.vault.pack_reader import PackReader
from safelight.vault.placement import Placement
from safelight.vault.stream_pack import write_stream_pack

HL7: Final = "hl7"


class PackedLargeMessages:
    """Keeps messages in packs, and reads them from the first placement that has them."""

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        recipients: Sequence[Recipient],
        identity: Identity,
        records: Records,
        placements: Sequence[Placement],
    ) -> None:
        self._directory = directory
        self._disk = disk
        self._recipients = recipients
        self._identity = identity
        self._records = records
        self._placements = placements

    def keep(self, raw: bytes, name: str) -> str:
        """Make a message durable in a pack of its own and return the pack's name."""
        sealed = write_stream_pack(self._directory, self._disk, self._recipients, kind=HL7, name=name, chunks=[raw])
        facts = {
            "pack": sealed.name,
            "size_bytes": sealed.size_bytes,
            "raw_bytes": sealed.raw_bytes,
            "instances": 0,
            "refers_to": [],
        }
        entry = self._records.record(FactKind.PACK_SEALED, facts)
        row = PackRow(
            sealed.name, sealed.size_bytes, sealed.raw_bytes, entry.at, kind=HL7, journal_position=entry.position
        )
        catalog = self._records.catalog
        catalog.record_packed(row, [])
        catalog.record_copy(sealed.name, self._placements[0].name, CopyState.VERIFIED, entry.at)
        return sealed.name

    def read(self, pack: str) -> bytes:
        """Return the message in a pack.

        Raises:
            IntegrityError, ResourceError: no placement gives it whole.
        """
        return b"".join(PackReader(open_pack(self._placements, pack), [self._identity]).content())
