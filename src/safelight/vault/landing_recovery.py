"""What the landing log holds after a stop of any kind: read on opening, segment by segment.

Scanning goes on past bad records. A bad record below the watermark was durable once, so it is damage; one
above it was never answered. Both are copied into quarantine, so that nothing is lost with the segment.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safelight.core.disk import Disk, make_directory, write_file
from safelight.core.errors import SafelightError
from safelight.core.instance import LandingPlace, Receipt, Wrapper
from safelight.vault.landing_format import (
    FIRST_RECORD,
    HEAD_BYTES,
    HEADER_BYTES,
    PAGE_BYTES,
    ReadHeader,
    RecordHeader,
    RecordKind,
    SegmentHead,
    SegmentState,
    decode_head,
    decode_header,
    microseconds,
    page_border,
)
from safelight.vault.landing_segment import Segment

if TYPE_CHECKING:
    from hashlib import _Hash

_READ_BYTES: Final = 1 << 20
_ZEROS: Final = bytes(_READ_BYTES)
_QUARANTINE_BYTES_MAX: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class RecoveredArrival:
    """An instance in the log whose bytes hash to the digest in its header."""

    place: LandingPlace
    digest: bytes
    wrapper: Wrapper
    receipt: Receipt
    transfer_syntax: str
    sop_class: str
    sop_instance: str
    mended: bool
    """One flipped bit in its header was put right; the disk needs looking at."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Bytes in the log that are no whole instance."""

    segment: int
    offset: int
    length: int
    sop_instance: str
    """Empty when not even the header can be read."""
    digest: bytes
    """What the bytes should hash to; empty likewise."""
    quarantine: str
    """Name of the copy in quarantine; empty when it could not be made."""


@dataclass(frozen=True, slots=True)
class SegmentRecovery:
    """What one segment file holds."""

    segment: Segment
    arrivals: tuple[RecoveredArrival, ...] = ()
    damaged: tuple[BadRecord, ...] = ()
    unanswered: tuple[BadRecord, ...] = ()
    live_bytes: int = 0
    """With headers and page borders."""


@dataclass(slots=True)
class LandingRecovery:
    """What the whole log holds."""

    arrivals: list[RecoveredArrival] = field(default_factory=list)
    damaged: list[BadRecord] = field(default_factory=list)
    """Was durable and answered; it must be had again from its sender, or from its pack."""
    unanswered: list[BadRecord] = field(default_factory=list)
    """A store that was cut off before its answer; the sender still has it."""
    unreadable: list[str] = field(default_factory=list)
    """Names of segment files whose two heads are both lost; they are set aside whole."""

    def add(self, one: SegmentRecovery) -> None:
        """Take in what one segment holds."""
        self.arrivals.extend(one.arrivals)
        self.damaged.extend(one.damaged)
        self.unanswered.extend(one.unanswered)


def digest_at(descriptor: int, header: RecordHeader, hasher: "_Hash") -> bytes:
    """Return what the data set of a record hashes to, as it lies on disk."""
    offset = header.place.offset + header.wrapper.prefix_size
    end = header.place.offset + header.stored_bytes
    while offset < end:
        piece = os.pread(descriptor, min(_READ_BYTES, end - offset), offset)
        if not piece:
            break
        hasher.update(piece)
        offset += len(piece)
    return hasher.digest()


def recover_segment(disk: Disk, path: Path, quarantine: Path) -> SegmentRecovery | None:
    """Read one segment file; None when both of its heads are lost, and then it was set aside.

    Raises:
        DiskFailed: the file cannot be opened.
    """
    descriptor = disk.open(path)
    head = _head(descriptor, int(path.stem))
    if head is None:
        disk.close(descriptor)
        _set_aside(disk, path, quarantine)
        return None
    segment = Segment(disk, path, descriptor, head)
    size = os.fstat(descriptor).st_size
    if head.state is SegmentState.FREED:
        segment.written_to = size
    if head.state is not SegmentState.IN_USE:
        return SegmentRecovery(segment)
    return _Scan(disk, segment, size, quarantine).recovered()


def _head(descriptor: int, number: int) -> SegmentHead | None:
    found = [decode_head(os.pread(descriptor, HEAD_BYTES, page * PAGE_BYTES)) for page in (0, 1)]
    return max((head for head in found if head and head.segment == number), key=lambda head: head.turn, default=None)


def _set_aside(disk: Disk, path: Path, quarantine: Path) -> None:
    # The first head is durable before any record is written, so a file without heads that is all zeros
    # was being made when we stopped. Anything else is kept for whoever can read it.
    with path.open("rb") as file:
        blank = all(piece == _ZEROS[: len(piece)] for piece in iter(lambda: file.read(_READ_BYTES), b""))
    if blank:
        disk.remove(path)
    else:
        make_directory(disk, quarantine)
        disk.rename(path, quarantine / f"segment-{path.name}")
        disk.sync_directory(quarantine)
    disk.sync_directory(path.parent)


