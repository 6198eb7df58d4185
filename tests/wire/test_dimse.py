"""Command sets: written, read back, compared with pydicom, and refused when broken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from safelight.wire.dicom.dimse import Command, CommandField, decode_command, encode_command
from safelight.wire.dicom.faults import MalformedCommand

uids = st.lists(st.integers(1, 10**6), min_size=1, max_size=6).map(lambda parts: "1." + ".".join(map(str, parts)))
titles = st.text("ABCXYZ019_", min_size=1, max_size=16)
words = st.integers(0, 0xFFFF)
maybe = st.none() | words

stores = st.builds(
    Command,
    st.just(int(CommandField.C_STORE_RQ)),
    message_id=words,
    has_data_set=st.just(True),
    sop_class=uids,
    sop_instance=uids,
    priority=st.integers(0, 2),
    move_originator=st.just("") | titles,
    move_originator_id=maybe,
)
answers = st.builds(
    Command,
    st.sampled_from([0x8001, 0x8010, 0x8020, 0x8021, 0x8030]),
    responding_to=words,
    has_data_set=st.booleans(),
    sop_class=uids,
    status=words,
    error_comment=st.just("") | titles,
    remaining=maybe,
    completed=maybe,
    failed=maybe,
    warning=maybe,
)
queries = st.builds(
    Command,
    st.sampled_from([0x0010, 0x0020, 0x0021]),
    message_id=words,
    has_data_set=st.just(True),
    sop_class=uids,
    priority=st.integers(0, 2),
    move_destination=titles,
)


@settings(max_examples=60)
@given(stores | answers | queries)
def test_a_command_reads_as_it_was_written(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


@settings(max_examples=60)
@given(stores)
def test_pydicom_reads_the_same_command(command: Command) -> None:
    raw = encode_command(command)
    read = read_dataset(DicomBytesIO(raw), is_implicit_VR=True, is_little_endian=True)
    assert read.CommandGroupLength == len(raw) - 12
    assert read.AffectedSOPClassUID == command.sop_class
    assert read.AffectedSOPInstanceUID == command.sop_instance
    assert read.MessageID == command.message_id
    assert read.CommandDataSetType != 0x0101
    assert [element.tag for element in read] == sorted(element.tag for element in read)


@settings(max_examples=60)
@given(stores, st.data())
def test_a_command_set_cut_short_is_refused(command: Command, data: st.DataObject) -> None:
    raw = encode_command(command)
    cut = data.draw(st.integers(0, len(raw) - 1))
    try:
        assert decode_command(raw[:cut]) != command
    except MalformedCommand:
        pass


ECHO = Command(CommandField.C_ECHO_RQ, message_id=1, sop_class="1.2.840.10008.1.1")
STORE = Command(CommandField.C_STORE_RQ, message_id=1, has_data_set=True, sop_class="1.2", sop_instance="1.3")


def _with(command: Command, **changes: object) -> bytes:
    values = {name: getattr(command, name) for name in Command.__slots__}
    return encode_command(Command(**(values | changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode_command(ECHO)[12:] * 2,
        encode_command(ECHO) + b"\x08\0\x05\0\0\0\0\0",
        encode_command(ECHO) + b"\0\0\x20\x01\xff\xff\xff\xff",
        encode_command(ECHO) + b"\0\0\x20\x10\x04\0\0\0\0\0\0\0",
        _with(ECHO, message_id=None),
        _with(ECHO, has_data_set=True),
        _with(STORE, sop_instance=""),
        _with(STORE, sop_class=""),
        _with(STORE, has_data_set=False),
        encode_command(Command(CommandField.C_STORE_RSP, responding_to=1)),
        encode_command(Command(CommandField.C_STORE_RSP, status=0)),
        encode_command(Command(CommandField.C_CANCEL_RQ)),
        encode_command(Command(CommandField.C_MOVE_RQ, message_id=1, sop_class="1.2", has_data_set=True)),
    ],
)
def test_a_command_set_without_what_it_must_have_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedCommand):
        decode_command(raw)


def test_elements_we_do_not_use_are_passed_over() -> None:
    raw = encode_command(ECHO) + b"\0\0\x01\x09\x04\0\0\0\x08\0\x18\0" + b"\0\0\x99\x99\x01\0\0\0x"
    assert decode_command(raw) == ECHO
