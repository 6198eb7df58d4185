"""A ZIP of stored members written in one pass to something that cannot seek.

The caller learns where each member's bytes begin, so that its own index can point at them and a
reader needs neither the central directory nor a whole file.

Source: PKWARE APPNOTE 6.3.9, sections 4.3.7 to 4.3.16 and 4.5.3 (ZIP64).
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END_64: Final = struct.Struct("<IQHHIIQQQQ")
_LOCATOR_64: Final = struct.Struct("<IIQI")
_END: Final = struct.Struct("<IHHHHIIH")
_DESCRIPTOR_64: Final = struct.Struct("<IIQQ")
_VERSION: Final = 45
_SIZES_FOLLOW: Final = 0x0008
_JANUARY_1980: Final = 0x0021
_OVER_32: Final = 0xFFFFFFFF
_OVER_16: Final = 0xFFFF
_REGULAR_FILE_0600: Final = 0o100600 << 16
_MADE_BY_UNIX: Final = 3 << 8 | _VERSION


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    flags: int
    crc: int
    size: int
    header_at: int


class ZipStream:
    """Writes members one after the other; `close` writes the directory and a comment."""

    def __init__(self, write: Callable[[bytes | bytearray | memoryview], object]) -> None:
        self._write = write
        self._offset = 0
        self._members: list[_Member] = []

    def add(self, name: str, content: bytes | bytearray | memoryview) -> int:
        """Write a member whose bytes are at hand; return where they begin."""
        view = memoryview(content).cast("B")
        crc = zlib.crc32(view)
        return self._begin(_Member(name.encode("ascii"), 0, crc, len(view), self._offset), view)

    def add_stream(self, name: str, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Write a member of unknown size; return where its bytes begin and how many there were."""
        header_at = self._offset
        begins = self._begin(_Member(name.encode("ascii"), _SIZES_FOLLOW, 0, 0, header_at), memoryview(b""))
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            self._put(piece)
        size = self._offset - begins
        self._members[-1] = _Member(name.encode("ascii"), _SIZES_FOLLOW, crc, size, header_at)
        self._put(_DESCRIPTOR_64.pack(0x08074B50, crc, size, size))
        return begins, size

    def close(self, comment: bytes) -> None:
        """Write the central directory, its ZIP64 companions where needed, and the comment."""
        begins = self._offset
        for member in self._members:
            self._put(_central_header(member))
        size = self._offset - begins
        count = len(self._members)
        if begins >= _OVER_32 or count >= _OVER_16:
            end = _END_64.pack(0x06064B50, 44, _MADE_BY_UNIX, _VERSION, 0, 0, count, count, size, begins)
            locator = _LOCATOR_64.pack(0x07064B50, 0, self._offset, 1)
            self._put(end + locator)
        few = min(count, _OVER_16)
        end = _END.pack(0x06054B50, 0, 0, few, few, min(size, _OVER_32), min(begins, _OVER_32), len(comment))
        self._put(end + comment)

    def _begin(self, member: _Member, content: memoryview) -> int:
        streamed = member.flags & _SIZES_FOLLOW
        extra = b""
        shown = member.size
        if streamed or member.size >= _OVER_32:
            shown = _OVER_32
            extra = struct.pack("<HHQQ", 1, 16, member.size, member.size)
        header = _LOCAL.pack(
            0x04034B50,
            _VERSION,
            member.flags,
            0,
            0,
            _JANUARY_1980,
            member.crc,
            shown,
            shown,
            len(member.name),
            len(extra),
        )
        self._put(header + member.name + extra)
        begins = self._offset
        self._put(content)
        self._members.append(member)
        return begins

    def _put(self, data: bytes | memoryview) -> None:
        self._write(data)
        self._offset += len(data)


def _central_header(member: _Member) -> bytes:
    wide = [value for value in (member.size, member.size, member.header_at) if value >= _OVER_32]
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size = min(member.size, _OVER_32)
    header = _CENTRAL.pack(
        0x02014B50,
        _MADE_BY_UNIX,
        _VERSION,
        member.flags,
        0,
        0,
        _JANUARY_1980,
        member.crc,
        size,
        size,
        len(member.name),
        len(extra),
        0,
        0,
        0,
        _REGULAR_FILE_0600,
        min(member.header_at, _OVER_32),
    )
    return header + member.name + extra
