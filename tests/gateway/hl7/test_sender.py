"""Delivering to a destination: whose answer counts, and what failures are called."""

import socket
from datetime import timedelta

import pytest

from safelight.core.clock import SystemClock
from safelight.gateway.hl7.sender import AnswerUnreadable, DestinationSilent, DestinationUnreachable, MessageSender
from support.hl7_house import Receiver, Verdict, accept, acknowledge, order
from support.served_home import free_port


def _sender(port: int, answer: float = 10) -> MessageSender:
    return MessageSender("127.0.0.1", port, SystemClock(), timedelta(seconds=5), timedelta(seconds=answer))


def test_messages_go_out_as_they_are_over_one_connection() -> None:
    odd = order(2, more="ZZZ|\xff\r\n").replace(b"\r", b"\r\n")
    with Receiver() as receiver, _sender(receiver.port) as sender:
        for number, raw in ((b"1", order(1)), (b"2", odd)):
            assert sender.deliver(raw, number).code == "AA"
        assert receiver.got == [order(1), odd]
        assert len(receiver._sockets) == 1


@pytest.mark.parametrize("code", ["AE", "AR", "CA", "CE", "CR"])
def test_what_the_destination_says_is_returned(code: str) -> None:
    with Receiver(lambda raw, _: acknowledge(raw, code)) as receiver, _sender(receiver.port) as sender:
        assert sender.deliver(order(1), b"1").code == code


def test_a_late_answer_to_another_message_is_passed_over() -> None:
    def late(raw: bytes, times: int) -> bytes:
        return acknowledge(order(99), "AE") + b"\x1c\r\x0b" + acknowledge(raw, "AA")

    with Receiver(late) as receiver, _sender(receiver.port) as sender:
        assert sender.deliver(order(1), b"1").code == "AA"
        assert sender.deliver(order(2), b"2").code == "AA"


def test_an_answer_without_a_name_counts() -> None:
    with Receiver(lambda raw, _: acknowledge(order(""), "AA")) as receiver, _sender(receiver.port) as sender:
        assert sender.deliver(order(1), b"1").code == "AA"


@pytest.mark.parametrize(
    ("verdict", "error"),
    [
        (lambda raw, _: None, DestinationUnreachable),
        (lambda raw, _: b"what?", AnswerUnreadable),
        (lambda raw, _: acknowledge(order(5), "AA"), DestinationSilent),
    ],
)
def test_no_answer_a_senseless_one_and_anothers_are_told_apart(verdict: Verdict, error: type[Exception]) -> None:
    with Receiver(verdict) as receiver, _sender(receiver.port, 0.5) as sender:
        with pytest.raises(error):
            sender.deliver(order(1), b"1")
        receiver.verdict = accept
        assert sender.deliver(order(1), b"1").code == "AA"


def test_a_destination_that_is_not_there_is_unreachable() -> None:
    with _sender(free_port()) as sender, pytest.raises(DestinationUnreachable):
        sender.deliver(order(1), b"1")


def test_a_connection_that_was_closed_while_idle_is_made_again_before_sending() -> None:
    with Receiver() as receiver, _sender(receiver.port) as sender:
        sender.deliver(order(1), b"1")
        receiver._sockets[0].shutdown(socket.SHUT_RDWR)
        assert sender.deliver(order(2), b"2").code == "AA"
        assert receiver.controls() == ["1", "2"]
