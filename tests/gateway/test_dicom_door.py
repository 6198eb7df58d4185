"""Our listener and our caller, face to face: promises, refusals, failures behind the door, stopping."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar

import pytest

from safelight.core.disk import DiskFailed, DiskFull
from safelight.core.errors import IntegrityError, PeerError, SafelightError, StateError
from safelight.core.instance import MemorySource
from safelight.core.names import AETitle, Peer
from safelight.gateway.dicom.association import ServiceSettings
from safelight.gateway.dicom.client import CallSettings, ClientAssociation, Outgoing, PeerUnreachable, connect
from safelight.gateway.dicom.contexts import VERIFICATION_PROPOSAL, ContextProposal, contexts_for
from safelight.gateway.dicom.exchange import ContextNotAgreed
from safelight.gateway.dicom.ports import MoveOriginator, Occasion, Refusal
from safelight.gateway.dicom.server import CannotListen, Listener, ListenerSettings
from safelight.gateway.dicom.statuses import Status
from safelight.gateway.dicom.storage_classes import carries_instances
from safelight.wire.dicom.faults import AssociationAborted, AssociationLost, AssociationRefused
from safelight.wire.dicom.limits import Limits
from safelight.wire.dicom.negotiation import first_proposed
from safelight.wire.dicom.pdu import PDU_HEADER, AssociateRequest, encode_associate_request
from safelight.wire.dicom.uids import STUDY_ROOT_FIND
from safelight.wire.dicom.user_information import Window
from support.association import (
    ABORT_BYTES,
    ECHO_BYTES,
    RELEASE_REQUEST_BYTES,
    REQUEST,
    REQUEST_BYTES,
    UNKNOWN_BYTES,
    store_bytes,
)
from support.dicom_door import (
    CALLER,
    CT_IMAGE,
    EXPLICIT,
    PRIVATE_CLASS,
    PRIVATE_SYNTAX,
    TITLE,
    Door,
    MemoryIntake,
    open_door,
    outgoing,
)

PAIRS = [(CT_IMAGE, EXPLICIT), (PRIVATE_CLASS, PRIVATE_SYNTAX)]
ALONE = CallSettings(window=None)


def call(door: Door, settings: CallSettings | None = None) -> ClientAssociation:
    return connect(door.peer, CALLER, [VERIFICATION_PROPOSAL, *contexts_for(PAIRS)[0]], settings=settings)


def test_what_is_stored_is_kept_byte_for_byte_with_who_sent_it() -> None:
    contents = [bytes([n % 256]) * n for n in (1, 2, 11, 70_001, 400_000, 5_000_001)]
    with open_door() as door:
        with call(door) as association:
            sent = list(association.store_all(outgoing(n, data) for n, data in enumerate(contents)))
            private = association.store(outgoing(99, b"private", PRIVATE_CLASS, PRIVATE_SYNTAX))
        assert all(one.is_stored for one in sent)
        assert private.is_success
        taken = door.intake.taken
        assert [one.data for one in taken] == [*contents, b"private"]
        assert (taken[-1].command.sop_class, taken[-1].command.transfer_syntax) == (PRIVATE_CLASS, PRIVATE_SYNTAX)
        assert {(one.association.calling, one.association.called) for one in taken} == {(CALLER, TITLE)}
        assert door.intake.opened == door.intake.closed == 1


def test_an_echo_needs_no_intake() -> None:
    with open_door() as door:
        with call(door) as association:
            assert association.echo().is_success
        door.notes.wait_for(Occasion.RELEASED)
        assert door.intake.opened == 0
        (associated,) = door.notes.of(Occasion.ASSOCIATED)
        assert associated.calling == CALLER.text
        assert PRIVATE_CLASS in associated.sop_classes
        assert PRIVATE_SYNTAX in associated.transfer_syntaxes
        assert len(door.notes.of(Occasion.ECHOED)) == 1


def test_one_at_a_time_means_one_commit_an_instance() -> None:
    with open_door() as door:
        with call(door, ALONE) as association:
            assert association.window == 1
            assert all(sent.is_stored for sent in association.store_all(outgoing(n, b"x" * 50) for n in range(20)))
        assert door.intake.commits == 20


def test_the_next_is_made_ready_before_the_answer_to_the_last_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    is_second_ready = threading.Event()
    seen: list[bool] = []

    def two() -> Iterator[Outgoing]:
        yield outgoing(1, b"x")
        is_second_ready.set()
        yield outgoing(2, b"x")

    def hold(stage: str) -> None:
        if stage == "commit":
            seen.append(is_second_ready.wait(10))

    with open_door() as door:
        monkeypatch.setattr(door.intake, "fail_at", hold)
        with call(door, ALONE) as association:
            assert all(sent.is_stored for sent in association.store_all(two()))
    assert seen == [True, True]


def test_requests_that_wait_share_a_commit_and_are_answered_in_order() -> None:
    stream = b"".join(store_bytes(n, MemorySource(bytes(100))) for n in range(1, 9))
    with open_door() as door:
        with raw(door, REQUEST_BYTES) as plain:
            read_pdu(plain)
            plain.sendall(stream + ECHO_BYTES + RELEASE_REQUEST_BYTES)
            kinds, identifiers = [], []
            while (pdu := read_pdu(plain))[0] == 4:
                kinds.append(command_field(pdu))
                identifiers.append(responding_to(pdu))
        assert pdu[0] == 6
        assert kinds == [0x8001] * 8 + [0x8030]
        assert identifiers == [*range(1, 9), 7]
        assert door.intake.commits == 1
        assert len(door.intake.taken) == 8


def test_no_success_is_said_before_the_commit_returned() -> None:
    held, entered = threading.Event(), threading.Event()

    class Slow(MemoryIntake):
        def fail_at(self, place: str) -> None:
            if place == "commit":
                entered.set()
                assert held.wait(20)

    with open_door(intake=Slow()) as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(store_bytes(1, MemorySource(b"abcd")))
        assert entered.wait(20)
        plain.setblocking(False)
        with pytest.raises(BlockingIOError):
            plain.recv(1)
        plain.settimeout(20)
        held.set()
        assert status(read_pdu(plain)) == 0


def test_an_answer_does_not_wait_for_a_peer_that_stops_amid_the_next_instance() -> None:
    following = store_bytes(2, MemorySource(bytes(1000)))
    with open_door() as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(store_bytes(1, MemorySource(b"abcd")) + following[:500])
        assert status(read_pdu(plain)) == 0
        assert door.intake.commits == 1
        plain.sendall(following[500:])
        assert status(read_pdu(plain)) == 0
        assert [len(one.data) for one in door.intake.taken] == [4, 1000]


class TakesNoText(PeerError):
    code: ClassVar[str] = "test.takes-no-text"
    hint: ClassVar[str] = ""
    status: ClassVar[int] = 0xA900


class Rotten(IntegrityError):
    code: ClassVar[str] = "test.rotten"
    hint: ClassVar[str] = ""


class Later(StateError):
    code: ClassVar[str] = "test.later"
    hint: ClassVar[str] = ""


@pytest.mark.parametrize("place", ["open", "begin", "room", "filled", "finish", "commit"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DiskFull(path="x"), 0xA700),
        (DiskFailed(path="x"), 0x0110),
        (Rotten(), 0xC000),
        (TakesNoText(), 0xA900),
        (Later(), 0xC000),
    ],
)
def test_a_failure_behind_the_door_is_told_and_the_next_instance_is_served(
    place: str, error: SafelightError, expected: int
) -> None:
    intake = MemoryIntake(failures={place: [error]})
    with open_door(intake=intake) as door:
        with call(door, ALONE) as association:
            first, second = association.store_all([outgoing(1, bytes(300_000)), outgoing(2, bytes(300_000))])
            assert association.echo().is_success
        assert first.status is not None
        assert first.status.code == expected
        assert second.is_stored
        assert {one.command.sop_instance for one in intake.taken} >= {second.outgoing.sop_instance}
        (failed,) = door.notes.of(Occasion.STORE_FAILED)
        assert failed.status == expected
        assert failed.error.startswith(error.code)


def test_a_failed_commit_fails_everything_it_covered() -> None:
    intake = MemoryIntake(failures={"commit": [DiskFull(path="x")]})
    stream = b"".join(store_bytes(n, MemorySource(bytes(100))) for n in range(1, 5))
    with open_door(intake=intake) as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(stream)
        assert [status(read_pdu(plain)) for _ in range(4)] == [0xA700] * 4


def test_a_defect_behind_the_door_ends_one_association_and_not_the_door() -> None:
    class Broken(MemoryIntake):
        def fail_at(self, place: str) -> None:
            if place == "finish":
                raise ZeroDivisionError

    with open_door(intake=Broken()) as door:
        association = call(door)
        with pytest.raises(AssociationAborted), association:
            association.store(outgoing(1, b"abcd"))
        (aborted,) = door.notes.wait_for(Occasion.ABORTED)
        assert "core.defect" in aborted.error
        with call(door) as another:
            assert another.echo().is_success


def test_an_instance_cut_off_by_the_peer_is_dropped() -> None:
    with open_door() as door:
        for end in (ABORT_BYTES, b""):
            with raw(door, REQUEST_BYTES) as plain:
                read_pdu(plain)
                plain.sendall(store_bytes(1, MemorySource(bytes(100_000)))[:60_000])
                if end:
                    # Amid a PDU an abort cannot be told from data: the connection ends, that is all.
                    plain.sendall(end)
        door.notes.wait_for(Occasion.ABORTED, 2)
        assert door.intake.taken == []
        assert door.intake.abandoned == 2
        assert door.intake.closed == 2


def test_who_made_a_peer_send_is_told_to_the_intake() -> None:
    instance = outgoing(1, b"abcd")
    moved = type(instance)(
        instance.sop_class,
        instance.sop_instance,
        instance.transfer_syntax,
        instance.data,
        MoveOriginator("PULLER", 17),
    )
    with open_door() as door:
        with call(door) as association:
            association.store(moved)
        assert door.intake.taken[0].originator == MoveOriginator("PULLER", 17)


# Refusals.


class _Refuse:
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal

    def accept(self, calling: AETitle, called: AETitle, host: str) -> Refusal | None:
        assert (calling, called, host) == (CALLER, TITLE, "127.0.0.1")
        return self.refusal


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refused_caller_learns_why_and_is_remembered(refusal: Refusal) -> None:
    with open_door(admission=_Refuse(refusal)) as door:
        with pytest.raises(AssociationRefused) as told:
            call(door)
        facts = told.value.facts
        assert (facts["result"], facts["source"], facts["reason"]) == refusal.value
        (refused,) = door.notes.wait_for(Occasion.REFUSED)
        assert (refused.calling, refused.error) == (CALLER.text, refusal.name)


def test_too_many_associations_are_refused_and_places_come_free_again() -> None:
    with open_door(associations_max=2) as door:
        with call(door), call(door):
            assert door.listener.associations == 2
            with pytest.raises(AssociationRefused) as told:
                call(door)
            assert told.value.facts["reason"] == 2
        door.notes.wait_for(Occasion.RELEASED, 2)
        _until(lambda: door.listener.associations == 0)
        with call(door) as association:
            assert association.echo().is_success


def test_one_host_cannot_take_every_place() -> None:
    with open_door(per_host_max=1) as door, call(door), pytest.raises(AssociationRefused):
        call(door)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (AssociateRequest("SAFELIGHT", "", REQUEST.contexts), (1, 1, 3)),
        (AssociateRequest("", "MODALITY", REQUEST.contexts), (1, 1, 7)),
        (AssociateRequest("SAFE\\LIGHT", "MODALITY", REQUEST.contexts), (1, 1, 7)),
        (AssociateRequest("SAFELIGHT", "MODALITY", REQUEST.contexts, application_context="1.2.3"), (1, 1, 2)),
        (AssociateRequest("SAFELIGHT", "MODALITY", REQUEST.contexts, protocol_version=4), (1, 2, 2)),
    ],
)
def test_a_request_that_no_one_could_mean_is_rejected(request_: AssociateRequest, answer: tuple[int, int, int]) -> None:
    with open_door() as door, raw(door, encode_associate_request(request_)) as plain:
        assert tuple(read_pdu(plain)[7:10]) == answer


@pytest.mark.parametrize(
    ("sop_class", "spoken"),
    [
        (CT_IMAGE, True),
        (PRIVATE_CLASS, True),
        ("1.2.840.10008.1.1", True),
        ("1.2.840.10008.5.1.1.30", True),
        ("1.2.840.10008.5.1.4.1.2.2.1", False),
        ("1.2.840.10008.5.1.4.31", False),
        ("1.2.840.10008.1.20.1", False),
        ("1.2.840.10008.3.1.2.3.3", False),
    ],
)
def test_everything_that_may_be_stored_is_spoken_and_no_service_that_we_lack(sop_class: str, spoken: bool) -> None:
    assert carries_instances(sop_class) is spoken


def test_a_class_we_do_not_speak_is_refused_in_its_context_alone() -> None:
    proposals = [ContextProposal(STUDY_ROOT_FIND, (EXPLICIT,)), *contexts_for(PAIRS)[0]]
    with open_door() as door, connect(door.peer, CALLER, proposals) as association:
        assert association.agreed(STUDY_ROOT_FIND) is None
        (sent,) = association.store_all([outgoing(1, b"x", sop_class="1.2.3")])
        assert sent.status is None
        assert not sent.is_stored
        with pytest.raises(ContextNotAgreed):
            association.store(outgoing(1, b"x", sop_class="1.2.3"))
        assert association.store(outgoing(1, b"x")).is_success


def test_a_house_may_choose_transfer_syntaxes() -> None:
    service = ServiceSettings(choose=lambda c: EXPLICIT if EXPLICIT in c.transfer_syntaxes else None)
    with open_door(service=service) as door, call(door) as association:
        assert association.agreed(CT_IMAGE, EXPLICIT) is not None
        assert association.agreed(PRIVATE_CLASS) is None
    assert service.choose is not first_proposed


# Peers that misbehave.


@contextmanager
def raw(door: Door, first: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.listener.port), 20) as plain:
        plain.sendall(first)
        yield plain


def read_pdu(plain: socket.socket) -> bytes:
    head = _read(plain, 6)
    return head + _read(plain, int.from_bytes(head[2:], "big")) if head else b""


def _read(plain: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = plain.recv(length - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _number(pdu: bytes, element: int) -> int:
    at = pdu.index(bytes((0, 0)) + element.to_bytes(2, "little") + b"\2\0\0\0") + 8
    return int.from_bytes(pdu[at : at + 2], "little")


def command_field(pdu: bytes) -> int:
    return _number(pdu, 0x0100)


def responding_to(pdu: bytes) -> int:
    return _number(pdu, 0x0120)


def status(pdu: bytes) -> int:
    return _number(pdu, 0x0900)


def _until(happened: object) -> None:
    waiting = threading.Event()
    for _ in range(2_000):
        if happened():  # type: ignore[operator]
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    ("stream", "source", "reason"),
    [
        (UNKNOWN_BYTES, 2, 1),
        (REQUEST_BYTES, 2, 2),
        (PDU_HEADER.pack(4, 0xFFFFFFF0), 2, 6),
        (PDU_HEADER.pack(4, 10) + b"\0\0\0\6\1\3abcd", 0, 0),
    ],
)
def test_a_broken_pdu_is_answered_by_an_abort_that_reaches_the_peer(stream: bytes, source: int, reason: int) -> None:
    with open_door() as door:
        with raw(door, REQUEST_BYTES) as plain:
            read_pdu(plain)
            # What follows must not turn the abort into a reset of the connection.
            plain.sendall(stream + bytes(100_000))
            assert read_pdu(plain) == PDU_HEADER.pack(7, 4) + bytes((0, 0, source, reason))
        door.notes.wait_for(Occasion.ABORTED)
        with call(door) as association:
            assert association.echo().is_success


def test_a_caller_who_speaks_no_dicom_is_shown_out() -> None:
    with open_door() as door, raw(door, b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n") as plain:
        assert read_pdu(plain)[0] == 7


QUICK = ServiceSettings(artim=timedelta(seconds=0.2), idle=timedelta(seconds=0.2), whole_pdu=timedelta(seconds=0.3))


def test_a_caller_who_says_nothing_is_shown_out() -> None:
    with open_door(service=QUICK) as door, raw(door) as plain:
        assert plain.recv(10) == b""


def test_a_peer_that_falls_silent_is_aborted_and_its_place_is_free() -> None:
    with open_door(service=QUICK) as door:
        with raw(door, REQUEST_BYTES) as plain:
            assert read_pdu(plain)[0] == 2
            assert read_pdu(plain)[0] == 7
        (aborted,) = door.notes.wait_for(Occasion.ABORTED)
        assert aborted.error.startswith("gateway.peer-silent")
        _until(lambda: door.listener.associations == 0)


def test_a_peer_that_drips_is_aborted_though_it_is_never_silent() -> None:
    service = ServiceSettings(idle=timedelta(seconds=5), whole_pdu=timedelta(seconds=0.3))
    with open_door(service=service) as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        stream = store_bytes(1, MemorySource(bytes(5_000)))
        pause = threading.Event()
        plain.setblocking(False)
        answer = b""
        for byte in stream:
            try:
                plain.sendall(bytes([byte]))
                answer = plain.recv(10)
                break
            except BlockingIOError:
                pause.wait(0.005)
        assert answer[:1] == b"\7"
        assert door.intake.taken == []


def test_a_peer_that_asks_for_what_we_do_not_do_is_told_so() -> None:
    from safelight.wire.dicom.dimse import Command, CommandField, encode_command
    from safelight.wire.dicom.outbound import command_pdus, data_set_pdus

    find = Command(CommandField.C_FIND_RQ, message_id=5, sop_class=CT_IMAGE, has_data_set=True)
    stream = command_pdus(3, encode_command(find), 0)
    stream += b"".join(b"".join(bytes(p) for p in batch) for batch in data_set_pdus(3, MemorySource(b"\0" * 20), 0))
    answer = command_pdus(3, encode_command(Command(CommandField.C_ECHO_RSP, responding_to=1, status=0)), 0)
    with open_door() as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(stream)
        pdu = read_pdu(plain)
        assert (command_field(pdu), status(pdu)) == (0x8020, 0x0211)
        plain.sendall(answer)
        assert read_pdu(plain)[0] == 7


def test_a_data_set_past_the_limit_ends_the_association() -> None:
    service = ServiceSettings(limits=Limits(data_set_bytes_max=1_000_000))
    with open_door(service=service) as door:
        with pytest.raises(AssociationAborted), call(door, ALONE) as association:
            association.store(outgoing(1, bytes(1_000_001)))
        (aborted,) = door.notes.wait_for(Occasion.ABORTED)
        assert "data_set_bytes_max" in aborted.error
        assert door.intake.taken == []


# Stopping.


def test_a_stop_ends_associations_that_rest_and_refuses_new_ones() -> None:
    with open_door() as door:
        association = call(door)
        association.store(outgoing(1, b"abcd"))
        peer = door.peer
        door.listener.stop(timedelta(seconds=20))
        assert door.listener.associations == 0
        with pytest.raises(AssociationAborted), association:
            association.echo()
        with pytest.raises(PeerUnreachable):
            connect(peer, CALLER, [VERIFICATION_PROPOSAL])
        assert len(door.intake.taken) == 1


def test_a_stop_lets_a_message_under_way_finish() -> None:
    stream = store_bytes(1, MemorySource(bytes(100_000)))
    with open_door() as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(stream[:50_000])
        _until(lambda: door.intake.opened == 1)
        stopping = threading.Thread(target=door.listener.stop, args=(timedelta(seconds=20),))
        stopping.start()
        threading.Event().wait(0.1)
        plain.sendall(stream[50_000:])
        assert status(read_pdu(plain)) == 0
        assert read_pdu(plain)[0] == 7
        plain.close()
        stopping.join(20)
        assert not stopping.is_alive()
        assert len(door.intake.taken) == 1


def test_a_stop_does_not_wait_longer_than_its_grace() -> None:
    with open_door() as door, raw(door, REQUEST_BYTES) as plain:
        read_pdu(plain)
        plain.sendall(store_bytes(1, MemorySource(bytes(100_000)))[:50_000])
        _until(lambda: door.intake.opened == 1)
        door.listener.stop(timedelta(seconds=0.1))
        assert read_pdu(plain)[0] == 7
        assert door.intake.taken == []
        assert door.intake.abandoned == 1


def test_a_port_that_is_taken_is_named() -> None:
    with open_door() as door:
        settings = ListenerSettings(port=door.listener.port, bind="127.0.0.1")
        with pytest.raises(CannotListen) as told:
            Listener(settings, None, None)  # type: ignore[arg-type]
        assert told.value.facts["port"] == door.listener.port


# Our caller against peers that misbehave.


@contextmanager
def scripted(*answers: bytes, hang_up: bool = True) -> Iterator[Peer]:
    """A peer that answers each thing it is sent with the next of ``answers``, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def play() -> None:
            connected, _ = listening.accept()
            with connected:
                connected.settimeout(20)
                for answer in answers:
                    if not read_pdu(connected):
                        return
                    connected.sendall(answer)
                if not hang_up:
                    while connected.recv(65_536):
                        pass

        thread = threading.Thread(target=play)
        thread.start()
        yield Peer(TITLE, "127.0.0.1", listening.getsockname()[1])
        thread.join(20)


