"""How the landing log lies on disk: heads of segments, headers of records, and the mending of one flipped bit.

A segment file begins with two pages. Each holds one head of the segment; they are written in turn, so
that a power cut while one is written leaves the other. Records follow, each at a page border: a header of
1024 bytes, then the stored bytes, then zeros up to the next page. A page that holds an
acknowledged record is therefore never written again before the segment is freed.

Heads and headers end in a CRC-32. A CRC of so few bytes tells every single flipped bit from every
other, so one flipped bit is found and mended without a second copy.
"""

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import cache
from typing import ClassVar, Final

from safelight.core.errors import PeerError
from safelight.core.instance import LandingPlace, Receipt, Way, Wrapper

PAGE_BYTES: Final = 4096
HEADER_BYTES: Final = 1024
HEAD_BYTES: Final = 512
FIRST_RECORD: Final = 2 * PAGE_BYTES

_HEAD_MAGIC: Final = b"SLseg\r\n\x1a"
_RECORD_MAGIC: Final = b"SLrec\r\n\x1a"
_FORMAT_VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sHHIQQ16s")
_RECORD: Final = struct.Struct("<8sHHI16sQQQQQQq32s7H")
_CRC: Final = struct.Struct("<I")
_OPAQUE: Final = 0x100
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class LandingFactsTooLong(PeerError):
    """Titles, UIDs and host of one instance do not fit into the header of its landing record."""

    code: ClassVar[str] = "vault.landing-facts-too-long"
    hint: ClassVar[str] = "The sender's UIDs or titles are longer than DICOM allows (64 and 16); ask its vendor."


