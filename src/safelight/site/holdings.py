"""Reading what is held, from the landing log or from the first placement that gives it whole."""

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import HoldingRow, LandedRow
from safelight.core.errors import IntegrityError, ResourceError, SafelightError, UsageError
from safelight.core.instance import ByteSource, LandingPlace, MemorySource
from safelight.site.packer import FileSource
from safelight.site.ranged import Place, Ranged
from safelight.vault.age import Identity
from safelight.vault.landing import Landing, LandingReleased
from safelight.vault.pack_format import DigestMismatch
from safelight.vault.pack_reader import PackReader, ReferenceDamaged, ReferenceMissing
from safelight.vault.placement import Placement

Read = TypeVar("Read")
READERS_MAX: Final = 4
IN_MEMORY_BYTES_MAX: Final = 64 * 2**20
AT_ONCE_BYTES_MAX: Final = 4 * 2**20


class NotHeld(UsageError):
    """Nothing of this name is held."""

    code: ClassVar[str] = "vault.not-held"
    hint: ClassVar[str] = "Search with: safelight catalog find"


class Unreadable(IntegrityError):
    """No placement gives this pack whole."""

    code: ClassVar[str] = "vault.unreadable"
    hint: ClassVar[str] = "Delete nothing. Run: safelight vault verify; look for another copy of the pack."


Damaged = Callable[[str, str, SafelightError], None]
"""Told of a pack that a placement could not give: pack, placement, why."""


