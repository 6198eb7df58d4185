"""What one peer brings into the landing log, and who is told of it once it is durable."""

from collections.abc import Callable
from typing import ClassVar, Final

from safelight.core.errors import PeerError
from safelight.core.instance import Arrival, Head, MemorySource, Receipt, Wrapper
from safelight.site.inflow import Feeds
from safelight.vault.landing import Landing
from safelight.wire.dicom.dataset import scan_head
from safelight.wire.dicom.elements import BadDataSet

CANNOT_UNDERSTAND: Final = 0xC000
DATA_SET_DOES_NOT_MATCH: Final = 0xA900

Arrived = Callable[[Arrival], None]
"""Is told of an instance that is durable."""


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


class LandingBatch:
    """One association's, or one message's, way into the landing log. For one thread."""

    def __init__(self, landing: Landing, arrived: Arrived, feeds: Feeds) -> None:
        self.writer = landing.writer()
        self._arrived = arrived
        self._feeds = feeds
        self._undurable: list[Arrival] = []

    def head(self, transfer_syntax: str, named: str) -> Head:
        """Return what the instance at hand says of itself; ``named`` is what the peer calls it.

        Raises:
            DataSetUnreadable: no SOP Instance, study or series UID can be found in it.
        """
        try:
            head = scan_head(MemorySource(self.writer.first_bytes()), transfer_syntax)
        except BadDataSet as error:
            raise DataSetUnreadable(instance=named) from error
        if not (head.sop_instance and head.study and head.series):
            raise DataSetUnreadable(instance=named)
        return head

    def finish(self, head: Head, receipt: Receipt, wrapper: Wrapper | None = None) -> Arrival:
        """Put the instance at hand into the log. It is not durable before `commit`."""
        self._feeds.note(self, head.study, head.series)
        arrival = self.writer.finish(head, receipt, wrapper)
        self._undurable.append(arrival)
        return arrival

    def commit(self) -> None:
        """Return when everything finished so far is durable; tell of each arrival."""
        arrived, self._undurable = self._undurable, []
        self.writer.sync()
        for arrival in arrived:
            self._arrived(arrival)

    def close(self) -> None:
        """Leave the log. What was finished and not answered is durable all the same, so it is told of."""
        finished, self._undurable = self._undurable, []
        self._feeds.end(self)
        self.writer.close()
        for arrival in finished:
            self._arrived(arrival)
