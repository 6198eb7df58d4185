"""Cutting a study query into parts that together find what it finds."""

import string
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from safelight.protection.source import QueryKey, StudyQuery

WILDCARDS: Final = frozenset("*?\\")
"""Characters that cannot be asked for literally. Source: PS3.4 section C.2.2.2.4, PS3.5 section 6.2."""

_FIRST_CHARACTERS: Final = frozenset(string.digits + string.ascii_letters + string.punctuation) - WILDCARDS
_PATIENT_LENGTH_MAX: Final = 64
_DAY: Final = 24 * 60 * 60


def split(
    query: StudyQuery, ignored: AbstractSet[QueryKey], characters: AbstractSet[str], modalities: AbstractSet[str]
) -> tuple[QueryKey | None, Sequence[StudyQuery]]:
    """Cut a query by the first key that is not used up: date, time, patient ID, modality.

    Returns:
        The key, and the parts, newest first; None and nothing where no key is left.
    """
    if QueryKey.DATE not in ignored and query.dated:
        halves = _by_date(query)
        if halves:
            return QueryKey.DATE, halves
    if QueryKey.TIME not in ignored and query.dated and query.patient is None:
        halves = _by_time(query)
        if halves:
            return QueryKey.TIME, halves
    if QueryKey.PATIENT not in ignored and query.modality is None:
        children = _by_patient(query, characters)
        if children:
            return QueryKey.PATIENT, children
    if QueryKey.MODALITY not in ignored and query.modality is None and modalities:
        return QueryKey.MODALITY, [replace(query, modality=modality) for modality in sorted(modalities)]
    return None, ()


def more_children(node: StudyQuery, characters: Iterable[str]) -> list[StudyQuery]:
    """Give the parts that a split by patient ID would have had as well, had these characters been known."""
    prefix = (node.patient or "").rstrip("*")
    known = _FIRST_CHARACTERS if node.patient is None else frozenset(string.digits)
    return [
        replace(node, patient=f"{prefix}{character}*")
        for character in sorted(set(characters) - known - WILDCARDS - {" "})
    ]


def _by_date(query: StudyQuery) -> Sequence[StudyQuery]:
    """Halve the range; of an open one the year next to its closed end is cut off first."""
    first, last = query.first, query.last
    if first is None:
        return (replace(query, first=date.min),)
    if last is None:
        near = min(first, date.max - timedelta(days=367)) + timedelta(days=366)
        return replace(query, first=near + timedelta(days=1), last=date.max), replace(query, last=near)
    days = (last - first).days
    if days <= 0:
        return ()
    middle = first + timedelta(days=days // 2)
    return replace(query, first=middle + timedelta(days=1)), replace(query, last=middle)


def _by_time(query: StudyQuery) -> Sequence[StudyQuery]:
    first, last = query.seconds or (0, _DAY - 1)
    if first >= last:
        return ()
    middle = (first + last) // 2
    return replace(query, seconds=(middle + 1, last)), replace(query, seconds=(first, middle))


def _by_patient(query: StudyQuery, characters: AbstractSet[str]) -> Sequence[StudyQuery]:
    if query.patient is not None and not query.patient.endswith("*"):
        return ()
    prefix = (query.patient or "").rstrip("*")
    if len(prefix) >= _PATIENT_LENGTH_MAX:
        return ()
    if query.patient is None:
        following = _FIRST_CHARACTERS | characters
        exact = []
    else:
        # Further in, only characters that the source has shown are tried; new ones reopen the split.
        following = frozenset(string.digits) | characters
        exact = [replace(query, patient=prefix)]
    usable = sorted(following - WILDCARDS - ({" "} if query.patient is None else frozenset()))
    return [*exact, *(replace(query, patient=f"{prefix}{character}*") for character in usable)]
