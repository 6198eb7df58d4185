"""What the landing log holds after a stop of any kind: read on opening, segment by segment.

Scanning goes on past bad records. A bad record below the watermark was durable once, so it is damage; one
above it was never answered. Both are copied into quarantine, so that nothing is lost with the segment.
"""

import errno
import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safelight.core.disk import Disk, make_directory
from safelight.core.errors import ResourceError
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
    """A segment as found."""

    segment: Segment
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
    """Names of segment files of which neither heads nor records can be read; they are in quarantine whole."""


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


def recover_segment(disk: Disk, path: Path, quarantine: Path, found: LandingRecovery) -> SegmentRecovery | None:
    """Read one segment file into ``found``; None when nothing says any more what it is: then it is set aside.

    Raises:
        DiskFull, DiskFailed: the file cannot be opened, or not set aside.
    """
    descriptor = disk.open(path)
    size = os.fstat(descriptor).st_size
    head = _head(descriptor, int(path.stem), size)
    if head is None:
        disk.close(descriptor)
        if _set_aside(disk, path, quarantine):
            found.unreadable.append(path.name)
        return None
    segment = Segment(disk, path, descriptor, head)
    if head.state is SegmentState.FREED:
        segment.written_to = size
    if head.state is not SegmentState.IN_USE:
        return SegmentRecovery(segment)
    return _Scan(disk, segment, size, quarantine).recover(found)


def _head(descriptor: int, number: int, size: int) -> SegmentHead | None:
    """Return what a segment is; where a head is lost, its records say whether it was in use."""
    raw = [os.pread(descriptor, HEAD_BYTES, page * PAGE_BYTES) for page in (0, 1)]
    found = [head for piece in raw if (head := decode_head(piece)) is not None and head.segment == number]
    newest = max(found, key=lambda head: head.turn, default=None)
    lost = len(found) < sum(piece.strip(b"\0") != b"" for piece in raw) or not found
    if not lost or (newest is not None and newest.state is SegmentState.IN_USE):
        return newest
    # The lost head may be the one that said IN_USE. Taking the other for the truth would drop what was answered.
    turn, epoch = (newest.turn, newest.epoch) if newest else (0, 0)
    for offset in range(FIRST_RECORD, size, PAGE_BYTES):
        read = decode_header(os.pread(descriptor, HEADER_BYTES, offset))
        if read is not None and (read.header.segment, read.header.start) == (number, offset):
            header = read.header
            if header.epoch >= epoch:
                return SegmentHead(turn + 1, number, header.epoch, SegmentState.IN_USE, header.salt)
    return newest


def _set_aside(disk: Disk, path: Path, quarantine: Path) -> bool:
    """Move a file without heads into quarantine; False when nothing was ever landed in it, and it is removed."""
    # The first head is durable before any record is written, so a file without heads and with zeros where
    # records lie was being made when we stopped. Anything else is kept for whoever can read it.
    with path.open("rb") as file:
        file.seek(FIRST_RECORD)
        blank = all(piece == _ZEROS[: len(piece)] for piece in iter(lambda: file.read(_READ_BYTES), b""))
    if blank:
        disk.remove(path)
    else:
        make_directory(disk, quarantine)
        disk.rename(path, quarantine / f"segment-{path.name}")
        disk.sync_directory(quarantine)
    disk.sync_directory(path.parent)
    return not blank


@dataclass(frozen=True, slots=True)
class _Bad:
    start: int
    end: int
    header: RecordHeader | None


