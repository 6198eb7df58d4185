"""Two sans-io associations, and the ways into every state of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from safelight.core.instance import ByteSource
from safelight.wire.dicom.dimse import Command, CommandField, encode_command
from safelight.wire.dicom.events import CommandReceived, DataSetReceived, Happening
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import answer_request
from safelight.wire.dicom.outbound import command_pdus, data_set_pdus
from safelight.wire.dicom.pdu import (
    PDU_HEADER,
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextAnswer,
    PresentationContext,
    encode_abort,
    encode_associate_accept,
    encode_associate_reject,
    encode_associate_request,
    encode_release_request,
    encode_release_response,
)
from safelight.wire.dicom.uids import VERIFICATION
from safelight.wire.dicom.upper_layer import Side, UpperLayer
from safelight.wire.dicom.upper_layer_table import State
from safelight.wire.dicom.user_information import UserInformation, Window

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ECHO_CONTEXT, STORE_CONTEXT = 1, 3

REQUEST = AssociateRequest(
    "SAFELIGHT",
    "MODALITY",
    (
        PresentationContext(ECHO_CONTEXT, VERIFICATION, (EXPLICIT,)),
        PresentationContext(STORE_CONTEXT, CT_IMAGE, (EXPLICIT,)),
    ),
    UserInformation(16_384, "1.2.3", "TEST", Window(8, 8)),
)
ACCEPT = AssociateAccept(
    "SAFELIGHT",
    "MODALITY",
    (ContextAnswer(ECHO_CONTEXT, 0, EXPLICIT), ContextAnswer(STORE_CONTEXT, 0, EXPLICIT)),
    UserInformation(16_384, "1.2.3", "TEST", Window(8, 1)),
)
REJECT = AssociateReject(1, 1, 3)
ECHO = Command(CommandField.C_ECHO_RQ, message_id=7, sop_class=VERIFICATION)

REQUEST_BYTES = encode_associate_request(REQUEST)
ACCEPT_BYTES = encode_associate_accept(ACCEPT)
REJECT_BYTES = encode_associate_reject(REJECT)
ECHO_BYTES = command_pdus(ECHO_CONTEXT, encode_command(ECHO), 16_384)
RELEASE_REQUEST_BYTES = encode_release_request()
RELEASE_RESPONSE_BYTES = encode_release_response()
ABORT_BYTES = encode_abort(Abort(0, 0))
UNKNOWN_BYTES = PDU_HEADER.pack(9, 4) + bytes(4)


def store_command(message_id: int) -> Command:
    return Command(
        CommandField.C_STORE_RQ,
        message_id=message_id,
        has_data_set=True,
        sop_class=CT_IMAGE,
        sop_instance=f"1.2.3.{message_id}",
        priority=0,
    )


def store_bytes(message_id: int, source: ByteSource, pdu_bytes_max: int = 16_384) -> bytes:
    parts = [command_pdus(STORE_CONTEXT, encode_command(store_command(message_id)), pdu_bytes_max)]
    for batch in data_set_pdus(STORE_CONTEXT, source, pdu_bytes_max):
        parts.extend(bytes(piece) for piece in batch)
    return b"".join(parts)


def push(machine: UpperLayer, data: bytes, *, step: int = 0) -> None:
    """Feed bytes without taking events; in pieces of ``step`` bytes, or as large as the buffer is."""
    rest = memoryview(data)
    while rest:
        room = machine.buffer()
        count = min(len(room), len(rest), step or len(rest))
        room[:count] = rest[:count]
        machine.feed(count)
        rest = rest[count:]


def events(machine: UpperLayer) -> list[Happening]:
    found = []
    while (happened := machine.next_event()) is not None:
        found.append(happened)
    return found


@dataclass
class Story:
    """What a whole stream made happen, data sets included."""

    happened: list[Happening]
    data_sets: list[bytes]


def tell(machine: UpperLayer, stream: bytes, cuts: Callable[[int], int]) -> Story:
    """Feed a stream in pieces; ``cuts`` says how long the piece at an offset is at most."""
    story = Story([], [])
    sink = MemorySink()
    at = 0
    while True:
        while (happened := machine.next_event()) is not None:
            story.happened.append(happened)
            if isinstance(happened, CommandReceived) and happened.command.has_data_set:
                sink = MemorySink()
                machine.receive_into(sink)
            elif isinstance(happened, DataSetReceived):
                story.data_sets.append(sink.data)
        if at >= len(stream) or machine.close_wanted:
            return story
        room = machine.buffer()
        count = min(len(room), len(stream) - at, cuts(at))
        room[:count] = stream[at : at + count]
        machine.feed(count)
        at += count


def acceptor(limits: Limits | None = None) -> UpperLayer:
    """An accepted association, seen from the side that was called."""
    machine = UpperLayer(Side.ACCEPTOR, limits or Limits())
    machine.transport_opened()
    push(machine, REQUEST_BYTES)
    events(machine)
    machine.accept(answer_request(REQUEST, limits=machine.limits))
    machine.outgoing()
    return machine


def requestor(limits: Limits | None = None) -> UpperLayer:
    """An accepted association, seen from the side that called."""
    machine = UpperLayer(Side.REQUESTOR, limits or Limits())
    machine.associate(REQUEST)
    machine.transport_opened()
    push(machine, ACCEPT_BYTES)
    events(machine)
    machine.outgoing()
    return machine


def machine_in(state: State) -> UpperLayer:
    """Bring a machine into a state by the way an association takes."""
    machine = _WAYS[state]()
    machine.outgoing()
    events(machine)
    assert machine.state is state
    return machine


def _opened() -> UpperLayer:
    machine = UpperLayer(Side.ACCEPTOR)
    machine.transport_opened()
    return machine


def _requested() -> UpperLayer:
    machine = _opened()
    push(machine, REQUEST_BYTES)
    events(machine)
    return machine


def _connecting() -> UpperLayer:
    machine = UpperLayer(Side.REQUESTOR)
    machine.associate(REQUEST)
    return machine


def _awaiting_answer() -> UpperLayer:
    machine = _connecting()
    machine.transport_opened()
    return machine


def _releasing(machine: UpperLayer) -> UpperLayer:
    machine.release()
    return machine


def _release_asked(machine: UpperLayer) -> UpperLayer:
    push(machine, RELEASE_REQUEST_BYTES)
    events(machine)
    return machine


def _release_answered(machine: UpperLayer) -> UpperLayer:
    machine.answer_release()
    return machine


def _release_confirmed(machine: UpperLayer) -> UpperLayer:
    push(machine, RELEASE_RESPONSE_BYTES)
    events(machine)
    return machine


def _aborted() -> UpperLayer:
    machine = requestor()
    machine.abort()
    return machine


_WAYS: dict[State, Callable[[], UpperLayer]] = {
    State.STA1: lambda: UpperLayer(Side.REQUESTOR),
    State.STA2: _opened,
    State.STA3: _requested,
    State.STA4: _connecting,
    State.STA5: _awaiting_answer,
    State.STA6: requestor,
    State.STA7: lambda: _releasing(requestor()),
    State.STA8: lambda: _release_asked(requestor()),
    State.STA9: lambda: _release_asked(_releasing(requestor())),
    State.STA10: lambda: _release_asked(_releasing(acceptor())),
    State.STA11: lambda: _release_answered(_release_asked(_releasing(requestor()))),
    State.STA12: lambda: _release_confirmed(_release_asked(_releasing(acceptor()))),
    State.STA13: _aborted,
}
