"""From the HL7 door into the message log, which is the promise, and from there into the journal, which is the truth."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

from safelight.core.clock import Clock
from safelight.core.errors import IntegrityError, ResourceError, SafelightError
from safelight.gateway.hl7.ports import Received, Reception
from safelight.journal.kinds import FactKind
from safelight.journal.message_log import MessageLog
from safelight.journal.message_log_format import Arrived, LoggedMessage, NewMessage
from safelight.site.hl7_facts import CONTROL_ID_REUSED, Described, describe
from safelight.site.hl7_records import RAW_CODEC, MessageRecords

JOURNALED_AT_ONCE: Final = 500
JOURNALED_BYTES_AT_ONCE: Final = 16 * 2**20
IN_JOURNAL_BYTES_MAX: Final = 2**20
"""A longer message goes into a pack of its own, and its fact names the pack."""
PENDING_BYTES_MAX: Final = 128 * 2**20
RETRY_SECONDS: Final = 1.0
GATHERED_SECONDS: Final = 0.1
"""A commit for each answer would take more than all the rest."""
FINDING_AGAIN_AFTER: Final = timedelta(minutes=5)
RELEASED_EVERY: Final = timedelta(seconds=5)
SUBJECTS_MAX: Final = 1000
"""Senders choose their names; findings about further ones are not opened."""

_ARRIVED: Final = {
    Reception.MESSAGE: Arrived.MESSAGE,
    Reception.UNREADABLE: Arrived.UNREADABLE,
    Reception.UNTERMINATED: Arrived.UNTERMINATED,
    Reception.STRAY: Arrived.STRAY,
    Reception.OVERSIZED: Arrived.OVERSIZED,
}


class LargeMessages(Protocol):
    """Where messages go that are too large for the journal."""

    def keep(self, raw: bytes, name: str) -> str:
        """Make a message durable in a pack of its own and return the pack's name."""


class Router(Protocol):
    """Who gets a message."""

    def destinations_for(self, event: str) -> Sequence[str]:
        """Return the destinations by name."""