class _Scan:
    """One pass over a segment in use."""

    def __init__(self, disk: Disk, segment: Segment, size: int, quarantine: Path) -> None:
        self._disk = disk
        self._segment = segment
        self._size = size
        self._quarantine = quarantine
        self._good: list[ReadHeader] = []
        self._bad: list[_Bad] = []
        self._watermark = FIRST_RECORD

    def recover(self, found: LandingRecovery) -> SegmentRecovery:
        """Read everything, then judge the bad by the highest watermark."""
        segment = self._segment
        # Pages that were only read ahead would no longer count as a hole.
        os.posix_fadvise(segment.descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        end = self._read()
        os.posix_fadvise(segment.descriptor, 0, 0, os.POSIX_FADV_NORMAL)
        live_bytes = 0
        for read in self._good:
            segment.live.add(read.header.start, microseconds(read.header.receipt.received_at))
            live_bytes += read.header.end - read.header.start
        damaged = [self._keep(bad) for bad in self._bad if bad.start < self._watermark]
        unanswered = [self._keep(bad) for bad in self._bad if bad.start >= self._watermark]
        segment.offset = segment.synced_to = segment.written_to = end
        # What lies behind the last good record may be torn: nothing is appended here again.
        segment.closed = True
        segment.held = any(not bad.quarantine for bad in (*damaged, *unanswered))
        found.arrivals.extend(_arrival(read) for read in self._good)
        found.damaged.extend(damaged)
        found.unanswered.extend(unanswered)
        return SegmentRecovery(segment, live_bytes)

    def _read(self) -> int:
        """Find records and gaps between them; return where what was ever written ends."""
        gaps: list[tuple[int, int]] = []
        offset = end = FIRST_RECORD
        while offset < self._size:
            read = self._header_at(offset)
            if read is None:
                following = self._data_from(offset + PAGE_BYTES)
                is_hole = following > offset + PAGE_BYTES
                offset = following if is_hole else offset + max(PAGE_BYTES, self._blank_bytes(offset))
                continue
            gaps.append((end, offset))
            self._take(read)
            offset = end = read.header.end
        reached = max(end, self._written_end(end), self._watermark)
        for start, stop in (*gaps, (end, reached)):
            self._note_gap(start, stop)
        return reached

    def _note_gap(self, start: int, end: int) -> None:
        for first, last in ((start, min(end, self._watermark)), (max(start, self._watermark), end)):
            # Below the watermark even zeros are bad: a record lay there once.
            if first < last and (first < self._watermark or self._written_end(first, last) > first):
                self._bad.append(_Bad(first, last, None))

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
            self._bad.append(_Bad(header.start, header.end, header))

    def _blank_bytes(self, offset: int) -> int:
        """Return how many zero bytes, in whole pages, lie from ``offset``."""
        piece = os.pread(self._segment.descriptor, _READ_BYTES, offset)
        if piece == _ZEROS[: len(piece)]:
            return len(piece)
        return (len(piece) - len(piece.lstrip(b"\0"))) // PAGE_BYTES * PAGE_BYTES

    def _written_end(self, start: int, end: int | None = None) -> int:
        """Return the page border behind the last byte from ``start`` that is not zero; ``start`` if there is none."""
        last = self._size if end is None else min(end, self._size)
        reached = start
        offset = self._data_from(start)
        while offset < last:
            piece = os.pread(self._segment.descriptor, min(_READ_BYTES, last - offset), offset)
            # Comparing is a hundred times as fast as stripping, and most of a segment is blank.
            if piece != _ZEROS[: len(piece)]:
                reached = page_border(offset + len(piece.rstrip(b"\0")))
            offset = self._data_from(offset + _READ_BYTES)
        return reached

    def _data_from(self, offset: int) -> int:
        """Return the first page from ``offset`` on that may hold anything: reserved pages are passed over unread."""
        try:
            found = os.lseek(self._segment.descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            # ENXIO says that nothing but a hole follows. Whoever cannot say so is believed to hold data.
            return self._size if error.errno == errno.ENXIO else offset
        return max(offset, found // PAGE_BYTES * PAGE_BYTES)

    def _keep(self, bad: _Bad) -> BadRecord:
        header = bad.header
        return BadRecord(
            segment=self._segment.number,
            offset=bad.start,
            length=bad.end - bad.start,
            sop_instance=header.sop_instance if header else "",
            digest=header.digest if header else b"",
            quarantine=self._copy(bad.start, min(bad.end, self._size)),
        )

    def _copy(self, start: int, end: int) -> str:
        """Copy a bad range into quarantine; return the name of the copy, or nothing where the disk refuses."""
        segment = self._segment
        name = f"{segment.number:06}-{segment.epoch}-{start}.record"
        target = self._quarantine / name
        draft = target.with_suffix(".draft")
        try:
            make_directory(self._disk, self._quarantine)
            if target.exists():
                return name
            self._disk.remove(draft)
            descriptor = self._disk.create(draft)
            try:
                for offset in range(start, end, _READ_BYTES):
                    piece = os.pread(segment.descriptor, min(_READ_BYTES, end - offset), offset)
                    self._disk.write(descriptor, piece, offset - start)
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
            self._disk.rename(draft, target)
            self._disk.sync_directory(self._quarantine)
        except (ResourceError, OSError):
            # A disk that refuses must not keep us from opening; the segment itself is then kept.
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
