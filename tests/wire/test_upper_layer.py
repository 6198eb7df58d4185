"""The state machine: every cell of the table, every cut of a stream."""

import random
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.instance import MemorySource
from safelight.wire.dicom.dimse import NO_DATA_SET, Command
from safelight.wire.dicom.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    Released,
    ReleaseRequested,
)
from safelight.wire.dicom.faults import (
    AssociationAborted,
    AssociationLost,
    LimitExceeded,
    MalformedCommand,
    MalformedPdu,
    OutOfTurn,
    UnexpectedPdu,
)
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.outbound import command_pdus
from safelight.wire.dicom.pdu import (
    PDU_HEADER,
    AssociateRequest,
    PduType,
    encode_associate_request,
)
from safelight.wire.dicom.upper_layer import Side, UpperLayer
from safelight.wire.dicom.upper_layer_table import ACTIONS, Action, Event, State
from support.association import (
    ABORT_BYTES,
    ACCEPT,
    ACCEPT_BYTES,
    ECHO,
    ECHO_BYTES,
    ECHO_CONTEXT,
    REJECT,
    REJECT_BYTES,
    RELEASE_REQUEST_BYTES,
    RELEASE_RESPONSE_BYTES,
    REQUEST,
    REQUEST_BYTES,
    UNKNOWN_BYTES,
    acceptor,
    events,
    machine_in,
    push,
    requestor,
    store_bytes,
    tell,
)

DO: dict[Event, Callable[[UpperLayer], None]] = {
    Event.EVT1: lambda m: m.associate(REQUEST),
    Event.EVT2: lambda m: m._fire(Event.EVT2),
    Event.EVT3: lambda m: push(m, ACCEPT_BYTES),
    Event.EVT4: lambda m: push(m, REJECT_BYTES),
    Event.EVT5: lambda m: m._fire(Event.EVT5),
    Event.EVT6: lambda m: push(m, REQUEST_BYTES),
    Event.EVT7: lambda m: m.accept(ACCEPT),
    Event.EVT8: lambda m: m.reject(REJECT),
    Event.EVT9: lambda m: m.send(ECHO_CONTEXT, ECHO),
    Event.EVT10: lambda m: push(m, ECHO_BYTES),
    Event.EVT11: lambda m: m.release(),
    Event.EVT12: lambda m: push(m, RELEASE_REQUEST_BYTES),
    Event.EVT13: lambda m: push(m, RELEASE_RESPONSE_BYTES),
    Event.EVT14: lambda m: m.answer_release(),
    Event.EVT15: lambda m: m.abort(),
    Event.EVT16: lambda m: push(m, ABORT_BYTES),
    Event.EVT17: lambda m: m.transport_closed(),
    Event.EVT18: lambda m: m.artim_expired(),
    Event.EVT19: lambda m: push(m, UNKNOWN_BYTES),
}

