"""The HL7 half of `serve`: listener, message log, journaling, forwarding, folding."""

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from safelight.core.errors import ResourceError, SafelightError
from safelight.gateway.hl7.listener import MessageListener, MessageListenerSettings
from safelight.journal.message_log import MessageLog, MessageLogFaults
from safelight.site.hl7_destinations import Destinations
from safelight.site.hl7_folding import Folding, read_mappings
from safelight.site.hl7_forwarding import Forwarding, MessageFindings
from safelight.site.hl7_intake import MessageJournaling

if TYPE_CHECKING:
    from safelight.site.opened import Site

GRACE: Final = timedelta(seconds=5)
LOG_DAMAGED: Final = "gateway.hl7-message-log-damaged"
LOG_UNFINISHED: Final = "gateway.hl7-message-log-unfinished"
REFUSED: Final = "gateway.hl7-sender-trouble"


class MessageDoor:
    """Everything of HL7 that runs while a home is served."""

    def __init__(self, site: "Site") -> None:
        """Open the message log and the port.

        Raises:
            CannotListenForMessages: the port is taken.
            BadMapping: order_mapping.toml of this home means nothing.
        """
        self._site = site
        self.destinations = Destinations(site.home.destinations, site.log.failure)
        findings = MessageFindings(site.records.open_finding, site.records.close_finding)
        self.forwarding = Forwarding(self.destinations, site.messages, findings, site.clock, site.log.failure)
        self.journaling = MessageJournaling(
            site.messages,
            site.large_messages,
            self.destinations,
            site.clock,
            site.records.open_finding,
            site.log.failure,
        )
        mappings = read_mappings(site.home.order_mapping)
        self.folding = Folding(
            site.messages, mappings, lambda: self.journaling.is_busy, site.records.open_finding, site.log.failure
        )
        journaled = site.messages.index.last_sequence
        self._log, faults = MessageLog.open(site.home.messages, site.disk, journaled, durable=self.journaling.add)
        self._tell(faults)
        self.journaling.attach(self._log)
        self.listener: MessageListener | None = None
        if site.settings.hl7.port:
            self.listener = MessageListener(_settings(site), self.journaling, self, site.clock)

    def start(self) -> None:
        """Begin to take and to deliver messages."""
        self._site.messages.more_to_send = self.forwarding.wake
        self.journaling.start()
        self.forwarding.start()
        self.folding.start()
        if self.listener is not None:
            self.listener.start()

    def stop(self) -> None:
        """Take no more, write what is pending into the journal, end the lanes."""
        if self.listener is not None:
            self.listener.stop(GRACE)
        self.journaling.stop()
        self._site.messages.more_to_send = lambda: None
        self.forwarding.stop()
        self.folding.stop()

    def failed(self, host: str, error: Exception) -> None:
        """Take note of trouble with a sender."""
        self._site.log.failure(error)
        if isinstance(error, ResourceError):
            with suppress(SafelightError):
                self._site.records.open_finding(REFUSED, host, "critical", error=error.code)

    def _tell(self, faults: MessageLogFaults) -> None:
        open_finding = self._site.records.open_finding
        for sequence in faults.damaged:
            open_finding(LOG_DAMAGED, f"message {sequence}", "critical")
        for name in faults.unreadable:
            open_finding(LOG_DAMAGED, name, "critical")
        for sequence in faults.unfinished:
            open_finding(LOG_UNFINISHED, f"message {sequence}", "note")


def _settings(site: "Site") -> MessageListenerSettings:
    hl7 = site.settings.hl7
    return MessageListenerSettings(
        port=hl7.port,
        bind=hl7.bind,
        senders=tuple(hl7.senders),
        connections_max=hl7.connections_max,
        frame_bytes_max=hl7.message_bytes_max,
        application=hl7.application,
        facility=hl7.facility,
    )
