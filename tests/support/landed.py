"""Putting made-up instances into a landing log and reading them back."""

from datetime import UTC, datetime
from typing import Final

from safelight.core.instance import Arrival, Head, LandingPlace, Receipt, Way
from safelight.vault.landing import Landing, LandingSettings
from safelight.vault.landing_writer import LandingWriter

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
SMALL: Final = LandingSettings(segment_bytes=256 * 1024, buffer_bytes=16 * 1024, free_bytes_min=0)


def head(uid: str) -> Head:
    """Return what a scan would say of an instance."""
    return Head("1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.2", uid, "1.2.3", "1.2.3.4", "CT")


def receipt(at: datetime = START) -> Receipt:
    """Return how it came."""
    return Receipt(at, Way.STORE, "CT_SCANNER", "SAFELIGHT", "10.0.0.7")


def take_in(writer: LandingWriter, data: bytes, piece: int = 5000) -> None:
    """Feed a data set as a socket would: as much as there is room for, in pieces."""
    rest = memoryview(data)
    while rest:
        room = writer.room()
        count = min(len(room), len(rest), piece)
        room[:count] = rest[:count]
        writer.filled(count)
        rest = rest[count:]


def land(landing: Landing, data: bytes, *, uid: str = "1.2.3.4.5", at: datetime = START, piece: int = 5000) -> Arrival:
    """Store one instance in an association of its own."""
    writer = landing.writer()
    try:
        take_in(writer, data, piece)
        return writer.finish(head(uid), receipt(at))
    finally:
        writer.close()


def read_back(landing: Landing, place: LandingPlace) -> bytes:
    """Return all stored bytes."""
    return landing.read(place).read(0, place.size)
