"""Services at the DICOM door, and peers that say more while they are answered, or nothing any more."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from safelight.core.clock import SystemClock
from safelight.core.errors import ResourceError
from safelight.core.instance import MemorySource
from safelight.core.names import Peer
from safelight.gateway.dicom.association import House, ServiceSettings
from safelight.gateway.dicom.client import connect
from safelight.gateway.dicom.contexts import contexts_for, service_proposal
from safelight.gateway.dicom.conversation import Service
from safelight.gateway.dicom.exchange import Exchange
from safelight.gateway.dicom.ports import AssociationFacts, EveryCaller, Occasion
from safelight.gateway.dicom.query_service import Inquiry, Matches, QueryService
from safelight.gateway.dicom.retrieval import QueryFailed
from safelight.gateway.dicom.server import Listener, ListenerSettings
from safelight.wire.dicom.dimse import Command, CommandField
from safelight.wire.dicom.events import CommandReceived, DataSetReceived
from safelight.wire.dicom.identifier import encode_identifier
from safelight.wire.dicom.inbound import MemorySink
from safelight.wire.dicom.uids import EXPLICIT_LITTLE_ENDIAN, STUDY_ROOT_FIND
from support.dicom_door import CALLER, CT_IMAGE, TITLE, MemoryIntake, Notebook, outgoing

WAIT = timedelta(seconds=20)


class Broken(ResourceError):
    """A test's own failure."""

    code = "test.broken"
    hint = "None."


