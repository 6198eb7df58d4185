"""What drills left open: with whom, until when, and whether it is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from safelight.core.errors import UsageError
from safelight.drill.facts import ItemAssigned, ItemClosed
from safelight.drill.state import DrillState


class BadAssignment(UsageError):
    """Nobody would own what stayed open, or its day is over already."""

    code: ClassVar[str] = "drill.bad-assignment"
    hint: ClassVar[str] = "Say who does it (--owner), and until when: a day that is not over (--due)."


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a drill left open, as it stands now."""

    drill: str
    begun_at: datetime
    """When that drill began."""
    number: int
    """Its place among what the drill left open, from 1."""
    of: str
    """The inject or step that left it open."""
    what: str
    owner: str
    """Who said so in the drill, or was told later; empty when nobody took it."""
    due_on: date | None
    """None until somebody gives it a day."""
    closed: ItemClosed | None

    @property
    def name(self) -> str:
        """How people name it."""
        return f"{self.drill}.{self.number}"

    def is_overdue(self, today: date) -> bool:
        """Say whether its day is over and nobody has closed it."""
        return self.closed is None and self.due_on is not None and self.due_on < today


def items(state: DrillState) -> tuple[Item, ...]:
    """Return what a drill left open, also what was closed since; who was told last owns it."""
    if state.started is None:
        return ()
    found = []
    for number, (of, left) in enumerate(state.items, 1):
        assigned = next((one for one in reversed(state.assigned) if one.item == number), None)
        owner, due_on = (assigned.owner, assigned.due_on) if assigned else (left.owner, None)
        closed = next((one for one in state.closed if one.item == number), None)
        found.append(Item(state.started.drill, state.started.at, number, of, left.what, owner, due_on, closed))
    return tuple(found)


def came_back(one: Item, found: Iterable[Item]) -> bool:
    """Say whether a drill that was held after an item was closed left the same open again, and it still is."""
    return one.closed is not None and any(
        (later.of, later.what) == (one.of, one.what) and later.closed is None and later.begun_at > one.closed.at
        for later in found
    )


def by_urgency(found: Iterable[Item]) -> list[Item]:
    """Return what is due first, first: what is overdue, what has a day, what has none, and what is closed."""
    return sorted(found, key=lambda one: (one.closed is not None, one.due_on is None, one.due_on or date.max))


def judge_assignment(fact: ItemAssigned, today: date) -> None:
    """Return when an item can be given to somebody so.

    Raises:
        BadAssignment: it cannot.
    """
    if not fact.owner.strip() or fact.due_on < today:
        raise BadAssignment(has_owner=bool(fact.owner.strip()), due_on=fact.due_on.isoformat())
