"""Reading the parameters of a QIDO-RS search.

Source: PS3.18 sections 8.3.4 and 10.6.1.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from safelight.core.query import Exactly, Match, QueryLevel, Selection
from safelight.wire.dicom.query import match_of_values
from safelight.wire.dicomweb.faults import BadWebRequest

LIMIT_MAX: Final = 5000
OFFSET_MAX: Final = 1_000_000
VALUE_LETTERS_MAX: Final = 100_000
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}\Z")
_LISTED: Final = re.compile(r"[,\\]")
_FORMS: Final = {
    "DA": re.compile(r"(\d{8})?(-(\d{8})?)?\Z", re.ASCII),
    "TM": re.compile(r"(\d{2,6}(\.\d{1,6})?)?(-(\d{2,6}(\.\d{1,6})?)?)?\Z", re.ASCII),
    "UI": re.compile(r"[0-9.*?]{0,64}\Z", re.ASCII),
    "IS": re.compile(r"[+-]?\d{1,12}\Z|\*\Z", re.ASCII),
}
_NOT_ATTRIBUTES: Final = frozenset(("accept", "charset"))


@dataclass(frozen=True, slots=True, repr=False)
class WebSearch:
    """What a peer searches for."""

    selection: Selection
    included: frozenset[int]
    """Attributes wanted beside the usual ones."""
    includes_all: bool
    limit: int
    offset: int
    warnings: tuple[str, ...]
    """What of the request was not done as asked."""


def read_search(
    parameters: Iterable[tuple[str, str]], level: QueryLevel, path: Mapping[int, str], matched: frozenset[int]
) -> WebSearch:
    """Read the parameters of a search at a level; ``path`` holds the UIDs that stand in the address.

    ``matched`` are the attributes that can be matched; others are left out with a warning.

    Raises:
        BadWebRequest: a name is no attribute, a value is none of its kind, a limit is no number.
        QueryTooLong: too many values are listed.
    """
    matches: dict[int, Match] = {}
    included: set[int] = set()
    warnings: list[str] = []
    limit, offset, includes_all = LIMIT_MAX, 0, False
    for name, value in parameters:
        if len(value) > VALUE_LETTERS_MAX:
            raise BadWebRequest(parameter=name[:100], letters=len(value))
        if name == "limit":
            limit = _number(name, value)
        elif name == "offset":
            offset = _number(name, value)
        elif name == "fuzzymatching":
            if value.lower() not in ("true", "false"):
                raise BadWebRequest(parameter=name, given=value[:100])
            if value.lower() == "true":
                warnings.append("The fuzzymatching parameter is not supported; matching is literal.")
        elif name == "includefield":
            fields = [one.strip() for one in value.split(",") if one.strip()]
            includes_all = includes_all or "all" in fields
            included |= {_attribute(one) for one in fields if one != "all" and "." not in one}
        elif name not in _NOT_ATTRIBUTES:
            tag = _attribute(name)
            match = _match(tag, value)
            if tag not in matched:
                warnings.append(f"The attribute {tag:08X} cannot be matched and was left out.")
            elif match is not None:
                matches[tag] = match
    if limit > LIMIT_MAX:
        warnings.append(f"The limit was lowered to {LIMIT_MAX}.")
        limit = LIMIT_MAX
    if offset > OFFSET_MAX:
        raise BadWebRequest(parameter="offset", given=offset)
    matches |= {tag: Exactly(uid) for tag, uid in path.items()}
    return WebSearch(Selection(level, matches), frozenset(included), includes_all, limit, offset, tuple(warnings))


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise BadWebRequest(parameter=name, given=value[:100])
    return int(value)


def _attribute(name: str) -> int:
    """Read an attribute: its keyword, its tag, or the tag of the sequence at the begin of a path."""
    first = name.partition(".")[0]
    tag = int(first, 16) if _TAG.match(first) else tag_for_keyword(first)
    if tag is None:
        raise BadWebRequest(parameter=name[:100])
    return int(tag)


def _match(tag: int, value: str) -> Match | None:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        vr = "UN"
    values = _LISTED.split(value) if vr in ("UI", "CS") else [value]
    values = [text for one in values if (text := one.strip(" \0"))]
    form = _FORMS.get(vr)
    for one in values:
        if form is not None and not form.match(one):
            raise BadWebRequest(parameter=f"{tag:08X}", vr=vr)
    return match_of_values(tag, vr, values)
