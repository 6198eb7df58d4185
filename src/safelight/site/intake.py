"""From the DICOM door into the landing log: what an association brings becomes durable arrivals."""

from collections.abc import Callable
from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.core.instance import Arrival, Head, MemorySource, Receipt, Way
from safelight.gateway.dicom.ports import AssociationFacts, MoveOriginator, StoreCommand
from safelight.site.inflow import Feeds
from safelight.vault.landing import Landing
from safelight.vault.landing_writer import LandingWriter
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import BadDataSet

CANNOT_UNDERSTAND: Final = 0xC000
DATA_SET_DOES_NOT_MATCH: Final = 0xA900


class DataSetUnreadable(PeerError):
    """The data set does not say which instance of which study it is; it cannot be kept by name."""

    code: ClassVar[str] = "gateway.data-set-unreadable"
    hint: ClassVar[str] = "Export the instance from the sender as a file and take it in with: protection seed"
    status: ClassVar[int] = CANNOT_UNDERSTAND


class DataSetMismatch(PeerError):
    """The data set names another instance or SOP class than the request did."""

    code: ClassVar[str] = "gateway.data-set-mismatch"
    hint: ClassVar[str] = "The sender changed UIDs in one place and not in the other; ask its vendor."
    status: ClassVar[int] = DATA_SET_DOES_NOT_MATCH


class LandingIntake:
    """Takes in what associations bring. ``arrived`` is told of each instance once it is durable."""

    def __init__(
        self,
        landing: Landing,
        clock: Clock,
        arrived: Callable[[Arrival], None],
        way: Way = Way.STORE,
        feeds: Feeds | None = None,
    ) -> None:
        self._landing = landing
        self._clock = clock
        self._arrived = arrived
        self._way = way
        self._feeds = feeds or Feeds(clock)

    def open(self, association: AssociationFacts) -> "LandingSession":
        """Begin to take in what one association brings."""
        return LandingSession(self._landing, self._clock, self._arrived, self._way, self._feeds, association)


class LandingSession:
    """One association's way into the landing log."""

    def __init__(
        self,
        landing: Landing,
        clock: Clock,
        arrived: Callable[[Arrival], None],
        way: Way,
        feeds: Feeds,
        association: AssociationFacts,
    ) -> None:
        self._writer = landing.writer()
        self._clock = clock
        self._arrived = arrived
        self._way = way
        self._feeds = feeds
        self._association = association
        self._undurable: list[Arrival] = []

    def begin(self, command: StoreCommand) -> LandingWriter:
        """Make room for the data set of one instance; the peer's bytes are read straight into the writer's memory."""
        del command
        self._writer.begin()
        return self._writer

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> Arrival:
        """Put the instance into the log. It is not durable before `commit`.

        Raises:
            DataSetUnreadable: no SOP Instance, study or series UID can be found in it.
            DataSetMismatch: it is another instance than the request said.
        """
        del move_originator
        try:
            head = scan_head(MemorySource(self._writer.first_bytes()), transfer_syntax)
        except BadDataSet as error:
            self._writer.abandon()
            raise DataSetUnreadable(instance=sop_instance) from error
        self._judge(head, sop_class, sop_instance)
        self._feeds.note(self, head.study, head.series)
        receipt = Receipt(
            received_at=self._clock.now(),
            way=self._way,
            calling=self._association.calling.text,
            called=self._association.called.text,
            sender=self._association.host,
        )
        arrival = self._writer.finish(head, receipt)
        self._undurable.append(arrival)
        return arrival

    def _judge(self, head: Head, sop_class: str, sop_instance: str) -> None:
        if not (head.sop_instance and head.study and head.series):
            self._writer.abandon()
            raise DataSetUnreadable(instance=sop_instance)
        if head.sop_instance != sop_instance or head.sop_class != sop_class:
            self._writer.abandon()
            raise DataSetMismatch(instance=sop_instance, found=head.sop_instance)

    def commit(self) -> None:
        """Return when everything finished so far is durable; tell of each arrival."""
        try:
            self._writer.sync()
        except BaseException:
            self._undurable.clear()
            raise
        arrived, self._undurable = self._undurable, []
        for arrival in arrived:
            self._arrived(arrival)

    def abandon(self) -> None:
        """Drop the unfinished instance."""
        self._writer.abandon()

    def close(self) -> None:
        """Leave the log. What was finished and not answered is durable all the same, so it is told of."""
        finished, self._undurable = self._undurable, []
        self._feeds.end(self)
        self._writer.close()
        for arrival in finished:
            self._arrived(arrival)
