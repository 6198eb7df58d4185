"""Looking at copies again: protection's schedule on the catalog's memory and the site's copies."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from safelight.protection.scrub import CopySeen, ScrubSettings, choose, due_bytes
from safelight.site.copies import CopyCheck
from safelight.vault.placement import Placement

if TYPE_CHECKING:
    from safelight.site.opened import Site


def scrub(site: "Site", *, since_last: timedelta, budget_bytes: int | None = None) -> list[CopyCheck]:
    """Look at the copies that were not seen for longest, as much as is due or asked for; heal what is bad."""
    settings = ScrubSettings(days=max(site.settings.vault.scrub_days, 1))
    due = due_bytes(site.catalog.tally().bytes_packed, since_last, settings)
    budget = due if budget_bytes is None else budget_bytes
    return [
        site.copies.check(placement, copy.pack, heal=True)
        for placement in site.placements
        for copy in choose(_longest_unseen(site, placement), budget)
    ]


def _longest_unseen(site: "Site", placement: Placement) -> Iterator[CopySeen]:
    for row in site.catalog.least_recently_verified(placement.name):
        pack = site.catalog.pack(row.pack)
        if pack is not None:
            yield CopySeen(row.pack, placement.name, pack.size_bytes, row.checked_at, pack.sealed_at)
