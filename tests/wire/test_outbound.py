"""Cutting data sets into PDUs: within the peer's limit, without a copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.instance import MemorySource
from safelight.wire.dicom.outbound import data_set_pdus, short_data_set_pdus

CONTENT = bytes(range(256)) * 1000


@given(st.integers(0, len(CONTENT)), st.integers(8, 200_000) | st.just(0))
def test_the_pieces_are_the_data_set_and_no_pdu_is_too_long(size: int, pdu_bytes_max: int) -> None:
    if pdu_bytes_max and size // pdu_bytes_max > 2_000:
        size = 2_000 * pdu_bytes_max
    joined = b""
    lasts = []
    for batch in data_set_pdus(3, MemorySource(CONTENT[:size]), pdu_bytes_max):
        assert len(batch) <= 1_000
        data = b"".join(bytes(piece) for piece in batch)
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at + 2 : at + 6], "big")
            assert data[at] == 4
            assert not pdu_bytes_max or length <= pdu_bytes_max
            assert int.from_bytes(data[at + 6 : at + 10], "big") == length - 4
            assert data[at + 10] == 3
            lasts.append(data[at + 11])
            joined += data[at + 12 : at + 6 + length]
            at += 6 + length
    assert joined == CONTENT[:size]
    assert lasts == [0] * (len(lasts) - 1) + [2]


def test_a_piece_is_a_view_of_what_is_sent_and_not_a_copy() -> None:
    (batch,) = data_set_pdus(1, MemorySource(CONTENT), 16_384)
    assert isinstance(batch[1], memoryview)
    assert batch[1].obj is CONTENT


class _Drip:
    """A source that remembers how it was read."""

    size = 20_000_000

    def __init__(self) -> None:
        self.reads: list[int] = []

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append(length)
        return bytes(length)


@pytest.mark.parametrize("pdu_bytes_max", [16_384, 131_072, 0])
def test_a_large_instance_is_read_piece_by_piece(pdu_bytes_max: int) -> None:
    source = _Drip()
    for _ in data_set_pdus(1, source, pdu_bytes_max):
        pass
    assert sum(source.reads) == source.size
    assert max(source.reads) <= 8_388_608
    assert len(source.reads) > 2


@pytest.mark.parametrize("size", [0, 1, 2, 57, 58, 59, 200])
def test_a_short_data_set_is_written_as_a_long_one_is(size: int) -> None:
    data = bytes(range(size))
    batches = data_set_pdus(3, MemorySource(data), 64)
    assert short_data_set_pdus(3, data, 64) == b"".join(piece for batch in batches for piece in batch)
