"""Landing instances: the memory that a peer's bytes are read into, and the way from there to the disk.

One writer serves one association, in one thread. Bytes are hashed as they come. The start of an instance
stays in memory until it is finished, with room for the header in front, so that a CT slice goes to
the disk in one write; a longer instance is written in pieces behind that start.
"""

import hashlib
import mmap
from typing import Final, Protocol

from safelight.core.errors import SafelightError, StateError
from safelight.core.instance import Arrival, Head, Receipt, Way, Wrapper
from safelight.vault.landing_format import (
    HEADER_BYTES,
    PAGE_BYTES,
    RecordHeader,
    RecordKind,
    encode_header,
    moment_of,
    page_border,
)
from safelight.vault.landing_segment import SMALL_BYTES_MAX, Segment

_ZERO_PAGE: Final = bytes(PAGE_BYTES)


class NothingBegun(StateError):
    """An instance is finished before any byte of it came."""

    code = "vault.nothing-begun"
    hint = "The sender sent a data set of no length; ask its vendor."


class SegmentPool(Protocol):
    """Hands out segments, one writer at a time."""

    def admit(self) -> None:
        """Raise LandingFull when no further instance may be taken in."""

    def take(self, length: int) -> Segment:
        """Return a segment that nobody else writes and that has ``length`` bytes left, if any can have."""

    def give_back(self, segment: Segment) -> None:
        """Take back a segment that its writer has left."""

    def count(self, segment: Segment, header: RecordHeader) -> None:
        """Count a record that was written."""

    def forget_unsynced(self, segment: Segment) -> None:
        """Stop counting records that a failed sync may have lost, and never append there again."""


