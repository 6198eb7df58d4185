"""Multipart bodies: read as they come, written part by part.

Source: RFC 2046 section 5.1; RFC 2387.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from safelight.wire.dicomweb.faults import BadMultipart
from safelight.wire.dicomweb.media import MULTIPART, MediaType

HEADERS_BYTES_MAX: Final = 16 * 1024
BOUNDARY_LETTERS_MAX: Final = 200
_END: Final = b"--"


@dataclass(frozen=True, slots=True)
class PartBegan:
    """The head of a part was read."""

    headers: Mapping[str, str]
    """By name in small letters."""


@dataclass(frozen=True, slots=True)
class PartData:
    """More of the part's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The part is whole."""


PartEvent = PartBegan | PartData | PartEnded


class _At(Enum):
    PREAMBLE = auto()
    BORDER = auto()
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


def boundary_of(media: MediaType) -> str:
    """Return the boundary that a Content-Type names.

    Raises:
        BadMultipart: it is no multipart type, or names none.
    """
    boundary = media.parameters.get("boundary", "")
    if media.name != MULTIPART or not 1 <= len(boundary) <= BOUNDARY_LETTERS_MAX or not boundary.isascii():
        raise BadMultipart(where="boundary", media=media.name[:100])
    return boundary


class MultipartReader:
    """Cuts a body into parts; holds back no more than a boundary could hide in."""

    def __init__(self, boundary: str) -> None:
        self._border = b"\r\n--" + boundary.encode("ascii")
        # The first border may stand at the very beginning, without a line end before it.
        self._buffer = bytearray(b"\r\n")
        self._at = _At.PREAMBLE
        self._skip_line_end = False

    @property
    def is_whole(self) -> bool:
        """Whether the closing border came."""
        return self._at is _At.EPILOGUE

    def receive(self, data: bytes) -> Iterator[PartEvent]:
        """Take the next bytes and give what they complete.

        Raises:
            BadMultipart: something else follows a border, or the head of a part does not end.
        """
        if self._at is _At.EPILOGUE:
            return
        self._buffer += data
        while (event := self._step()) is not None:
            if not isinstance(event, bool):
                yield event

    def _step(self) -> PartEvent | bool | None:
        """Do one thing; None when more bytes are needed, True when something happened that nobody is told of."""
        if self._at is _At.PREAMBLE:
            return self._skip_preamble()
        if self._at is _At.BORDER:
            return self._pass_border()
        if self._at is _At.HEADERS:
            return self._headers()
        if self._at is _At.BODY:
            return self._body()
        return None

    def _skip_preamble(self) -> bool | None:
        place = self._buffer.find(self._border)
        if place < 0:
            del self._buffer[: -len(self._border)]
            return None
        del self._buffer[: place + len(self._border)]
        self._at = _At.BORDER
        return True

    def _pass_border(self) -> bool | None:
        if len(self._buffer) < 2:
            return None
        if self._buffer.startswith(_END):
            self._at = _At.EPILOGUE
            self._buffer.clear()
            return None
        end = self._buffer.find(b"\r\n")
        if end < 0 or self._buffer[:end].strip(b" \t"):
            if end >= 0 or len(self._buffer) > HEADERS_BYTES_MAX:
                raise BadMultipart(where="border")
            return None
        # The line end stays: a part without headers begins with it twice.
        del self._buffer[:end]
        self._at = _At.HEADERS
        return True

    def _headers(self) -> PartBegan | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEADERS_BYTES_MAX:
                raise BadMultipart(where="headers", size_bytes=len(self._buffer))
            return None
        pairs = [line.partition(":") for line in self._buffer[:end].decode("latin-1").split("\r\n") if line]
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        # The two last bytes stay: the border of an empty part begins with them.
        del self._buffer[: end + 2]
        self._at = _At.BODY
        self._skip_line_end = True
        return PartBegan(headers)

    def _body(self) -> PartEvent | bool | None:
        place = self._buffer.find(self._border)
        start = 2 if self._skip_line_end else 0
        if place == 0 and self._skip_line_end:
            return self._end_part(0)
        until = place if place >= 0 else len(self._buffer) - len(self._border) + 1
        if until > start:
            data = bytes(self._buffer[start:until])
            del self._buffer[:until]
            self._skip_line_end = False
            return PartData(data)
        if place >= 0:
            return self._end_part(place)
        return None

    def _end_part(self, place: int) -> PartEnded:
        del self._buffer[: place + len(self._border)]
        self._at = _At.BORDER
        return PartEnded()


def part_head(boundary: str, headers: Mapping[str, str], *, is_first: bool = False) -> bytes:
    """Write what stands before the bytes of a part; a value cannot begin another line.

    The first border has no line end before it: some clients take what stands there for a part.
    """
    lines = "".join(f"{name}: {''.join(filter(str.isprintable, value))}\r\n" for name, value in headers.items())
    before = "" if is_first else "\r\n"
    return f"{before}--{boundary}\r\n{lines}\r\n".encode()


def closing(boundary: str) -> bytes:
    """Write what stands after the last part."""
    return f"\r\n--{boundary}--\r\n".encode()
