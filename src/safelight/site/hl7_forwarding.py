"""Store and forward: for each destination its lanes, that ask what is next, send it, and record what came of it."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from safelight.catalog.message_rows import DeliveryRow
from safelight.core.clock import Clock
from safelight.core.errors import PeerError, SafelightError
from safelight.gateway.hl7.forwarding import UNREADABLE, Fate, Waiting, back_off, next_to_send
from safelight.gateway.hl7.sender import AnswerUnreadable, DestinationSilent, DestinationUnreachable, MessageSender
from safelight.journal.kinds import FactKind
from safelight.site.hl7_destinations import Destination, Destinations
from safelight.site.hl7_records import MessageRecords
from safelight.wire.hl7.header import read_header

LOOKED_AT: Final = 50
LOOKED_AT_EACH: Final = 10
"""Messages looked at for each lane, so that one patient with many does not keep the others waiting."""
TURN_SECONDS: Final = 1.0
CONNECT: Final = timedelta(seconds=10)
TOLD_AFTER_FAILURES: Final = 3

UNREACHABLE: Final = "gateway.hl7-destination-unreachable"
DEAD_LETTER: Final = "gateway.hl7-dead-letter"


class MessageFindings:
    """How forwarding says that a person is needed; filled in by the site."""

    def __init__(self, opened: Callable[[str, str, str], None], closed: Callable[[str, str, str], None]) -> None:
        self.opened = opened
        self.closed = closed


class Lanes:
    """The way to one destination. Its threads run until `stop`."""

    def __init__(
        self,
        destination: Destination,
        records: MessageRecords,
        findings: MessageFindings,
        clock: Clock,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.destination = destination
        self._records = records
        self._findings = findings
        self._clock = clock
        self._failed = failed
        self._changed = threading.Condition()
        self._stopping = False
        self._busy: set[Waiting] = set()
        self._later: dict[Waiting, timedelta] = {}
        """Refused messages that are tried again, and when; what must keep their order waits too."""
        self._ahead: dict[Waiting, DeliveryRow] = {}
        """What was read of the queue and is not sent yet."""
        self._is_stale = True
        self._failures = 0
        self._answers = False
        """Whether it has answered since the start, or since it was told to be unreachable."""
        self._not_before = timedelta(0)
        self._senders = [
            MessageSender(
                destination.host, destination.port, clock, CONNECT, timedelta(seconds=destination.answer_seconds)
            )
            for _ in range(destination.lanes)
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(sender,), name=f"hl7-to-{destination.name}", daemon=True)
            for sender in self._senders
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look again: something came, or somebody held, released or skipped something."""
        with self._changed:
            self._is_stale = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish what is under way if its answer comes at once, else leave it to the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for sender, thread in zip(self._senders, self._threads, strict=True):
            thread.join(TURN_SECONDS)
            sender.interrupt()
            thread.join()

    def turn(self, sender: MessageSender) -> bool:
        """Deliver what may go out now, one message; return whether there was one."""
        with self._changed:
            row, _ = self._choose()
            if row is None:
                return False
            self._busy.add(_waiting(row))
        self._deliver(sender, row)
        return True

    def _run(self, sender: MessageSender) -> None:
        with sender:
            while True:
                try:
                    if (row := self._next()) is None:
                        return
                    self._deliver(sender, row)
                except Exception as error:  # noqa: BLE001 - a worker's one place: the lane goes on
                    self._failed(error)
                    self._pause()

    def _next(self) -> DeliveryRow | None:
        """Wait for a message that may go out now and mark it as under way; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                row, wait = self._choose()
                if row is not None:
                    self._busy.add(_waiting(row))
                    return row
                self._changed.wait(wait)
        return None

    def _choose(self) -> tuple[DeliveryRow | None, float]:
        now = self._clock.elapsed()
        if now < self._not_before:
            return None, (self._not_before - now).total_seconds()
        if len(self._busy) >= self.destination.lanes:
            return None, TURN_SECONDS
        for one in [one for one, moment in self._later.items() if moment <= now]:
            del self._later[one]
        if self.destination.lanes == 1 and self._later:
            return None, _until(min(self._later.values()), now)
        chosen = self._first_free()
        if chosen is None:
            return None, _until(min(self._later.values()), now) if self._later else TURN_SECONDS
        return self._ahead[chosen], 0.0

    def _first_free(self) -> Waiting | None:
        """Return what may go out now; the queue is read again when what was read gives nothing, or may be wrong."""
        under_way = self._busy | set(self._later)
        if not self._is_stale and (chosen := next_to_send(list(self._ahead), under_way)) is not None:
            return chosen
        looked_at = max(LOOKED_AT, LOOKED_AT_EACH * self.destination.lanes)
        self._is_stale = False
        self._ahead = {_waiting(row): row for row in self._records.index.waiting(self.destination.name, looked_at)}
        return next_to_send(list(self._ahead), under_way)

    def _deliver(self, sender: MessageSender, row: DeliveryRow) -> None:
        try:
            raw = self._records.raw(row.message.position)
            control_id = read_header(raw).control_id
            try:
                answer = sender.deliver(raw, control_id)
            except AnswerUnreadable:
                self._answered(row, UNREADABLE, "")
            except (DestinationUnreachable, DestinationSilent) as error:
                self._lost(error)
            else:
                self._answered(row, answer.code, answer.error)
        finally:
            with self._changed:
                self._busy.discard(_waiting(row))
                self._ahead.pop(_waiting(row), None)
                self._changed.notify_all()

    def _answered(self, row: DeliveryRow, code: str, error: str) -> None:
        attempt = row.attempts + 1
        fate = self.destination.policy.fate(code, attempt)
        facts: dict[str, Any] = {
            "destination": row.destination,
            "queued": row.queued,
            "message": row.message.position,
            "control_id": row.message.control_id,
            "digest": row.message.digest.hex(),
            "attempt": attempt,
            "code": code,
        }
        if fate is Fate.DELIVERED:
            self._records.record(FactKind.HL7_DELIVERED, facts)
        else:
            facts |= {"error": error, "final": fate is Fate.DEAD}
            self._records.record(FactKind.HL7_REFUSED, facts)
        if fate is Fate.DEAD:
            self._findings.opened(DEAD_LETTER, f"{row.destination}/{row.message.position}", "serious")
        with self._changed:
            answered_before, self._answers = self._answers, True
            self._failures = 0
            self._is_stale = self._is_stale or fate is not Fate.DELIVERED
            if fate is Fate.RETRY:
                self._later[_waiting(row)] = self._clock.elapsed() + back_off(attempt)
        if not answered_before:
            self._findings.closed(UNREACHABLE, self.destination.name, "it answers again")

    def _lost(self, error: PeerError) -> None:
        with self._changed:
            self._is_stale = True
            if self._clock.elapsed() < self._not_before:
                # Another lane found out at the same time: that is one failure, not two.
                return
            self._failures += 1
            failures = self._failures
            self._answers = self._answers and failures < TOLD_AFTER_FAILURES
            self._not_before = self._clock.elapsed() + back_off(failures)
            stopping = self._stopping
        if failures == TOLD_AFTER_FAILURES and not stopping:
            self._failed(error)
            self._findings.opened(UNREACHABLE, self.destination.name, "serious")

    def _pause(self) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(TURN_SECONDS)


class Forwarding:
    """The lanes of every destination, made and ended as the destinations change."""

    def __init__(
        self,
        destinations: Destinations,
        records: MessageRecords,
        findings: MessageFindings,
        clock: Clock,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._destinations = destinations
        self._records = records
        self._findings = findings
        self._clock = clock
        self._failed = failed
        self._lock = threading.Lock()
        self._lanes: dict[str, Lanes] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hl7-forwarding", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._turn()
        self._thread.start()

    def wake(self) -> None:
        """Look again at every queue."""
        with self._lock:
            lanes = list(self._lanes.values())
        for one in lanes:
            one.wake()

    def stop(self) -> None:
        """End every lane."""
        self._stopping.set()
        self._thread.join()
        for one in self._lanes.values():
            one.stop()

    def _watch(self) -> None:
        while not self._stopping.wait(TURN_SECONDS):
            with suppress(SafelightError):
                self._turn()

    def _turn(self) -> None:
        wanted = self._destinations.all()
        with self._lock:
            gone = [one for one in self._lanes.values() if wanted.get(one.destination.name) != one.destination]
            for one in gone:
                del self._lanes[one.destination.name]
        for one in gone:
            one.stop()
        for name, destination in wanted.items():
            if name not in self._lanes:
                lanes = Lanes(destination, self._records, self._findings, self._clock, self._failed)
                with self._lock:
                    self._lanes[name] = lanes
                lanes.start()


def _waiting(row: DeliveryRow) -> Waiting:
    patients = row.message.patients
    return Waiting(row.queued, row.message.position, None if patients is None else frozenset(patients))


def _until(moment: timedelta, now: timedelta) -> float:
    return max(0.01, (moment - now).total_seconds())
