"""The file format of Part 10: what stands before the data set."""

import re
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.instance import ByteSource
from safelight.wire.dicom.dataset import scan_head, text_of_uid
from safelight.wire.dicom.element_table import UNDEFINED_LENGTH, VR_LONG, VR_SHORT
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit
from safelight.wire.dicom.uids import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS,
    IMPLEMENTATION_VERSION,
    IMPLICIT_LITTLE_ENDIAN,
)

_PREFIX_BYTES_USUAL: Final = 4 * 1024
"""Almost every file meta is shorter; reading more of each file of an archive would be most of looking at it."""
_PREFIX_BYTES_MAX: Final = 1024 * 1024
_PREAMBLE: Final = 128
_MAGIC: Final = b"DICM"
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_SHORT: Final = Struct("<HH2sH")
_LONG: Final = Struct("<L")
_GUESSES: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)


class NotDicom(UsageError):
    """A file is neither in the Part 10 format nor a bare data set that names its instance."""

    code: ClassVar[str] = "wire.not-dicom"
    hint: ClassVar[str] = "This file is not DICOM. A seed keeps it as it is and lists it; nothing needs to be done."


@dataclass(frozen=True, slots=True)
class Part10Prefix:
    """The preamble and file meta of a file; empty (size 0) where a file begins with its data set."""

    prefix_size: int
    transfer_syntax: str
    """As declared, or found by trial where the file does not say."""
    sop_class: str
    sop_instance: str


def read_prefix(source: ByteSource) -> Part10Prefix:
    """Read what stands before the data set of a file.

    The group length is not believed: the file meta ends with the last element of group 0002. Files
    without preamble, without file meta or without a transfer syntax are taken if a data set that names its
    instance can be followed from there.

    Raises:
        NotDicom: nothing of that kind is found.

    Source: PS3.10 section 7.1.
    """
    opening = bytes(source.read(0, _PREAMBLE + 4))
    start = 0
    if opening[_PREAMBLE:] == _MAGIC:
        start = _PREAMBLE + 4
    elif opening[:4] == _MAGIC:
        start = 4
    try:
        end, found = _walk_meta(source, start, _PREFIX_BYTES_USUAL)
    except NotDicom:
        end, found = _walk_meta(source, start, _PREFIX_BYTES_MAX)
    if found.get(0x0010):
        return Part10Prefix(end, found[0x0010], found.get(0x0002, ""), found.get(0x0003, ""))
    return _guess(source, end, found)


def _walk_meta(source: ByteSource, start: int, bytes_max: int) -> tuple[int, dict[int, str]]:
    """Return where group 0002 ends and the three UIDs in it, by element number.

    Raises:
        NotDicom: it does not end within so many bytes.
    """
    found: dict[int, str] = {}
    offset = start
    window = source.read(start, min(bytes_max, source.size))
    while True:
        at = offset - start
        if at + 8 > len(window):
            if start + len(window) < source.size:
                raise NotDicom(offset=offset, why="the file meta does not end")
            break
        group, element, vr, length = _SHORT.unpack_from(window, at)
        if group != 0x0002:
            break
        value = at + 8
        if vr in VR_LONG:
            if at + 12 > len(window):
                raise NotDicom(offset=offset, why="the bytes end within the file meta")
            length, value = _LONG.unpack_from(window, at + 8)[0], at + 12
        elif vr not in VR_SHORT:
            length = _LONG.unpack_from(window, at + 4)[0]
        if length == UNDEFINED_LENGTH or value + length > len(window):
            raise NotDicom(offset=offset, why="the file meta does not end")
        if element in (0x0002, 0x0003, 0x0010):
            found[element] = text_of_uid(bytes(window[value : value + length]))
        offset = start + value + length
    return offset, found


def _guess(source: ByteSource, start: int, found: dict[int, str]) -> Part10Prefix:
    opening = source.read(start, 8)
    for transfer_syntax in _GUESSES:
        encoding = encoding_of(transfer_syntax)
        if settle_explicit(encoding, opening) != encoding:
            continue
        try:
            head = scan_head(source, transfer_syntax, start)
        except BadDataSet:
            continue
        if _UID.fullmatch(head.sop_instance) and _UID.fullmatch(head.sop_class):
            return Part10Prefix(
                start, transfer_syntax, found.get(0x0002, head.sop_class), found.get(0x0003, head.sop_instance)
            )
    raise NotDicom(offset=start, why="no file meta and no data set that names its instance")


def write_prefix(sop_class: str, sop_instance: str, transfer_syntax: str, source_title: str | None = None) -> bytes:
    """Write the preamble and file meta for an instance that was received without.

    Source: PS3.10 section 7.1, Table 7.1-1.
    """
    elements = [
        _SHORT.pack(2, 0x0001, b"OB", 0) + _LONG.pack(2) + b"\0\1",
        _meta(0x0002, b"UI", sop_class),
        _meta(0x0003, b"UI", sop_instance),
        _meta(0x0010, b"UI", transfer_syntax),
        _meta(0x0012, b"UI", IMPLEMENTATION_CLASS),
        _meta(0x0013, b"SH", IMPLEMENTATION_VERSION),
    ]
    if source_title is not None:
        elements.append(_meta(0x0016, b"AE", source_title))
    body = b"".join(elements)
    return bytes(_PREAMBLE) + _MAGIC + _SHORT.pack(2, 0, b"UL", 4) + _LONG.pack(len(body)) + body


def _meta(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(value)) + value
