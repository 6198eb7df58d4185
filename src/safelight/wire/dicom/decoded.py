"""Decode a small data set with pydicom and turn its many ways to fail into one."""

import struct
import warnings
from collections.abc import Callable
from typing import Final, TypeVar

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from safelight.core.instance import ByteSource
from safelight.wire.dicom.dataset import inflate
from safelight.wire.dicom.elements import BadDataSet, encoding_of, settle_explicit

_DECODED_BYTES_MAX: Final = 16 * 1024 * 1024
_FAILURES: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)

Answer = TypeVar("Answer")


def decoded(source: ByteSource, transfer_syntax: str, start: int, question: Callable[[Dataset], Answer]) -> Answer:
    """Ask a question of the decoded data set; values are decoded only while the question looks at them.

    Raises:
        BadDataSet: the data set is too long to be decoded whole, or pydicom cannot decode what is asked for.
    """
    if source.size - start > _DECODED_BYTES_MAX:
        raise BadDataSet(offset=start, why="too long to be decoded whole")
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        data = inflate(source, start, _DECODED_BYTES_MAX)
    else:
        data = bytes(source.read(start, source.size - start))
    encoding = settle_explicit(encoding, data[:8])
    try:
        with warnings.catch_warnings():
            # Warnings about a peer's values are no business of our log: they quote the values.
            warnings.simplefilter("ignore")
            return question(read_dataset(DicomBytesIO(data), not encoding.explicit, not encoding.big_endian))
    except _FAILURES as error:
        raise BadDataSet(offset=start, why=f"cannot be decoded: {type(error).__name__}") from error