class _Scan:
    """One pass over a segment in use."""

    def __init__(self, disk: Disk, segment: Segment, size: int, quarantine: Path) -> None:
        self._disk = disk
        self._segment = segment
        self._size = size
        self._quarantine = quarantine
        self._good: list[ReadHeader] = []
        self._bad: list[tuple[int, int, RecordHeader | None]] = []
        self._watermark = FIRST_RECORD

    def recovered(self) -> SegmentRecovery:
        """Read everything, then judge the bad by the highest watermark."""
        end = self._read()
        segment = self._segment
        arrivals: list[RecoveredArrival] = []
        live_bytes = 0
        for read in self._good:
            header = read.header
            segment.live.add(header.start, microseconds(header.receipt.received_at))
            live_bytes += header.end - header.start
            arrivals.append(_arrival(read))
        damaged = [bad for start, length, header in self._bad if (bad := self._keep(start, length, header, below=True))]
        unanswered = [
            bad for start, length, header in self._bad if (bad := self._keep(start, length, header, below=False))
        ]
        segment.offset = segment.synced_to = segment.written_to = page_border(end)
        # What lies behind the last good record may be torn: nothing is appended here again.
        segment.closed = True
        segment.held = any(not bad.quarantine for bad in damaged)
        return SegmentRecovery(segment, tuple(arrivals), tuple(damaged), tuple(unanswered), live_bytes)

    def _read(self) -> int:
        offset, end = FIRST_RECORD, FIRST_RECORD
        bad_from: int | None = None
        while offset < self._size:
            read = self._header_at(offset)
            if read is None:
                step = self._blank_bytes(offset)
                if step == 0:
                    bad_from = offset if bad_from is None else bad_from
                    step = PAGE_BYTES
                    end = offset + step
                offset += step
                continue
            if bad_from is not None:
                self._bad.append((bad_from, offset - bad_from, None))
                bad_from = None
            self._take(read)
            offset = end = read.header.end
        if bad_from is not None:
            self._bad.append((bad_from, end - bad_from, None))
        return min(end, page_border(self._size))

    def _header_at(self, offset: int) -> ReadHeader | None:
        read = decode_header(os.pread(self._segment.descriptor, HEADER_BYTES, offset))
        if read is None:
            return None
        header, head = read.header, self._segment.head
        ours = (header.segment, header.epoch, header.salt) == (head.segment, head.epoch, head.salt)
        return read if ours and header.start == offset else None

    def _take(self, read: ReadHeader) -> None:
        header = read.header
        self._watermark = max(self._watermark, header.watermark)
        if header.kind is RecordKind.MARK:
            return
        if digest_at(self._segment.descriptor, header, sha256()) == header.digest:
            self._good.append(read)
        else:
            self._bad.append((header.start, header.end - header.start, header))

    def _blank_bytes(self, offset: int) -> int:
        """Return how many zero bytes, in whole pages, lie from ``offset``."""
        piece = os.pread(self._segment.descriptor, _READ_BYTES, offset)
        if piece == _ZEROS[: len(piece)]:
            return max(len(piece), PAGE_BYTES)
        blank = len(piece) - len(piece.lstrip(b"\0"))
        return blank // PAGE_BYTES * PAGE_BYTES

    def _keep(self, start: int, length: int, header: RecordHeader | None, *, below: bool) -> BadRecord | None:
        if (start < self._watermark) is not below:
            return None
        return BadRecord(
            segment=self._segment.number,
            offset=start,
            length=length,
            sop_instance=header.sop_instance if header else "",
            digest=header.digest if header else b"",
            quarantine=self._copy(start, min(length, self._size - start)),
        )

    def _copy(self, start: int, length: int) -> str:
        if length > _QUARANTINE_BYTES_MAX:
            return ""
        data = os.pread(self._segment.descriptor, length, start)
        name = f"{sha256(data).hexdigest()}.record"
        try:
            make_directory(self._disk, self._quarantine)
            if not (self._quarantine / name).exists():
                write_file(self._disk, self._quarantine / name, data)
        except SafelightError:
            # A full disk must not keep us from opening; the segment itself is then kept.
            return ""
        return name


def _arrival(read: ReadHeader) -> RecoveredArrival:
    header = read.header
    return RecoveredArrival(
        place=header.place,
        digest=header.digest,
        wrapper=header.wrapper,
        receipt=header.receipt,
        transfer_syntax=header.transfer_syntax,
        sop_class=header.sop_class,
        sop_instance=header.sop_instance,
        mended=read.mended,
    )
