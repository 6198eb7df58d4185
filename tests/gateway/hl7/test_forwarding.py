"""What may go out next, and what becomes of it: tables and pure functions."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.gateway.hl7.forwarding import (
    UNREADABLE,
    Fate,
    RefusalPolicy,
    Waiting,
    back_off,
    is_for,
    next_to_send,
)


def _queue(*patients: str | None) -> list[Waiting]:
    return [
        Waiting(number, number, None if one is None else frozenset(one.split()))
        for number, one in zip(count(1), patients)
    ]


def test_an_idle_destination_gets_the_oldest_message() -> None:
    queue = _queue("a", "b")
    assert next_to_send(queue, []) == queue[0]
    assert next_to_send([], []) is None


def test_another_patients_message_may_overtake_and_the_same_patients_may_not() -> None:
    queue = _queue("a", "a", "b")
    assert next_to_send(queue, [queue[0]]) == queue[2]
    assert next_to_send(queue[:2], [queue[0]]) is None


def test_a_merge_keeps_the_order_of_both_its_patients() -> None:
    queue = _queue("old", "new old", "new", "other")
    assert next_to_send(queue, [queue[0]]) == queue[3]
    assert next_to_send(queue[1:], []) == queue[1]


def test_a_message_without_patient_waits_for_all_before_it_and_all_behind_wait_for_it() -> None:
    queue = _queue("a", None, "b")
    assert next_to_send(queue, [queue[0]]) is None
    assert next_to_send(queue[1:], []) == queue[1]
    assert next_to_send(queue[1:], [queue[1]]) is None


@given(
    st.lists(st.one_of(st.none(), st.sets(st.sampled_from("abc"), min_size=1)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_number_of_lanes_keeps_the_order_of_every_patient(patients: list[set[str] | None], dice: object) -> None:
    queue = [Waiting(number, number, None if one is None else frozenset(one)) for number, one in enumerate(patients)]
    waiting, busy, sent = list(queue), [], []
    while waiting or busy:
        one = next_to_send(waiting, busy)
        if one is not None and dice.random() < 0.7:  # type: ignore[attr-defined]
            busy.append(one)
            continue
        if busy:
            done = dice.choice(busy)  # type: ignore[attr-defined]
            busy.remove(done)
            waiting.remove(done)
            sent.append(done)
        else:
            assert one is not None, "nothing under way, and nothing may go: the lane stands still"
    for patient in "abc":
        mine = [one.message for one in sent if one.patients is None or patient in one.patients]
        assert mine == sorted(mine)


@pytest.mark.parametrize(
    ("code", "attempts", "fate"),
    [
        ("AA", 1, Fate.DELIVERED),
        ("CA", 9, Fate.DELIVERED),
        ("AE", 1, Fate.RETRY),
        ("AE", 3, Fate.DEAD),
        ("CE", 2, Fate.RETRY),
        ("AR", 1, Fate.DEAD),
        ("CR", 1, Fate.DEAD),
        (UNREADABLE, 2, Fate.RETRY),
        (UNREADABLE, 3, Fate.DEAD),
        ("XX", 3, Fate.DEAD),
        ("", 1, Fate.RETRY),
    ],
)
def test_a_refused_message_is_tried_as_often_as_its_code_deserves(code: str, attempts: int, fate: Fate) -> None:
    assert RefusalPolicy().fate(code, attempts) is fate


def test_a_policy_may_try_for_ever() -> None:
    assert RefusalPolicy({"AE": 0}).fate("AE", 10_000) is Fate.RETRY


def test_waiting_doubles_up_to_a_minute() -> None:
    assert [back_off(number) for number in (0, 1, 2, 3, 7, 100)] == [
        timedelta(seconds=seconds) for seconds in (1, 1, 2, 4, 60, 60)
    ]


@pytest.mark.parametrize(
    ("patterns", "event", "taken"),
    [
        ((), "ZZZ^Z99", True),
        (("ORM^*",), "ORM^O01", True),
        (("ORM^*",), "ORU^R01", False),
        (("ADT^A0?",), "ADT^A08", True),
    ],
)
def test_a_destination_takes_the_events_that_it_names(patterns: tuple[str, ...], event: str, taken: bool) -> None:
    assert is_for(patterns, event) is taken