class LandingWriter:
    """Takes in one instance after another: `room` and `filled` for its bytes, `finish`, and `sync` for many.

    When an instance cannot be taken in (landing is full, the disk refuses), its bytes are still
    accepted, since the peer sends them anyway, and `finish` raises. The writer is then ready for the next.
    """

    def __init__(self, pool: SegmentPool, buffer_bytes: int, segment_bytes: int) -> None:
        self._pool = pool
        self._buffer_bytes = page_border(max(buffer_bytes, 2 * PAGE_BYTES))
        self._segment_bytes = segment_bytes
        self._start = memoryview(b"")
        self._spill = memoryview(b"")
        self._segment: Segment | None = None
        self._unsynced = False
        self._lost: SafelightError | None = None
        self._reset()

    def _reset(self) -> None:
        self._open = False
        self._failure: SafelightError | None = None
        self._hasher = hashlib.sha256()
        self._filled = HEADER_BYTES
        self._spilled = 0
        self._spill_filled = 0
        self._prefix_bytes = 0
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the data set taken in so far."""
        return self._size

    def begin(self, prefix: bytes = b"") -> None:
        """Begin an instance; only one that has a ``prefix`` (preamble and file meta) needs this call."""
        if self._open:
            self.abandon()
        if not self._start:
            self._start = _pages(self._buffer_bytes)
        self._open = True
        try:
            self._pool.admit()
        except SafelightError as refusal:
            self._failure = refusal
        rest = memoryview(prefix)
        while rest:
            space = self.room()
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            self._advance(count)
            rest = rest[count:]
        self._prefix_bytes = len(prefix)

    def room(self) -> memoryview:
        """Return where the next bytes of the data set go; at least one byte is free."""
        if not self._open:
            self.begin()
        if self._filled < self._buffer_bytes:
            return self._start[self._filled :]
        if not self._spill:
            self._spill = _pages(self._buffer_bytes)
        return self._spill[self._spill_filled :]

    def filled(self, count: int) -> None:
        """Take in the first ``count`` bytes of `room`."""
        self._hasher.update(self.room()[:count])
        self._size += count
        self._advance(count)

    def first_bytes(self) -> memoryview:
        """Return the start of the data set, up to nearly a buffer of it, until the instance is finished."""
        return self._start[HEADER_BYTES + self._prefix_bytes : self._filled]

    def finish(self, head: Head, receipt: Receipt, wrapper: Wrapper | None = None) -> Arrival:
        """Write the instance and return where it is. It is not durable before `sync`.

        Raises:
            LandingFull: there was no room when it began.
            DiskFull, DiskFailed: the disk refused a part of it.
            LandingFactsTooLong: the sender's UIDs do not fit.
            NothingBegun: no byte came.
        """
        try:
            if self._failure is not None:
                raise self._failure
            if not self._open or not self._size:
                raise NothingBegun()
            return self._finish(head, receipt, wrapper or Wrapper(self._prefix_bytes))
        except SafelightError:
            self.abandon()
            raise
        finally:
            self._reset()

    def sync(self) -> None:
        """Return when everything finished so far is durable: only now may it be acknowledged.

        Raises:
            DiskFull, DiskFailed: nothing finished since the last sync may be acknowledged.
        """
        lost, self._lost = self._lost, None
        if lost is not None:
            self._drop_unsynced()
            raise lost
        if self._segment is not None and self._unsynced:
            self._sync(self._segment)

    def abandon(self) -> None:
        """Drop the unfinished instance."""
        segment, spilled = self._segment, self._spilled
        self._reset()
        if segment is not None and (spilled or segment.written_to > segment.offset):
            self._erase(segment)

    def close(self) -> None:
        """Make everything finished durable, put a watermark above it, and leave the segment to others.

        Raises:
            DiskFull, DiskFailed: as for `sync`.
        """
        self.abandon()
        self._start = self._spill = memoryview(b"")
        self._leave()
        self.sync()

    def _advance(self, count: int) -> None:
        if self._filled < self._buffer_bytes:
            self._filled += count
            return
        self._spill_filled += count
        if self._spill_filled == self._buffer_bytes:
            self._write_spill()

    def _write_spill(self) -> None:
        length = self._spill_filled
        self._spill_filled = 0
        if self._failure is not None:
            return
        try:
            segment = self._segment_for(self._buffer_bytes + length)
            padded = page_border(length)
            self._spill[length:padded] = _ZERO_PAGE[: padded - length]
            segment.write(self._spill[:padded], segment.offset + self._buffer_bytes + self._spilled)
        except SafelightError as error:
            self._failure = error
        self._spilled += length

    def _finish(self, head: Head, receipt: Receipt, wrapper: Wrapper) -> Arrival:
        if wrapper.prefix_size != self._prefix_bytes:
            raise ValueError("the wrapper and the prefix that was begun with differ")
        if self._spill_filled:
            self._write_spill()
            if self._failure is not None:
                raise self._failure
        stored = self._prefix_bytes + self._size
        segment = self._segment if self._spilled else None
        if segment is None:
            segment = self._segment_for(page_border(HEADER_BYTES + stored))
        header = RecordHeader(
            kind=RecordKind.INSTANCE,
            segment=segment.number,
            salt=segment.head.salt,
            epoch=segment.epoch,
            sequence=segment.sequence,
            start=segment.offset,
            stored_bytes=stored,
            watermark=segment.synced_to,
            digest=self._hasher.digest(),
            wrapper=wrapper,
            receipt=receipt,
            transfer_syntax=head.transfer_syntax,
            sop_class=head.sop_class,
            sop_instance=head.sop_instance,
        )
        padded = page_border(self._filled)
        self._start[:HEADER_BYTES] = encode_header(header)
        self._start[self._filled : padded] = _ZERO_PAGE[: padded - self._filled]
        if padded <= SMALL_BYTES_MAX:
            segment.lay_ground(header.start, self._segment_bytes)
        segment.write(self._start[:padded], header.start)
        self._pool.count(segment, header)
        self._unsynced = True
        return Arrival(header.digest, wrapper, head, receipt, header.place)

    def _segment_for(self, length: int) -> Segment:
        """Return the segment for a record of which ``length`` bytes are known to come."""
        segment = self._segment
        if segment is not None and not self._spilled:
            # A segment that holds nothing yet takes even the longest instance: its file grows.
            is_full = segment.sequence > 0 and segment.offset + length > self._segment_bytes
            segment.closed = segment.closed or is_full
            if segment.closed:
                self._leave()
        if self._segment is None:
            self._segment = self._pool.take(length)
        return self._segment

    def _sync(self, segment: Segment) -> None:
        try:
            segment.sync()
        except SafelightError:
            self._drop_unsynced()
            raise
        self._unsynced = False

    def _drop_unsynced(self) -> None:
        segment, self._segment = self._segment, None
        self._unsynced = False
        if segment is not None:
            self._pool.forget_unsynced(segment)
            self._pool.give_back(segment)

    def _leave(self) -> None:
        segment = self._segment
        if segment is None:
            return
        if self._unsynced:
            try:
                self._sync(segment)
            except SafelightError as error:
                # Instances that were finished and not yet acknowledged are lost: `sync` must say so.
                self._lost = error
                return
        self._segment = None
        try:
            if segment.marked_to < segment.synced_to:
                self._mark(segment)
        except SafelightError:
            # The records are durable. Only the finding of later damage to the last of them is weaker.
            segment.closed = segment.held = True
        finally:
            self._pool.give_back(segment)

    def _mark(self, segment: Segment) -> None:
        mark = RecordHeader(
            kind=RecordKind.MARK,
            segment=segment.number,
            salt=segment.head.salt,
            epoch=segment.epoch,
            sequence=segment.sequence,
            start=segment.offset,
            stored_bytes=0,
            watermark=segment.synced_to,
            digest=bytes(32),
            wrapper=Wrapper(),
            receipt=_NO_RECEIPT,
            transfer_syntax="",
            sop_class="",
            sop_instance="",
        )
        segment.write(encode_header(mark).ljust(PAGE_BYTES, b"\0"), mark.start)
        self._pool.count(segment, mark)
        segment.sync()
        segment.marked_to = segment.synced_to

    def _erase(self, segment: Segment) -> None:
        try:
            segment.erase_tail()
        except SafelightError:
            # What is left there counts as an unanswered store, which it is.
            segment.closed = True


def _pages(size: int) -> memoryview:
    """Return memory that begins at a page border, as writing past the page cache wants it."""
    return memoryview(mmap.mmap(-1, size))


_NO_RECEIPT: Final = Receipt(moment_of(0), Way.STORE, "", "", "")