def _accept_bytes(window: Window | None = None) -> bytes:
    from safelight.wire.dicom.pdu import AssociateAccept, ContextAnswer, encode_associate_accept
    from safelight.wire.dicom.user_information import UserInformation

    user = UserInformation(16_384, "1.2.3", "SCRIPT", window)
    contexts = (ContextAnswer(1, 0, EXPLICIT), ContextAnswer(3, 0, EXPLICIT))
    return encode_associate_accept(AssociateAccept("A", "B", contexts, user))


PROPOSALS = [VERIFICATION_PROPOSAL, *contexts_for(PAIRS[:1])[0]]
IMPATIENT = CallSettings(artim=timedelta(seconds=0.3), answer=timedelta(seconds=0.3))


def test_a_peer_that_hangs_up_amid_a_store_leaves_its_fate_open() -> None:
    with scripted(_accept_bytes(), b"") as peer, pytest.raises((AssociationLost, AssociationAborted)):  # noqa: SIM117
        with connect(peer, CALLER, PROPOSALS) as association:
            list(association.store_all([outgoing(1, bytes(5_000_000))]))


def test_a_peer_that_never_accepts_is_not_waited_for() -> None:
    with scripted(b"", hang_up=False) as peer, pytest.raises(PeerError) as told:
        connect(peer, CALLER, PROPOSALS, settings=IMPATIENT)
    assert told.value.code == "gateway.peer-silent"


