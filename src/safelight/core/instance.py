"""What the rooms tell each other about one instance: bytes, head, receipt, layout of its pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ByteSource(Protocol):
    """Bytes that can be read in ranges, wherever they lie: a landing segment, a file, memory."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Return exactly ``length`` bytes from ``offset``, fewer only past the end."""


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Bytes in memory as a `ByteSource`."""

    data: bytes | memoryview

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, offset: int, length: int) -> memoryview:
        """Return a view, without copying."""
        return memoryview(self.data)[offset : offset + length]


class Way(StrEnum):
    """How an instance came to us."""

    STORE = "store"
    SEED = "seed"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class Receipt:
    """When, from whom and how an instance was received."""

    received_at: datetime
    way: Way
    calling: str
    called: str
    sender: str
    """Host of the peer, or for a seed a label of the source, never a path."""


@dataclass(frozen=True, slots=True)
class Head:
    """The identifying attributes of one data set, scanned and not decoded.

    ``values`` holds, by tag number (group << 16 | element), the value bytes of those of about
    twenty-five attributes that the data set has at its top level, exactly as they came
    (padding included), with ``values[0x00080005]`` saying how to decode them. UIDs are also given
    as text; a missing one is the empty string. Source: PS3.5 section 7.
    """

    transfer_syntax: str
    sop_class: str
    sop_instance: str
    study: str
    series: str
    modality: str
    values: Mapping[int, bytes] = field(default_factory=dict)


class LayoutKind(StrEnum):
    """How the pixels of an instance lie in its data set."""

    NATIVE = "native"
    ENCAPSULATED = "encapsulated"
    NONE = "none"
    """No pixel data, or nothing that can be taken apart safely: the instance is kept as a stream."""


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Where the pixel bytes lie within an instance's stored bytes (prefix and data set together).

    For NATIVE, ``[start, end)`` is the value of Pixel Data without its pad byte, of exactly
    ``rows * columns * samples * (bits_allocated / 8) * frames`` bytes, little endian. For
    ENCAPSULATED, ``fragments`` are the ``(start, end)`` of the item values after the basic offset table.
    Everything outside these ranges is header and kept literally.
    """

    kind: LayoutKind
    start: int = 0
    end: int = 0
    frames: int = 0
    rows: int = 0
    columns: int = 0
    samples: int = 1
    bits_allocated: int = 0
    bits_stored: int = 0
    signed: bool = False
    planar: bool = False
    photometric: str = ""
    fragments: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How stored bytes are laid out: ``prefix_size`` bytes of preamble and file meta, then the data set.

    An instance received by C-STORE has no prefix. An opaque file (not DICOM, or without UIDs) has
    ``opaque`` set and no prefix: its digest covers the whole file.
    """

    prefix_size: int = 0
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class LandingPlace:
    """Where in the landing log an instance's stored bytes lie."""

    segment: int
    epoch: int
    offset: int
    """Of the first stored byte (the prefix, if there is one) within the segment file."""
    size: int
    """Stored bytes: prefix and data set."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that is durable in the landing log and may be acknowledged."""

    digest: bytes
    """SHA-256 of the data set as received (of the whole file when opaque): the name of the version."""
    wrapper: Wrapper
    head: Head
    receipt: Receipt
    place: LandingPlace


@dataclass(frozen=True, slots=True)
class Holding:
    """An instance that lies in a sealed pack."""

    digest: bytes
    wrapper: Wrapper
    size: int
    """Stored bytes: prefix and data set."""
    prefix_digest: bytes
    """SHA-256 of the prefix; of nothing when there is none."""
    head: Head
    receipt: Receipt
    pack: str
    """Name of the pack: SHA-256 of its ciphertext in hexadecimal."""
    position: int
    """Number of the instance in the pack's index, from 0."""
    pixel_digest: bytes | None = None
    refers_to: str | None = None
    """Another pack that holds the pixels, when they were held already."""
