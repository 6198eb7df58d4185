"""What goes home and what came back: the vault as a recovery asks for it, and the ladder of comparison."""

from collections.abc import Callable, Sequence
from datetime import datetime

from safelight.catalog.rows import HoldingRow, LandedRow, VersionRow
from safelight.core.instance import ByteSource
from safelight.recovery.ports import HeldInstance, Version
from safelight.site.arrivals import KEY_OBJECT_SELECTION
from safelight.site.opened import Site
from safelight.wire.dicom.comparison import Comparison, StoredInstance, compare


class VaultHoldings:
    """What the vault and the landing log hold, as a recovery asks for it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def instances(self, study: str, as_of: datetime | None) -> Sequence[HeldInstance]:
        """Return the version in force of each instance of a study."""
        catalog = self._site.catalog
        rejected = {one.sop_instance: one.reason for one in catalog.rejections(study)}
        notes = {one.note for one in catalog.rejections(study)}
        counts: dict[str, int] = {}
        for version in catalog.versions(study):
            counts[version.sop_instance] = counts.get(version.sop_instance, 0) + 1
        packed = {one.version.digest: one for one in reversed(catalog.holdings(study=study))}
        landed = {one.version.digest: one for one in catalog.landed(study, waiting_only=False)}
        current = catalog.instances(study, as_of=as_of)
        # In the order in which they lie in their packs: each pack is then read once.
        current.sort(
            key=lambda one: (packed[one.digest].pack, packed[one.digest].position) if one.digest in packed else ("", 0)
        )
        return [
            HeldInstance(
                sop_class=version.sop_class,
                sop_instance=version.sop_instance,
                series=version.series,
                transfer_syntax=version.transfer_syntax,
                digest=version.digest,
                size_bytes=version.size,
                open=self._opener(packed.get(version.digest) or landed.get(version.digest), version),
                versions=counts.get(version.sop_instance, 1),
                rejected=rejected.get(version.sop_instance, ""),
                is_rejection_note=version.sop_class == KEY_OBJECT_SELECTION and version.sop_instance in notes,
            )
            for version in current
        ]

    def _opener(self, holding: HoldingRow | LandedRow | None, version: VersionRow) -> Callable[[], ByteSource]:
        holdings = self._site.holdings

        def open_now() -> ByteSource:
            return holdings.data_set(holding or holdings.holding_of(version.digest))

        return open_now


def compare_versions(ours: Version, theirs: Version) -> Comparison:
    """Compare two versions by the ladder."""
    return compare(
        StoredInstance(ours.data_set, ours.transfer_syntax), StoredInstance(theirs.data_set, theirs.transfer_syntax)
    )
