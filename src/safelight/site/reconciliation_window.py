"""When an outage was: what is reconciled is what happened between its beginning and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from safelight.core.errors import StateError
from safelight.downtime.outage import OUTAGE_KINDS, Event, Said
from safelight.journal.journal import Journal

MARGIN: Final = timedelta(hours=1)
"""What was under way when it broke, and what came in while it came back, belongs to it."""


class NoOutageToReconcile(StateError):
    """No outage is open, or none has this number."""

    code: ClassVar[str] = "reconciliation.no-outage"
    hint: ClassVar[str] = "See them: safelight downtime log. One that was closed: --outage NUMBER."


@dataclass(frozen=True, slots=True)
class Window:
    """One or several outages, from the first beginning to the last end."""

    outages: tuple[int, ...]
    since: datetime
    until: datetime | None
    """None while something is away."""

    def local(self, now: datetime) -> tuple[str, str]:
        """Return beginning and end as the clocks on the walls said them, to be compared with what modalities wrote."""
        return local_text(self.since - MARGIN), local_text((self.until or now) + MARGIN)


def is_between(start: str, times: tuple[str, str]) -> bool:
    """Say whether a local time, or a day of which no time is known, lies between two local times."""
    known = start[:14]
    first, last = (text[: len(known)] for text in times)
    return bool(known) and first <= known <= last


def local_text(moment: datetime) -> str:
    """Write a moment as the clocks on the walls of this hospital show it, as DICOM writes date and time."""
    return f"{moment.astimezone():%Y%m%d%H%M%S}"


def window_of(journal: Journal, now: datetime, outages: Sequence[int] = ()) -> Window:
    """Return the window of these outages; of all that began and are not closed when none is named.

    Raises:
        NoOutageToReconcile: there is none.
    """
    began: dict[int, datetime] = {}
    ended: dict[int, datetime] = {}
    closed: set[int] = set()
    of_scope: dict[str, set[int]] = {}
    for entry in journal.entries(kinds=OUTAGE_KINDS):
        said = Said.from_entry(entry.kind, entry.facts)
        known = of_scope.setdefault(said.scope, set())
        match said.event:
            case Event.PLANNED | Event.DECLARED:
                known.add(said.outage)
                began[said.outage] = said.since
            case Event.CANCELLED:
                known.discard(said.outage)
                began.pop(said.outage, None)
            case Event.ENDED:
                ended.update(dict.fromkeys(known - closed, said.since))
            case Event.CLOSED:
                closed |= known
            case _:
                pass
    begun = [number for number, since in began.items() if since <= now]
    chosen = [number for number in begun if (number in outages if outages else number not in closed)]
    if not chosen:
        raise NoOutageToReconcile(outages=",".join(map(str, outages)) or "open")
    ends = [ended.get(number) for number in chosen]
    until = None if None in ends else max(end for end in ends if end is not None)
    return Window(tuple(sorted(chosen)), min(began[number] for number in chosen), until)
