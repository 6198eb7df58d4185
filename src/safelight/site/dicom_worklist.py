"""The modality worklist by C-FIND: scheduled steps from orders, from lists, and registered by hand.

Source: PS3.4 Annex K.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydicom.datadict import keyword_for_tag

from safelight.catalog.description import fold, folded_names
from safelight.catalog.order_search import StepRow, StepSearch
from safelight.core.query import Between, Exactly, Like, Match, OneOf, fits
from safelight.gateway.dicom.query_service import Inquiry, Matches
from safelight.site.dicom_queries import TooManyMatches
from safelight.site.opened import Site
from safelight.wire.dicom.answer import AnswerAttribute, AnswerShape, Value
from safelight.wire.dicom.query import QueryKey, read_query

STATION: Final = 0x00400001
START_DATE: Final = 0x00400002
MODALITY: Final = 0x00080060
ACCESSION: Final = 0x00080050
PATIENT_ID: Final = 0x00100020

CODES: Final[Mapping[int, Mapping[int, str]]] = {
    0x00321064: {
        0x00080100: "RequestedProcedureCodeValue",
        0x00080102: "RequestedProcedureCodingScheme",
        0x00080104: "RequestedProcedureDescription",
    },
    0x00400008: {
        0x00080100: "ScheduledProtocolCodeValue",
        0x00080102: "ScheduledProtocolCodingScheme",
        0x00080104: "ScheduledProcedureStepDescription",
    },
}
"""Code sequences and where their one code comes from: value first."""
SCHEDULED_STEP: Final = 0x00400100
_STEP_KEYS: Final = (
    QueryKey(MODALITY, "CS"),
    QueryKey(STATION, "AE"),
    QueryKey(START_DATE, "DA"),
    QueryKey(0x00400003, "TM"),
    QueryKey(0x00400006, "PN"),
    QueryKey(0x00400007, "LO"),
    QueryKey(0x00400008, "SQ"),
    QueryKey(0x00400009, "SH"),
    QueryKey(0x00400010, "SH"),
    QueryKey(0x00400011, "SH"),
    QueryKey(0x00400020, "CS"),
)


MATCHED: Final = frozenset(
    (
        MODALITY,
        STATION,
        START_DATE,
        0x00400003,  # Scheduled Procedure Step Start Time
        0x00400006,  # Scheduled Performing Physician's Name
        0x00400007,  # Scheduled Procedure Step Description
        0x00400009,  # Scheduled Procedure Step ID
        0x00400010,  # Scheduled Station Name
        0x00400011,  # Scheduled Procedure Step Location
        0x00400020,  # Scheduled Procedure Step Status
        ACCESSION,
        PATIENT_ID,
        0x00080080,  # Institution Name
        0x00080090,  # Referring Physician's Name
        0x00100010,  # Patient's Name
        0x00100021,  # Issuer of Patient ID
        0x00100030,  # Patient's Birth Date
        0x00100040,  # Patient's Sex
        0x0020000D,  # Study Instance UID
        0x00321032,  # Requesting Physician
        0x00321060,  # Requested Procedure Description
        0x00380010,  # Admission ID
        0x00380300,  # Current Patient Location
        0x00401001,  # Requested Procedure ID
        0x00401003,  # Requested Procedure Priority
        0x00402016,  # Placer Order Number / Imaging Service Request
        0x00402017,  # Filler Order Number / Imaging Service Request
    )
)
"""Keys that are matched. Any other narrows nothing: some askers write zero where they mean nothing."""


class WorklistQueries:
    """Finds scheduled steps that are not settled."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def find(self, inquiry: Inquiry) -> Matches:
        """Look up the steps that match.

        Raises:
            QueryRefused: a sequence has several items.
        """
        query = read_query(inquiry.identifier)
        limit = self._site.settings.dicom.query_answers_max
        rows = self._site.scheduled_steps.find(self._site.messages.index, _search(query.keys, limit + 1))
        shape = AnswerShape(_attributes(query.keys), inquiry.transfer_syntax, query.character_set)
        return Matches(self._answers(rows, query.keys, limit, shape))

    def _answers(
        self,
        rows: Sequence[tuple[StepRow, Mapping[str, str]]],
        keys: Sequence[QueryKey],
        limit: int,
        shape: AnswerShape,
    ) -> Iterator[bytes]:
        for _, told in rows[:limit]:
            if _fit(keys, told):
                yield shape.encode(_values(keys, told))
        if len(rows) > limit:
            raise TooManyMatches(limit=limit)