class Answering:
    """Answers each query with as many matches as its Patient ID says; some wait for a sign, or fail."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked: list[str] = []

    def find(self, inquiry: Inquiry) -> Matches:
        told = str(inquiry.identifier.get("PatientID", "0"))
        self.asked.append(told)
        if told == "refuse":
            raise Broken
        return Matches(self._answers(told, inquiry.transfer_syntax))

    def _answers(self, told: str, syntax: str) -> Iterator[bytes]:
        match = Dataset()
        match.PatientID = told
        for number in range(int(told.strip("wf"))):
            if told.startswith("w") and number == 2:
                assert self.go_on.wait(20)
            if told.startswith("f") and number == 2:
                raise Broken
            yield encode_identifier(match, syntax)


class Served:
    def __init__(self, listener: Listener, answering: Answering, intake: MemoryIntake, notes: Notebook) -> None:
        self.listener = listener
        self.answering = answering
        self.intake = intake
        self.notes = notes
        self.peer = Peer(TITLE, "127.0.0.1", listener.port)


@contextmanager
def serving() -> Iterator[Served]:
    answering, intake, notes = Answering(), MemoryIntake(), Notebook()
    service = QueryService(answering, 1 << 20)

    def services(caller: AssociationFacts) -> Mapping[str, Service]:
        return {STUDY_ROOT_FIND: service}

    settings = ListenerSettings(port=0, bind="127.0.0.1", service=ServiceSettings(artim=timedelta(seconds=5)))
    listener = Listener(settings, House(intake, EveryCaller(), notes, services), SystemClock())
    listener.start()
    try:
        yield Served(listener, answering, intake, notes)
    finally:
        answering.go_on.set()
        listener.stop(timedelta(seconds=5))


def asking(told: str) -> Dataset:
    query = Dataset()
    query.PatientID = told
    return query


PROPOSALS = [service_proposal(STUDY_ROOT_FIND), *contexts_for([(CT_IMAGE, EXPLICIT_LITTLE_ENDIAN)])[0]]


def ask(exchange: Exchange, message_id: int, told: str) -> None:
    context = exchange.context(STUDY_ROOT_FIND)
    request = Command(
        CommandField.C_FIND_RQ, message_id=message_id, has_data_set=True, sop_class=STUDY_ROOT_FIND, priority=0
    )
    exchange.send(context, request, MemorySource(encode_identifier(asking(told), context.transfer_syntax)))


def next_answer(exchange: Exchange) -> Command:
    happened = exchange.happening(WAIT)
    assert isinstance(happened, CommandReceived)
    if happened.command.has_data_set:
        exchange.connection.machine.receive_into(MemorySink(), 1 << 20)
        assert isinstance(exchange.happening(WAIT), DataSetReceived)
    return happened.command


def test_what_fails_is_a_status_and_the_association_goes_on() -> None:
    with serving() as served, connect(served.peer, CALLER, PROPOSALS) as association:
        for told, given in (("refuse", 0), ("f9", 2)):
            found = []
            with pytest.raises(QueryFailed) as failed:
                for one in association.find(STUDY_ROOT_FIND, asking(told)):
                    found.append(one)
            assert failed.value.facts["status"] == "0110H"
            assert len(found) == given
        assert len(list(association.find(STUDY_ROOT_FIND, asking("3")))) == 3
        assert [one.status for one in served.notes.wait_for(Occasion.QUERIED, 3)] == [0x0110, 0x0110, 0]


def test_queries_that_come_together_are_answered_one_after_the_other() -> None:
    with serving() as served, connect(served.peer, CALLER, PROPOSALS) as association:
        exchange = association._exchange
        for number in (1, 2, 3):
            ask(exchange, number, str(number))
        answers = [next_answer(exchange) for _ in range(9)]
        assert [one.responding_to for one in answers] == [1, 1, 2, 2, 2, 3, 3, 3, 3]
        assert served.answering.asked == ["1", "2", "3"]


def test_a_store_amid_a_query_is_taken_in_and_answered() -> None:
    with serving() as served, connect(served.peer, CALLER, PROPOSALS) as association:
        exchange = association._exchange
        # More than the door looks up between two looks at what the peer says.
        ask(exchange, 1, "w200")
        one = outgoing(1, b"\x08\x00\x18\x00UI\x02\x001\0")
        context = exchange.context(CT_IMAGE)
        request = Command(
            CommandField.C_STORE_RQ,
            message_id=2,
            has_data_set=True,
            sop_class=CT_IMAGE,
            sop_instance=one.sop_instance,
            priority=0,
        )
        exchange.send(context, request, one.data)
        served.answering.go_on.set()
        answers = [next_answer(exchange) for _ in range(202)]
        store = [one for one in answers if one.field == CommandField.C_STORE_RSP]
        assert [(one.responding_to, one.status) for one in store] == [(2, 0)]
        assert len(served.intake.taken) == 1 and served.intake.taken[0].is_durable
        assert answers.index(store[0]) < 201, "the store did not wait for the query to end"


def test_a_peer_that_goes_away_amid_an_answer_frees_the_door() -> None:
    for leave in ("abort", "close", "release"):
        with serving() as served:
            association = connect(served.peer, CALLER, PROPOSALS)
            exchange = association._exchange
            ask(exchange, 1, "w400")
            if leave == "abort":
                association.abort()
            elif leave == "close":
                exchange.connection._socket.close()
            else:
                exchange.connection.machine.release()
                exchange.connection.flush()
            served.answering.go_on.set()
            served.notes.wait_for(Occasion.ABORTED)
            with connect(served.peer, CALLER, PROPOSALS) as again:
                assert len(list(again.find(STUDY_ROOT_FIND, asking("1")))) == 1
            association.abort()


def test_a_stop_lets_a_query_under_way_end() -> None:
    with serving() as served:
        association = connect(served.peer, CALLER, PROPOSALS)
        ask(association._exchange, 1, "w3")
        pause = threading.Event()
        while not served.answering.asked:
            pause.wait(0.01)
        stopping = threading.Thread(target=served.listener.stop, args=(timedelta(seconds=10),))
        stopping.start()
        pause.wait(0.1)
        served.answering.go_on.set()
        statuses = [next_answer(association._exchange).status for _ in range(4)]
        assert statuses == [0xFF00, 0xFF00, 0xFF00, 0]
        stopping.join(20)
        assert not stopping.is_alive()
        association.abort()


def test_a_query_that_is_no_data_set_is_answered_and_costs_nothing_else() -> None:
    with serving() as served, connect(served.peer, CALLER, PROPOSALS) as association:
        exchange = association._exchange
        context = exchange.context(STUDY_ROOT_FIND)
        request = Command(
            CommandField.C_FIND_RQ, message_id=1, has_data_set=True, sop_class=STUDY_ROOT_FIND, priority=0
        )
        for raw in (b"\xff" * 40, b"\x08\x00\x52\x00CS\xff\xff", b""):
            exchange.send(context, request, MemorySource(raw))
            status = next_answer(exchange).status
            assert status in (0xC000, 0x0110, 0xA900, 0)
        assert len(list(association.find(STUDY_ROOT_FIND, asking("2")))) == 2
