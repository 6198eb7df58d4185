"""Who opened which study through the console, as facts of the journal."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from safelight.console.readings import Readings
from safelight.core.clock import to_text
from safelight.journal.kinds import FactKind
from safelight.site.home import Home
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site


def write_readings(site: "Site", readings: Readings) -> None:
    """Record in one step what was opened since the last time; what cannot be recorded is tried again."""
    noted = readings.unwritten()
    facts: list[tuple[str, dict[str, str]]] = [
        (FactKind.CONSOLE_STUDY_OPENED.value, {"account": one.account, "study": one.study, "at": to_text(one.at)})
        for one in noted.readings
    ]
    if noted.gap is not None:
        body = {"since": to_text(noted.gap.since), "until": to_text(noted.gap.until)}
        facts.append((FactKind.CONSOLE_READINGS_MISSED.value, body))
    if facts:
        site.records.record_all(facts)
        readings.written(noted)


def readings_document(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `safelight catalog readings --json` prints: who opened which study when, the newest first."""
    wanted = {name: asked[name] for name in ("account", "study") if asked.get(name)}
    limit = int(asked["limit"])
    # Years of them are in the journal: no more are kept than are shown, and one that says whether there are others.
    found = deque[Mapping[str, Any]](maxlen=limit + 1)
    missed: list[dict[str, Any]] = []
    with looked_at(home) as (_, journal):
        for entry in journal.entries(kinds=[FactKind.CONSOLE_STUDY_OPENED, FactKind.CONSOLE_READINGS_MISSED]):
            if entry.kind == FactKind.CONSOLE_READINGS_MISSED:
                missed.append(dict(entry.facts))
            elif wanted.items() <= entry.facts.items():
                found.append(entry.facts)
    shown = [dict(one) for one in reversed(found)][:limit]
    return {"readings": shown, "is_more": len(found) > limit, "missed": missed}
