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

    @property
    def work_bytes(self) -> int:
        """How many bytes must be worked on before it can be given; 0 where they only need to be read."""

    def coded(self) -> Iterator[bytes | memoryview]:
        """Give the data set, stored without compression, around its frames as HTJ2K.

        Raises:
            Undecodable: it is not kept so.
        """

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


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An instance that was taken in and becomes durable with the next `StowSession.commit`."""

    sop_class: str
    sop_instance: str
    study: str
    series: str


class StowSession(Protocol):
    """Takes in the files of one message, one after the other. For one thread.

    Any call may raise a SafelightError; it concerns the file at hand, of `commit` all since the last one.
    """

    @property
    def named(self) -> tuple[str, str]:
        """SOP class and instance of the file at hand, as far as they are known."""

    def begin(self) -> None:
        """Begin a file."""

    def take(self, data: bytes) -> None:
        """Take in more of it."""

    def finish(self) -> TakenIn:
        """Take it in: all its bytes came."""

    def commit(self) -> None:
        """Return when everything finished so far is durable."""

    def abandon(self) -> None:
        """Drop the file that was begun and not finished."""

    def close(self) -> None:
        """End the session. What was finished and not committed may be dropped: nobody was told of it."""


class StowIntake(Protocol):
    """Where instances go. Shared by all requests."""

    def open(self, host: str, study: str) -> StowSession:
        """Begin to take in one message; ``study`` is where it must belong, or empty."""
