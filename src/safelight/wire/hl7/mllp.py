"""Cutting one connection's bytes into messages, and framing what we send.

Peers break the frame in many ways: feeds of lines between frames, no carriage return after a block, a
message that is given up in its middle, a vertical tab in a text. Each is read the same way however
the stream is cut into pieces. Source: HL7 v2 Minimal Lower Layer Protocol, block format (SB, EB, CR).
"""

from dataclasses import dataclass
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c"
BLOCK_END: Final = b"\x1c\r"
FRAME_BYTES_MAX: Final = 64 * 2**20
HEAD_BYTES_KEPT: Final = 64 * 1024
_BEGINNINGS: Final = (b"MSH", b"FHS", b"BHS")
_BETWEEN: Final = b"\r\n \t\0"


@dataclass(frozen=True, slots=True)
class FramedMessage:
    """What stood between the start and the end of a block."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class UnterminatedFrame:
    """A block that never ended: a new one began, or the connection went away. Nobody waits for its answer."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class StrayBytes:
    """Bytes that stood outside of any block, without the line ends around them."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class OversizedFrame:
    """A block that outgrew the limit: its beginning, and how long it was."""

    head: bytes
    size: int


FrameEvent = FramedMessage | UnterminatedFrame | StrayBytes | OversizedFrame


def frame(message: bytes) -> bytes:
    """Return a message as a block."""
    return START + message + BLOCK_END


class MllpFramer:
    """Cuts one connection's byte stream into messages. Memory stays within ``frame_bytes_max``."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._limit = frame_bytes_max
        self._buffer = bytearray()
        self._inside = False
        self._looked = 0
        self._dropped = 0
        """Bytes of an oversized block that are gone already."""

    def receive(self, data: bytes | bytearray | memoryview) -> list[FrameEvent]:
        """Take the next bytes read from the peer and return what they complete."""
        self._buffer += data
        events: list[FrameEvent] = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def end(self) -> list[FrameEvent]:
        """Return what is left when the peer is gone."""
        rest, inside = bytes(self._buffer), self._inside
        dropped, self._dropped = self._dropped, 0
        self._buffer.clear()
        self._inside, self._looked = False, 0
        if dropped:
            return [OversizedFrame(rest[:HEAD_BYTES_KEPT], dropped + len(rest))]
        if inside:
            return [UnterminatedFrame(rest)]
        stray = rest.strip(_BETWEEN)
        return [StrayBytes(stray)] if stray else []

    def _next(self) -> FrameEvent | None:
        return self._inside_block() if self._inside else self._between_blocks()

    def _between_blocks(self) -> FrameEvent | None:
        at = self._buffer.find(START)
        stray = bytes(self._buffer if at < 0 else self._buffer[:at]).strip(_BETWEEN)
        if at < 0:
            # What cannot begin a block is let go of once there is much of it; till then it waits to be told whole.
            if not stray:
                self._buffer.clear()
            elif len(stray) >= HEAD_BYTES_KEPT:
                self._buffer.clear()
                return StrayBytes(stray)
            return None
        del self._buffer[: at + 1]
        self._inside, self._looked = True, 0
        return StrayBytes(stray) if stray else self._inside_block()

    def _inside_block(self) -> FrameEvent | None:
        while True:
            end = self._buffer.find(END, self._looked)
            start = self._buffer.find(START, self._looked, end if end >= 0 else len(self._buffer))
            if start < 0:
                if end >= 0:
                    return self._finished(end)
                self._wait(len(self._buffer))
                return None
            following = bytes(self._buffer[start + 1 : start + 4])
            if following in _BEGINNINGS:
                return self._given_up(start)
            if len(following) < 3 and any(one.startswith(following) for one in _BEGINNINGS):
                self._wait(start)
                return None
            # A vertical tab inside a text; the block goes on.
            self._looked = start + 1

    def _wait(self, looked: int) -> None:
        self._looked = looked
        if self._dropped + len(self._buffer) > self._limit:
            # The beginning stays, so that the answer can name the message.
            gone = max(0, looked - HEAD_BYTES_KEPT)
            del self._buffer[HEAD_BYTES_KEPT : HEAD_BYTES_KEPT + gone]
            self._dropped += gone
            self._looked = looked - gone

    def _finished(self, end: int) -> FrameEvent:
        raw = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        dropped, self._dropped = self._dropped, 0
        self._inside, self._looked = False, 0
        if dropped + len(raw) > self._limit:
            return OversizedFrame(raw[:HEAD_BYTES_KEPT], dropped + len(raw))
        return FramedMessage(raw)

    def _given_up(self, start: int) -> FrameEvent:
        raw = bytes(self._buffer[:start])
        del self._buffer[: start + 1]
        dropped, self._dropped = self._dropped, 0
        self._looked = 0
        if dropped:
            return OversizedFrame(raw[:HEAD_BYTES_KEPT], dropped + len(raw))
        return UnterminatedFrame(raw)
