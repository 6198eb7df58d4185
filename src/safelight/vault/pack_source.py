"""One instance of a pack as bytes that can be read in ranges: only the frames that are touched are decoded."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from safelight.vault.pack_format import PackDamaged, PackEntry, Part


class OpenPack(Protocol):
    """The pack that the instance lies in."""

    def entries(self) -> Sequence[PackEntry]:
        """Return the instances by position."""

    def parts(self, position: int) -> Sequence[Part]:
        """Return the pieces of the pixel bytes of an instance."""

    def header_bytes(self, offset: int, length: int) -> bytes:
        """Return bytes of the headers of all instances."""

    def frame(self, position: int, number: int) -> memoryview:
        """Return one decoded and checked piece of the pixel bytes of an instance."""


class PackSource:
    """The stored bytes of one instance, prefix included. For one thread.

    Without ``pixels``, zeros stand in the place of pixel bytes: whoever looks at attributes needs no frame decoded.
    Every frame is checked by its own digest; the whole by nothing, since it is never there.
    """

    def __init__(self, pack: OpenPack, position: int, *, pixels: bool) -> None:
        self._pack = pack
        self._position = position
        self._with_pixels = pixels
        entry = pack.entries()[position]
        self._starts: list[int] = []
        self._bases: list[int] = []
        header, frame, at = entry.header_offset, 0, 0
        for number, length in enumerate(entry.runs):
            self._starts.append(at)
            self._bases.append(frame if number % 2 else header)
            if number % 2:
                frame += length
            else:
                header += length
            at += length
        self.size = at
        self._frame_starts = [0]
        for part in pack.parts(position):
            self._frame_starts.append(self._frame_starts[-1] + part.length)
        self._last: tuple[int, memoryview] = (-1, memoryview(b""))

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only past the end."""
        end = min(offset + length, self.size)
        pieces = []
        while offset < end:
            run = bisect_right(self._starts, offset) - 1
            # Runs of no length begin where the next one does; the last that begins here is the one with bytes.
            run_end = self._starts[run + 1] if run + 1 < len(self._starts) else self.size
            count = min(end, run_end) - offset
            at = self._bases[run] + offset - self._starts[run]
            pieces.append(self._pixels(at, count) if run % 2 else self._pack.header_bytes(at, count))
            offset += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pixels(self, at: int, count: int) -> bytes:
        """Return pixel bytes up to ``count``, of one frame at most."""
        if not self._with_pixels:
            return bytes(count)
        number = bisect_right(self._frame_starts, at) - 1
        if number >= len(self._frame_starts) - 1:
            raise PackDamaged(where="pixels", position=self._position)
        if self._last[0] != number:
            self._last = (number, self._pack.frame(self._position, number))
        start = at - self._frame_starts[number]
        return bytes(self._last[1][start : start + count])
