"""Looking at copies again, the longest unseen first, so that all are seen within the days that the settings say."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from safelight.core.errors import ResourceError
from safelight.site.copies import CopyCheck
from safelight.vault.placement import Placement

if TYPE_CHECKING:
    from safelight.site.opened import Site

HOURS_A_DAY = 24


def due_bytes(site: "Site", hours: float) -> int:
    """Return how many bytes of each placement are to be read in so many hours."""
    tally = site.catalog.tally()
    return int(tally.bytes_packed * hours / (HOURS_A_DAY * max(site.settings.vault.scrub_days, 1)))


def scrub(site: "Site", *, hours: float = 0.0, budget_bytes: int | None = None) -> list[CopyCheck]:
    """Look at the copies that were not seen for longest, within the budget; heal what is bad."""
    budget = due_bytes(site, hours) if budget_bytes is None else budget_bytes
    checks = []
    for placement in site.placements:
        left = budget
        for pack, _ in _longest_unseen(site, placement):
            if left <= 0:
                break
            check = site.copies.check(placement, pack, heal=True)
            checks.append(check)
            left -= check.size_bytes
    return checks


def _longest_unseen(site: "Site", placement: Placement) -> Iterator[tuple[str, int]]:
    try:
        rows = site.catalog.least_recently_verified(placement.name)
    except ResourceError:
        return
    for row in rows:
        yield row.pack, 0
