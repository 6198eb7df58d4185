"""The PACS that a command speaks of: found by name, asked politely, received from at no more than a rate."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final

from safelight.core.clock import Clock
from safelight.core.errors import UsageError
from safelight.core.instance import Way
from safelight.gateway.dicom.ports import AssociationFacts, Intake, IntakeSession, MoveOriginator, StoreCommand, Ticket
from safelight.protection.pull import Window
from safelight.protection.rate import TokenBucket
from safelight.protection.source import (
    InstanceClaim,
    RetrieveOutcome,
    RetrieveWay,
    SeriesClaim,
    SourceArchive,
    StudyQuery,
    StudyRows,
    read_date,
)
from safelight.site.intake import LandingIntake
from safelight.site.opened import Site
from safelight.site.peers import find_peer
from safelight.site.retrieval import DicomSource
from safelight.wire.dicom.inbound import DataSetSink

EARLIEST: Final = date(1895, 1, 1)
Wait = Callable[[float], None]


class NoSource(UsageError):
    """There is no PACS to pull from or to count."""

    code: ClassVar[str] = "protection.no-source"
    hint: ClassVar[str] = "Give --source AET@HOST:PORT, or set protection.source in safelight.toml."


class BadRange(UsageError):
    """A date or an hour is not written as it must be, or the first is after the last."""

    code: ClassVar[str] = "protection.bad-range"
    hint: ClassVar[str] = "Write dates as YYYYMMDD and pull_window as HH:MM-HH:MM."


def source_told(site: Site, told: Mapping[str, Any], bytes_per_second: float | None = None) -> "PoliteSource":
    """Return the source that a command names, or the one of the settings.

    Raises:
        NoSource: neither names one.
        UnknownPeer: it is named by a title that nobody named.
    """
    text = str(told.get("source") or site.settings.protection.source)
    if not text:
        raise NoSource
    intake: Intake = LandingIntake(site.landing, site.clock, site.arrivals.put, site.feeds, Way.PULL)
    if bytes_per_second:
        intake = PacedIntake(intake, Pace(TokenBucket(bytes_per_second, site.clock)))
    source = DicomSource(find_peer(site.home.peers, text), site.settings.dicom.ae_title, intake, site.arrivals.settle)
    return PoliteSource(source, site.settings.protection.query_pause_seconds)


class PoliteSource:
    """A source that is left alone for a while before each question."""

    def __init__(self, source: SourceArchive, pause_seconds: float, wait: Wait = time.sleep) -> None:
        self._source = source
        self._pause_seconds = pause_seconds
        self._wait = wait

    @property
    def name(self) -> str:
        """Under what name the source stands in settings and facts."""
        return self._source.name

    def find_studies(self, query: StudyQuery) -> StudyRows:
        """Ask for studies."""
        self._pause()
        return self._source.find_studies(query)

    def find_series(self, study: str) -> Sequence[SeriesClaim]:
        """Ask for the series of a study."""
        self._pause()
        return self._source.find_series(study)

    def find_instances(self, study: str, series: str) -> Sequence[InstanceClaim]:
        """Ask for the instances of a series."""
        self._pause()
        return self._source.find_instances(study, series)

    def retrieve(self, study: str, series: str | None, way: RetrieveWay) -> RetrieveOutcome:
        """Have a study or series sent to us."""
        self._pause()
        return self._source.retrieve(study, series, way)

    def _pause(self) -> None:
        if self._pause_seconds:
            self._wait(self._pause_seconds)


class Pace:
    """Makes the threads that receive wait as one bucket says. Used by many threads."""

    def __init__(self, bucket: TokenBucket, wait: Wait = time.sleep) -> None:
        self._bucket = bucket
        self._wait = wait
        self._lock = threading.Lock()

    def keep(self, count: int) -> None:
        """Return when so many bytes more were allowed to come."""
        with self._lock:
            due = self._bucket.take(count)
        if due:
            self._wait(due / timedelta(seconds=1))


class PacedIntake:
    """An intake that reads no faster than a pace: the source's own connection makes it send no faster."""

    def __init__(self, intake: Intake, pace: Pace) -> None:
        self._intake = intake
        self._pace = pace

    def open(self, association: AssociationFacts) -> IntakeSession:
        """Begin to take in what one association brings."""
        return PacedSession(self._intake.open(association), self._pace)


class PacedSession:
    """One association's way in, paced."""

    def __init__(self, session: IntakeSession, pace: Pace) -> None:
        self._session = session
        self._pace = pace

    def begin(self, command: StoreCommand) -> DataSetSink:
        """Make room for the data set of one instance."""
        return PacedSink(self._session.begin(command), self._pace)

    def finish(
        self, sop_class: str, sop_instance: str, transfer_syntax: str, move_originator: MoveOriginator | None
    ) -> Ticket:
        """Take the instance in."""
        return self._session.finish(sop_class, sop_instance, transfer_syntax, move_originator)

    def commit(self) -> None:
        """Return when everything finished so far is durable."""
        self._session.commit()

    def abandon(self) -> None:
        """Drop the instance that was begun and not finished."""
        self._session.abandon()

    def close(self) -> None:
        """End the session."""
        self._session.close()


class PacedSink:
    """One data set as it comes, paced: waiting here is what the sender feels."""

    def __init__(self, sink: DataSetSink, pace: Pace) -> None:
        self._sink = sink
        self._pace = pace

    def room(self) -> memoryview:
        """Return writable memory for the next bytes."""
        return self._sink.room()

    def filled(self, count: int) -> None:
        """Take the first bytes of the last room, and wait before the next."""
        self._sink.filled(count)
        self._pace.keep(count)


def days_told(told: Mapping[str, Any], clock: Clock) -> list[tuple[date, date]]:
    """Return the days that a command is about; none means all, and studies without a date too.

    Raises:
        BadRange: a date is none, or the first is after the last.
    """
    first, last = str(told.get("date_from") or ""), str(told.get("date_to") or "")
    if not first and not last:
        return []
    # The source may live in a zone that is a day ahead.
    today = clock.now().astimezone(UTC).date() + timedelta(days=1)
    days = (_day(first) if first else EARLIEST, _day(last) if last else today)
    if days[0] > days[1]:
        raise BadRange(given=f"{day_text(days[0])}-{day_text(days[1])}")
    return [days]


def _day(text: str) -> date:
    day = read_date(text)
    if day is None:
        raise BadRange(given=text)
    return day


def day_text(day: date) -> str:
    """Write a date as DICOM does."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


def local_time(clock: Clock) -> datetime:
    """Return the moment as the clocks on the wall say it; windows are given so."""
    return clock.now().astimezone().replace(tzinfo=None)


def windows_told(text: str) -> tuple[Window, ...]:
    """Read the hours in which pulling is allowed.

    Raises:
        BadRange: they are not written as hours.
    """
    if not text:
        return ()
    try:
        opens, closes = (datetime.strptime(part.strip(), "%H:%M").time() for part in text.split("-"))
    except ValueError as error:
        raise BadRange(pull_window=text) from error
    return (Window(opens, closes),)
