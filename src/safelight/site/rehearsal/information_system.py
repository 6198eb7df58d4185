"""The information system of the rehearsal's hospital: it orders and merges, and takes what comes back."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from safelight.core.clock import Clock, SystemClock
from safelight.gateway.hl7.listener import MessageListener, MessageListenerSettings
from safelight.gateway.hl7.ports import Received, Reception
from safelight.gateway.hl7.sender import MessageSender
from safelight.site.rehearsal.program import DemonstrationFailed
from safelight.site.rehearsal.step_keeper import StepKeeper
from safelight.wire.hl7.header import read_header
from safelight.wire.hl7.message import Message

GRACE = timedelta(seconds=5)
PATIENCE = timedelta(seconds=20)


class InformationSystem:
    """RIS and HIS in one: an interface engine beside them copies all that they say to Safelight."""

    def __init__(self, safelight_port: int) -> None:
        self._clock: Clock = SystemClock()
        self._sender = MessageSender("127.0.0.1", safelight_port, self._clock, PATIENCE, PATIENCE)
        self._lock = threading.Lock()
        self._received: list[bytes] = []
        self._listener: MessageListener | None = None
        self.port = 0
        self.steps = StepKeeper(self._clock)
        """Who is told what modalities did."""

    def __enter__(self) -> Self:
        self.come_back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.close()
        self.go_away()

    def come_back(self) -> None:
        """Listen for messages and for performed procedure steps, at the ports of before if there were any."""
        settings = MessageListenerSettings(self.port, "127.0.0.1", application="RIS")
        self._listener = MessageListener(settings, self, self, self._clock)
        self.port = self._listener.port
        self._listener.start()
        self.steps.start()

    def go_away(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.stop(GRACE)
            self._listener = None
        self.steps.stop(GRACE)

    def say(self, *messages: bytes) -> None:
        """Send messages to Safelight, one after the other.

        Raises:
            DemonstrationFailed: one is not accepted.
        """
        for raw in messages:
            answered = self._sender.deliver(raw, read_header(raw).control_id)
            if answered.code not in ("AA", "CA"):
                raise DemonstrationFailed(step="message", code=answered.code)

    def take(self, received: Sequence[Received]) -> Sequence[int]:
        """Keep what Safelight delivers."""
        with self._lock:
            first = len(self._received) + 1
            self._received += [one.raw for one in received if one.reception is Reception.MESSAGE]
        return range(first, first + len(received))

    def failed(self, host: str, error: Exception) -> None:
        """Nothing of a rehearsal depends on it: what is missing is counted at the end."""

    def received(self, event: str) -> list[Message]:
        """Return what came of one kind, ``ORU`` or ``ADT^A40``, in order."""
        with self._lock:
            messages = [Message(raw) for raw in self._received]
        return [one for one in messages if one.header.event.startswith(event)]