def _search(keys: Sequence[QueryKey], limit: int) -> StepSearch:
    """Return what the index can narrow; everything is compared once more afterwards."""
    matches = dict(_matches(keys))
    date = matches.get(START_DATE)
    low, high = (date.low, date.high) if isinstance(date, Between) else ("", "")
    if isinstance(date, Exactly):
        low = high = date.value

    def exactly(tag: int) -> str:
        match = matches.get(tag)
        return match.value if isinstance(match, Exactly) else ""

    return StepSearch(
        date_from=low,
        date_to=high,
        modality=exactly(MODALITY),
        patient_id=exactly(PATIENT_ID),
        accession=exactly(ACCESSION),
        limit=limit,
    )


def _matches(keys: Sequence[QueryKey]) -> Iterator[tuple[int, Match]]:
    for key in keys:
        if key.match is not None and key.tag in MATCHED:
            yield key.tag, key.match
        if key.tag == SCHEDULED_STEP:
            yield from _matches(key.nested)


def _fit(keys: Sequence[QueryKey], told: Mapping[str, str]) -> bool:
    return all(_fits(tag, match, told.get(keyword_for_tag(tag), "")) for tag, match in _matches(keys))


def _fits(tag: int, match: Match, value: str) -> bool:
    if tag == STATION and not value:
        # A step that no order gives to a station may be done at any.
        return True
    if tag == STATION and "\\" in value:
        return any(fits(match, one) for one in value.split("\\"))
    if keyword_for_tag(tag).endswith(("Name", "Physician")):
        return any(_name_fits(match, name) for name in folded_names(value))
    return fits(match, value)


def _name_fits(match: Match, name: str) -> bool:
    if isinstance(match, Exactly):
        return name in folded_names(match.value)
    if isinstance(match, Like):
        return any(fits(Like(fold(group)), name) for group in match.pattern.split("=") if group)
    return isinstance(match, OneOf) and any(name in folded_names(one) for one in match.values)


def _attributes(keys: Sequence[QueryKey]) -> tuple[AnswerAttribute, ...]:
    return tuple(AnswerAttribute(key.tag, key.vr, _attributes(_nested(key))) for key in keys)


def _nested(key: QueryKey) -> tuple[QueryKey, ...]:
    """Return the keys in a sequence; one that names none asks for what we have. Source: PS3.4 section C.2.2.2.6."""
    if key.tag == SCHEDULED_STEP and not key.nested:
        return _STEP_KEYS
    if key.nested or key.tag not in CODES:
        return key.nested
    return tuple(QueryKey(tag, "LO" if tag == 0x00080104 else "SH") for tag in CODES[key.tag])


def _values(keys: Sequence[QueryKey], told: Mapping[str, str]) -> list[Value]:
    values: list[Value] = []
    for key in keys:
        if key.vr != "SQ":
            values.append(told.get(keyword_for_tag(key.tag), ""))
        elif key.tag == SCHEDULED_STEP:
            values.append(_values(_nested(key), told))
        elif key.tag in CODES:
            codes = CODES[key.tag]
            has_code = bool(told.get(codes[0x00080100]))
            values.append([told.get(codes.get(one.tag, ""), "") for one in _nested(key)] if has_code else None)
        else:
            values.append(None)
    return values
