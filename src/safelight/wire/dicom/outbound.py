"""Cutting command sets and data sets into P-DATA-TF PDUs, without copying the data sets.

Source: PS3.8 section 9.3.5 and Annex E.
"""

from collections.abc import Iterator
from typing import Final

from safelight.core.instance import ByteSource, MemorySource
from safelight.wire.dicom.pdu import COMMAND_FLAG, DATA_HEADER, LAST_FLAG, PduType

PDU_BYTES_MIN: Final = 8
"""The shortest maximum that leaves room for a fragment header and two bytes of data."""

_UNLIMITED_PDU_BYTES: Final = 1_048_576
_READ_BYTES: Final = 4_194_304
_PDUS_A_BATCH: Final = 500
_PDV_OVERHEAD: Final = 6


def command_pdus(context_id: int, command_set: bytes, pdu_bytes_max: int) -> bytes:
    """Write a command set as P-DATA-TF PDUs."""
    payload = _payload(pdu_bytes_max)
    parts = []
    for start in range(0, len(command_set), payload):
        piece = command_set[start : start + payload]
        last = LAST_FLAG if start + payload >= len(command_set) else 0
        parts.append(_header(context_id, len(piece), COMMAND_FLAG | last) + piece)
    return b"".join(parts)


def short_data_set_pdus(context_id: int, data: bytes, pdu_bytes_max: int) -> bytes:
    """Write a data set that is short enough to be copied, as the answers to a query are."""
    if 0 < len(data) <= _payload(pdu_bytes_max):
        return _header(context_id, len(data), LAST_FLAG) + data
    return b"".join(piece for batch in data_set_pdus(context_id, MemorySource(data), pdu_bytes_max) for piece in batch)


def data_set_pdus(context_id: int, source: ByteSource, pdu_bytes_max: int) -> Iterator[list[bytes | memoryview]]:
    """Give a data set as batches of buffers: header, piece, header, piece ..., at most 1000 in a batch.

    The pieces are views of what the source returns: send a batch before asking for the next.
    """
    payload = _payload(pdu_bytes_max)
    size = source.size
    step = payload * max(1, min(_PDUS_A_BATCH, _READ_BYTES // payload))
    full = _header(context_id, payload, 0)
    if not size:
        yield [_header(context_id, 0, LAST_FLAG)]
    for start in range(0, size, step):
        data = memoryview(source.read(start, min(step, size - start)))
        batch: list[bytes | memoryview] = []
        for offset in range(0, len(data), payload):
            piece = data[offset : offset + payload]
            if start + offset + payload >= size:
                batch.append(_header(context_id, len(piece), LAST_FLAG))
            else:
                batch.append(full)
            batch.append(piece)
        yield batch


def _header(context_id: int, length: int, flags: int) -> bytes:
    return DATA_HEADER.pack(PduType.DATA, length + _PDV_OVERHEAD, length + 2, context_id, flags)


def _payload(pdu_bytes_max: int) -> int:
    """Return how many bytes go into one fragment: an even number, as PS3.8 Annex E asks of all but the last."""
    return (min(pdu_bytes_max or _UNLIMITED_PDU_BYTES, _UNLIMITED_PDU_BYTES) - _PDV_OVERHEAD) & ~1
