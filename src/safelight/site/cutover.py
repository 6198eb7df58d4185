"""Cutover: answering to the AE titles of the PACS and the RIS while they are away."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from safelight.catalog.caller import CallerAct
from safelight.core.clock import SystemClock, to_text
from safelight.core.names import AETitle
from safelight.downtime.alias import Alias
from safelight.downtime.outage import Scope
from safelight.downtime.phase import Phase
from safelight.journal.journal import Journal
from safelight.site.home import Home
from safelight.site.outages import downtime_state
from safelight.site.settings import Settings
from safelight.site.status import looked_at

if TYPE_CHECKING:
    from safelight.site.opened import Site

LOOK_EVERY: Final = timedelta(seconds=1)


def aliases_of(settings: Settings) -> list[Alias]:
    """Return the aliases of the settings, which were judged when they were read."""
    return [Alias.parse(one) for one in settings.dicom.aliases]


def title_for(settings: Settings, called: AETitle) -> AETitle:
    """Return as whom we answer somebody who called this title: as that, if it is one of our aliases."""
    return called if any(one.title == called for one in aliases_of(settings)) else settings.dicom.ae_title


class Aliases:
    """Knows which aliases are in force, a second after somebody declared something. Used by many threads."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._aliases = {one.title.text: one for one in aliases_of(site.settings)}
        self._lock = threading.Lock()
        self._phases: Mapping[Scope, Phase] = {}
        self._looked_at: timedelta | None = None

    def answers(self, called: AETitle) -> bool:
        """Say whether we answer to a title now."""
        alias = self._aliases.get(called.text)
        return alias is not None and alias.is_active(self._now())

    def _now(self) -> Mapping[Scope, Phase]:
        now = self._site.clock.elapsed()
        with self._lock:
            if self._looked_at is None or now - self._looked_at >= LOOK_EVERY:
                self._phases, self._looked_at = _phases(self._site.records.journal), now
            return self._phases


def cutover_document(home: Home) -> dict[str, Any]:
    """Return what `safelight downtime cutover --json` prints: each alias, and who was seen to call by it."""
    settings = home.settings()
    with looked_at(home) as (catalog, journal):
        phases, callers = _phases(journal), catalog.callers()
    return {
        "ae_title": settings.dicom.ae_title.text,
        "aliases": [
            {
                "title": alias.title.text,
                "scope": alias.scope.value,
                "always": alias.always,
                "phase": phases[alias.scope].value,
                "active": alias.is_active(phases),
                "called_by": [
                    {
                        "device": caller.title,
                        "address": caller.host,
                        "calls": caller.calls(alias.title.text),
                        "last": to_text(max(seen.last for seen in acts.values())),
                        "did": sorted(act.value for act in acts if act is not CallerAct.ASSOCIATION),
                    }
                    for caller in callers
                    if (acts := caller.by_called.get(alias.title.text))
                ],
            }
            for alias in aliases_of(settings)
        ],
    }


def _phases(journal: Journal) -> dict[Scope, Phase]:
    state, now = downtime_state(journal), SystemClock().now()
    return {scope: state.scope(scope, now).phase for scope in Scope}
