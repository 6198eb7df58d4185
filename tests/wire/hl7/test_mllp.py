"""Frames: however the stream is cut, the same messages come out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.wire.hl7.mllp import (
    FramedMessage,
    FrameEvent,
    MllpFramer,
    OversizedFrame,
    StrayBytes,
    UnterminatedFrame,
    frame,
)

ONE = b"MSH|^~\\&|A|B|C|D|20260301||ADT^A08|1|P|2.5\rPID|1||7\r"
TWO = b"MSH|^~\\&|A|B|C|D|20260301||ORM^O01|2|P|2.3.1\r"

STREAMS = {
    "joined": (frame(ONE) + frame(TWO), [FramedMessage(ONE), FramedMessage(TWO)]),
    "lines between blocks": (b"\r\n" + frame(ONE) + b"\n\n\r" + frame(TWO), [FramedMessage(ONE), FramedMessage(TWO)]),
    "no carriage return after a block": (
        b"\x0b" + ONE + b"\x1c\x0b" + TWO + b"\x1c",
        [FramedMessage(ONE), FramedMessage(TWO)],
    ),
    "a block given up in its middle": (
        b"\x0b" + ONE[:40] + frame(TWO),
        [UnterminatedFrame(ONE[:40]), FramedMessage(TWO)],
    ),
    "a vertical tab inside a text": (
        frame(ONE + b"OBX|1|TX|||a\x0bb MS\x0bMS\r") + frame(TWO),
        [FramedMessage(ONE + b"OBX|1|TX|||a\x0bb MS\x0bMS\r"), FramedMessage(TWO)],
    ),
    "an empty block": (frame(b"") + frame(ONE), [FramedMessage(b""), FramedMessage(ONE)]),
    "bytes outside": (
        b"hello" + frame(ONE) + b"\rbye",
        [StrayBytes(b"hello"), FramedMessage(ONE), StrayBytes(b"bye")],
    ),
    "a message never ended": (frame(ONE) + b"\x0b" + TWO, [FramedMessage(ONE), UnterminatedFrame(TWO)]),
}


def _read(pieces: list[bytes]) -> list[FrameEvent]:
    framer = MllpFramer()
    return [event for piece in pieces for event in framer.receive(piece)] + framer.end()


@pytest.mark.parametrize("name", STREAMS)
def test_each_stream_gives_its_messages_whole_and_byte_by_byte(name: str) -> None:
    stream, expected = STREAMS[name]
    assert _read([stream]) == expected
    assert _read([stream[index : index + 1] for index in range(len(stream))]) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_each_stream_cut_in_two_anywhere_gives_the_same(name: str) -> None:
    stream, expected = STREAMS[name]
    for at in range(len(stream)):
        assert _read([stream[:at], stream[at:]]) == expected


@given(
    st.lists(st.binary(max_size=40).map(lambda raw: b"MSH" + raw.replace(b"\x0b", b"").replace(b"\x1c", b""))),
    st.randoms(use_true_random=False),
)
def test_any_messages_in_any_pieces_come_out_as_they_went_in(messages: list[bytes], dice: random.Random) -> None:
    stream = b"".join(map(frame, messages))
    pieces = []
    while stream:
        size = dice.randrange(1, 30)
        pieces.append(stream[:size])
        stream = stream[size:]
    assert _read(pieces) == [FramedMessage(raw) for raw in messages]


def test_a_block_over_the_limit_keeps_its_beginning_and_the_next_message_flows() -> None:
    framer = MllpFramer(frame_bytes_max=200_000)
    long = ONE + b"x" * 500_000
    events: list[FrameEvent] = []
    stream = frame(long) + frame(TWO)
    for at in range(0, len(stream), 4096):
        events += framer.receive(stream[at : at + 4096])
        assert len(framer._buffer) < 300_000
    assert events == [OversizedFrame(long[:65536], len(long)), FramedMessage(TWO)]


def test_a_block_over_the_limit_in_one_piece_is_told_as_well() -> None:
    framer = MllpFramer(frame_bytes_max=100_000)
    long = ONE + b"x" * 200_000
    assert framer.receive(frame(long) + frame(TWO)) == [OversizedFrame(long[:65536], len(long)), FramedMessage(TWO)]


def test_a_block_over_the_limit_that_is_given_up_or_cut_off_is_told() -> None:
    framer = MllpFramer(frame_bytes_max=100_000)
    begun = b"\x0b" + ONE + b"x" * 200_000
    assert framer.receive(begun) == []
    given_up = framer.receive(frame(TWO))
    assert given_up == [OversizedFrame(begun[1:65537], len(begun) - 1), FramedMessage(TWO)]
    framer.receive(begun)
    assert framer.end() == [OversizedFrame(begun[1:65537], len(begun) - 1)]


def test_fifty_megabytes_in_small_pieces_take_time_that_grows_with_their_length_only() -> None:
    framer = MllpFramer()
    long = ONE + b"OBX|1|ED|||" + b"A" * (50 * 2**20)
    stream = frame(long)
    events: list[FrameEvent] = []
    for at in range(0, len(stream), 65536):
        events += framer.receive(stream[at : at + 65536])
    assert events == [FramedMessage(long)]
