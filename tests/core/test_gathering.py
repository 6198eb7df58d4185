"""One thread does at once what several wait for; each gets its own part of the outcome."""

import threading
from collections.abc import Sequence

import pytest

from safelight.core.gathering import Gathering


def test_each_gets_the_answers_to_what_it_asked() -> None:
    gathering = Gathering[int, int](lambda asked: [2 * one for one in asked])
    assert gathering.ask([1, 2]) == [2, 4]
    assert gathering.ask([]) == []


class OneThatWaits:
    """Holds the first doing until told, so that others gather behind it."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        if len(self.batches) == 1:
            self.began.set()
            assert self.may_end.wait(20)
        elif -1 in asked:
            raise OSError("no more")
        return [one + 100 for one in asked]


def asked_by_many(slow: OneThatWaits, gathering: Gathering[int, int], asked: Sequence[int]) -> dict[int, object]:
    outcomes: dict[int, object] = {}

    def ask(one: int) -> None:
        try:
            outcomes[one] = gathering.ask([one])
        except OSError as error:
            outcomes[one] = error

    first = threading.Thread(target=ask, args=(0,))
    first.start()
    assert slow.began.wait(20)
    others = [threading.Thread(target=ask, args=(one,)) for one in asked]
    for other in others:
        other.start()
    while len(gathering._waiting) < len(asked):
        pass
    slow.may_end.set()
    for thread in (first, *others):
        thread.join(20)
    return outcomes


def test_those_who_wait_together_are_done_together() -> None:
    slow = OneThatWaits()
    outcomes = asked_by_many(slow, Gathering(slow), [1, 2, 3])
    assert outcomes == {one: [one + 100] for one in range(4)}
    assert [sorted(batch) for batch in slow.batches] == [[0], [1, 2, 3]]


def test_a_failure_reaches_everybody_of_its_batch_and_nobody_else() -> None:
    slow = OneThatWaits()
    gathering = Gathering(slow)
    outcomes = asked_by_many(slow, gathering, [1, -1])
    assert outcomes[0] == [100]
    assert isinstance(outcomes[1], OSError)
    assert outcomes[1] is outcomes[-1]
    assert gathering.ask([7]) == [107], "the next is done as if nothing had been"


def test_what_is_neither_done_nor_failed_is_no_answer() -> None:
    gathering = Gathering[int, int](lambda asked: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        gathering.ask([1])