class Holdings:
    """Gives stored bytes by version. Used by many threads; each has its own readers."""

    def __init__(
        self,
        catalog: Catalog,
        landing: Landing,
        placements: Sequence[Placement],
        identities: Sequence[Identity],
        spool: Path,
        damaged: Damaged,
    ) -> None:
        self.catalog = catalog
        self._landing = landing
        self._placements = placements
        self._identities = identities
        self._spool = spool
        self._damaged = damaged
        self._own = threading.local()

    def stored(self, holding: HoldingRow | LandedRow) -> Iterator[bytes | memoryview]:
        """Give the stored bytes, prefix included, in order; everything was compared when the last piece came.

        Raises:
            Unreadable: no placement gives them whole.
        """
        if isinstance(holding, LandedRow):
            yield from self._landed(holding)
            return
        yield from self._packed(holding, 0)

    def _packed(self, holding: HoldingRow, given: int) -> Iterator[bytes | memoryview]:
        """Give the stored bytes from a pack, without the first ``given``, which the caller has."""
        for way in self._ways(holding.pack):
            try:
                passed = 0
                for piece in self._reader(way).read(holding.position):
                    # After a bad copy the next one goes on where the first stopped: its bytes were equal so far.
                    skip = min(max(given - passed, 0), len(piece))
                    passed += len(piece)
                    if skip < len(piece):
                        yield memoryview(piece)[skip:]
                        given = passed
                return
            except (IntegrityError, ResourceError) as error:
                self._bad(way, error)
                if given and isinstance(error, DigestMismatch):
                    # Every byte was authentic and yet not what was received: no other copy can go on from here.
                    raise
        raise Unreadable(pack=holding.pack, position=holding.position)

    def data_set(self, holding: HoldingRow | LandedRow) -> ByteSource:
        """Return the data set without its prefix, in memory or, when it is large, in an unnamed file."""
        prefix = holding.prefix_size
        if isinstance(holding, LandedRow):
            source = self.landed_data_set(holding.place, prefix, holding.version.digest)
            # A small one is read now: a caller that still waits for an answer to the last one loses no time by it.
            return source if source.size > AT_ONCE_BYTES_MAX else MemorySource(source.read(0, source.size))
        return _Behind(self.gathered(self.stored(holding)), prefix)

    def gathered(self, pieces: Iterator[bytes | memoryview]) -> ByteSource:
        """Return the pieces as one source, in memory or, when they are many, in an unnamed file."""
        some: list[bytes | memoryview] = []
        size = 0
        for piece in pieces:
            some.append(piece)
            size += len(piece)
            if size > IN_MEMORY_BYTES_MAX:
                return _spooled(self._spool, chain(some, pieces))
        return MemorySource(b"".join(some))

    def coded(self, holding: HoldingRow | LandedRow) -> Iterator[bytes | memoryview]:
        """Give the data set around its frames as the pack keeps them, which is HTJ2K: no codec runs.

        Raises:
            Undecodable: it lies in no pack, or not all of it is kept so.
            BadDataSet: it cannot be followed as a data set.
        """
        # Imported here: who opens a home to put something in needs no codec, and they take a third of its start.
        from safelight.wire.dicom.frames import Undecodable
        from safelight.wire.dicom.transcoding import encapsulated

        stored = holding.version.transfer_syntax
        if isinstance(holding, LandedRow):
            raise Undecodable(transfer_syntax=stored, why="not in a pack yet")
        entry = self._from_pack(holding, lambda reader: reader.coded_entry(holding.position))
        if entry is None:
            raise Undecodable(transfer_syntax=stored, why="not every frame is coded so")

        def frames() -> Iterator[bytes | memoryview]:
            for number in range(len(entry.parts)):
                yield self._from_pack(holding, partial(_coded_frame, holding.position, number))

        transformed = entry.picture is not None and entry.picture.colour_transform
        source = self.ranged(holding, pixels=False)
        return encapsulated(source, stored, frames(), holding.prefix_size, colours_transformed=transformed)

    def _from_pack(self, holding: HoldingRow, read: Callable[[PackReader], Read]) -> Read:
        """Read from the first placement that gives it."""
        for way in self._ways(holding.pack):
            try:
                return read(self._reader(way))
            except (IntegrityError, ResourceError) as error:
                self._bad(way, error)
        raise Unreadable(pack=holding.pack, position=holding.position)

    def landed_data_set(self, place: LandingPlace, prefix_size: int, digest: bytes) -> ByteSource:
        """Return a data set that lies in the landing log, and goes on from its pack when it is packed meanwhile."""
        return _Landed(self._landing, place, prefix_size, lambda: self.data_set(self.holding_of(digest)))

    def ranged(self, holding: HoldingRow | LandedRow, *, pixels: bool = True) -> ByteSource:
        """Return the stored bytes for reading in ranges, of which only the frames that are touched are decoded.

        Without ``pixels``, zeros may stand in their place.
        """
        size = holding.size if isinstance(holding, HoldingRow) else holding.place.size
        name = holding.version.digest.hex()
        return Ranged(size, self._places(holding, pixels=pixels), lambda: Unreadable(digest=name))

    def _places(self, holding: HoldingRow | LandedRow, *, pixels: bool) -> Iterator[Place]:
        if isinstance(holding, LandedRow):
            # Released means packed meanwhile, which is nobody's fault.
            yield partial(self._landing.read, holding.place), lambda _: None
            holding = self._holding_like(holding)
        for way in self._ways(holding.pack):
            yield partial(self._source, way, holding.position, pixels), partial(self._bad, way)

    def _ways(self, pack: str) -> Iterator["_Way"]:
        """Give each placement for the pack itself, with each for the packs that it refers to.

        One may be damaged here and the other there: then only the two together are whole.
        """
        for placement in self._placements:
            for referred in (placement, *(one for one in self._placements if one is not placement)):
                way = _Way(pack, placement, referred)
                yield way
                if way.is_pack_bad:
                    break

    def _source(self, way: "_Way", position: int, pixels: bool) -> ByteSource:
        return self._reader(way).source(position, pixels=pixels)

    def _bad(self, way: "_Way", error: SafelightError) -> None:
        self._own.__dict__.get("readers", {}).pop(way.key, None)
        if isinstance(error, (ReferenceDamaged, ReferenceMissing)):
            pack = str(error.facts["pack"])
            self._damaged(pack, way.opened.get(pack, way.referred).name, error)
        else:
            way.is_pack_bad = True
            self._damaged(way.pack, way.placement.name, error)

    def holding_of(self, digest: bytes) -> HoldingRow:
        """Return where a version lies in the vault.

        Raises:
            NotHeld: in no pack.
        """
        found = self.catalog.holdings(digests=[digest])
        if not found:
            raise NotHeld(digest=digest.hex())
        return found[0]

    def _holding_like(self, row: LandedRow) -> HoldingRow:
        """Return where the same stored bytes, prefix and all, lie in the vault."""
        for holding in self.catalog.holdings(digests=[row.version.digest]):
            if holding.prefix_size == row.prefix_size:
                return holding
        raise NotHeld(digest=row.version.digest.hex())

    def _landed(self, row: LandedRow) -> Iterator[bytes | memoryview]:
        given = 0
        try:
            source = self._landing.read(row.place)
            while given < source.size:
                piece = source.read(given, 2**20)
                yield piece
                given += len(piece)
        except LandingReleased:
            # It was packed while we looked: the pack goes on where the log stopped.
            yield from self._packed(self._holding_like(row), given)

    def _reader(self, way: "_Way") -> PackReader:
        readers: OrderedDict[tuple[str, str, str], tuple[PackReader, dict[str, Placement]]]
        readers = self._own.__dict__.setdefault("readers", OrderedDict())
        if way.key not in readers:
            reader = PackReader(way.placement.open(way.pack), self._identities, partial(self._open_referred, way))
            readers[way.key] = reader, way.opened
            while len(readers) > READERS_MAX:
                readers.popitem(last=False)
        readers.move_to_end(way.key)
        reader, way.opened = readers[way.key]
        return reader

    def _open_referred(self, way: "_Way", pack: str) -> ByteSource:
        for placement in (way.referred, *(one for one in self._placements if one is not way.referred)):
            with suppress(ResourceError):
                source = placement.open(pack)
                way.opened[pack] = placement
                return source
        raise ReferenceMissing(pack=pack)


