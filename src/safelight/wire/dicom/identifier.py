"""Identifiers of queries and retrieves: the small data sets that are decoded, unlike what is stored.

Source: PS3.4 Annex C; encoding by PS3.5, with pydicom.
"""

import struct
import zlib
from typing import Final

from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from safelight.core.instance import MemorySource
from safelight.wire.dicom.dataset import deflate
from safelight.wire.dicom.elements import BadDataSet, encoding_of
from safelight.wire.dicom.faults import LimitExceeded, MalformedIdentifier
from safelight.wire.dicom.tree import read_tree
from safelight.wire.dicom.uids import DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN

# A peer's odd value (a wildcard for a UID) is taken as it is; a warning would quote it, and it may be a patient's name.
config.settings.reading_validation_mode = config.IGNORE

# What pydicom raises on bytes that are no data set; there is no common ancestor below Exception.
_PYDICOM_REFUSALS: Final = (
    AttributeError,
    EOFError,
    KeyError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)

_DEEPEST_SEQUENCE: Final = 16
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF


def encode_identifier(identifier: Dataset, transfer_syntax: str) -> bytes:
    """Write an identifier in the transfer syntax of its presentation context.

    Text goes out in the character set that the identifier's (0008,0005) names.
    """
    out = DicomBytesIO()
    out.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    out.is_little_endian = transfer_syntax != EXPLICIT_BIG_ENDIAN
    write_dataset(out, identifier)
    raw = bytes(out.getvalue())
    return deflate(raw) if transfer_syntax == DEFLATED_LITTLE_ENDIAN else raw


def decode_identifier(raw: bytes, transfer_syntax: str, bytes_max: int) -> Dataset:
    """Read an identifier that came in the transfer syntax of its presentation context.

    Raises:
        MalformedIdentifier: the bytes are no data set, or sequences lie too deep.
        LimitExceeded: deflated, it would grow past ``bytes_max``.
    """
    if transfer_syntax == DEFLATED_LITTLE_ENDIAN:
        raw = _inflated(raw, bytes_max)
    try:
        # pydicom takes a value that is cut short for what is there of it; a query must not be guessed.
        read_tree(MemorySource(raw), 0, encoding_of(transfer_syntax))
    except BadDataSet as error:
        raise MalformedIdentifier(size_bytes=len(raw), error=error.code) from error
    try:
        identifier = read_dataset(
            DicomBytesIO(raw),
            is_implicit_VR=transfer_syntax == IMPLICIT_LITTLE_ENDIAN,
            is_little_endian=transfer_syntax != EXPLICIT_BIG_ENDIAN,
            bytelength=len(raw),
        )
        _decode_all(identifier, 0)
    except _PYDICOM_REFUSALS as error:
        raise MalformedIdentifier(size_bytes=len(raw), error=type(error).__name__) from error
    return identifier


def _decode_all(identifier: Dataset, depth: int) -> None:
    """Have every value read now, so that a bad one is found here and not where it is used."""
    if depth > _DEEPEST_SEQUENCE:
        raise ValueError("sequences lie too deep")
    for tag in list(identifier.keys()):
        # pydicom takes a value that ends with the bytes for a whole one.
        raw = identifier.get_item(tag)
        is_raw = isinstance(raw, RawDataElement) and raw.value is not None and raw.length != _UNDEFINED_LENGTH
        if is_raw and len(raw.value) != raw.length:
            raise EOFError("a value is cut short")
    for element in identifier:
        if element.VR == "SQ":
            for entry in element.value:
                _decode_all(entry, depth + 1)


def _inflated(raw: bytes, bytes_max: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(raw, bytes_max)
    except zlib.error as error:
        raise MalformedIdentifier(size_bytes=len(raw), error="deflate") from error
    if unpacker.unconsumed_tail:
        raise LimitExceeded(limit="identifier_bytes_max", value=bytes_max)
    return plain
