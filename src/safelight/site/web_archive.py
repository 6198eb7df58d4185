"""What is held, as the DICOMweb door asks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from safelight.catalog.levels import given_at, matched_at
from safelight.catalog.rows import HoldingRow, LandedRow, VersionRow
from safelight.core.instance import ByteSource
from safelight.core.query import QueryLevel, Selection
from safelight.gateway.dicomweb.faults import NothingThere
from safelight.gateway.dicomweb.ports import Found
from safelight.site.holdings import Holdings
from safelight.site.opened import Site


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """One instance that can be read whole or in ranges. For one thread."""

    row: HoldingRow | LandedRow
    holdings: Holdings

    @property
    def version(self) -> VersionRow:
        """What the catalog knows of it."""
        return self.row.version

    @property
    def prefix_size(self) -> int:
        """How many of its stored bytes stand before the data set."""
        return self.row.prefix_size

    def stored(self) -> Iterator[bytes | memoryview]:
        """Give the stored bytes in order; all of them were compared when the last piece came."""
        return self.holdings.stored(self.row)

    @property
    def work_bytes(self) -> int:
        """How many bytes a codec works on before it can be given decoded."""
        return self.row.size if isinstance(self.row, HoldingRow) else 0

    def coded(self) -> Iterator[bytes | memoryview]:
        """Give the data set around its frames as HTJ2K, where the pack keeps them so."""
        return self.holdings.coded(self.row)

    def ranged(self, *, pixels: bool = True) -> ByteSource:
        """Return the stored bytes for reading in ranges."""
        return self.holdings.ranged(self.row, pixels=pixels)


class WebArchive:
    """Finds and opens what is held, landed or packed. Used by many threads."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def instances(self, study: str, series: str = "", instance: str = "") -> Sequence[VersionRow]:
        """Return the current version of each instance that was received so far, in the order of a series.

        What rejection notes withdrew is left out, unless the instance is named.
        """
        self._site.arrivals.settle()
        found = self._site.catalog.instances(study, series or None)
        if instance:
            found = [version for version in found if version.sop_instance == instance]
        elif self._site.settings.dicom.hide_rejected:
            found = [version for version in found if not version.withdrawn]
        return sorted(found, key=_place_in_series)

    def matched_at(self, level: QueryLevel) -> frozenset[int]:
        """Return the attributes that `find` can match."""
        return matched_at(level)

    def given_at(self, level: QueryLevel) -> frozenset[int]:
        """Return the attributes that `find` can give."""
        return given_at(level)

    def find(self, selection: Selection, tags: tuple[int, ...], offset: int, limit: int) -> Found:
        """Return what matches of everything that was received so far."""
        self._site.arrivals.settle()
        hides = self._site.settings.dicom.hide_rejected
        page = self._site.catalog.level_page(replace(selection, hides_withdrawn=hides), offset, limit)
        rows = self._site.catalog.level_rows(selection.level, tags, page.keys, hides_withdrawn=hides)
        return Found(tags, rows, page.versions, page.is_more)

    def opened(self, versions: Sequence[VersionRow]) -> Iterator[HeldInstance]:
        """Open some instances, one after the other.

        Raises:
            NothingThere: one is gone.
        """
        landed = self._landed(versions)
        packed = self._packed([version for version in versions if version.digest not in landed])
        for version in versions:
            row = landed.get(version.digest) or packed.get(version.digest)
            if row is None:
                raise NothingThere(instance=version.sop_instance)
            yield HeldInstance(row, self._site.holdings)

    def _landed(self, versions: Sequence[VersionRow]) -> dict[bytes, LandedRow]:
        """Return those that lie in the landing log: nothing needs to be decrypted there."""
        waiting = [version for version in versions if not version.packed]
        named = {(version.study, version.series) for version in waiting}
        return {
            row.version.digest: row
            for study, series in named
            for row in self._site.catalog.landed(study, series, waiting_only=False)
        }

    def _packed(self, versions: Sequence[VersionRow]) -> dict[bytes, HoldingRow]:
        found: dict[bytes, HoldingRow] = {}
        for row in self._site.catalog.holdings(digests=[version.digest for version in versions]):
            found.setdefault(row.version.digest, row)
        return found


def _place_in_series(version: VersionRow) -> tuple[str, int, str]:
    number = version.instance_number
    plain = int(number) if number.isascii() and number.isdigit() and len(number) < 12 else 0
    return version.series, plain, version.sop_instance
