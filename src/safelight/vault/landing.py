"""The landing log: where a received instance becomes durable before it is acknowledged.

Append-only segment files, one writer at a time in each, reused after they were overwritten with zeros. What
lies here waits for its pack; `Landing.release` is called when invariant I2 allows it, which its caller decides.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import ClassVar, Final, Self

from safelight.core.clock import Clock
from safelight.core.disk import Disk, DiskFull, make_directory
from safelight.core.errors import ResourceError, StateError
from safelight.core.instance import LandingPlace
from safelight.vault.landing_format import (
    FIRST_RECORD,
    HEADER_BYTES,
    RecordHeader,
    RecordKind,
    SegmentState,
    decode_header,
    microseconds,
    record_end,
)
from safelight.vault.landing_recovery import LandingRecovery, SegmentRecovery, digest_at, recover_segment
from safelight.vault.landing_segment import Segment
from safelight.vault.landing_writer import LandingWriter

_NAME_DIGITS: Final = 6


class LandingFull(DiskFull):
    """As much waits in landing as it may hold, or the disk's reserve is reached."""

    code: ClassVar[str] = "vault.landing-full"
    hint: ClassVar[str] = "Packing is behind or the disk is nearly full: free space, or raise landing_bytes_max."


class LandingReleased(StateError):
    """The instance is no longer in landing: its segment was freed after it had been packed."""

    code: ClassVar[str] = "vault.landing-released"
    hint: ClassVar[str] = "Read it from its pack; the catalog knows which."


@dataclass(frozen=True, slots=True)
class LandingSettings:
    """How large landing may grow and how its memory is cut."""

    segment_bytes: int = 64 * 1024 * 1024
    bytes_max: int = 8 * 1024 * 1024 * 1024
    """Beyond this no further instance is taken in."""
    records_max: int = 500_000
    """Likewise; it bounds memory when instances are tiny."""
    free_bytes_min: int = 1024 * 1024 * 1024
    """Reserve of the file system that landing never touches, so that packing can go on."""
    ready_segments_max: int = 16
    """Zeroed segments kept for reuse; more are removed."""
    buffer_bytes: int = 1024 * 1024
    """Start of an instance that a writer holds in memory."""


@dataclass(frozen=True, slots=True)
class LandingUsage:
    """How much waits in landing for its pack."""

    records_waiting: int
    bytes_waiting: int
    """With headers and page borders: what it takes on disk."""
    oldest_waiting_at: datetime | None
    bytes_held: int
    """In segments that cannot be reused yet, released instances included."""
    bytes_max: int
    segments_in_use: int
    segments_freed: int
    segments_ready: int


@dataclass(frozen=True, slots=True)
class LandingCheck:
    """What verifying one record found."""

    place: LandingPlace
    digest: bytes
    sop_instance: str
    damage: str
    """Empty when the bytes hash to the digest in their header."""
    mended: bool
    """One flipped bit in the header was put right while reading; the disk needs looking at."""


