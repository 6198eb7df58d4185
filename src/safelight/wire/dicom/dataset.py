"""Find the identifying attributes of a data set without decoding it."""

import zlib
from typing import Final

from safelight.core.instance import ByteSource, Head, MemorySource
from safelight.wire.dicom.element_table import (
    HEAD_LAST,
    HEAD_TAGS,
    MODALITY,
    PIXEL_GROUP,
    SERIES,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY,
    UNDEFINED_LENGTH,
)
from safelight.wire.dicom.elements import (
    LIMITS,
    BadDataSet,
    DataSetCutShort,
    HeaderReader,
    WalkLimits,
    encoding_of,
    settle_explicit,
    walk,
)

_DEFLATED_CHUNK: Final = 64 * 1024


def scan_head(source: ByteSource, transfer_syntax: str, start: int = 0, limits: WalkLimits = LIMITS) -> Head:
    """Read the head of the data set that begins at ``start`` and ends with the source.

    A data set that is damaged after its SOP Instance UID still has a head, of what came before the damage.
    Study, series or class may be missing; whoever calls decides what that means.

    Raises:
        BadDataSet: there is no SOP Instance UID to be found.
    """
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        source, start = MemorySource(inflate(source, start, limits.head_inflated_bytes_max)), 0
    encoding = settle_explicit(encoding, source.read(start, 8))
    values: dict[int, bytes] = {}
    fault: BadDataSet | None = None
    try:
        for tag, _, _, _, value in walk(source, start, encoding, HEAD_TAGS, HEAD_LAST, limits=limits):
            if tag > HEAD_LAST:
                # Elements should ascend; where they do not, the UIDs may still come.
                if SOP_INSTANCE in values or tag >> 16 == PIXEL_GROUP:
                    break
            elif value is not None:
                values[tag] = value
    except BadDataSet as error:
        fault = error
    sop_instance = text_of_uid(values.get(SOP_INSTANCE, b""))
    if not sop_instance:
        raise fault or BadDataSet(offset=start, why="no SOP Instance UID")
    return Head(
        transfer_syntax=transfer_syntax,
        sop_class=text_of_uid(values.get(SOP_CLASS, b"")),
        sop_instance=sop_instance,
        study=text_of_uid(values.get(STUDY, b"")),
        series=text_of_uid(values.get(SERIES, b"")),
        modality=text_of_uid(values.get(MODALITY, b"")),
        values=values,
    )


def is_cut_short(source: ByteSource, transfer_syntax: str, start: int = 0) -> bool:
    """Say whether the bytes end before the data set that begins at ``start`` does: told by lengths, nothing is decoded.

    Of a deflated data set nothing is said, nor of one that cannot be followed for another reason.
    """
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        return False
    encoding = settle_explicit(encoding, source.read(start, 8))
    try:
        for _, vr, offset, length, _ in walk(source, start, encoding, frozenset(), 0):
            if length == UNDEFINED_LENGTH:
                HeaderReader(source, encoding.order).skip_items(offset, encoding.explicit and vr != b"UN")
    except DataSetCutShort:
        return True
    except BadDataSet:
        return False
    return False


def text_of_uid(value: bytes) -> str:
    """Return a UID or code without its padding; bytes that do not belong there stay visible and distinct."""
    return value.rstrip(b"\0 ").lstrip(b" ").decode("ascii", errors="backslashreplace")


def deflate(plain: bytes) -> bytes:
    """Deflate a data set, to an even length. Source: PS3.5 section A.5."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(plain) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def inflate(source: ByteSource, start: int, bytes_max: int) -> bytes:
    """Inflate a deflated data set up to a limit; damaged input gives what could be inflated before the damage.

    Source: PS3.5 section A.5 (RFC 1951, without a zlib header).
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    left = bytes_max
    offset = start
    pending: bytes | memoryview = b""
    try:
        while left > 0 and not inflater.eof:
            if not pending:
                pending = source.read(offset, _DEFLATED_CHUNK)
                offset += len(pending)
                if not pending:
                    break
            piece = inflater.decompress(pending, left)
            pending = inflater.unconsumed_tail
            pieces.append(piece)
            left -= len(piece)
    except zlib.error:
        pass
    return b"".join(pieces)
