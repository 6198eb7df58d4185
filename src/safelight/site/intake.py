"""From the DICOM door into the landing log: what an association brings becomes durable arrivals."""

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.core.instance import Arrival, Receipt, Way
from safelight.gateway.dicom.ports import AssociationFacts, MoveOriginator, StoreCommand
from safelight.site.inflow import Feeds
from safelight.site.landing_batch import Arrived, DataSetMismatch, LandingBatch
from safelight.vault.landing import Landing
from safelight.vault.landing_writer import LandingWriter


class LandingIntake:
    """Takes in what associations bring. ``arrived`` is told of each instance once it is durable."""

    def __init__(
        self,
        landing: Landing,
        clock: Clock,
        arrived: Arrived,
        feeds: Feeds,
        way: Way = Way.STORE,
    ) -> None:
        self._landing = landing
        self._clock = clock
        self._arrived = arrived
        self._way = way
        self._feeds = feeds

    def open(self, association: AssociationFacts) -> "LandingSession":
        """Begin to take in what one association brings."""
        batch = LandingBatch(self._landing, self._arrived, self._feeds)
        return LandingSession(batch, self._clock, self._way, association)


class LandingSession:
    """One association's way into the landing log."""

    def __init__(self, batch: LandingBatch, clock: Clock, way: Way, association: AssociationFacts) -> None:
        self._batch = batch
        self._clock = clock
        self._way = way
        self._association = association

    def begin(self, command: StoreCommand) -> LandingWriter:
        """Make room for the data set of one instance; the peer's bytes are read straight into the writer's memory."""
        del command
        self._batch.writer.begin()
        return self._batch.writer

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
            head = self._batch.head(transfer_syntax, sop_instance)
            if head.sop_instance != sop_instance or head.sop_class != sop_class:
                raise DataSetMismatch(instance=sop_instance, found=head.sop_instance)
        except PeerError:
            self.abandon()
            raise
        receipt = Receipt(
            received_at=self._clock.now(),
            way=self._way,
            calling=self._association.calling.text,
            called=self._association.called.text,
            sender=self._association.host,
        )
        return self._batch.finish(head, receipt)

    def commit(self) -> None:
        """Return when everything finished so far is durable; tell of each arrival."""
        self._batch.commit()

    def abandon(self) -> None:
        """Drop the unfinished instance."""
        self._batch.writer.abandon()

    def close(self) -> None:
        """Leave the log. What was finished and not answered is durable all the same, so it is told of."""
        self._batch.close()