class SegmentState(IntEnum):
    """What the pages of a segment hold."""

    READY = 1
    """Zeros: a writer may take it."""
    IN_USE = 2
    """Records of the head's epoch."""
    FREED = 3
    """Records of an earlier epoch, waiting to be overwritten with zeros."""


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The state of one segment; of the two heads on disk the one with the higher ``turn`` holds."""

    turn: int
    segment: int
    epoch: int
    state: SegmentState
    salt: bytes
    """Sixteen random bytes repeated in each record, so that no data set can pose as a record."""


class RecordKind(IntEnum):
    """What a record is for."""

    INSTANCE = 1
    MARK = 2
    """No instance: it only carries a watermark above the last one."""


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """What a landing record says of itself."""

    kind: RecordKind
    segment: int
    salt: bytes
    epoch: int
    sequence: int
    start: int
    """Where this header lies in the segment."""
    stored_bytes: int
    watermark: int
    """Everything before this offset was durable when this header was written."""
    digest: bytes
    wrapper: Wrapper
    receipt: Receipt
    transfer_syntax: str
    sop_class: str
    sop_instance: str

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return record_end(self.start, self.stored_bytes)

    @property
    def place(self) -> LandingPlace:
        """Where the stored bytes lie."""
        return LandingPlace(self.segment, self.epoch, self.start + HEADER_BYTES, self.stored_bytes)


def page_border(offset: int) -> int:
    """Return the first page border at or after ``offset``."""
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


def record_end(start: int, stored_bytes: int) -> int:
    """Return where the record after this one begins."""
    return page_border(start + HEADER_BYTES + stored_bytes)


def microseconds(moment: datetime) -> int:
    """Return an instant as whole microseconds since 1970."""
    return (moment - _UNIX_EPOCH) // _MICROSECOND


def moment_of(count: int) -> datetime:
    """Return the instant that `microseconds` counted."""
    return _UNIX_EPOCH + timedelta(microseconds=count)


def encode_head(head: SegmentHead) -> bytes:
    """Return the bytes of one segment head."""
    raw = _HEAD.pack(_HEAD_MAGIC, _FORMAT_VERSION, head.state, head.segment, head.turn, head.epoch, head.salt)
    return _sealed(raw, HEAD_BYTES)


def decode_head(raw: bytes) -> SegmentHead | None:
    """Read a segment head, mending one flipped bit; None when it is not one."""
    opened = _opened(raw, HEAD_BYTES, _HEAD_MAGIC)
    if opened is None:
        return None
    _, version, state, segment, turn, epoch, salt = _HEAD.unpack_from(opened.data)
    if version != _FORMAT_VERSION or state not in set(SegmentState):
        return None
    return SegmentHead(turn=turn, segment=segment, epoch=epoch, state=SegmentState(state), salt=salt)


def encode_header(header: RecordHeader) -> bytes:
    """Return the 1024 bytes of one record header.

    Raises:
        LandingFactsTooLong: titles, host and UIDs together outgrow it.
    """
    receipt = header.receipt
    texts = (
        receipt.way.encode(),
        receipt.calling.encode("utf-8", "surrogateescape"),
        receipt.called.encode("utf-8", "surrogateescape"),
        receipt.sender.encode("utf-8", "surrogateescape"),
        header.transfer_syntax.encode("utf-8", "surrogateescape"),
        header.sop_class.encode("utf-8", "surrogateescape"),
        header.sop_instance.encode("utf-8", "surrogateescape"),
    )
    joined = b"".join(texts)
    if _RECORD.size + len(joined) + _CRC.size > HEADER_BYTES:
        raise LandingFactsTooLong(length=len(joined))
    fixed = _RECORD.pack(
        _RECORD_MAGIC,
        _FORMAT_VERSION,
        header.kind | (_OPAQUE if header.wrapper.opaque else 0),
        header.segment,
        header.salt,
        header.epoch,
        header.sequence,
        header.start,
        header.stored_bytes,
        header.wrapper.prefix_size,
        header.watermark,
        microseconds(receipt.received_at),
        header.digest,
        *map(len, texts),
    )
    return _sealed(fixed + joined, HEADER_BYTES)


@dataclass(frozen=True, slots=True)
class ReadHeader:
    """A record header as found on disk."""

    header: RecordHeader
    mended: bool
    """One flipped bit was put right."""


def decode_header(raw: bytes | memoryview) -> ReadHeader | None:
    """Read a record header, mending one flipped bit; None when it is not one."""
    opened = _opened(raw, HEADER_BYTES, _RECORD_MAGIC)
    if opened is None:
        return None
    fields = _RECORD.unpack_from(opened.data)
    _, version, flags, segment, salt, epoch, sequence, start, stored, prefix, watermark, received, digest = fields[:13]
    if version != _FORMAT_VERSION or flags & ~_OPAQUE not in set(RecordKind):
        return None
    texts = []
    at = _RECORD.size
    for length in fields[13:]:
        texts.append(opened.data[at : at + length].decode("utf-8", "surrogateescape"))
        at += length
    way, calling, called, sender, transfer_syntax, sop_class, sop_instance = texts
    header = RecordHeader(
        kind=RecordKind(flags & ~_OPAQUE),
        segment=segment,
        salt=salt,
        epoch=epoch,
        sequence=sequence,
        start=start,
        stored_bytes=stored,
        watermark=watermark,
        digest=digest,
        wrapper=Wrapper(prefix, bool(flags & _OPAQUE)),
        receipt=Receipt(moment_of(received), Way(way), calling, called, sender),
        transfer_syntax=transfer_syntax,
        sop_class=sop_class,
        sop_instance=sop_instance,
    )
    return ReadHeader(header, opened.mended)


@dataclass(frozen=True, slots=True)
class _Opened:
    data: bytes
    mended: bool


def _sealed(raw: bytes, size: int) -> bytes:
    body = raw.ljust(size - _CRC.size, b"\0")
    return body + _CRC.pack(zlib.crc32(body))


def _opened(raw: bytes | memoryview, size: int, magic: bytes) -> _Opened | None:
    if len(raw) != size:
        return None
    syndrome = zlib.crc32(raw[: size - _CRC.size]) ^ _CRC.unpack_from(raw, size - _CRC.size)[0]
    if syndrome == 0:
        data = bytes(raw)
        return _Opened(data, mended=False) if data.startswith(magic) else None
    bit = _bit_by_syndrome(size).get(syndrome)
    if bit is None:
        return None
    mended = bytearray(raw)
    mended[bit // 8] ^= 1 << (bit % 8)
    return _Opened(bytes(mended), mended=True) if mended.startswith(magic) else None


@cache
def _bit_by_syndrome(size: int) -> dict[int, int]:
    """Map the CRC's difference that each single flipped bit makes to that bit.

    A CRC is linear, so the difference depends on the bit alone and not on the other bytes.
    """
    covered = size - _CRC.size
    blank = bytearray(covered)
    base = zlib.crc32(blank)
    bits = {1 << bit: covered * 8 + bit for bit in range(32)}
    for bit in range(covered * 8):
        blank[bit // 8] = 1 << (bit % 8)
        bits[zlib.crc32(blank) ^ base] = bit
        blank[bit // 8] = 0
    return bits
