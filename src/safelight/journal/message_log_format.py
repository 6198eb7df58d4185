"""How the message log lies on disk: a head page, then records that each begin at a sector.

A batch of records begins at a page border, so that a page with an answered message is never written again. Head and
record headers end in a CRC-32 and repeat the segment's salt, so that no message can pose as a record.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

PAGE_BYTES: Final = 4096
SECTOR_BYTES: Final = 512
FIRST_RECORD: Final = PAGE_BYTES
SENDER_BYTES_MAX: Final = 256

_HEAD_MAGIC: Final = b"SLmsh\r\n\x1a"
_RECORD_MAGIC: Final = b"SLmsr\r\n\x1a"
_HEAD: Final = struct.Struct("<8sQ16s")
_RECORD: Final = struct.Struct("<8sHH16sQQqQ32s")
_CRC: Final = struct.Struct("<I")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Arrived(IntEnum):
    """What came."""

    MESSAGE = 1
    UNREADABLE = 2
    """A whole block whose header nobody can read; it was rejected."""
    UNTERMINATED = 3
    """A block that never ended; nobody was answered."""
    STRAY = 4
    """Bytes outside of any block; nobody was answered."""
    OVERSIZED = 5
    """A block over the limit: only its beginning is kept; it was rejected."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What came over a connection, to be made durable."""

    arrived: Arrived
    received_at: datetime
    sender: str
    """Host of the peer."""
    raw: bytes


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """What is durable in the log."""

    sequence: int
    """Counted over all that ever came here."""
    arrived: Arrived
    received_at: datetime
    sender: str
    raw: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as found on disk; ``message`` is None where its bytes are not those that were written."""

    sequence: int
    watermark: int
    """Everything up to this sequence was durable when it was written."""
    message: LoggedMessage | None


def page_border(offset: int) -> int:
    """Return the first page border at or after ``offset``."""
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


def encode_head(first: int, salt: bytes) -> bytes:
    """Return the head page of a segment whose first record has the sequence ``first``."""
    raw = _HEAD.pack(_HEAD_MAGIC, first, salt)
    return (raw + _CRC.pack(zlib.crc32(raw))).ljust(PAGE_BYTES, b"\0")


def decode_head(raw: bytes) -> tuple[int, bytes] | None:
    """Return the first sequence and the salt of a segment, or None when this is no head."""
    end = _HEAD.size + _CRC.size
    if (
        len(raw) < end
        or raw[:8] != _HEAD_MAGIC
        or _CRC.unpack(raw[_HEAD.size : end])[0] != zlib.crc32(raw[: _HEAD.size])
    ):
        return None
    _, first, salt = _HEAD.unpack_from(raw)
    return first, salt


def encode_record(message: LoggedMessage, salt: bytes, watermark: int) -> bytes:
    """Return one record, filled up to the next sector."""
    sender = message.sender.encode("utf-8", "replace")[:SENDER_BYTES_MAX]
    fixed = _RECORD.pack(
        _RECORD_MAGIC,
        message.arrived,
        len(sender),
        salt,
        message.sequence,
        watermark,
        (message.received_at - _EPOCH) // _MICROSECOND,
        len(message.raw),
        message.digest,
    )
    header = fixed + sender
    record = b"".join((header, _CRC.pack(zlib.crc32(header)), message.raw))
    return record.ljust(-(-len(record) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")


def record_bytes_max(raw_bytes: int) -> int:
    """Return how much a message of this length takes at most."""
    return _RECORD.size + SENDER_BYTES_MAX + _CRC.size + raw_bytes + SECTOR_BYTES


def records(content: bytes, salt: bytes) -> Iterator[FoundRecord]:
    """Give every record of a segment, going on behind what is damaged or was never finished."""
    at = FIRST_RECORD
    while (at := content.find(_RECORD_MAGIC, at)) >= 0:
        found = _record(content, at, salt) if at % SECTOR_BYTES == 0 else None
        if found is None:
            at += 1
            continue
        record, end = found
        yield record
        # Of a record whose bytes are not right only the start of the next is sure.
        at = end if record.message is not None else at + 1


def _record(content: bytes, at: int, salt: bytes) -> tuple[FoundRecord, int] | None:
    if at + _RECORD.size > len(content):
        return None
    _, arrived, sender_size, known, sequence, watermark, received, size, digest = _RECORD.unpack_from(content, at)
    header_end = at + _RECORD.size + sender_size
    start = header_end + _CRC.size
    if known != salt or sender_size > SENDER_BYTES_MAX or start > len(content) or arrived not in set(Arrived):
        return None
    if _CRC.unpack_from(content, header_end)[0] != zlib.crc32(content[at:header_end]):
        return None
    raw = content[start : start + size]
    message = None
    if len(raw) == size and hashlib.sha256(raw).digest() == digest:
        sender = content[at + _RECORD.size : header_end].decode("utf-8", "replace")
        moment = _EPOCH + received * _MICROSECOND
        message = LoggedMessage(sequence, Arrived(arrived), moment, sender, raw, digest)
    return FoundRecord(sequence, watermark, message), start + size
