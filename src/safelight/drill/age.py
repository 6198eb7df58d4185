"""How long a drill may be believed: it turns red with age, and when what it covers has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Colour(StrEnum):
    """Green must be earned."""

    GREEN = "green"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Held:
    """A drill that was done."""

    drill: str
    on: date
    succeeded: bool
    covered_digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a planned drill stands."""

    colour: Colour
    why: str
    last: str
    """The last drill that was done; empty when none was."""
    due_on: date | None
    overdue: bool


def standing(
    held: Sequence[Held], *, every: timedelta, changed_on: date | None, covered_digest: str, today: date
) -> Standing:
    """Judge a planned drill by the last one that was done."""
    if not held:
        return Standing(Colour.RED, "never done", "", None, overdue=True)
    last = held[-1]
    due_on = last.on + every
    overdue = today > due_on
    why = ""
    if not last.succeeded:
        why = "the last one did not reach its objectives, or left items open"
    elif overdue:
        why = f"was due on {due_on}"
    elif changed_on is not None and changed_on > last.on:
        why = f"what it covers changed on {changed_on}"
    elif covered_digest != last.covered_digest:
        why = "the plan says something else now of what it covers"
    return Standing(Colour.RED if why else Colour.GREEN, why, last.drill, due_on, overdue)
