"""What goes home and what came back: the vault as a recovery asks for it, and the ladder of comparison."""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Final

from safelight.catalog.rows import HoldingRow, LandedRow, VersionRow
from safelight.core.instance import ByteSource
from safelight.recovery.ports import HeldInstance, Version
from safelight.site.arrivals import KEY_OBJECT_SELECTION
from safelight.site.opened import Site
from safelight.wire.dicom.comparison import Comparison, StoredInstance, compare
from safelight.wire.dicom.elements import DataSetCutShort

FINDINGS_MAX: Final = 100_000


class VaultHoldings:
    """What the vault and the landing log hold, as a recovery asks for it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def instances(self, study: str, as_of: datetime | None) -> Sequence[HeldInstance]:
        """Return the version in force of each instance of a study."""
        catalog = self._site.catalog
        rejected = {one.sop_instance: one.reason for one in catalog.rejections(study)}
        notes = {one.note for one in catalog.rejections(study)}
        cut_short = {
            str(one.facts["digest"]) for one in catalog.findings(code=DataSetCutShort.code, limit=FINDINGS_MAX)
        }
        versions: dict[str, list[VersionRow]] = {}
        for version in catalog.versions(study):
            versions.setdefault(version.sop_instance, []).append(version)
        packed = {one.version.digest: one for one in reversed(catalog.holdings(study=study))}
        landed = {one.version.digest: one for one in catalog.landed(study, waiting_only=False)}
        current = [
            version if version.digest.hex() not in cut_short else _whole(version, versions, cut_short, as_of)
            for version in catalog.instances(study, as_of=as_of)
        ]
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
                versions=len(versions.get(version.sop_instance, [version])),
                rejected=rejected.get(version.sop_instance, ""),
                cut_short=version.digest.hex() in cut_short,
                is_rejection_note=version.sop_class == KEY_OBJECT_SELECTION and version.sop_instance in notes,
            )
            for version in current
        ]

    def _opener(self, holding: HoldingRow | LandedRow | None, version: VersionRow) -> Callable[[], ByteSource]:
        holdings = self._site.holdings

        def open_now() -> ByteSource:
            return holdings.data_set(holding or holdings.holding_of(version.digest))

        return open_now


def _whole(
    cut: VersionRow, versions: Mapping[str, Sequence[VersionRow]], cut_short: Container[str], as_of: datetime | None
) -> VersionRow:
    """Return the first whole version of an instance that is cut short, where one came later; else the one in force."""
    known = (one for one in versions.get(cut.sop_instance, ()) if as_of is None or one.received_at <= as_of)
    return next((one for one in known if one.digest.hex() not in cut_short), cut)


def compare_versions(ours: Version, theirs: Version) -> Comparison:
    """Compare two versions by the ladder."""
    return compare(
        StoredInstance(ours.data_set, ours.transfer_syntax), StoredInstance(theirs.data_set, theirs.transfer_syntax)
    )
