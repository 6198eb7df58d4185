"""Data sets written element by element, so that a test decides on every byte of them."""

import struct

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.transcoding import transcoded

LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
UNDEFINED = 0xFFFFFFFF


def element(tag: int, vr: str, value: bytes, *, length: int | None = None, order: str = "<") -> bytes:
    """One element with explicit VR; ``length`` may lie."""
    told = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in LONG:
        return head + b"\0\0" + struct.pack(order + "L", told) + value
    return head + struct.pack(order + "H", told) + value


def implicit(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    """One element with implicit VR; ``length`` may lie."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(value: bytes, *, length: int | None = None) -> bytes:
    """One item of a sequence or one fragment."""
    return implicit(0xFFFEE000, value, length=length)


ITEM_END = implicit(0xFFFEE00D, b"")
SEQUENCE_END = implicit(0xFFFEE0DD, b"")


def sequence(tag: int, *items: bytes) -> bytes:
    """A sequence whose length and items' lengths are undefined."""
    body = b"".join(item(each, length=UNDEFINED) + ITEM_END for each in items)
    return element(tag, "SQ", body + SEQUENCE_END, length=UNDEFINED)


def uids(sop_instance: bytes = b"1.2.3.4\0", sop_class: bytes = b"1.2.840.10008.5.1.4.1.1.7\0") -> bytes:
    """The elements 0008,0016 and 0008,0018."""
    return element(0x00080016, "UI", sop_class) + element(0x00080018, "UI", sop_instance)


def number(tag: int, value: int) -> bytes:
    """A US element."""
    return element(tag, "US", struct.pack("<H", value))


def image(
    pixels: bytes,
    *,
    rows: int,
    columns: int,
    samples: int = 1,
    bits: int = 16,
    frames: bytes | None = None,
    vr: str = "OW",
    length: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A small instance with pixel data whose description may lie."""
    return (
        uids()
        + element(0x0020000D, "UI", b"1.2.3\0")
        + element(0x0020000E, "UI", b"1.2.3.5\0")
        + number(0x00280002, samples)
        + element(0x00280004, "CS", b"RGB " if samples == 3 else b"MONOCHROME2 ")
        + (b"" if frames is None else element(0x00280008, "IS", frames))
        + number(0x00280010, rows)
        + number(0x00280011, columns)
        + number(0x00280100, bits)
        + number(0x00280101, bits)
        + number(0x00280102, bits - 1)
        + number(0x00280103, 0)
        + extra
        + element(0x7FE00010, vr, pixels, length=length)
    )


class CountedSource:
    """A source that remembers how much was read, to show that big instances are not read whole."""

    def __init__(self, opening: bytes, size: int, tail: bytes = b"") -> None:
        self._opening, self.size, self._tail = opening, size, tail
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the opening, zeros, then the tail."""
        length = max(0, min(length, self.size - offset))
        self.bytes_read += length
        piece = self._opening[offset : offset + length]
        zeros_end = self.size - len(self._tail)
        piece += bytes(max(0, min(offset + length, zeros_end) - offset - len(piece)))
        rest = length - len(piece)
        if rest:
            begin = offset + len(piece) - zeros_end
            piece += self._tail[begin : begin + rest]
        return piece


def transcode(source: ByteSource, stored: str, wanted: str) -> MemorySource:
    """Return a data set in another transfer syntax, whole."""
    return MemorySource(b"".join(transcoded(source, stored, wanted)))


def whole(source: ByteSource) -> bytes:
    """Return everything that a source gives."""
    return bytes(source.read(0, source.size))
