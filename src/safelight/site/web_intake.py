"""From the DICOMweb door into the landing log: Part 10 files become durable arrivals."""

from typing import ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import PeerError
from safelight.core.instance import MemorySource, Receipt, Way, Wrapper
from safelight.gateway.dicomweb.ports import TakenIn
from safelight.site.inflow import Feeds
from safelight.site.landing_batch import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    Arrived,
    DataSetMismatch,
    LandingBatch,
)
from safelight.vault.landing import Landing
from safelight.wire.dicom.part10 import NotDicom, Part10Prefix, read_prefix

CALLING: Final = "STOW-RS"
OPENING_BYTES: Final = 64 * 1024
OPENING_BYTES_MAX: Final = 2 * 2**20
"""A file whose meta information is longer than this is not taken."""


class WrongStudy(PeerError):
    """A peer stores an instance under the address of another study than its own."""

    code: ClassVar[str] = "gateway.wrong-study"
    hint: ClassVar[str] = "Have the peer store to /studies, or to the study that the instance belongs to."
    status: ClassVar[int] = DATA_SET_DOES_NOT_MATCH


class TooLong(PeerError):
    """A file is longer than we take, or its meta information does not end."""

    code: ClassVar[str] = "gateway.file-too-long"
    hint: ClassVar[str] = "Raise [gateway.dicom] data_set_bytes_max if files of this size are meant."
    status: ClassVar[int] = CANNOT_UNDERSTAND


class StowIntake:
    """Takes in what messages bring. ``arrived`` is told of each instance once it is durable."""

    def __init__(
        self,
        landing: Landing,
        clock: Clock,
        called: str,
        bytes_max: int,
        arrived: Arrived,
        feeds: Feeds,
    ) -> None:
        self._landing = landing
        self._clock = clock
        self._called = called
        self._bytes_max = bytes_max
        self._arrived = arrived
        self._feeds = feeds

    def open(self, host: str, study: str) -> "LandingStow":
        """Begin to take in one message; ``study`` is where it must belong, or empty."""
        receipt = Receipt(self._clock.now(), Way.STORE, CALLING, self._called, host)
        batch = LandingBatch(self._landing, self._arrived, self._feeds)
        return LandingStow(batch, receipt, study, self._bytes_max)


class LandingStow:
    """One message's way into the landing log."""

    def __init__(self, batch: LandingBatch, receipt: Receipt, study: str, bytes_max: int) -> None:
        self._batch = batch
        self._receipt = receipt
        self._study = study
        self._bytes_max = bytes_max
        self._opening = bytearray()
        self._prefix: Part10Prefix | None = None

    @property
    def named(self) -> tuple[str, str]:
        """SOP class and instance of the file at hand, as far as they are known."""
        return (self._prefix.sop_class, self._prefix.sop_instance) if self._prefix else ("", "")

    def begin(self) -> None:
        """Begin a file."""
        self._opening.clear()
        self._prefix = None

    def take(self, data: bytes) -> None:
        """Take in more of the file.

        Raises:
            NotDicom, TooLong: it is none that we take.
        """
        if self._prefix is not None:
            self._write(data)
            return
        self._opening += data
        if len(self._opening) >= OPENING_BYTES:
            self._open_file(is_whole=False)

    def finish(self) -> TakenIn:
        """Put the file into the landing log: all its bytes came. It is not durable before `commit`.

        Raises:
            NotDicom, DataSetUnreadable, DataSetMismatch, WrongStudy: it is none that can be kept by name.
            LandingFull, DiskFull, DiskFailed: there is no room.
        """
        if self._prefix is None:
            self._open_file(is_whole=True)
        prefix = self._prefix
        assert prefix is not None, "a whole file is opened or refused"
        head = self._batch.head(prefix.transfer_syntax, prefix.sop_instance)
        if prefix.sop_instance not in ("", head.sop_instance):
            raise DataSetMismatch(instance=prefix.sop_instance, found=head.sop_instance)
        if self._study not in ("", head.study):
            raise WrongStudy(instance=head.sop_instance, study=self._study[:64])
        self._batch.finish(head, self._receipt, Wrapper(prefix.prefix_size))
        return TakenIn(head.sop_class, head.sop_instance, head.study, head.series)

    def commit(self) -> None:
        """Return when everything finished so far is durable; tell of each arrival."""
        self._batch.commit()

    def abandon(self) -> None:
        """Drop the unfinished file."""
        self._batch.writer.abandon()

    def close(self) -> None:
        """Leave the log. What was finished and not answered is durable all the same, so it is told of."""
        self._batch.close()

    def _open_file(self, *, is_whole: bool) -> None:
        """Read what stands before the data set; where that is not all here yet, wait for more."""
        opening = bytes(self._opening)
        try:
            prefix = read_prefix(MemorySource(opening))
        except NotDicom:
            if is_whole or len(opening) >= OPENING_BYTES_MAX:
                raise
            return
        if prefix.prefix_size >= len(opening) and not is_whole:
            if len(opening) >= OPENING_BYTES_MAX:
                raise TooLong(instance=prefix.sop_instance[:64])
            return
        self._prefix = prefix
        self._opening.clear()
        self._batch.writer.begin(opening[: prefix.prefix_size])
        self._write(opening[prefix.prefix_size :])

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        if self._batch.writer.size + len(rest) > self._bytes_max:
            raise TooLong(instance=self.named[1][:64])
        while rest:
            room = self._batch.writer.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            self._batch.writer.filled(count)
            rest = rest[count:]