@dataclass(slots=True)
class _Way:
    """A copy of a pack to read from, and the placement that is asked first for the packs that it refers to."""

    pack: str
    placement: Placement
    referred: Placement
    opened: dict[str, Placement] = field(default_factory=dict)
    """From where the packs were opened that it refers to."""
    is_pack_bad: bool = False
    """This copy could not be read, wherever the packs lie that it refers to."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.placement.name, self.referred.name, self.pack


def _coded_frame(position: int, number: int, reader: PackReader) -> bytes | memoryview:
    return reader.coded_frame(position, number).stored


class _Behind:
    """A source without its first bytes."""

    def __init__(self, source: ByteSource, skipped: int) -> None:
        self._source = source
        self._skipped = skipped

    @property
    def size(self) -> int:
        return self._source.size - self._skipped

    def read(self, offset: int, length: int) -> bytes | memoryview:
        return self._source.read(self._skipped + offset, length)


class _Landed:
    """A data set in the landing log, until it is released; from then on what ``packed`` gives."""

    def __init__(
        self, landing: Landing, place: LandingPlace, prefix_size: int, packed: Callable[[], ByteSource]
    ) -> None:
        self.size = place.size - prefix_size
        self._landing = landing
        self._place = place
        self._prefix_size = prefix_size
        self._open_packed = packed
        self._packed: ByteSource | None = None

    def read(self, offset: int, length: int) -> bytes | memoryview:
        if self._packed is None:
            try:
                return self._landing.read(self._place).read(self._prefix_size + offset, length)
            except LandingReleased:
                self._packed = self._open_packed()
        return self._packed.read(offset, length)


class _Spooled(FileSource):
    """An unnamed file that goes when nobody refers to it."""

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__(descriptor, 0, size)
        self._held = descriptor

    def __del__(self) -> None:
        os.close(self._held)


def _spooled(directory: Path, pieces: Iterator[bytes | memoryview]) -> ByteSource:
    descriptor, name = tempfile.mkstemp(dir=directory)
    Path(name).unlink()
    size = 0
    try:
        for piece in pieces:
            os.pwrite(descriptor, piece, size)
            size += len(piece)
    except BaseException:
        os.close(descriptor)
        raise
    return _Spooled(descriptor, size)
