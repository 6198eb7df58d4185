"""Store and forward: order, refusals, holds, replays, through a real home and real sockets."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.message_facts import WRITTEN_HERE
from safelight.core.disk import RealDisk
from safelight.core.progress import silent
from safelight.journal.message_log_format import Arrived, LoggedMessage
from safelight.site.acts import act
from safelight.site.hl7_destinations import (
    BadDestination,
    Destination,
    UnknownDestination,
    forget_destination,
    name_destination,
    read_destinations,
)
from safelight.site.hl7_queue import (
    MessageNotInQueue,
    QueueNotHeld,
    queue_document,
    queues_document,
)
from safelight.site.moments import BadMoment
from support.hl7_house import House, Receiver, Sender, accept, acknowledge, house, make_home, opened, order, send_to
from support.served_home import free_port

WHO = {"reason": "test", "by": "A. Admin"}


def _act(served: House, verb: str, **told: Any) -> dict[str, Any]:
    return dict(act(served.site, f"gateway.queue.{verb}", {"destination": "PACS", **WHO, **told}, silent))


def _queue(served: House, name: str = "PACS") -> dict[str, Any]:
    return queue_document(served.site.home, name, None)


def _until(served: House, **wanted: int) -> dict[str, Any]:
    """Return the queue once its numbers are these; the recording of an answer follows the answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = _queue(served)
        if all(told[name] == count for name, count in wanted.items()):
            return told
        time.sleep(0.02)
    raise AssertionError(f"{wanted} never came: {told}")


def _send(served: House, *messages: bytes) -> None:
    with served.sender() as sender:
        for message in messages:
            sender.send(message)
    served.settle()


