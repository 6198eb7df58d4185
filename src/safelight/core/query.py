"""What a query asks: a level of the patient's tree, and values that attributes must match.

Source: PS3.4 section C.2.2.2, attribute matching.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache


class QueryLevel(StrEnum):
    """A level of the information model. Source: PS3.4 section C.6."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True, repr=False)
class Exactly:
    """Single value matching."""

    value: str


@dataclass(frozen=True, slots=True, repr=False)
class OneOf:
    """List matching: of UIDs by the standard, of other values by custom."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Like:
    """Wildcard matching: ``*`` is any letters, ``?`` one letter."""

    pattern: str


@dataclass(frozen=True, slots=True, repr=False)
class Between:
    """Range matching of dates and times, both ends included; an empty end is open."""

    low: str
    high: str


Match = Exactly | OneOf | Like | Between


@dataclass(frozen=True, slots=True, repr=False)
class Selection:
    """What must hold, by tag number, of what is found at a level. An attribute that is not named may be anything."""

    level: QueryLevel
    matches: Mapping[int, Match] = field(default_factory=dict)
    hides_withdrawn: bool = False
    """Whether what rejection notes withdrew is left out."""


def fits(match: Match, value: str) -> bool:
    """Whether a value is matched, letter by letter."""
    if isinstance(match, Exactly):
        return value == match.value
    if isinstance(match, OneOf):
        return value in match.values
    if isinstance(match, Like):
        return _pattern(match.pattern).fullmatch(value) is not None
    # A time after a date, or fractions after seconds, still belong to what the end of the range names.
    return bool(value) and match.low <= value and (not match.high or value < match.high + "~")


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = (".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern)
    return re.compile("".join(parts), re.DOTALL)
