"""In which order a system is told what it missed, and what each of its answers leads to."""

import random

import pytest

from safelight.downtime.step_forwarding import Forwarding, Notice, Outcome, Told, decide, fold, forwarding, retried

NOTICES = [
    Notice(1, "a", True, "IN PROGRESS"),
    Notice(2, "b", True, "IN PROGRESS"),
    Notice(3, "a", False, ""),
    Notice(4, "a", False, "COMPLETED"),
    Notice(5, "b", False, "COMPLETED"),
    Notice(6, "elsewhere", False, "COMPLETED"),
]


def told(notice: Notice, outcome: Outcome) -> Told:
    return Told("RIS", notice.position, notice.instance, outcome, 0, "r", "b")


def run(answers: dict[int, list[Outcome]], state: Forwarding | None = None) -> tuple[list[int], Forwarding]:
    state = state or forwarding(NOTICES, [])
    order = []
    while (notice := decide(state)) is not None:
        order.append(notice.position)
        mine = answers.get(notice.position, [])
        state = fold(state, told(notice, mine.pop(0) if mine else Outcome.TAKEN))
        assert len(order) < 50, "it never ends"
    return order, state


def test_everything_is_told_once_in_order() -> None:
    order, state = run({1: [Outcome.KNOWN], 5: [Outcome.SETTLED]})
    assert order == [1, 2, 3, 4, 5, 6] and not state.waiting and not state.refused


def test_a_refused_beginning_holds_back_its_own_step_alone() -> None:
    order, state = run({1: [Outcome.REFUSED]})
    assert order == [1, 2, 5, 6]
    assert [one.position for one in state.refused] == [1, 3, 4] and not state.waiting
    order, state = run({}, retried(state))
    assert order == [1, 3, 4] and not state.refused


def test_a_refused_change_holds_nothing_back() -> None:
    order, state = run({3: [Outcome.REFUSED]})
    assert order == [1, 2, 3, 4, 5, 6] and [one.position for one in state.refused] == [3]


def test_a_step_that_was_forgotten_is_told_from_its_beginning_once() -> None:
    order, state = run({4: [Outcome.FORGOTTEN]})
    assert order == [1, 2, 3, 4, 1, 3, 4, 5, 6] and not state.refused
    order, state = run({4: [Outcome.FORGOTTEN, Outcome.FORGOTTEN]})
    assert [one.position for one in state.refused] == [4]


def test_a_step_that_began_elsewhere_cannot_be_told_from_its_beginning() -> None:
    order, state = run({6: [Outcome.FORGOTTEN]})
    assert order[-1] == 6 and [one.position for one in state.refused] == [6]


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_cut_anywhere_goes_on_where_it_was(seed: int) -> None:
    dice = random.Random(seed)
    facts: list[Told] = []
    answers: dict[int, Outcome] = {}
    for _ in range(60):
        state = forwarding(NOTICES, facts)
        for _ in range(dice.randrange(4)):
            notice = decide(state)
            if notice is None:
                break
            answers.setdefault(notice.position, dice.choice(list(Outcome)))
            fact = told(notice, answers[notice.position])
            assert Told.from_body(fact.to_body()) == fact
            facts.append(fact)
            state = fold(state, fact)
    assert decide(forwarding(NOTICES, facts)) is None, f"seed {seed}"
