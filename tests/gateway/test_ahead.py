"""Opening ahead: in order, within bounds, and while what came before is still in hand."""

import threading
from collections.abc import Iterator

import pytest

from safelight.gateway.ahead import AHEAD_BYTES_MAX, AHEAD_MAX, Ahead

ENOUGH_SECONDS = 30


@pytest.fixture
def ahead() -> Iterator[Ahead]:
    made = Ahead()
    yield made
    made.stop()


class Opening:
    """Opens numbers as themselves, and notes which were opened, and where."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.threads: dict[int, threading.Thread] = {}
        self._changed = threading.Condition()

    def __call__(self, number: int) -> int:
        with self._changed:
            self.opened.append(number)
            self.threads[number] = threading.current_thread()
            self._changed.notify_all()
        if number < 0:
            raise ValueError(number)
        return number

    def has(self, number: int) -> bool:
        """Wait until it is opened; return whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: number in self.opened, ENOUGH_SECONDS)


def test_whatever_its_size_everything_is_given_in_order(ahead: Ahead) -> None:
    sizes = [0, 1, AHEAD_BYTES_MAX, AHEAD_BYTES_MAX + 1, 0, AHEAD_BYTES_MAX // 2, AHEAD_BYTES_MAX, 1] * 3
    given = list(ahead.each(range(len(sizes)), sizes.__getitem__, Opening()))
    assert given == list(range(len(sizes)))


@pytest.mark.parametrize("size", [1, AHEAD_BYTES_MAX // 2 + 1, AHEAD_BYTES_MAX])
def test_the_next_is_opened_while_one_is_in_hand(ahead: Ahead, size: int) -> None:
    opening = Opening()
    given = ahead.each(range(5), lambda _: size, opening)
    for number in range(4):
        assert next(given) == number
        assert opening.has(number + 1)
        assert opening.threads[number + 1] is not threading.current_thread()
    assert list(given) == [4]


def test_no_more_is_opened_than_fits(ahead: Ahead) -> None:
    opening = Opening()
    size = AHEAD_BYTES_MAX // 2 + 1
    given = ahead.each(range(5), lambda _: size, opening)
    assert next(given) == 0
    assert opening.has(1)
    assert opening.opened == [0, 1]
    given = ahead.each(range(100, 200), lambda _: 1, opening)
    assert next(given) == 100
    assert opening.has(100 + AHEAD_MAX)
    assert max(opening.opened) == 100 + AHEAD_MAX


@pytest.mark.parametrize("size", [0, AHEAD_BYTES_MAX + 1])
def test_what_costs_nothing_or_too_much_memory_is_opened_by_who_asks_and_in_its_turn(ahead: Ahead, size: int) -> None:
    opening = Opening()
    given = ahead.each(range(3), lambda _: size, opening)
    assert next(given) == 0
    assert opening.opened == [0]
    assert opening.threads[0] is threading.current_thread()


def test_what_an_item_raises_is_raised_in_its_turn(ahead: Ahead) -> None:
    given = ahead.each([1, -2, 3], lambda _: 1, Opening())
    assert next(given) == 1
    with pytest.raises(ValueError, match="-2"):
        next(given)