def test_a_peer_that_never_answers_is_not_waited_for() -> None:
    with scripted(_accept_bytes(), b"", hang_up=False) as peer, pytest.raises(PeerError) as told:  # noqa: SIM117
        with connect(peer, CALLER, PROPOSALS, settings=IMPATIENT) as association:
            association.echo()
    assert told.value.code == "gateway.peer-silent"


def test_an_answer_to_another_question_is_not_taken_for_ours() -> None:
    from safelight.wire.dicom.dimse import Command, CommandField, encode_command
    from safelight.wire.dicom.outbound import command_pdus

    wrong = command_pdus(1, encode_command(Command(CommandField.C_ECHO_RSP, responding_to=9, status=0)), 0)
    with scripted(_accept_bytes(), wrong, hang_up=False) as peer, pytest.raises(PeerError) as told:  # noqa: SIM117
        with connect(peer, CALLER, PROPOSALS) as association:
            association.echo()
    assert told.value.code == "gateway.unexpected-message"


def test_rubbish_instead_of_an_acceptance_is_a_peers_fault() -> None:
    with scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer, pytest.raises(PeerError) as told:
        connect(peer, CALLER, PROPOSALS)
    assert told.value.code == "wire.malformed-pdu"


def test_nobody_at_home_is_told_apart_from_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PeerUnreachable):
        connect(Peer(TITLE, "127.0.0.1", port), CALLER, PROPOSALS)