def test_messages_reach_every_destination_that_takes_them_in_order_and_byte_by_byte(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as orders, Receiver() as everything:
        send_to(home, orders, "ORDERS", events=("ORM^*",))
        send_to(home, everything, "ALL")
        messages = [
            order(number, event="ORM^O01" if number % 2 else "ZZZ^Z01", more="ZXX|\xff any\r") for number in range(20)
        ]
        with house(tmp_path) as served:
            _send(served, *messages)
            everything.wait_for(20)
            orders.wait_for(10)
        assert everything.got == messages
        assert orders.got == [one for one in messages if b"ORM^O01" in one]


def test_a_repeat_is_delivered_once_and_other_bytes_under_its_name_are_delivered(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _send(served, order(1), order(1), order(1, more="NTE|1||changed\r"), order(2))
            assert receiver.wait_for(3) == ["1", "1", "2"]
            _until(served, delivered=3, waiting=0)
    assert len(set(receiver.got)) == 3


def test_a_destination_that_was_away_gets_everything_in_order(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    receiver = Receiver()
    send_to(home, receiver)
    with house(tmp_path) as served:
        _send(served, *map(order, range(30)))
        assert _queue(served)["waiting"] == 30
        with receiver:
            assert receiver.wait_for(30) == [str(number) for number in range(30)]
            _until(served, delivered=30)


def test_what_waits_when_serve_stops_goes_out_after_the_next_start(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    receiver = Receiver()
    send_to(home, receiver)
    with house(tmp_path) as served:
        _send(served, *map(order, range(10)))
    with receiver, house(tmp_path) as served:
        assert receiver.wait_for(10) == [str(number) for number in range(10)]
        _until(served, delivered=10)


@pytest.mark.parametrize(("code", "times"), [("AR", 1), ("CR", 1), ("AE", 2)])
def test_a_refused_message_becomes_a_dead_letter_and_those_behind_it_go_on(
    tmp_path: Path, code: str, times: int
) -> None:
    def verdict(raw: bytes, _: int) -> bytes:
        return acknowledge(raw, code) if b"|BAD|" in raw else accept(raw, 0)

    home = make_home(tmp_path, free_port())
    with Receiver(verdict) as receiver:
        send_to(home, receiver, attempts_max={"AE": 2})
        with house(tmp_path) as served:
            _send(served, order(1), order("BAD"), order(3))
            told = _until(served, dead=1, delivered=2)
            assert receiver.controls() == ["1", *["BAD"] * times, "3"]
            (dead,) = told["messages"]
            assert (dead["state"], dead["code"], dead["attempts"]) == ("dead", code, times)
            assert served.site.catalog.findings(code="gateway.hl7-dead-letter")

            looked = _act(served, "skip", message=dead["message"], dry_run=True)
            assert (looked["dry_run"], looked["state"]) == (True, "dead")
            assert (_queue(served)["dead"], len(served.site.catalog.findings(code="gateway.hl7-dead-letter"))) == (1, 1)
            _act(served, "skip", message=dead["message"])
            assert _until(served, dead=0, skipped=1)["messages"] == []
            assert not served.site.catalog.findings(code="gateway.hl7-dead-letter")


def test_a_message_refused_for_a_moment_keeps_its_place(tmp_path: Path) -> None:
    def verdict(raw: bytes, times: int) -> bytes:
        return acknowledge(raw, "AE") if b"|SLOW|" in raw and not times else accept(raw, 0)

    home = make_home(tmp_path, free_port())
    with Receiver(verdict) as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _send(served, order("SLOW"), order(2))
            assert receiver.wait_for(3) == ["SLOW", "SLOW", "2"]
            _until(served, delivered=2)


def test_with_lanes_a_patient_that_is_refused_holds_up_nobody_else(tmp_path: Path) -> None:
    def verdict(raw: bytes, times: int) -> bytes:
        return acknowledge(raw, "AE") if b"|SLOW|" in raw and not times else accept(raw, 0)

    home = make_home(tmp_path, free_port())
    with Receiver(verdict) as receiver:
        send_to(home, receiver, lanes=3)
        with house(tmp_path) as served:
            _send(served, order("SLOW", "A"), order("A2", "A"), *(order(f"B{number}", "B") for number in range(5)))
            _until(served, delivered=7)
            came = receiver.controls()
    assert [one for one in came if one.startswith("B")] == [f"B{number}" for number in range(5)]
    assert came.index("A2") > came.index("B4")
    assert [one for one in came if not one.startswith("B")] == ["SLOW", "SLOW", "A2"]


def test_a_receiver_that_hangs_up_on_a_message_gets_it_again_with_the_same_control_id(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver(lambda raw, times: accept(raw, 0) if times else None) as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _send(served, order(1))
            assert receiver.wait_for(2) == ["1", "1"]
            _until(served, delivered=1)
    assert receiver.got == [order(1)] * 2


def test_a_held_queue_lets_one_message_through_and_then_everything(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _act(served, "hold")
            _send(served, *map(order, range(5)))
            told = _until(served, waiting=5)
            assert (told["held"], told["held_by"], told["held_reason"]) == (True, "A. Admin", "test")
            assert receiver.got == []

            looked = _act(served, "release", dry_run=True)
            assert (looked["dry_run"], looked["held"], looked["waiting"]) == (True, False, 5)
            assert _queue(served)["held"]
            assert _act(served, "release", one=True)["held"]
            _until(served, waiting=4, delivered=1)
            third = _queue(served)["messages"][2]["message"]
            _act(served, "release", message=third)
            _until(served, waiting=3, delivered=2)
            _act(served, "skip", message=_queue(served)["messages"][0]["message"])
            assert receiver.controls() == ["0", "3"]

            _act(served, "release")
            assert receiver.wait_for(4) == ["0", "3", "2", "4"]
            assert not _until(served, delivered=4, skipped=1)["held"]


def test_a_hold_outlives_a_restart(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _act(served, "hold")
        with house(tmp_path) as served:
            _send(served, order(1))
            assert _queue(served)["held"] and receiver.got == []


def test_a_replay_is_previewed_and_then_sent_in_order(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            cancel = order(9, "A").replace(b"ORC|NW|P9|F9||SC", b"ORC|CA|P1|F1||CA")
            merge = order(5, "A", event="ADT^A40", more="MRG|B^^^H\r")
            _send(served, order(1, "A"), order(2, "B"), order(2, "B"), merge, cancel)
            _until(served, delivered=4)
            first = served.site.messages.index.messages()[0]
            effect = _act(served, "replay", first=first.position, dry_run=True)
            assert effect == {
                "destination": "PACS",
                "dry_run": True,
                "messages": 4,
                "by_event": {"ADT^A40": 1, "ORM^O01": 3},
                "delivered_before": 4,
                "patients": 2,
                "merges": 1,
                "orders": 3,
                "orders_end_as": {"CA_CA": 1, "NW_SC": 2},
            }
            assert _queue(served)["waiting"] == 0

            assert _act(served, "replay", first=first.position)["messages"] == 4
            assert receiver.wait_for(8)[4:] == ["1", "2", "5", "9"]
            assert _act(served, "replay", since="2026-01-01T00:00:00Z", events=["ADT^*"])["messages"] == 1
            assert _act(served, "replay", message=first.position)["messages"] == 1
            assert receiver.wait_for(10)[8:] == ["5", "1"]
            _until(served, delivered=10)


def test_in_line_bypassed_and_in_line_again_nothing_is_delivered_twice(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver() as pacs, house(tmp_path) as served:
        send_to(home, pacs)
        _send(served, *map(order, range(1, 4)))
        _until(served, delivered=3, waiting=0, dead=0)

        # The bypass: the engine sends by its own route, and goes on giving Safelight a copy.
        _act(served, "hold")
        with Sender(pacs.port) as engine:
            for number in range(4, 7):
                assert engine.said(order(number)) == "AA"
        _send(served, *map(order, range(4, 7)))
        (first, *_) = _until(served, waiting=3)["messages"]

        # Back: what went by the other route is looked at and skipped before anything goes again.
        span = {"since": first["received_at"]}
        effect = _act(served, "skip", **span, dry_run=True)
        assert (effect["messages"], effect["orders_end_as"]) == (3, {"NW_SC": 3})
        assert _queue(served)["waiting"] == 3
        assert _act(served, "skip", **span)["messages"] == 3
        _until(served, waiting=0, skipped=3)
        _act(served, "release")
        _send(served, *map(order, range(7, 9)))
        assert pacs.wait_for(8) == [str(number) for number in range(1, 9)]
        _until(served, delivered=5, skipped=3, waiting=0)
        effect = _act(served, "replay", since="2026-01-01T00:00:00Z", dry_run=True)
        assert (effect["messages"], effect["delivered_before"]) == (8, 5)
    assert len(pacs.got) == 8


def test_a_bypass_that_nobody_planned_keeps_what_only_safelight_has(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    pacs = Receiver()
    send_to(home, pacs)
    with house(tmp_path) as served:
        _send(served, order(1), order(2))
        _until(served, waiting=2)
    # Safelight is down; the engine goes round it, and Safelight is held before it starts again.
    with pacs:
        with Sender(pacs.port) as engine:
            assert [engine.said(order(number)) for number in (3, 4)] == ["AA", "AA"]
        with opened(home) as site:
            act(site, "gateway.queue.hold", {"destination": "PACS", **WHO}, silent)
        with house(tmp_path) as served:
            _send(served, order(3), order(4))
            told = _until(served, waiting=4)["messages"]
            assert pacs.controls() == ["3", "4"]
            third = next(one["message"] for one in told if one["control_id"] == "3")
            assert _act(served, "skip", first=third)["messages"] == 2
            _act(served, "release")
            assert pacs.wait_for(4) == ["3", "4", "1", "2"]
            _until(served, delivered=2, skipped=2, waiting=0)
    assert len(pacs.got) == 4


def test_many_are_skipped_only_while_held_and_what_was_written_here_stays(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    send_to(home, Receiver())
    with house(tmp_path) as served:
        with pytest.raises(QueueNotHeld):
            _act(served, "skip", first=1)
        _act(served, "hold")
        _send(served, order(1), order(2))
        raw = order("OWN")
        written = LoggedMessage(
            0, Arrived.MESSAGE, served.site.clock.now(), WRITTEN_HERE, raw, hashlib.sha256(raw).digest()
        )
        served.door.journaling.write([written])
        _until(served, waiting=3)
        _act(served, "release", one=True)
        assert _act(served, "skip", since="2026-01-01T00:00:00Z")["messages"] == 1
        assert _act(served, "skip", since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z")["messages"] == 0
        assert [one["control_id"] for one in _until(served, waiting=2)["messages"]] == ["1", "OWN"]


def test_a_dead_letter_that_is_replayed_is_settled(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    with Receiver(lambda raw, times: acknowledge(raw, "AA" if times else "AR")) as receiver:
        send_to(home, receiver)
        with house(tmp_path) as served:
            _send(served, order(1))
            (dead,) = _until(served, dead=1)["messages"]
            _act(served, "replay", message=dead["message"])
            _until(served, delivered=1)
            assert not served.site.catalog.findings(code="gateway.hl7-dead-letter")


def test_acts_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    send_to(home, Receiver())
    with house(tmp_path) as served:
        with pytest.raises(QueueNotHeld):
            _act(served, "release")
        _act(served, "hold")
        for verb, told in (("release", {"one": True}), ("release", {"message": 7}), ("skip", {"message": 7})):
            with pytest.raises(MessageNotInQueue):
                _act(served, verb, **told)
        with pytest.raises(MessageNotInQueue):
            _act(served, "replay", message=7)
        with pytest.raises(BadMoment):
            _act(served, "replay", since="yesterday")
        with pytest.raises(UnknownDestination):
            _act(served, "hold", destination="NOBODY")
        with pytest.raises(UnknownDestination):
            queue_document(served.site.home, "NOBODY", None)


def test_an_unreachable_destination_is_told_and_a_new_address_takes_over_its_queue(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    send_to(home, Receiver())
    with house(tmp_path) as served:
        _send(served, order(1))
        deadline = time.monotonic() + 30
        while not served.site.catalog.findings(code="gateway.hl7-destination-unreachable"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with Receiver() as elsewhere:
            send_to(home, elsewhere)
            elsewhere.wait_for(1)
            _until(served, delivered=1)
            # It is closed behind the record of the delivery.
            deadline = time.monotonic() + 30
            while served.site.catalog.findings(code="gateway.hl7-destination-unreachable"):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_queues_are_listed_before_anything_came_and_destinations_are_written_as_they_are_read(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    assert queues_document(home) == {"queues": []}
    made = Destination.parse(
        "RIS 2".replace(" ", "-"), "[::1]:2575", events=("ORM^*",), lanes=4, attempts_max={"AE": 0}
    )
    send_to(home, Receiver(port=2575))
    name_destination(RealDisk(), home.destinations, made)
    assert read_destinations(home.destinations)["RIS-2"] == made
    assert [one["destination"] for one in queues_document(home)["queues"]] == ["PACS", "RIS-2"]
    forget_destination(RealDisk(), home.destinations, "RIS-2")
    with pytest.raises(UnknownDestination):
        forget_destination(RealDisk(), home.destinations, "RIS-2")


@pytest.mark.parametrize(
    "told",
    [
        {"name": "a b"},
        {"name": ""},
        {"lanes": 0},
        {"lanes": 99},
        {"attempts_max": {"AA": 1}},
        {"attempts_max": {"AE": -1}},
    ],
)
def test_a_destination_that_means_nothing_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(BadDestination):
        Destination.parse(told.pop("name", "PACS"), "h:1", **told)


def test_lanes_that_fail_together_wait_no_longer_than_one_would(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_port())
    receiver = Receiver()
    send_to(home, receiver, lanes=16)
    with house(tmp_path) as served:
        _send(served, *(order(number, patient=str(number)) for number in range(40)))
        time.sleep(0.3)
        with receiver:
            receiver.wait_for(40)
            _until(served, delivered=40)
    assert len(set(receiver.controls())) == 40
