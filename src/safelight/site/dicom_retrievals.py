"""C-GET and C-MOVE served from landing log and vault."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from safelight.catalog.rows import HoldingRow, LandedRow, VersionRow
from safelight.core.errors import ResourceError, UsageError
from safelight.core.instance import ByteSource
from safelight.core.names import AETitle, Peer
from safelight.core.query import Exactly, Match, OneOf, QueryLevel, Selection
from safelight.gateway.dicom.query_service import Inquiry
from safelight.gateway.dicom.retrieve_service import Held
from safelight.site.dicom_queries import PATIENT_ROOT_LEVELS, STUDY_ROOT_LEVELS
from safelight.site.dicom_readings import RetrievalBook
from safelight.site.holdings import Holdings
from safelight.site.opened import Site
from safelight.site.peers import read_peers
from safelight.wire.dicom.query import QueryRefused, read_query
from safelight.wire.dicom.transcoding import NATIVE, alternatives, transcoded
from safelight.wire.dicom.uids import (
    HTJ2K_LOSSLESS,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)

LEVELS_OF_MODEL: Final[Mapping[str, tuple[QueryLevel, ...]]] = {
    PATIENT_ROOT_GET: PATIENT_ROOT_LEVELS,
    PATIENT_ROOT_MOVE: PATIENT_ROOT_LEVELS,
    STUDY_ROOT_GET: STUDY_ROOT_LEVELS,
    STUDY_ROOT_MOVE: STUDY_ROOT_LEVELS,
}
UNIQUE_KEY: Final[Mapping[QueryLevel, int]] = {
    QueryLevel.PATIENT: 0x00100020,
    QueryLevel.STUDY: 0x0020000D,
    QueryLevel.SERIES: 0x0020000E,
    QueryLevel.IMAGE: 0x00080018,
}


class UnknownDestination(UsageError):
    """A C-MOVE names a destination that nobody told us."""

    code: ClassVar[str] = "gateway.unknown-destination"
    hint: ClassVar[str] = "Name it: safelight gateway peer add AET HOST:PORT"
    status: ClassVar[int] = 0xA801


class TooManyInstances(ResourceError):
    """A retrieve asks for more instances than one retrieve may bring; nothing was sent."""

    code: ClassVar[str] = "gateway.too-many-instances"
    hint: ClassVar[str] = "Have the peer ask by series; or raise [gateway.dicom] query_answers_max."
    status: ClassVar[int] = 0xA701


class ArchiveRetrievals:
    """Gives instances that are held, landed or packed."""

    def __init__(self, site: Site, book: RetrievalBook) -> None:
        self._site = site
        self._book = book

    def wanted(self, inquiry: Inquiry) -> Sequence["HeldInstance"]:
        """Return the current version of each instance that a retrieve asks for, in the order in which they lie.

        Raises:
            QueryRefused: the unique key of its level is missing.
            TooManyInstances: there are more than one retrieve may bring.
        """
        selection = _selection(inquiry)
        site = self._site
        # Who names an instance by its own UID gets it, withdrawn or not: what was received stays provable.
        hides = site.settings.dicom.hide_rejected and UNIQUE_KEY[QueryLevel.IMAGE] not in selection.matches
        selection = replace(selection, hides_withdrawn=hides)
        # Whoever asks gets everything that was answered.
        site.arrivals.settle()
        limit = site.settings.dicom.query_answers_max
        versions = site.catalog.level_versions(selection, limit + 1)
        if len(versions) > limit:
            raise TooManyInstances(limit=limit)
        packed = {one.version.digest: one for one in site.catalog.holdings(digests=[v.digest for v in versions])}
        landed: dict[bytes, LandedRow] = {}
        for study in {one.study for one in versions if one.digest not in packed}:
            landed |= {one.version.digest: one for one in site.catalog.landed(study, waiting_only=False)}
        held = [HeldInstance(site.holdings, one, packed.get(one.digest) or landed.get(one.digest)) for one in versions]
        return sorted(held, key=lambda one: one.lies_at)

    def destination(self, title: AETitle) -> Peer:
        """Return where a named peer listens.

        Raises:
            UnknownDestination: nobody named it.
        """
        peer = read_peers(self._site.home.peers).get(title.text)
        if peer is None:
            raise UnknownDestination(title=title.text)
        return peer

    def going_out(self, inquiry: Inquiry, wanted: Sequence[Held], destination: AETitle) -> None:
        """Take note of each study once, however many of its instances go."""
        self._book.going_out(inquiry.caller, dict.fromkeys(held.study for held in wanted), destination)


class HeldInstance:
    """The current version of one instance."""

    def __init__(self, holdings: Holdings, version: VersionRow, row: HoldingRow | LandedRow | None) -> None:
        self._holdings = holdings
        self._version = version
        self._row = row

    @property
    def study(self) -> str:
        """The UID of its study."""
        return self._version.study

    @property
    def sop_class(self) -> str:
        """Its SOP class."""
        return self._version.sop_class

    @property
    def sop_instance(self) -> str:
        """Its UID."""
        return self._version.sop_instance

    @property
    def encodings(self) -> Sequence[str]:
        """Transfer syntaxes in which it can be given, the stored one first."""
        stored = self._version.transfer_syntax
        coded = (HTJ2K_LOSSLESS,) if stored in NATIVE and isinstance(self._row, HoldingRow) else ()
        return (stored, *alternatives(stored), *coded)

    def work_bytes(self, transfer_syntax: str) -> int:
        """Return how many bytes a codec works on before it can be given so."""
        if self._is_as_packed(transfer_syntax) or not isinstance(self._row, HoldingRow):
            return 0
        return self._row.size

    @property
    def lies_at(self) -> tuple[str, int]:
        """Its place: in this order each pack is read once, and the landing log from its beginning."""
        if isinstance(self._row, HoldingRow):
            return self._row.pack, self._row.position
        return "", self._row.place.offset if self._row is not None else 0

    def open(self, transfer_syntax: str) -> ByteSource:
        """Return its data set, turned into another transfer syntax where it is stored in one.

        Raises:
            Unreadable, NotHeld: it cannot be read.
            Undecodable, BadDataSet: it cannot be turned.
        """
        row = self._row or self._holdings.holding_of(self._version.digest)
        if self._is_as_packed(transfer_syntax):
            return self._holdings.gathered(self._holdings.coded(row))
        data = self._holdings.data_set(row)
        stored = self._version.transfer_syntax
        if transfer_syntax == stored:
            return data
        return self._holdings.gathered(transcoded(data, stored, transfer_syntax))

    def _is_as_packed(self, transfer_syntax: str) -> bool:
        return transfer_syntax == HTJ2K_LOSSLESS != self._version.transfer_syntax


def _selection(inquiry: Inquiry) -> Selection:
    query = read_query(inquiry.identifier, LEVELS_OF_MODEL[inquiry.model])
    assert query.level is not None
    unique = set(UNIQUE_KEY.values())
    matches: dict[int, Match] = {
        key.tag: key.match for key in query.keys if key.tag in unique and isinstance(key.match, (Exactly, OneOf))
    }
    if UNIQUE_KEY[query.level] not in matches:
        raise QueryRefused(why="no unique key", level=query.level.value)
    return Selection(QueryLevel.IMAGE, matches)