def test_more_pairs_than_contexts_make_several_proposals() -> None:
    pairs = [(f"1.2.{n}", EXPLICIT) for n in range(300)] + [("1.2.5", EXPLICIT)]
    proposals = contexts_for(pairs, as_scp=True)
    assert [len(one) for one in proposals] == [128, 128, 44]
    assert all(context.as_scp and len(context.transfer_syntaxes) == 1 for one in proposals for context in one)
    assert len({context.abstract_syntax for one in proposals for context in one}) == 300
    assert contexts_for([]) == []
    with pytest.raises(ValueError, match="128"):
        connect(Peer(TITLE, "127.0.0.1", 1), CALLER, [VERIFICATION_PROPOSAL] * 129)


def test_128_contexts_are_agreed_at_once() -> None:
    (proposals,) = contexts_for([(f"1.2.826.0.1.3680043.9.9999.{n}", PRIVATE_SYNTAX) for n in range(128)])
    with open_door() as door, connect(door.peer, CALLER, proposals) as association:
        assert len(association.contexts) == 128
        last = outgoing(1, b"x", proposals[-1].abstract_syntax, PRIVATE_SYNTAX)
        assert association.store(last).is_success


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x0000, "is_success"),
        (0xB000, "is_warning"),
        (0x0107, "is_warning"),
        (0xFF00, "is_pending"),
        (0xFF01, "is_pending"),
        (0xA700, "is_failure"),
        (0x0122, "is_failure"),
        (0xC123, "is_failure"),
    ],
)
def test_every_status_is_of_one_kind(code: int, kind: str) -> None:
    told = Status(code)
    kinds = ["is_success", "is_warning", "is_pending", "is_failure"]
    assert [name for name in kinds if getattr(told, name)] == [kind]
