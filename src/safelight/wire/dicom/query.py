"""Reading the identifier of a query: which level, which attributes are wanted back, what they must match.

Source: PS3.4 sections C.2.2.2 and C.4.1.1.3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from safelight.core.errors import PeerError
from safelight.core.query import Between, Exactly, Like, Match, OneOf, QueryLevel

CHARACTER_SET: Final = 0x00080005
QUERY_LEVEL: Final = 0x00080052
RETRIEVE_VIEW: Final = 0x00080053
_NOT_KEYS: Final = frozenset((CHARACTER_SET, QUERY_LEVEL, RETRIEVE_VIEW))
_RANGES: Final = frozenset(("DA", "TM"))
_WITHOUT_WILDCARDS: Final = frozenset(
    ("UI", "DA", "TM", "DT", "IS", "DS", "AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
)
_LISTED_MAX: Final = 10_000
_ITEMS_MAX: Final = 1


class QueryRefused(PeerError):
    """A query does not say what it must, or asks for what its service does not have."""

    code: ClassVar[str] = "wire.query-refused"
    hint: ClassVar[str] = "The peer's query lacks its level or the UIDs that narrow it; look at its settings."
    status: ClassVar[int] = 0xA900


class QueryTooLong(PeerError):
    """A query lists more values than we look up at once."""

    code: ClassVar[str] = "wire.query-too-long"
    hint: ClassVar[str] = "Have the peer ask for fewer UIDs at a time."
    status: ClassVar[int] = 0xA700


@dataclass(frozen=True, slots=True, repr=False)
class QueryKey:
    """One attribute of a query: wanted back, and matched where it has a value."""

    tag: int
    vr: str
    match: Match | None = None
    nested: tuple["QueryKey", ...] = ()
    """The keys in the one item of a sequence."""


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """What a peer asks."""

    level: QueryLevel | None
    """None where the model has no levels, as a worklist."""
    keys: tuple[QueryKey, ...]
    """Ascending by tag."""
    character_set: str = ""
    """Of the query: whoever asks in it can surely read an answer in it."""


def read_level(identifier: Dataset, levels: tuple[QueryLevel, ...]) -> QueryLevel:
    """Read the level of a query or retrieve.

    Raises:
        QueryRefused: there is none, or it is none of these.
    """
    text = str(identifier.get("QueryRetrieveLevel") or "").strip()
    for level in levels:
        if level.value == text:
            return level
    raise QueryRefused(why="query level", given=text[:16])


def read_query(identifier: Dataset, levels: tuple[QueryLevel, ...] = ()) -> Query:
    """Read a query; without ``levels``, of a model that has none.

    Raises:
        QueryRefused: its level is not one of these, or a sequence in it has several items.
        QueryTooLong: an attribute lists too many values.
    """
    level = read_level(identifier, levels) if levels else None
    charset = identifier.get("SpecificCharacterSet")
    first = charset if isinstance(charset, str) else (charset[0] if charset else "")
    return Query(level, tuple(_keys(identifier)), str(first or ""))


def _keys(identifier: Dataset) -> Iterator[QueryKey]:
    for element in identifier:
        tag = int(element.tag)
        if tag & 0xFFFF == 0 or tag < CHARACTER_SET or tag in _NOT_KEYS:
            continue
        if element.VR == "SQ":
            if len(element.value) > _ITEMS_MAX:
                raise QueryRefused(why="a sequence of several items", tag=f"{tag:08X}")
            yield QueryKey(tag, "SQ", nested=tuple(_keys(element.value[0])) if element.value else ())
        else:
            yield QueryKey(tag, str(element.VR), match_of(element))


def match_of(element: DataElement) -> Match | None:
    """Return what an attribute must match; None when it may be anything.

    Raises:
        QueryTooLong: it lists too many values.
    """
    return match_of_values(int(element.tag), str(element.VR), _values(element))


def match_of_values(tag: int, vr: str, values: Sequence[str]) -> Match | None:
    """Return what an attribute must match that is asked for with these values; None when it may be anything.

    Raises:
        QueryTooLong: there are too many values.
    """
    if not values or set(values) <= {"*"}:
        return None
    if len(values) > _LISTED_MAX:
        raise QueryTooLong(tag=f"{tag:08X}", values=len(values))
    if len(values) > 1:
        return OneOf(tuple(dict.fromkeys(values)))
    (value,) = values
    if vr in _RANGES and "-" in value:
        low, _, high = value.partition("-")
        return Between(low.strip(), high.strip()) if low.strip() or high.strip() else None
    if vr not in _WITHOUT_WILDCARDS and ("*" in value or "?" in value):
        return Like(value)
    return Exactly(value)


def _values(element: DataElement) -> list[str]:
    value = element.value
    if value is None or isinstance(value, bytes):
        return []
    several = value if isinstance(value, (list, tuple)) or element.VM > 1 else [value]
    return [text for one in several if (text := str(one).strip(" \0"))]
