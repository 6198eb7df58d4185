"""C-FIND answered from the catalog."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from safelight.catalog.levels import given_at, matched_at
from safelight.core.errors import ResourceError
from safelight.core.query import QueryLevel, Selection
from safelight.gateway.dicom.query_service import Inquiry, Matches
from safelight.site.cutover import title_for
from safelight.site.opened import Site
from safelight.wire.dicom.answer import AnswerAttribute, AnswerShape
from safelight.wire.dicom.query import QUERY_LEVEL, Query, QueryRefused, read_query
from safelight.wire.dicom.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

RETRIEVE_AE_TITLE: Final = 0x00080054
INSTANCE_AVAILABILITY: Final = 0x00080056
ONLINE: Final = "ONLINE"
PATIENT_ROOT_LEVELS: Final = tuple(QueryLevel)
STUDY_ROOT_LEVELS: Final = (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.IMAGE)
LEVELS_OF_MODEL: Final[Mapping[str, tuple[QueryLevel, ...]]] = {
    PATIENT_ROOT_FIND: PATIENT_ROOT_LEVELS,
    STUDY_ROOT_FIND: STUDY_ROOT_LEVELS,
}
# Without one of these, a query below the study would go through everything that is held.
NARROWING: Final = frozenset((0x00080018, 0x00080050, 0x00100020, 0x0020000D, 0x0020000E))
_ROWS_AT_ONCE: Final = 500
_UNMATCHED: Final = frozenset((RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY))


class TooManyMatches(ResourceError):
    """More matches than one query may have; those given are good."""

    code: ClassVar[str] = "gateway.too-many-matches"
    hint: ClassVar[str] = "Have the peer ask for less, by date or patient; or raise [gateway.dicom] query_answers_max."
    status: ClassVar[int] = 0xA700


class ArchiveQueries:
    """Finds patients, studies, series and instances that are held, landed or packed."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def find(self, inquiry: Inquiry) -> Matches:
        """Look up what matches.

        Raises:
            QueryRefused: no level, or nothing that narrows a query below the study.
        """
        query = read_query(inquiry.identifier, LEVELS_OF_MODEL[inquiry.model])
        selection = replace(selection_of(query), hides_withdrawn=self._site.settings.dicom.hide_rejected)
        # Whoever asks finds everything that was answered.
        self._site.arrivals.settle()
        limit = self._site.settings.dicom.query_answers_max
        keys = self._site.catalog.level_keys(selection, limit + 1)
        attributes = _attributes(query, title_for(self._site.settings, inquiry.caller.called).text)
        shape = AnswerShape(attributes, inquiry.transfer_syntax, query.character_set)
        tags = tuple(one.tag for one in attributes if one.text is None)
        known = matched_at(selection.level)
        answered = all(
            key.tag in known or (key.match is None and (key.tag in tags or key.tag in _UNMATCHED)) for key in query.keys
        )
        return Matches(self._answers(selection.level, keys, limit, tags, shape), answered)

    def _answers(
        self, level: QueryLevel, keys: list[int], limit: int, tags: tuple[int, ...], shape: AnswerShape
    ) -> Iterator[bytes]:
        catalog = self._site.catalog
        for start in range(0, min(len(keys), limit), _ROWS_AT_ONCE):
            some = keys[start : min(start + _ROWS_AT_ONCE, limit)]
            hides = self._site.settings.dicom.hide_rejected
            for row in catalog.level_rows(level, tags, some, hides_withdrawn=hides):
                yield shape.encode(row)
        if len(keys) > limit:
            raise TooManyMatches(limit=limit)


def selection_of(query: Query) -> Selection:
    """Return what must hold, as far as the catalog can tell.

    Raises:
        QueryRefused: nothing narrows a query below the study.
    """
    assert query.level is not None
    known = matched_at(query.level)
    matches = {key.tag: key.match for key in query.keys if key.match is not None and key.tag in known}
    if query.level in (QueryLevel.SERIES, QueryLevel.IMAGE) and not NARROWING & matches.keys():
        raise QueryRefused(why="nothing narrows the query", level=query.level.value)
    return Selection(query.level, matches)


def _attributes(query: Query, title: str) -> tuple[AnswerAttribute, ...]:
    """Return what an answer has: those without a text of their own are given by the catalog."""
    assert query.level is not None
    given = given_at(query.level)
    fixed = {QUERY_LEVEL: query.level.value, RETRIEVE_AE_TITLE: title, INSTANCE_AVAILABILITY: ONLINE}
    # What we know nothing of comes back empty: many askers look for every attribute they named.
    pairs = sorted([(key.tag, key.vr) for key in query.keys] + [(QUERY_LEVEL, "CS")])
    return tuple(AnswerAttribute(tag, vr, text=None if tag in given else fixed.get(tag, "")) for tag, vr in pairs)
