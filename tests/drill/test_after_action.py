"""What a drill left open is given to somebody until a day, told with what is overdue first, and closed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.drill.after_action import BadAssignment, by_urgency, came_back, items, judge_assignment
from safelight.drill.facts import Fact, Finished, ItemAssigned, ItemClosed, OpenItem, Started, Step, StepNoted
from safelight.drill.state import DrillState, OutOfTurn, fold

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)
LEFT = ("radios", "toner", "a torch", "a key", "a chair")
BEGUN = Started(
    "1", NOW, "downtime-shift", "", "hardware", (), "", "", None, None, "why", "who",
    steps=(Step("labels", "Labels lie there", "radiology"),),
)  # fmt: skip
HELD = (
    BEGUN,
    StepNoted("1", NOW, "labels", True, "", tuple(OpenItem(one, "") for one in LEFT)),
    Finished("1", NOW),
)


def given(item: int, due_on: date, owner: str = "omar") -> ItemAssigned:
    return ItemAssigned("1", NOW, item, owner, due_on, "why", "who")


def folded(*facts: Fact) -> DrillState:
    state = DrillState()
    for fact in facts:
        state = fold(state, fact)
    return state


def test_who_was_told_last_owns_it_and_the_last_day_counts() -> None:
    told = items(folded(*HELD, given(2, TODAY), given(2, TODAY + DAY, "paula")))
    assert [(one.owner, one.due_on) for one in told] == [("", None), ("paula", TODAY + DAY), *[("", None)] * 3]
    assert [one.name for one in told] == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert told[1].of == "labels"


def test_what_is_overdue_comes_first_then_what_has_a_day_then_the_rest_and_what_is_closed_last() -> None:
    late, later, soon = given(5, TODAY - DAY), given(3, TODAY - 9 * DAY), given(1, TODAY)
    done = (given(2, TODAY - 30 * DAY), ItemClosed("1", NOW, 2, "bought", "omar"))
    told = by_urgency(items(folded(*HELD, late, later, soon, *done)))
    assert [one.what for one in told] == ["a torch", "a chair", "radios", "a key", "toner"]
    assert [one.what for one in told if one.is_overdue(TODAY)] == ["a torch", "a chair"], "due today is not late yet"


def test_what_is_closed_or_was_never_left_open_is_given_to_nobody() -> None:
    closed = folded(*HELD, ItemClosed("1", NOW, 1, "bought", "omar"))
    for item in (0, 1, 6):
        with pytest.raises(OutOfTurn):
            fold(closed, given(item, TODAY))


def test_somebody_does_it_until_a_day_that_is_not_over() -> None:
    judge_assignment(given(1, TODAY), TODAY)
    for bad in (given(1, TODAY - DAY), given(1, TODAY, " ")):
        with pytest.raises(BadAssignment):
            judge_assignment(bad, TODAY)


def test_what_was_closed_came_back_when_a_later_drill_leaves_the_same_open_in_the_same_place() -> None:
    closed = ItemClosed("1", NOW + DAY, 2, "bought", "omar")
    one = items(folded(*HELD, closed))[1]
    assert one.what == "toner"
    again = replace(one, drill="2", begun_at=NOW + 2 * DAY, closed=None)
    assert came_back(one, [one, again])
    for other in (
        replace(again, what="a chair"),
        replace(again, of="forms"),
        replace(again, begun_at=NOW),
        replace(again, closed=replace(closed, drill="2", at=NOW + 3 * DAY)),
    ):
        assert not came_back(one, [one, other])
    assert not came_back(again, [one, again]), "what is open did not come back: it is open"
