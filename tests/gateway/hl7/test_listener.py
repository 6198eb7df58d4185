"""The HL7 door on real sockets: what came, what is answered, what happens when it cannot be kept."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from safelight.core.clock import SystemClock
from safelight.core.disk import DiskFull
from safelight.gateway.hl7.listener import CannotListenForMessages, MessageListener, MessageListenerSettings
from safelight.gateway.hl7.ports import Received, Reception
from safelight.wire.hl7.acknowledgment import read_acknowledgment
from safelight.wire.hl7.mllp import frame
from support.hl7_house import Sender, code_of, order

GRACE = timedelta(seconds=2)


class Shelf:
    """An intake that keeps in memory, for as long as it is not full."""

    def __init__(self) -> None:
        self.kept: list[Received] = []
        self.full = False
        self._lock = threading.Lock()

    def take(self, received: Sequence[Received]) -> list[int]:
        """Keep them."""
        if self.full:
            raise DiskFull(where="shelf")
        with self._lock:
            first = len(self.kept) + 1
            self.kept += received
            return list(range(first, first + len(received)))


class Watch:
    """Notes trouble."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Exception]] = []
        self.called = threading.Event()

    def failed(self, host: str, error: Exception) -> None:
        """Take note."""
        self.seen.append((host, error))
        self.called.set()


@contextmanager
def _door(shelf: Shelf, watch: Watch | None = None, **settings: object) -> Iterator[MessageListener]:
    made = MessageListenerSettings(port=0, bind="127.0.0.1", **settings)  # type: ignore[arg-type]
    listener = MessageListener(made, shelf, watch or Watch(), SystemClock())
    listener.start()
    yield listener
    listener.stop(GRACE)


def test_every_event_and_version_is_accepted_and_kept_as_it_came() -> None:
    shelf = Shelf()
    messages = [
        order(f"M{version}", event=event, version=version)
        for event in ("ORM^O01", "ZZZ^Z99", "QRY", "ADT^A40^ADT_A39")
        for version in ("2.1", "2.2", "2.3", "2.4", "2.5.1", "2.6", "2.7", "2.8", "9")
    ]
    with _door(shelf) as door, Sender(door.port) as sender:
        for message in messages:
            answer = read_acknowledgment(sender.send(message))
            assert (answer.code, answer.control_id) == ("AA", message.split(b"|")[9])
    assert [one.raw for one in shelf.kept] == messages
    assert {one.reception for one in shelf.kept} == {Reception.MESSAGE}


def test_a_burst_of_messages_is_answered_in_order() -> None:
    shelf = Shelf()
    with _door(shelf) as door, Sender(door.port) as sender:
        sender.socket.sendall(b"".join(frame(order(number)) for number in range(200)))
        answers = [read_acknowledgment(sender.answer()).control_id for _ in range(200)]
    assert answers == [str(number).encode() for number in range(200)]


def test_what_has_no_header_is_kept_and_rejected_and_the_next_message_flows() -> None:
    shelf = Shelf()
    with _door(shelf) as door, Sender(door.port) as sender:
        for bad in (b"", b"hello", b"PID|1||7\r", b"MSH|\xff\xfe|", b"FHS|^~\\&|A\rMSH|^~\\&|A\r"):
            told = sender.send(bad)
            assert code_of(told) == "AR" and b"\rERR|" in told
            assert sender.said(order(1)) == "AA"
    assert sum(one.reception is Reception.UNREADABLE for one in shelf.kept) == 5


@pytest.mark.parametrize(
    ("accept", "application", "code"),
    [("", "", "AR"), ("AL", "", "CR"), ("ER", "NE", "CR"), ("NE", "AL", "AR"), ("SU", "ER", "AR")],
)
def test_a_header_that_names_no_message_is_rejected_in_the_mode_that_it_asks_for(
    accept: str, application: str, code: str
) -> None:
    shelf = Shelf()
    bad = f"MSH$^~\\&$A$B$C$D$2026$$$$P$2.5$$${accept}${application}\rPID$1\r".encode()
    with _door(shelf) as door, Sender(door.port) as sender:
        told = sender.send(bad)
        read = read_acknowledgment(told)
        assert (read.code, read.control_id, read.error) == (code, b"", "101")
        assert told.startswith(b"MSH$^~\\&$SAFELIGHT$$A$B$")
        assert sender.said(order(1)) == "AA"
    assert (shelf.kept[0].reception, shelf.kept[0].raw) == (Reception.UNREADABLE, bad)


def test_a_header_that_names_no_message_is_kept_in_silence_where_its_sender_wants_no_answer() -> None:
    shelf = Shelf()
    with _door(shelf) as door, Sender(door.port) as sender:
        sender.socket.sendall(frame(b"MSH|^~\\&|A|B|C|D|2026||||P|2.5|||NE|NE\r"))
        assert read_acknowledgment(sender.send(order(1))).control_id == b"1"
    assert [one.reception for one in shelf.kept] == [Reception.UNREADABLE, Reception.MESSAGE]


