"""Who opened which study through the console, as facts of the journal."""

from typing import TYPE_CHECKING

from safelight.console.readings import Readings
from safelight.core.clock import to_text
from safelight.journal.kinds import FactKind
from safelight.site.readings import missed_fact

if TYPE_CHECKING:
    from safelight.site.opened import Site


def write_readings(site: "Site", readings: Readings) -> None:
    """Record in one step what was opened since the last time; what cannot be recorded is tried again."""
    noted = readings.unwritten()
    facts: list[tuple[str, dict[str, str]]] = [
        (FactKind.CONSOLE_STUDY_OPENED.value, {"account": one.account, "study": one.study, "at": to_text(one.at)})
        for one in noted.notes
    ]
    if noted.gap is not None:
        facts.append(missed_fact(noted.gap))
    if facts:
        site.records.record_all(facts)
        readings.written(noted)
