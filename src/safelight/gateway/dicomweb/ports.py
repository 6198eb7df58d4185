"""What the DICOMweb door asks of the house."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from safelight.catalog.rows import VersionRow
from safelight.core.instance import ByteSource
from safelight.core.query import QueryLevel, Selection


class OpenInstance(Protocol):
    """One instance that can be read. For one thread."""

    @property
    def version(self) -> VersionRow:
        """What the catalog knows of it."""

    @property
    def prefix_size(self) -> int:
        """How many of its stored bytes stand before the data set."""

    def stored(self) -> Iterator[bytes | memoryview]:
        """Give the stored bytes in order; all of them were compared when the last piece came."""

    def ranged(self, *, pixels: bool = True) -> ByteSource:
        """Return the stored bytes for reading in ranges; without ``pixels``, anything may stand in their place."""


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """A page of what matches."""

    tags: tuple[int, ...]
    rows: Sequence[tuple[str, ...]]
    """Of each the values of these attributes as text, several with backslashes between."""
    versions: Sequence[VersionRow]
    """At the level of instances, the same in the same order."""
    is_more: bool


class Archive(Protocol):
    """What is held. Used by many threads."""

    def instances(self, study: str, series: str = "", instance: str = "") -> Sequence[VersionRow]:
        """Return the current version of each instance that was received so far, in the order of a series."""

    def matched_at(self, level: QueryLevel) -> frozenset[int]:
        """Return the attributes that `find` can match."""

    def given_at(self, level: QueryLevel) -> frozenset[int]:
        """Return the attributes that `find` can give."""

    def find(self, selection: Selection, tags: tuple[int, ...], offset: int, limit: int) -> Found:
        """Return what matches of everything that was received so far."""

    def opened(self, versions: Sequence[VersionRow]) -> Iterator[OpenInstance]:
        """Open some instances, one after the other.

        Raises:
            NotHeld: one is gone.
        """