class LandedBytes:
    """The stored bytes of one landed instance, read in ranges."""

    def __init__(self, segment: Segment, place: LandingPlace) -> None:
        self._segment = segment
        self._place = place

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._place.size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``, fewer only past the end.

        Raises:
            LandingReleased: the segment was freed meanwhile.
        """
        length = max(0, min(length, self._place.size - offset))
        data = os.pread(self._segment.descriptor, length, self._place.offset + offset)
        # Checked after reading: the epoch grows before the first page is overwritten.
        if self._segment.epoch != self._place.epoch:
            raise LandingReleased(segment=self._place.segment, epoch=self._place.epoch)
        return data


class Landing:
    """All segments of one home. Writers, readers and releases may run in different threads."""

    def __init__(self, directory: Path, disk: Disk, clock: Clock, settings: LandingSettings) -> None:
        self._directory = directory
        self._disk = disk
        self._clock = clock
        self._settings = settings
        self._lock = Lock()
        self._segments: dict[int, Segment] = {}
        self._busy: set[int] = set()
        self._idle: list[int] = []
        self._ready: list[int] = []
        self._freed: list[int] = []
        self._bytes_waiting = 0
        self._records_waiting = 0
        self._bytes_held = 0
        self._number_max = 0
        self._epoch_max = 0

    @classmethod
    def open(
        cls, directory: Path, disk: Disk, clock: Clock, settings: LandingSettings | None = None
    ) -> tuple[Self, LandingRecovery]:
        """Open the log and say what it holds. The cost grows with what is in landing.

        Raises:
            DiskFull, DiskFailed: landing cannot be opened.
        """
        make_directory(disk, directory)
        landing = cls(directory, disk, clock, settings or LandingSettings())
        found = LandingRecovery()
        for path in sorted(directory.glob("*.log")):
            if path.stem.isdigit():
                recovered = recover_segment(disk, path, directory / "quarantine", found)
                if recovered is not None:
                    landing._adopt(recovered)
        return landing, found

    def writer(self) -> LandingWriter:
        """Return a writer for one association; it takes a segment when its first instance is finished."""
        return LandingWriter(self, self._settings.buffer_bytes, self._settings.segment_bytes)

    def read(self, place: LandingPlace) -> LandedBytes:
        """Return the stored bytes of a landed instance.

        Raises:
            LandingReleased: its segment was freed.
        """
        segment = self._segments.get(place.segment)
        if segment is None or segment.epoch != place.epoch:
            raise LandingReleased(segment=place.segment, epoch=place.epoch)
        return LandedBytes(segment, place)

    def release(self, places: Iterable[LandingPlace]) -> None:
        """Let go of instances that invariant I2 no longer holds here; repeating it is harmless.

        A segment is freed when every record in it was released and no writer has it.
        """
        to_free = set()
        with self._lock:
            for place in places:
                segment = self._segments.get(place.segment)
                if segment is None or segment.epoch != place.epoch:
                    continue
                start = place.offset - HEADER_BYTES
                if segment.live.drop(start):
                    self._records_waiting -= 1
                    self._bytes_waiting -= record_end(start, place.size) - start
                    to_free.add(segment.number)
            chosen = [self._segments[number] for number in sorted(to_free) if self._withdraw(number)]
        failures = [failure for segment in chosen if (failure := self._free(segment)) is not None]
        if failures:
            raise failures[0]

    def zero_one_freed(self) -> bool:
        """Overwrite one freed segment with zeros and make it ready; False when none waits.

        For a background thread: the bytes of patients leave the disk, and writing into written blocks is fast.
        """
        with self._lock:
            if not self._freed:
                return False
            segment = self._segments[self._freed.pop(0)]
            surplus = len(self._ready) >= self._settings.ready_segments_max
        try:
            segment.zero(self._settings.segment_bytes)
        except ResourceError:
            # A segment whose disk refused a write is not used again before it was read anew.
            segment.held = True
            raise
        with self._lock:
            if surplus:
                del self._segments[segment.number]
            else:
                self._ready.append(segment.number)
        if surplus:
            segment.shut()
            self._disk.remove(segment.path)
            self._disk.sync_directory(self._directory)
        return True

    def usage(self) -> LandingUsage:
        """Say how much waits."""
        with self._lock:
            in_use = [
                segment
                for number, segment in self._segments.items()
                if number not in self._ready and number not in self._freed
            ]
            moments = [moment for segment in in_use if (moment := segment.live.oldest()) is not None]
            return LandingUsage(
                records_waiting=self._records_waiting,
                bytes_waiting=self._bytes_waiting,
                oldest_waiting_at=min(moments, default=None),
                bytes_held=self._bytes_held,
                bytes_max=self._settings.bytes_max,
                segments_in_use=len(in_use),
                segments_freed=len(self._freed),
                segments_ready=len(self._ready),
            )

    def verify(self) -> Iterator[LandingCheck]:
        """Check the header and the digest of every record that waits; records released meanwhile are passed over."""
        with self._lock:
            waiting = [(segment, segment.epoch, segment.live.starts()) for segment in self._segments.values()]
        for segment, epoch, starts in waiting:
            for start in starts:
                check = _check_record(segment, start)
                if segment.epoch != epoch:
                    break
                yield check

    def close(self) -> None:
        """Close all files. Writers must have been closed."""
        for segment in self._segments.values():
            segment.shut()
        self._segments.clear()

    # What writers ask for.

    def admit(self) -> None:
        """Say whether one more instance may be taken in.

        Raises:
            LandingFull: it may not.
        """
        settings = self._settings
        if self._bytes_held >= settings.bytes_max or self._records_waiting >= settings.records_max:
            raise LandingFull(bytes_held=self._bytes_held, records_waiting=self._records_waiting)
        free = self._free_bytes()
        if free < settings.free_bytes_min:
            raise LandingFull(free_bytes=free, free_bytes_min=settings.free_bytes_min)

    def take(self, length: int) -> Segment:
        """Return a segment for one writer alone: one partly filled, a zeroed one, or a new one."""
        with self._lock:
            for number in self._idle:
                segment = self._segments[number]
                if segment.offset + length <= self._settings.segment_bytes:
                    self._idle.remove(number)
                    self._busy.add(number)
                    return segment
            ready = self._segments[self._ready.pop(0)] if self._ready else None
        if ready is not None:
            try:
                ready.take()
            except ResourceError:
                ready.closed = ready.held = True
                raise
            with self._lock:
                self._busy.add(ready.number)
            return ready
        return self._make()

    def give_back(self, segment: Segment) -> None:
        """Take a segment back from its writer; another may go on in it unless it is nearly full."""
        with self._lock:
            self._busy.discard(segment.number)
            margin = self._settings.segment_bytes // 64
            if segment.offset + margin > self._settings.segment_bytes:
                segment.closed = True
            if not segment.closed:
                self._idle.append(segment.number)
            withdrawn = segment.offset > FIRST_RECORD and self._withdraw(segment.number)
        if withdrawn and (failure := self._free(segment)) is not None:
            raise failure

    def count(self, segment: Segment, header: RecordHeader) -> None:
        """Count a record that was written."""
        occupied = header.end - header.start
        with self._lock:
            segment.append(header)
            self._bytes_held += occupied
            if header.kind is RecordKind.INSTANCE:
                self._records_waiting += 1
                self._bytes_waiting += occupied

    def forget_unsynced(self, segment: Segment) -> None:
        """Stop counting the records that a failed sync may have lost.

        The kernel may have dropped the pages it could not write and calls them clean, so nothing is
        appended to this segment again. It is not freed either while the disk is in doubt.
        """
        with self._lock:
            segment.closed = True
            segment.held = True
            for start in segment.live.starts(since=segment.synced_to):
                segment.live.drop(start)
                self._records_waiting -= 1
            self._bytes_waiting -= segment.offset - segment.synced_to

    def _make(self) -> Segment:
        settings = self._settings
        free = self._free_bytes()
        if free < settings.free_bytes_min + settings.segment_bytes:
            if self.zero_one_freed():
                return self.take(0)
            raise LandingFull(free_bytes=free, free_bytes_min=settings.free_bytes_min)
        with self._lock:
            self._number_max += 1
            number = self._number_max
            # Numbers may come again after a surplus segment was removed; pairs of number and epoch never do.
            self._epoch_max = max(self._epoch_max + 1, microseconds(self._clock.now()))
            epoch = self._epoch_max
        path = self._directory / f"{number:0{_NAME_DIGITS}}.log"
        try:
            segment = Segment.make(self._disk, path, number, epoch, settings.segment_bytes)
        except ResourceError:
            self._disk.remove(path)
            raise
        with self._lock:
            self._segments[number] = segment
            self._busy.add(number)
        return segment

    def _adopt(self, recovered: SegmentRecovery) -> None:
        segment = recovered.segment
        number = segment.number
        self._segments[number] = segment
        self._number_max = max(self._number_max, number)
        self._epoch_max = max(self._epoch_max, segment.epoch)
        if segment.head.state is SegmentState.READY:
            self._ready.append(number)
        elif segment.head.state is SegmentState.FREED:
            self._freed.append(number)
        else:
            self._records_waiting += segment.live.count
            self._bytes_waiting += recovered.live_bytes
            self._bytes_held += segment.offset - FIRST_RECORD
            if self._withdraw(number):
                # A disk that refuses this must not keep us from opening: the segment is looked at again next time.
                self._free(segment)

    def _withdraw(self, number: int) -> bool:
        """Take a segment out of use if nothing in it is waited for and nobody writes it."""
        segment = self._segments[number]
        if segment.live.count or segment.held or number in self._busy:
            return False
        if number in self._idle:
            self._idle.remove(number)
        self._busy.add(number)
        return True

    def _free(self, segment: Segment) -> ResourceError | None:
        """Free a withdrawn segment. The failure is returned, so that one bad segment does not keep others."""
        held = segment.offset - FIRST_RECORD
        try:
            segment.free()
        except ResourceError as failure:
            segment.held = True
            return failure
        finally:
            with self._lock:
                self._busy.discard(segment.number)
        with self._lock:
            self._bytes_held -= held
            self._freed.append(segment.number)
        return None

    def _free_bytes(self) -> int:
        facts = os.statvfs(self._directory)
        return facts.f_bavail * facts.f_frsize


def _check_record(segment: Segment, start: int) -> LandingCheck:
    read = decode_header(os.pread(segment.descriptor, HEADER_BYTES, start))
    if read is None or read.header.start != start or read.header.epoch != segment.epoch:
        place = LandingPlace(segment.number, segment.epoch, start + HEADER_BYTES, 0)
        return LandingCheck(place, b"", "", damage="header", mended=False)
    header = read.header
    digest = digest_at(segment.descriptor, header, hashlib.sha256())
    damage = "" if digest == header.digest else "bytes"
    return LandingCheck(header.place, header.digest, header.sop_instance, damage, read.mended)
