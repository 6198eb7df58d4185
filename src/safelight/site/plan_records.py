"""What a home has on record for a plan: what it holds, how fast it came back, what work was left, and its drills."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from safelight.core.clock import SystemClock
from safelight.downtime.outage import OUTAGE_KINDS, Event, Said
from safelight.drill.state import DrillState
from safelight.plan.on_record import NOTHING, Figure, OnRecord, Span
from safelight.plan.words import Portion
from safelight.recovery.facts import Level, Started, StudyCompared, StudySent, from_entry
from safelight.site.drill_records import drills_of
from safelight.site.home import Home

if TYPE_CHECKING:
    from safelight.catalog.catalog import Catalog
    from safelight.journal.journal import Journal

DAYS: Final = 28
GB: Final = 1e9
RATE_KINDS: Final = (Started.kind, StudySent.kind, StudyCompared.kind)


@dataclass(frozen=True, slots=True)
class PlanRecords:
    """What a home says to a plan."""

    figures: OnRecord = NOTHING
    """For its estimates."""
    drills: Mapping[str, DrillState] = field(default_factory=dict)
    """They count as measured."""


NO_RECORDS: Final = PlanRecords()


@dataclass(slots=True)
class _Refill:
    """What one recovery brought back, and while it was busy: pauses and nights in between do not count."""

    started: Started
    confirmed: dict[str, int] = field(default_factory=dict)
    busy: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Stretches that do not touch, in order."""

    def work(self, ended: datetime, seconds: float) -> None:
        """Take in a piece of work; several at once count once."""
        begun = ended - timedelta(seconds=seconds)
        while self.busy and self.busy[-1][1] >= begun:
            first, last = self.busy.pop()
            begun, ended = min(begun, first), max(ended, last)
        self.busy.append((begun, ended))

    def figure(self) -> Figure | None:
        """Return the rate; None when nothing was confirmed."""
        seconds = sum(((last - first).total_seconds() for first, last in self.busy), 0.0)
        size = sum(self.confirmed.values())
        if not size or seconds <= 0:
            return None
        drill = self.started.settings.drill
        what = f"drill {drill}" if drill else f"recovery {self.started.recovery}"
        day = self.busy[-1][1].date()
        held = f"{len(self.confirmed)} studies, {size / GB:.3g} GB, to {self.started.settings.target}"
        return Figure(size / GB / (seconds / 3600), f"measured in {what} on {day}: {held}")


def records_of(home: Home | None) -> PlanRecords:
    """Return what a home says to a plan; nothing where no home was named."""
    if home is None:
        return NO_RECORDS
    # Whoever asks of a plan alone does not wait for databases to be loaded.
    from safelight.site.status import looked_at

    with looked_at(home) as (catalog, journal):
        return records_in(home, catalog, journal)


def records_in(home: Home, catalog: "Catalog", journal: "Journal") -> PlanRecords:
    """Return what the records of a home that is open say to a plan."""
    sizes = sizes_held(catalog, SystemClock().now().astimezone().date())
    figures = OnRecord(sizes, measured_rate(journal), lived_through(journal), exposed(home, catalog, journal))
    return PlanRecords(figures, drills_of(journal))


def sizes_held(catalog: "Catalog", today: date) -> dict[Portion, Figure]:
    """Return what is held, in gigabytes; a day counts as the busiest one of the last four weeks, as outages may."""
    first = today - timedelta(days=DAYS - 1)
    days = catalog.day_sizes(f"{first:%Y%m%d}", f"{today:%Y%m%d}")
    busiest = max(days, key=lambda one: one.bytes, default=None)
    day = (
        Figure(busiest.bytes / GB, _counted(busiest.studies, f"dated {busiest.day}, the busiest day"))
        if busiest
        else None
    )
    weeks = sum(one.studies for one in days)
    return {
        Portion.LAST_24_HOURS: day or Figure(0.0, _counted(0, "of four weeks")),
        Portion.LAST_4_WEEKS: Figure(sum(one.bytes for one in days) / GB, _counted(weeks, f"dated since {first}")),
        Portion.EVERYTHING: Figure(catalog.studies_size() / GB, _counted(catalog.tally().studies, "held")),
    }


def measured_rate(journal: "Journal") -> Figure | None:
    """Return how fast the last recovery or drill that confirmed anything brought studies back."""
    figures = [refill.figure() for refill in _refills(journal)]
    return next((one for one in reversed(figures) if one is not None), None)


def lived_through(journal: "Journal") -> Span | None:
    """Return the longest time from a return to service until nothing of that outage was open."""
    ended: dict[int, datetime] = {}
    found: list[Span] = []
    for entry in journal.entries(kinds=OUTAGE_KINDS):
        said = Said.from_entry(entry.kind, entry.facts)
        if said.event is Event.ENDED:
            ended[said.outage] = min(said.since, ended.get(said.outage, said.since))
        elif said.event is Event.CLOSED and said.outage in ended:
            takes = said.since - ended[said.outage]
            found.append(Span(takes, f"lived through in outage {said.outage}, closed on {said.since.date()}"))
    return max(found, key=lambda one: one.takes, default=None)


def exposed(home: Home, catalog: "Catalog", journal: "Journal") -> Span | None:
    """Return how much of the images would be lost this moment; None when the exposure is not known."""
    from safelight.site.status import exposure_of

    told = exposure_of(home, home.settings(), catalog, journal, images_only=True)
    if told.seconds is None:
        return None
    moment = SystemClock().now().astimezone()
    return Span(timedelta(seconds=told.seconds), f"exposure measured on {moment:%Y-%m-%d at %H:%M}")


def _refills(journal: "Journal") -> Iterator[_Refill]:
    found: dict[str, _Refill] = {}
    for entry in journal.entries(kinds=RATE_KINDS):
        match from_entry(entry.kind, entry.facts):
            case Started() as fact:
                found[fact.recovery] = _Refill(fact)
            case StudySent() as fact if fact.recovery in found:
                found[fact.recovery].work(fact.at, fact.seconds)
            case StudyCompared() as fact if fact.recovery in found:
                found[fact.recovery].work(fact.at, fact.seconds)
                if fact.level > Level.NONE:
                    found[fact.recovery].confirmed[fact.study] = fact.size_bytes
    yield from found.values()


def _counted(studies: int, which: str) -> str:
    return f"counted: {studies:,} studies {which}"