def test_enhanced_mode_gets_its_accept_acknowledgment_or_silence() -> None:
    shelf = Shelf()
    with _door(shelf) as door, Sender(door.port) as sender:
        asked = order(1).replace(b"|2.3.1\r", b"|2.3.1|||%s|%s\r")
        assert sender.said(asked % (b"AL", b"NE")) == "CA"
        sender.socket.sendall(frame(asked % (b"NE", b"NE")))
        assert sender.said(asked % (b"NE", b"AL")) == "AA"
    assert len(shelf.kept) == 3


def test_fragments_are_kept_and_nobody_is_answered_for_them() -> None:
    shelf = Shelf()
    with _door(shelf) as door:
        with Sender(door.port) as sender:
            sender.socket.sendall(b"noise\x0b" + order(1)[:50] + frame(order(2)))
            assert read_acknowledgment(sender.answer()).control_id == b"2"
            sender.socket.sendall(b"\x0b" + order(3))
        door.stop(GRACE)
    told = [(one.reception, one.raw) for one in shelf.kept]
    assert told == [
        (Reception.STRAY, b"noise"),
        (Reception.UNTERMINATED, order(1)[:50]),
        (Reception.MESSAGE, order(2)),
        (Reception.UNTERMINATED, order(3)),
    ]


def test_a_message_over_the_limit_is_rejected_by_name_and_the_next_flows() -> None:
    shelf = Shelf()
    with _door(shelf, frame_bytes_max=100_000) as door, Sender(door.port) as sender:
        answer = read_acknowledgment(sender.send(order("BIG", more="OBX|1|ED|||" + "A" * 500_000)))
        assert (answer.code, answer.control_id, answer.error) == ("AR", b"BIG", "207")
        assert code_of(sender.send(b"x" * 500_000)) == "AR"
        assert sender.said(order(2)) == "AA"
    assert [one.reception for one in shelf.kept] == [Reception.OVERSIZED, Reception.OVERSIZED, Reception.MESSAGE]


def test_fifty_megabytes_are_taken_whole() -> None:
    shelf = Shelf()
    message = order("BIG", more="OBX|1|ED|||" + "A" * (50 * 2**20))
    with _door(shelf) as door, Sender(door.port) as sender:
        assert sender.said(message) == "AA"
    assert shelf.kept[0].raw == message


def test_what_cannot_be_kept_is_not_answered_and_the_sender_comes_again() -> None:
    shelf, watch = Shelf(), Watch()
    with _door(shelf, watch) as door:
        shelf.full = True
        with Sender(door.port) as sender, pytest.raises(ConnectionResetError):
            sender.send(order(1))
        assert watch.called.wait(10)
        shelf.full = False
        with Sender(door.port) as sender:
            assert sender.said(order(1)) == "AA"
    assert [type(error) for _, error in watch.seen] == [DiskFull]


def test_hosts_that_may_not_send_and_connections_over_the_limit_are_closed_and_told() -> None:
    watch = Watch()
    with _door(Shelf(), watch, senders=("10.1.1.1",)) as door, Sender(door.port) as sender, pytest.raises(OSError):
        sender.send(order(1))
    with _door(Shelf(), watch, connections_max=1) as door, Sender(door.port) as first:
        assert first.said(order(1)) == "AA"
        with Sender(door.port) as second, pytest.raises(OSError):
            second.send(order(2))
        assert first.said(order(3)) == "AA"
    assert len(watch.seen) == 2


def test_many_connections_each_get_their_own_answers() -> None:
    shelf = Shelf()
    failures: list[str] = []

    def converse(port: int, name: str) -> None:
        with Sender(port) as sender:
            for number in range(30):
                if (
                    read_acknowledgment(sender.send(order(f"{name}.{number}"))).control_id
                    != f"{name}.{number}".encode()
                ):
                    failures.append(name)

    with _door(shelf) as door:
        threads = [threading.Thread(target=converse, args=(door.port, f"C{number}")) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures and len(shelf.kept) == 600


def test_stopping_answers_what_was_read_and_a_second_listener_may_not_take_the_port() -> None:
    shelf = Shelf()
    with _door(shelf) as door:
        with pytest.raises(CannotListenForMessages):
            MessageListener(MessageListenerSettings(door.port, "127.0.0.1"), shelf, Watch(), SystemClock())
        with Sender(door.port) as sender:
            assert sender.said(order(1)) == "AA"
            door.stop(GRACE)
            with pytest.raises(OSError):
                sender.send(order(2))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", door.port), 2)
