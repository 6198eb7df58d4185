"""Media types of requests and answers: what a peer accepts, what a body is.

Source: RFC 9110 section 12.5.1; PS3.18 section 8.7.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from safelight.wire.dicomweb.faults import BadWebRequest

HEADER_LETTERS_MAX: Final = 8192
RANGES_MAX: Final = 100
ANY: Final = "*/*"
MULTIPART: Final = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters; names are in small letters, values as they came."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One form of an answer that a peer would take."""

    name: str
    """Of a part, where the answer has parts; may end in ``*``."""
    transfer_syntax: str
    """A UID, ``*`` for any, empty where none is named."""
    is_multipart: bool
    quality: float

    def takes(self, name: str) -> bool:
        """Whether an answer (or part) of this media type is wanted."""
        kind = self.name.partition("/")[0]
        return self.name in (ANY, name) or (self.name == f"{kind}/*" and name.startswith(f"{kind}/"))


def read_media_type(text: str) -> MediaType:
    """Read one media type, such as a Content-Type.

    Raises:
        BadWebRequest: it has no type.
    """
    name, *rest = _split(text[:HEADER_LETTERS_MAX], ";")
    name = name.strip().lower()
    if "/" not in name:
        raise BadWebRequest(where="media type", given=text[:100])
    parameters = {}
    for one in rest:
        key, _, value = one.partition("=")
        parameters[key.strip().lower()] = _unquoted(value.strip())
    return MediaType(name, parameters)


def read_accept(text: str) -> Sequence[MediaRange]:
    """Read an Accept header, or query parameter of that name: what is liked best comes first. Nothing means anything.

    Raises:
        BadWebRequest: it is too long, or a range in it has no type.
    """
    if len(text) > HEADER_LETTERS_MAX:
        raise BadWebRequest(where="accept", letters=len(text))
    listed = [one for one in _split(text, ",") if one.strip()][:RANGES_MAX]
    ranges = [_range(read_media_type(one)) for one in listed] or [MediaRange(ANY, "", False, 1.0)]
    return sorted((one for one in ranges if one.quality > 0), key=lambda one: -one.quality)


def _range(media: MediaType) -> MediaRange:
    try:
        quality = float(media.parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    is_multipart = media.name == MULTIPART
    name = media.parameters.get("type", ANY).lower() if is_multipart else media.name
    return MediaRange(name, media.parameters.get("transfer-syntax", ""), is_multipart, quality)


def _split(text: str, separator: str) -> Iterator[str]:
    """Cut at a separator that stands outside of quotes."""
    start, quoted, escaped = 0, False, False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == separator and not quoted:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    return value