# For each action: PDU types sent, kinds of event told, whether ARTIM runs (None: as before), whether to close, and
# the next state. Written down from PS3.8 Tables 9-6 to 9-9, apart from the code.
EFFECTS: dict[Action, tuple[list[int], list[type], bool | None, bool, str]] = {
    Action.AE1: ([], [], None, False, "Sta4"),
    Action.AE2: ([1], [], None, False, "Sta5"),
    Action.AE3: ([], [AssociationAccepted], None, False, "Sta6"),
    Action.AE4: ([], [AssociationRejected], None, True, "Sta1"),
    Action.AE5: ([], [], True, False, "Sta2"),
    Action.AE6: ([], [AssociationRequested], False, False, "Sta3"),
    Action.AE7: ([2], [], None, False, "Sta6"),
    Action.AE8: ([3], [], True, False, "Sta13"),
    Action.DT1: ([4], [], None, False, "Sta6"),
    Action.DT2: ([], [CommandReceived], None, False, "Sta6"),
    Action.AR1: ([5], [], None, False, "Sta7"),
    Action.AR2: ([], [ReleaseRequested], None, False, "Sta8"),
    Action.AR3: ([], [Released], None, True, "Sta1"),
    Action.AR4: ([6], [], True, False, "Sta13"),
    Action.AR5: ([], [], False, True, "Sta1"),
    Action.AR6: ([], [CommandReceived], None, False, "Sta7"),
    Action.AR7: ([4], [], None, False, "Sta8"),
    Action.AR8: ([], [ReleaseRequested], None, False, "Sta9"),
    Action.AR9: ([6], [], None, False, "Sta11"),
    Action.AR10: ([], [Released], None, False, "Sta12"),
    Action.AA1: ([7], [Aborted], True, False, "Sta13"),
    Action.AA2: ([], [], False, True, "Sta1"),
    Action.AA3: ([], [Aborted], None, True, "Sta1"),
    Action.AA4: ([], [Aborted], None, True, "Sta1"),
    Action.AA5: ([], [], False, True, "Sta1"),
    Action.AA6: ([], [], None, False, "Sta13"),
    Action.AA7: ([7], [], None, False, "Sta13"),
    Action.AA8: ([7], [Aborted], True, False, "Sta13"),
}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_cell_of_the_table_does_what_the_standard_says_or_is_refused(state: State, event: Event) -> None:
    machine = machine_in(state)
    artim_before = machine.artim_running
    action = ACTIONS.get((state, event))
    if action is None:
        with pytest.raises(OutOfTurn):
            DO[event](machine)
            events(machine)
        assert machine.state is state
        return
    DO[event](machine)
    told = events(machine)
    sent, kinds, artim, closes, after = EFFECTS[action]
    assert [out[0] for out in machine.outgoing()] == sent
    assert [type(happened) for happened in told] == kinds
    assert machine.artim_running is (artim_before if artim is None else artim)
    assert machine.close_wanted is closes
    assert machine.state == after


def test_the_acceptor_of_a_colliding_release_waits_for_the_peer_first() -> None:
    machine = acceptor()
    machine.release()
    push(machine, RELEASE_REQUEST_BYTES)
    assert events(machine) == [ReleaseRequested()]
    assert machine.state is State.STA10


def test_the_table_has_the_cells_of_the_standard_and_no_more() -> None:
    by_action: dict[str, int] = {}
    for action in ACTIONS.values():
        by_action[action] = by_action.get(action, 0) + 1
    assert len(ACTIONS) == 123
    assert by_action["AA-8"] == 54
    assert by_action["AA-1"] == 15
    assert set(by_action) == set(Action)


def test_an_abort_says_who_and_why() -> None:
    unexpected = machine_in(State.STA6)
    push(unexpected, REQUEST_BYTES)
    (told,) = events(unexpected)
    assert isinstance(told, Aborted)
    assert (told.source, told.reason, told.ours) == (2, 2, True)
    assert isinstance(told.error, UnexpectedPdu)
    assert unexpected.outgoing() == [PDU_HEADER.pack(7, 4) + bytes((0, 0, 2, 2))]

    unknown = machine_in(State.STA6)
    push(unknown, UNKNOWN_BYTES)
    (told,) = events(unknown)
    assert isinstance(told, Aborted)
    assert (told.source, told.reason) == (2, 1)

    by_peer = machine_in(State.STA6)
    push(by_peer, PDU_HEADER.pack(7, 4) + bytes((0, 0, 2, 6)))
    (told,) = events(by_peer)
    assert isinstance(told, Aborted)
    assert (told.source, told.reason, told.ours) == (2, 6, False)
    assert isinstance(told.error, AssociationAborted)

    lost = machine_in(State.STA6)
    lost.transport_closed()
    (told,) = events(lost)
    assert isinstance(told, Aborted)
    assert isinstance(told.error, AssociationLost)


def test_another_protocol_version_is_rejected_by_the_upper_layer_itself() -> None:
    machine = machine_in(State.STA2)
    push(machine, encode_associate_request(AssociateRequest("A", "B", REQUEST.contexts, protocol_version=2)))
    (told,) = events(machine)
    assert isinstance(told, AssociationRejected)
    assert told.ours
    assert machine.outgoing() == [PDU_HEADER.pack(3, 4) + bytes((0, 1, 2, 2))]
    assert machine.state is State.STA13


def test_nothing_that_follows_an_abort_of_the_peer_is_read() -> None:
    machine = machine_in(State.STA6)
    push(machine, ABORT_BYTES + ECHO_BYTES)
    assert [type(happened) for happened in events(machine)] == [Aborted]


