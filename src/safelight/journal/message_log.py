"""The message log: HL7 messages become durable here, and are answered, before they become facts of the journal.

One sync serves all who wait. What lies here and not yet in the journal is appended to it after a restart, so
nothing that was answered depends on how fast the journal is. Safe to use from many threads.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

from safelight.core.disk import Disk, make_directory
from safelight.core.errors import ResourceError, StateError
from safelight.core.gathering import Gathering
from safelight.journal.message_log_format import (
    FIRST_RECORD,
    LoggedMessage,
    NewMessage,
    decode_head,
    encode_head,
    encode_record,
    page_border,
    record_bytes_max,
    records,
)

SEGMENT_BYTES: Final = 8 * 2**20
ZEROED_AT_ONCE: Final = 2**20
SALT_BYTES: Final = 16
_ENDING: Final = ".log"
Durable = Callable[[Sequence[LoggedMessage]], None]
_DRAFT: Final = ".draft"


class MessageLogClosed(StateError):
    """Messages come while the log is being closed."""

    code: ClassVar[str] = "journal.message-log-closed"
    hint: ClassVar[str] = "Nothing was answered; the sender sends again when `safelight serve` runs."


@dataclass(frozen=True, slots=True)
class MessageLogFaults:
    """What is not right with a log that was found; empty lists mean that all is well."""

    damaged: tuple[int, ...] = ()
    """Sequences that were durable once and cannot be read: answered messages are lost here."""
    unfinished: tuple[int, ...] = ()
    """Sequences that a crash left half written; nobody was answered."""
    unreadable: tuple[str, ...] = ()
    """Segments whose head is damaged."""


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    salt: bytes
    size: int
    end: int = FIRST_RECORD


class MessageLog:
    """Takes messages in, several at a sync, and lets go of them once they are facts of the journal."""

    def __init__(
        self, directory: Path, disk: Disk, segment_bytes: int = SEGMENT_BYTES, durable: Durable | None = None
    ) -> None:
        self._directory = directory
        self._durable = durable
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._gathering = Gathering(self._write_batch)
        self._files = threading.Lock()
        self._segment: _Segment | None = None
        self._next = 1
        self._synced = 0
        self._full: dict[Path, int] = {}
        """Segments that take no more, each with its last sequence."""
        self._closed = False

    @classmethod
    def open(
        cls,
        directory: Path,
        disk: Disk,
        journaled: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        durable: Durable | None = None,
    ) -> tuple[Self, MessageLogFaults]:
        """Open the log; the journal holds everything up to the sequence ``journaled``.

        ``durable`` is given each batch once it is durable and before anybody is answered, in order.

        Raises:
            DiskFull, DiskFailed: it cannot be written.
        """
        make_directory(disk, directory)
        log = cls(directory, disk, segment_bytes, durable)
        for draft in directory.glob(f"*{_DRAFT}"):
            disk.remove(draft)
        faults = log._look(journaled)
        return log, faults

    def take(self, messages: Sequence[NewMessage]) -> list[LoggedMessage]:
        """Return when these messages are durable, in this order.

        Raises:
            DiskFull, DiskFailed: they are not; nobody may be answered.
            MessageLogClosed: it takes no more.
        """
        return list(self._gathering.ask(messages))

    def left_over(self, journaled: int) -> Iterator[LoggedMessage]:
        """Give what was durable before this start and is not in the journal, in order."""
        for path in sorted(self._full):
            for message in _messages(path):
                if message.sequence > journaled:
                    yield message

    def release(self, journaled: int) -> None:
        """Let go of segments whose messages are all durable in the journal.

        Raises:
            DiskFailed: a name could not be removed; it is tried again with the next call.
        """
        with self._files:
            gone = [path for path, last in self._full.items() if last <= journaled]
            for path in gone:
                self._disk.remove(path)
                del self._full[path]

    def close(self, journaled: int) -> None:
        """Take no more, and let go of what the journal holds."""
        with self._files:
            self._closed = True
            self._retire()
        self.release(journaled)

    @property
    def segments(self) -> int:
        """How many segment files there are."""
        return len(self._full) + (self._segment is not None)

    def _write_batch(self, batch: Sequence[NewMessage]) -> list[LoggedMessage]:
        with self._files:
            if self._closed:
                raise MessageLogClosed
            logged = [self._numbered(new) for new in batch]
            try:
                self._write(logged)
                if self._durable is not None:
                    self._durable(logged)
            except BaseException:
                # What of it is on the disk is unknown: this segment is written no more, its numbers are not used again.
                self._retire()
                raise
            return logged

    def _numbered(self, new: NewMessage) -> LoggedMessage:
        sequence, self._next = self._next, self._next + 1
        digest = hashlib.sha256(new.raw).digest()
        return LoggedMessage(sequence, new.arrived, new.received_at, new.sender, new.raw, digest)

    def _write(self, batch: list[LoggedMessage]) -> None:
        needed = sum(record_bytes_max(len(one.raw)) for one in batch)
        segment = self._segment
        if segment is None or page_border(segment.end) + needed > segment.size:
            self._retire()
            segment = self._segment = self._new_segment(batch[0].sequence, needed)
        encoded = b"".join(encode_record(one, segment.salt, self._synced) for one in batch)
        start = page_border(segment.end)
        self._disk.write(segment.descriptor, encoded, start)
        self._disk.sync(segment.descriptor)
        segment.end = start + len(encoded)
        self._synced = batch[-1].sequence

    def _new_segment(self, first: int, needed: int) -> _Segment:
        size = max(self._segment_bytes, page_border(FIRST_RECORD + needed))
        path = self._directory / f"{first:016d}{_ENDING}"
        draft = path.with_suffix(_DRAFT)
        self._disk.remove(draft)
        descriptor = self._disk.create(draft)
        salt = os.urandom(SALT_BYTES)
        try:
            # Written once with zeros, so that a later sync has only data to write and no block map.
            for start in range(0, size, ZEROED_AT_ONCE):
                self._disk.write(descriptor, bytes(min(ZEROED_AT_ONCE, size - start)), start)
            self._disk.write(descriptor, encode_head(first, salt), 0)
            self._disk.sync(descriptor)
            self._disk.rename(draft, path)
            self._disk.sync_directory(self._directory)
        except ResourceError:
            self._disk.close(descriptor)
            with suppress(ResourceError):
                self._disk.remove(draft)
            raise
        except BaseException:
            self._disk.close(descriptor)
            raise
        # Watermarks speak of one segment: a gap between two is not damage.
        self._synced = first - 1
        return _Segment(path, descriptor, salt, size)

    def _retire(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self._full[segment.path] = self._next - 1
            self._disk.close(segment.descriptor)

    def _look(self, journaled: int) -> MessageLogFaults:
        damaged: list[int] = []
        unfinished: list[int] = []
        unreadable: list[str] = []
        highest = journaled
        for path in sorted(self._directory.glob(f"*{_ENDING}")):
            content = path.read_bytes()
            head = decode_head(content[:FIRST_RECORD])
            if head is None:
                unreadable.append(path.name)
                continue
            found = list(records(content, head[1]))
            whole = {one.sequence for one in found if one.message is not None}
            durable = max((one.watermark for one in found), default=head[0] - 1)
            damaged += [number for number in range(head[0], durable + 1) if number not in whole and number > journaled]
            unfinished += [one.sequence for one in found if one.message is None and one.sequence > durable]
            last = max((one.sequence for one in found), default=head[0] - 1)
            self._full[path] = last
            highest = max(highest, last, head[0])
        self._next = highest + 1
        return MessageLogFaults(tuple(damaged), tuple(unfinished), tuple(unreadable))


def _messages(path: Path) -> Iterator[LoggedMessage]:
    content = path.read_bytes()
    head = decode_head(content[:FIRST_RECORD])
    if head is not None:
        yield from (one.message for one in records(content, head[1]) if one.message is not None)
