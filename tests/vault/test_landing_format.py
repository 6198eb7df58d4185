"""Headers on disk: they say what was written, one flipped bit is mended, more are never taken for something else."""

import random
from datetime import UTC, datetime
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from safelight.core.instance import Receipt, Way, Wrapper
from safelight.vault.landing_format import (
    HEAD_BYTES,
    HEADER_BYTES,
    RecordHeader,
    RecordKind,
    SegmentHead,
    SegmentState,
    decode_head,
    decode_header,
    encode_head,
    encode_header,
)

HEADER = RecordHeader(
    kind=RecordKind.INSTANCE,
    segment=7,
    salt=bytes(range(16)),
    epoch=1_767_225_600_000_001,
    sequence=12,
    start=8192,
    stored_bytes=526_336,
    watermark=8192,
    digest=bytes(range(32)),
    wrapper=Wrapper(),
    receipt=Receipt(datetime(2026, 1, 1, tzinfo=UTC), Way.STORE, "CT_SCANNER", "SAFELIGHT", "10.0.0.7"),
    transfer_syntax="1.2.840.10008.1.2.1",
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    sop_instance="1.2.3.4.5",
)
HEAD = SegmentHead(turn=3, segment=7, epoch=9, state=SegmentState.IN_USE, salt=bytes(16))

numbers = some.integers(0, 2**63 - 1)
texts = some.text(max_size=60)
receipts = some.builds(
    Receipt,
    some.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=some.just(UTC)),
    some.sampled_from(Way),
    texts,
    texts,
    texts,
)
headers = some.builds(
    RecordHeader,
    kind=some.sampled_from(RecordKind),
    segment=some.integers(0, 2**32 - 1),
    salt=some.binary(min_size=16, max_size=16),
    epoch=numbers,
    sequence=numbers,
    start=numbers,
    stored_bytes=numbers,
    watermark=numbers,
    digest=some.binary(min_size=32, max_size=32),
    wrapper=some.builds(Wrapper, numbers, some.booleans()),
    receipt=receipts,
    transfer_syntax=some.text("0123456789.", max_size=64),
    sop_class=some.text("0123456789.", max_size=64),
    sop_instance=some.text("0123456789.", max_size=64),
)


@given(headers)
def test_a_header_says_what_was_written(header: RecordHeader) -> None:
    raw = encode_header(header)
    assert len(raw) == HEADER_BYTES
    read = decode_header(raw)
    assert read is not None
    assert (read.header, read.mended) == (header, False)


def _flipped(raw: bytes, *bits: int) -> bytes:
    changed = bytearray(raw)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_single_flipped_bit_in_a_header_is_mended() -> None:
    raw = encode_header(HEADER)
    for bit in range(HEADER_BYTES * 8):
        read = decode_header(_flipped(raw, bit))
        assert read is not None
        assert (read.header, read.mended) == (HEADER, True)


def test_two_flipped_bits_are_never_taken_for_a_header() -> None:
    raw = encode_header(HEADER)
    chance = random.Random(4)
    pairs = [tuple(chance.sample(range(HEADER_BYTES * 8), 2)) for _ in range(4000)]
    for pair in [*pairs, *combinations(range(HEADER_BYTES * 8 - 40, HEADER_BYTES * 8), 2)]:
        assert decode_header(_flipped(raw, *pair)) is None


def test_every_single_flipped_bit_in_a_segment_head_is_mended() -> None:
    raw = encode_head(HEAD)
    assert all(decode_head(_flipped(raw, bit)) == HEAD for bit in range(HEAD_BYTES * 8))


@pytest.mark.parametrize("length", [0, 1, 511, 1023, 1025])
def test_a_header_of_another_length_is_none(length: int) -> None:
    assert decode_header(bytes(length)) is None
    assert decode_head(bytes(length)) is None


@given(some.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_rubbish_is_not_a_header(raw: bytes) -> None:
    assert decode_header(raw) is None
    assert decode_head(raw[:HEAD_BYTES]) is None


def test_zeros_are_not_a_header() -> None:
    assert decode_header(bytes(HEADER_BYTES)) is None
    assert decode_head(bytes(HEAD_BYTES)) is None


def test_an_unknown_version_is_not_read() -> None:
    raw = encode_header(HEADER)
    changed = bytearray(raw)
    changed[8] ^= 3
    assert decode_header(bytes(changed)) is None