STREAM = (
    ECHO_BYTES
    + store_bytes(1, MemorySource(random.Random(1).randbytes(300)), 64)
    + store_bytes(2, MemorySource(b""))
    + ECHO_BYTES
    + store_bytes(3, MemorySource(random.Random(2).randbytes(100)), 16_384)
    + RELEASE_REQUEST_BYTES
)


def test_a_stream_cut_at_any_byte_makes_the_same_events() -> None:
    whole = tell(acceptor(), STREAM, lambda at: len(STREAM))
    assert len(whole.happened) == 9
    assert [len(data) for data in whole.data_sets] == [300, 0, 100]
    for cut in range(1, len(STREAM)):
        assert tell(acceptor(), STREAM, lambda at, cut=cut: cut - at if at < cut else 1 << 20) == whole
    assert tell(acceptor(), STREAM, lambda at: 1) == whole


def test_a_request_cut_at_any_byte_is_the_same_request() -> None:
    for cut in range(1, len(REQUEST_BYTES)):
        machine = UpperLayer(Side.ACCEPTOR)
        machine.transport_opened()
        story = tell(machine, REQUEST_BYTES, lambda at, cut=cut: cut - at if at < cut else 1 << 20)
        assert story.happened == [AssociationRequested(REQUEST)]


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 400_000), min_size=1, max_size=4),
    st.sampled_from([64, 16_384, 131_072, 1_000_000]),
    st.randoms(use_true_random=False),
)
def test_large_data_sets_arrive_whole_however_they_are_cut(
    sizes: list[int], pdu_bytes_max: int, chance: random.Random
) -> None:
    content = random.Random(3).randbytes(400_000)
    sizes = [size if pdu_bytes_max > 64 else size // 100 for size in sizes]
    stream = b"".join(store_bytes(n, MemorySource(content[:size]), pdu_bytes_max) for n, size in enumerate(sizes))
    story = tell(acceptor(), stream, lambda at: chance.randint(1, 200_000))
    assert story.data_sets == [content[:size] for size in sizes]


def test_a_large_fragment_is_read_straight_into_its_keepers_memory() -> None:
    machine = acceptor()
    room = bytearray(1_000_000)

    class Keeper:
        size = 0

        def room(self) -> memoryview:
            return memoryview(room)[self.size :]

        def filled(self, count: int) -> None:
            self.size += count

    content = random.Random(4).randbytes(500_000)
    stream = store_bytes(1, MemorySource(content), 1_000_000)
    head = len(stream) - len(content)
    push(machine, stream[:head])
    assert isinstance(machine.next_event(), CommandReceived)
    keeper = Keeper()
    machine.receive_into(keeper)
    assert machine.next_event() is None
    buffer = machine.buffer()
    assert buffer.obj is room
    assert len(buffer) == 500_000
    buffer[:] = content
    machine.feed(len(buffer))
    told = machine.next_event()
    assert told is not None
    assert told.size == 500_000
    assert room[:500_000] == content


def test_reading_on_without_saying_where_a_data_set_goes_is_our_own_mistake() -> None:
    machine = acceptor()
    push(machine, store_bytes(1, MemorySource(b"abcd")))
    assert isinstance(machine.next_event(), CommandReceived)
    assert machine.next_event() is None
    with pytest.raises(OutOfTurn):
        machine.buffer()


def test_a_sink_nobody_asked_for_is_our_own_mistake() -> None:
    with pytest.raises(OutOfTurn):
        acceptor().receive_into(MemorySink())


def _data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return PDU_HEADER.pack(PduType.DATA, len(body)) + body


def _pdv(context: int, flags: int, body: bytes, length: int | None = None) -> bytes:
    return (len(body) + 2 if length is None else length).to_bytes(4, "big") + bytes((context, flags)) + body


STORE_COMMAND_BYTES = store_bytes(1, MemorySource(b"abcd"))[:-16]
BROKEN = {
    "a PDU type that does not exist": (UNKNOWN_BYTES, MalformedPdu, 1),
    "type zero": (bytes(6), MalformedPdu, 1),
    "a release of another length": (PDU_HEADER.pack(5, 6) + bytes(6), MalformedPdu, 6),
    "an abort of four gigabytes": (PDU_HEADER.pack(7, 0xFFFFFFFF), MalformedPdu, 6),
    "a P-DATA-TF without anything": (PDU_HEADER.pack(4, 0), MalformedPdu, 6),
    "a P-DATA-TF too short for a fragment": (PDU_HEADER.pack(4, 3) + bytes(3), MalformedPdu, 6),
    "a fragment longer than its PDU": (_data(_pdv(1, 3, b"abcd", 7)), MalformedPdu, 6),
    "a fragment of four gigabytes": (_data(_pdv(1, 3, b"abcd", 0xFFFFFFFF)), MalformedPdu, 6),
    "a fragment shorter than its header": (_data(_pdv(1, 3, b"abcd", 1)), MalformedPdu, 6),
    "crumbs behind a fragment": (_data(_pdv(1, 1, b"abcd") + b"xyz"), MalformedPdu, 6),
    "a context that was not agreed": (_data(_pdv(5, 3, b"abcd")), MalformedPdu, 6),
    "a data set without a command": (_data(_pdv(1, 2, b"abcd")), MalformedPdu, 5),
    "a command set half in another context": (_data(_pdv(1, 1, b"ab") + _pdv(3, 3, b"cd")), MalformedPdu, 5),
    "a P-DATA-TF of four gigabytes": (PDU_HEADER.pack(4, 0xFFFFFFFF), LimitExceeded, 6),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pdu_is_answered_by_an_abort_with_its_reason(name: str) -> None:
    stream, error, reason = BROKEN[name]
    for cuts in (1, 1 << 20):
        story = tell(acceptor(), stream + ECHO_BYTES, lambda at, cuts=cuts: cuts)
        (told,) = story.happened
        assert isinstance(told, Aborted)
        assert isinstance(told.error, error)
        assert (told.source, told.reason, told.ours) == (2, reason, True)


def test_a_data_set_in_another_context_than_its_command_is_refused() -> None:
    stream = STORE_COMMAND_BYTES + _data(_pdv(1, 2, b"abcd"))
    told = tell(acceptor(), stream, lambda at: 1 << 20).happened[-1]
    assert isinstance(told, Aborted)
    assert told.reason == 5


def test_a_command_amid_a_data_set_is_refused() -> None:
    stream = STORE_COMMAND_BYTES + _data(_pdv(3, 0, b"abcd")) + ECHO_BYTES
    told = tell(acceptor(), stream, lambda at: 1 << 20).happened[-1]
    assert isinstance(told, Aborted)
    assert told.reason == 5


def test_a_command_set_that_cannot_be_read_is_aborted_by_the_service_user() -> None:
    told = tell(acceptor(), _data(_pdv(1, 3, b"rubbish, not a command")), lambda at: 1 << 20).happened
    (aborted,) = told
    assert isinstance(aborted, Aborted)
    assert isinstance(aborted.error, MalformedCommand)
    assert (aborted.source, aborted.reason) == (0, 0)


def _reach(limits: Limits, stream: bytes) -> Aborted:
    told = tell(acceptor(limits), stream, lambda at: 1 << 20).happened[-1]
    assert isinstance(told, Aborted)
    return told


@pytest.mark.parametrize(
    ("limits", "stream", "name"),
    [
        (Limits(pdu_bytes_max=100), store_bytes(1, MemorySource(bytes(200))), "pdu_bytes_max"),
        (Limits(pdvs_per_pdu_max=3), _data(*[_pdv(1, 1, b"")] * 4), "pdvs_per_pdu_max"),
        (Limits(command_bytes_max=50), ECHO_BYTES, "command_bytes_max"),
        (Limits(command_bytes_max=99), _data(*[_pdv(1, 1, bytes(50))] * 2), "command_bytes_max"),
        (Limits(data_set_bytes_max=199), store_bytes(1, MemorySource(bytes(200)), 64), "data_set_bytes_max"),
    ],
)
def test_each_limit_is_reached_by_a_peer_that_passes_it(limits: Limits, stream: bytes, name: str) -> None:
    told = _reach(limits, stream)
    assert isinstance(told.error, LimitExceeded)
    assert told.error.facts["limit"] == name
    assert (told.source, told.reason) == (2, 6)


def test_a_data_set_as_long_as_the_limit_is_taken() -> None:
    limits = Limits(data_set_bytes_max=200)
    story = tell(acceptor(limits), store_bytes(1, MemorySource(bytes(200)), 64), lambda at: 1 << 20)
    assert story.data_sets == [bytes(200)]


def test_a_caller_may_bound_one_data_set_more_tightly() -> None:
    machine = acceptor()
    push(machine, store_bytes(1, MemorySource(bytes(200))))
    assert isinstance(machine.next_event(), CommandReceived)
    machine.receive_into(MemorySink(), 100)
    told = machine.next_event()
    assert isinstance(told, Aborted)
    assert told.error is not None
    assert told.error.facts["limit"] == "identifier_bytes_max"


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(presentation_contexts_max=1), "presentation_contexts_max"),
        (Limits(transfer_syntaxes_max=0), "transfer_syntaxes_max"),
        (Limits(user_items_max=2), "user_items_max"),
    ],
)
def test_a_request_past_a_limit_is_rejected_and_not_aborted(limits: Limits, name: str) -> None:
    machine = UpperLayer(Side.ACCEPTOR, limits)
    machine.transport_opened()
    push(machine, REQUEST_BYTES)
    (told,) = events(machine)
    assert isinstance(told, AssociationRejected)
    assert told.error is not None
    assert told.error.facts["limit"] == name
    assert machine.outgoing() == [PDU_HEADER.pack(3, 4) + bytes((0, 1, 3, 2))]


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(presentation_contexts_max=1), "presentation_contexts_max"),
        (Limits(user_items_max=2), "user_items_max"),
    ],
)
def test_an_acceptance_past_a_limit_is_aborted(limits: Limits, name: str) -> None:
    machine = UpperLayer(Side.REQUESTOR, limits)
    machine.associate(REQUEST)
    machine.transport_opened()
    push(machine, ACCEPT_BYTES)
    (told,) = events(machine)
    assert isinstance(told, Aborted)
    assert told.error is not None
    assert told.error.facts["limit"] == name


