"""One segment file of the landing log: its head, its live records and the order in which it is reused.

A segment goes READY -> IN_USE -> FREED -> READY. Each step is durable before the next begins, and the
epoch grows when it is freed, before its pages are overwritten: a record of an earlier epoch never counts.
"""

import mmap
import os
import secrets
from array import array
from bisect import bisect_left
from datetime import datetime
from pathlib import Path
from typing import Final

from safelight.core.disk import Disk, DiskFailed
from safelight.vault.landing_format import (
    FIRST_RECORD,
    PAGE_BYTES,
    RecordHeader,
    RecordKind,
    SegmentHead,
    SegmentState,
    encode_head,
    microseconds,
    moment_of,
    page_border,
)

SMALL_BYTES_MAX: Final = 64 * 1024
"""Records up to this size go through the page cache, into blocks that were written before; larger ones go past it."""
_GROUND_BYTES: Final = 1 << 20
_ZEROS: Final = memoryview(mmap.mmap(-1, _GROUND_BYTES))
"""At a page border, as writing past the page cache wants it."""


class LiveRecords:
    """The records of one segment that were not released yet; some twenty bytes a record."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._received = array("q")
        self._live = bytearray()
        self._oldest = 0
        self.count = 0

    def add(self, start: int, received_microseconds: int) -> None:
        """Take in a record; records come in the order in which they lie."""
        self._starts.append(start)
        self._received.append(received_microseconds)
        self._live.append(1)
        self.count += 1

    def drop(self, start: int) -> bool:
        """Let a record go; False when it was let go before."""
        index = bisect_left(self._starts, start)
        if index == len(self._starts) or self._starts[index] != start or not self._live[index]:
            return False
        self._live[index] = 0
        self.count -= 1
        return True

    def starts(self, since: int = 0) -> list[int]:
        """Return where the live records from offset ``since`` on lie."""
        first = bisect_left(self._starts, since)
        return [start for start, live in zip(self._starts[first:], self._live[first:], strict=True) if live]

    def oldest(self) -> datetime | None:
        """Return when the first live record was received."""
        self._oldest = self._live.find(1, self._oldest) if self.count else len(self._live)
        return moment_of(self._received[self._oldest]) if self.count else None


class Segment:
    """A segment file. Whoever holds it writes it; `Landing` decides who that is."""

    def __init__(self, disk: Disk, path: Path, descriptor: int, head: SegmentHead) -> None:
        self._disk = disk
        self.path = path
        self.descriptor = descriptor
        self._direct: int | None = None
        self._direct_tried = False
        self.head = head
        self.offset = FIRST_RECORD
        """Where the next record begins."""
        self.synced_to = FIRST_RECORD
        """Everything before it is durable."""
        self.marked_to = FIRST_RECORD
        """Everything before it lies below a durable watermark."""
        self.sequence = 0
        self.live = LiveRecords()
        self.closed = False
        """No writer may append any more."""
        self.held = False
        """It is kept while this process runs: its disk is in doubt, or damage in it could not be copied elsewhere."""
        self.written_to = FIRST_RECORD
        self._laid_to = FIRST_RECORD

    @classmethod
    def make(cls, disk: Disk, path: Path, number: int, epoch: int, size: int) -> "Segment":
        """Make a new segment file that is in use from the start.

        Reserved and not zeroed: zeroing costs more than writing into reserved blocks does, and it
        would be the receiving association that waits (64 MiB in CT slices: 97 ms against 112 ms).
        """
        descriptor = disk.create(path)
        try:
            disk.allocate(descriptor, size)
            head = SegmentHead(1, number, epoch, SegmentState.IN_USE, secrets.token_bytes(16))
            segment = cls(disk, path, descriptor, head)
            segment._write_head(head)
            disk.sync_directory(path.parent)
        except BaseException:
            disk.close(descriptor)
            raise
        return segment

    @property
    def number(self) -> int:
        """Its number, which is its file name."""
        return self.head.segment

    @property
    def epoch(self) -> int:
        """How its present records are told from earlier ones."""
        return self.head.epoch

    def take(self) -> None:
        """Begin to use a READY segment."""
        self._advance(SegmentState.IN_USE, salt=secrets.token_bytes(16))

    def write(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write without syncing."""
        self.written_to = max(self.written_to, offset + len(data))
        self._laid_to = max(self._laid_to, self.written_to)
        if len(data) > SMALL_BYTES_MAX and self._write_direct(data, offset):
            return
        self._disk.write(self.descriptor, data, offset)

    def lay_ground(self, start: int, size: int) -> None:
        """Write zeros where small records will lie, from ``start`` on, within the first ``size`` bytes of the file.

        Syncing into blocks that were written before needs no commit of the file system's journal, which for
        a small record takes as long as the rest (12 KiB records: 0.27 ms a record against 0.51 ms).
        """
        end = min(start + _GROUND_BYTES, size)
        if start >= self._laid_to and end > start:
            self._disk.write(self.descriptor, _ZEROS[: end - start], start)
            self._laid_to = end

    def append(self, header: RecordHeader) -> None:
        """Count a record whose bytes were written."""
        if header.kind is RecordKind.INSTANCE:
            self.live.add(header.start, microseconds(header.receipt.received_at))
        self.offset = header.end
        self.sequence += 1

    def sync(self) -> None:
        """Return when every record appended so far is durable."""
        reached = self.offset
        self._disk.sync(self.descriptor)
        self.synced_to = reached

    def erase_tail(self) -> None:
        """Take back what an unfinished record wrote beyond the last one."""
        tail, self.written_to = self.written_to, self.offset
        self._zero(self.offset, tail)

    def free(self) -> None:
        """Give up its records: from here on they never count again, although they are still there."""
        self.live = LiveRecords()
        self._advance(SegmentState.FREED, epoch=self.epoch + 1)

    def zero(self, size: int) -> None:
        """Overwrite what a freed segment held and make it READY."""
        length = os.fstat(self.descriptor).st_size
        self._zero(FIRST_RECORD, min(page_border(self.written_to), length, size))
        if length != size:
            self._disk.truncate(self.descriptor, size)
        self._disk.sync(self.descriptor)
        self._advance(SegmentState.READY)
        self.offset = self.synced_to = self.marked_to = self.written_to = FIRST_RECORD
        self.sequence = 0
        self.closed = False

    def shut(self) -> None:
        """Close the file."""
        self._disk.close(self.descriptor)
        if self._direct is not None:
            self._disk.close(self._direct)

    def _write_direct(self, data: bytes | bytearray | memoryview, offset: int) -> bool:
        """Write whole pages past the page cache, a quarter of the receiver's CPU; False where that cannot be."""
        if not self._direct_tried:
            self._direct_tried = True
            self._direct = self._disk.open_direct(self.path)
        if self._direct is None:
            return False
        try:
            self._disk.write(self._direct, data, offset)
        except DiskFailed:
            # It may want more than pages. Whether the disk itself fails is seen by the ordinary write that follows.
            self._disk.close(self._direct)
            self._direct = None
            return False
        return True

    def _zero(self, start: int, end: int) -> None:
        for offset in range(start, end, len(_ZEROS)):
            zeros = _ZEROS[: end - offset]
            in_pages = not (offset % PAGE_BYTES or len(zeros) % PAGE_BYTES)
            if not (in_pages and self._write_direct(zeros, offset)):
                self._disk.write(self.descriptor, zeros, offset)

    def _advance(self, state: SegmentState, epoch: int | None = None, salt: bytes | None = None) -> None:
        head = self.head
        self.head = SegmentHead(
            turn=head.turn + 1,
            segment=head.segment,
            epoch=head.epoch if epoch is None else epoch,
            state=state,
            salt=head.salt if salt is None else salt,
        )
        self._write_head(self.head)

    def _write_head(self, head: SegmentHead) -> None:
        self._disk.write(self.descriptor, encode_head(head), (head.turn % 2) * PAGE_BYTES)
        self._disk.sync(self.descriptor)
