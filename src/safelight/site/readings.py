"""Who got to see which study: through the screens and DICOMweb, and by C-MOVE or C-GET."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from safelight.core.clock import to_text
from safelight.core.notebook import Gap
from safelight.journal.kinds import FactKind
from safelight.site.home import Home
from safelight.site.status import looked_at

READING_KINDS: Final = (FactKind.CONSOLE_STUDY_OPENED, FactKind.STUDY_RETRIEVED)
ASKED: Final = ("study", "account", "calling")
TOLD: Final = ("at", "study", "account", "calling", "address", "destination")
"""Of each reading; an account opened a study here, or a calling AE title had it sent."""


def readings_document(home: Home, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `safelight catalog readings --json` prints: who opened or retrieved which study, the newest first."""
    wanted = {name: asked[name] for name in ASKED if asked.get(name)}
    limit = int(asked["limit"])
    # Years of them are in the journal: no more are kept than are shown, and one that says whether there are others.
    found = deque[Mapping[str, Any]](maxlen=limit + 1)
    missed: list[dict[str, Any]] = []
    with looked_at(home) as (_, journal):
        for entry in journal.entries(kinds=[*READING_KINDS, FactKind.READINGS_MISSED]):
            if entry.kind == FactKind.READINGS_MISSED:
                missed.append(dict(entry.facts))
            elif wanted.items() <= entry.facts.items():
                found.append(entry.facts)
    shown = [{name: one.get(name) for name in TOLD} for one in reversed(found)]
    return {"readings": shown[:limit], "is_more": len(found) > limit, "missed": missed}


def missed_fact(gap: Gap) -> tuple[str, dict[str, str]]:
    """Return the fact that says when readings could not be recorded."""
    return FactKind.READINGS_MISSED.value, {"since": to_text(gap.since), "until": to_text(gap.until)}