def test_an_associate_pdu_past_its_limit_is_refused_at_its_header() -> None:
    machine = UpperLayer(Side.ACCEPTOR, Limits(associate_bytes_max=100))
    machine.transport_opened()
    push(machine, PDU_HEADER.pack(1, 101))
    (told,) = events(machine)
    assert isinstance(told, Aborted)
    assert isinstance(told.error, LimitExceeded)
    assert told.error.facts["limit"] == "associate_bytes_max"


def test_a_peer_that_takes_no_fragment_at_all_is_not_sent_one() -> None:
    tiny = AssociateRequest("A", "B", REQUEST.contexts, type(REQUEST.user)(pdu_bytes_max=7))
    machine = UpperLayer(Side.ACCEPTOR)
    machine.transport_opened()
    push(machine, encode_associate_request(tiny))
    events(machine)
    machine.accept(ACCEPT)
    with pytest.raises(LimitExceeded):
        machine.send(ECHO_CONTEXT, ECHO)


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=300), st.sampled_from([State.STA2, State.STA5, State.STA6, State.STA13]))
def test_no_bytes_make_the_machine_stumble(rubbish: bytes, state: State) -> None:
    tell(machine_in(state), rubbish, lambda at: 1 << 20)


@settings(max_examples=200)
@given(st.integers(0, len(STREAM) - 1), st.integers(0, 255))
def test_one_changed_byte_never_makes_the_machine_stumble(at: int, value: int) -> None:
    stream = bytearray(STREAM)
    stream[at] = value
    tell(acceptor(), bytes(stream), lambda at: 1 << 20)


def test_the_requestor_may_send_when_it_was_asked_to_release() -> None:
    machine = machine_in(State.STA8)
    machine.send(ECHO_CONTEXT, ECHO)
    assert [out[0] for out in machine.outgoing()] == [PduType.DATA]


def test_a_command_that_announces_no_data_set_is_complete_by_itself() -> None:
    (told,) = tell(requestor(), ECHO_BYTES, lambda at: 1 << 20).happened
    assert isinstance(told, CommandReceived)
    assert told.command == ECHO
    assert not told.command.has_data_set
    assert NO_DATA_SET.to_bytes(2, "little") in ECHO_BYTES


def test_long_command_sets_are_cut_to_what_the_peer_takes() -> None:
    pieces = command_pdus(1, bytes(100), 30)
    machine = acceptor()
    push(machine, pieces)
    assert len(pieces) == 100 + 12 * 5
    assert Command(1).is_request