class MessageJournaling:
    """Takes messages in durably, and writes them into the journal behind the answers. Used by many threads."""

    def __init__(
        self,
        records: MessageRecords,
        large: LargeMessages,
        router: Router,
        clock: Clock,
        open_finding: Callable[[str, str, str], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._records = records
        self._large = large
        self._router = router
        self._clock = clock
        self._open_finding = open_finding
        self._failed = failed
        self._log: MessageLog | None = None
        self._pending: deque[LoggedMessage] = deque()
        self._pending_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._ending = threading.Event()
        self._released_at: timedelta | None = None
        self._told: dict[tuple[str, str], timedelta] = {}
        self._done = records.index.last_sequence
        self._thread = threading.Thread(target=self._run, name="hl7-journaling", daemon=True)

    def attach(self, log: MessageLog) -> None:
        """Go on with what the log still holds from before this start."""
        self._log = log
        for message in log.left_over(self._done):
            self.add([message])

    def start(self) -> None:
        """Begin to write into the journal, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is pending and end; what cannot be written stays in the log."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._log is not None:
            self._log.close(self._records.sealed_sequence())

    def take(self, received: Sequence[Received]) -> list[int]:
        """Return when these are durable in the message log."""
        assert self._log is not None, "messages come after start"
        with self._changed:
            # The journal is behind, by much: senders wait, and what they were answered stays in the log.
            while self._pending_bytes > PENDING_BYTES_MAX and not self._stopping:
                self._changed.wait()
        new = [NewMessage(_ARRIVED[one.reception], one.received_at, one.host, one.raw) for one in received]
        return [message.sequence for message in self._log.take(new)]

    def add(self, messages: Sequence[LoggedMessage]) -> None:
        """Take over what has become durable in the log, in its order."""
        with self._changed:
            self._pending.extend(messages)
            self._pending_bytes += sum(len(one.raw) for one in messages)
            self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        """Whether messages are coming in."""
        return bool(self._pending)

    def settle(self) -> None:
        """Return when everything that was durable in the log is a fact of the journal."""
        with self._changed:
            while self._pending and not self._stopping:
                self._changed.wait()

    def write(self, messages: list[LoggedMessage]) -> None:
        """Write messages into the journal at once, in this thread; for those that did not come over a connection.

        Raises:
            DiskFull, JournalDamaged and others: they are not all written.
        """
        while messages:
            messages = messages[self._journal([describe(message) for message in messages]) :]

    def turn(self) -> bool:
        """Write one batch into the journal; return whether that could be done. Called by one thread at a time."""
        with self._changed:
            batch = self._next_batch()
        return not batch or self._try_journal(batch)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._stopping:
                    self._changed.wait()
                stopping, pending = self._stopping, bool(self._pending)
            if not pending:
                return
            if not stopping:
                self._ending.wait(GATHERED_SECONDS)
            if not self.turn():
                if stopping:
                    return
                with self._changed:
                    self._changed.wait(RETRY_SECONDS)

    def _next_batch(self) -> list[LoggedMessage]:
        batch: list[LoggedMessage] = []
        size = 0
        for message in self._pending:
            if batch and (len(batch) >= JOURNALED_AT_ONCE or size + len(message.raw) > JOURNALED_BYTES_AT_ONCE):
                break
            batch.append(message)
            size += len(message.raw)
        return batch

    def _try_journal(self, batch: list[LoggedMessage]) -> bool:
        try:
            count = self._journal([describe(message) for message in batch])
        except (ResourceError, IntegrityError) as error:
            self._failed(error)
            return False
        self._done = batch[count - 1].sequence
        with self._changed:
            for _ in range(count):
                self._pending_bytes -= len(self._pending.popleft().raw)
            self._changed.notify_all()
        self._release()
        return True

    def _release(self) -> None:
        """Let go of what the vault holds too: until then the log is what a damaged journal is mended from."""
        now = self._clock.elapsed()
        if self._released_at is not None and now - self._released_at < RELEASED_EVERY:
            return
        self._released_at = now
        try:
            assert self._log is not None
            self._log.release(self._records.sealed_sequence())
        except SafelightError as error:
            self._failed(error)

    def _journal(self, batch: list[Described]) -> int:
        """Write facts for the first of these messages; return for how many."""
        known = self._records.index.named(one.name for one in batch if one.name is not None)
        seen: set[tuple[str, str]] = set()
        facts: list[tuple[str, Mapping[str, Any]]] = []
        oddities: list[tuple[str, str]] = []
        count = 0
        for one in batch:
            if one.name is not None and one.name in seen:
                # Whether it is a duplicate can be said once the first of its name has its position.
                break
            count += 1
            if one.name is not None:
                seen.add(one.name)
            before = known.get(one.name) if one.name is not None else None
            is_duplicate = before is not None and before[1] == one.logged.digest
            if before is not None and not is_duplicate:
                oddities.append((CONTROL_ID_REUSED, str(one.facts["sender"])))
            oddities += one.oddities
            facts.append(self._fact(one, before[0] if before is not None and is_duplicate else None))
        self._records.record_all(facts)
        for code, subject in oddities:
            self._tell(code, subject)
        return count

    def _fact(self, one: Described, duplicate_of: int | None) -> tuple[str, Mapping[str, Any]]:
        told = dict(one.facts)
        if one.header is not None:
            told["to"] = []
        if duplicate_of is not None:
            # The bytes are those of the other message, which the digest shows; it is forwarded once.
            return (FactKind.HL7_RECEIVED, told | {"duplicate_of": duplicate_of})
        if one.header is not None:
            told["to"] = list(self._router.destinations_for(str(told["event"])))
        if len(one.logged.raw) <= IN_JOURNAL_BYTES_MAX:
            return (FactKind.HL7_RECEIVED, told | {"raw": one.logged.raw.decode(RAW_CODEC)})
        pack = self._large.keep(one.logged.raw, f"hl7-{one.logged.sequence:016d}.hl7")
        return (FactKind.HL7_RECEIVED, told | {"pack": pack})

    def _tell(self, code: str, subject: str) -> None:
        now = self._clock.elapsed()
        last = self._told.get((code, subject))
        if (last is None and len(self._told) < SUBJECTS_MAX) or (last and now - last > FINDING_AGAIN_AFTER):
            self._told[code, subject] = now
            try:
                self._open_finding(code, subject, "warning")
            except SafelightError as error:
                self._failed(error)
