"""Packing everything that waits, now."""

from typing import Any

from safelight.core.progress import Progress, Report
from safelight.site.opened import Site
from safelight.site.sealing import seal_journal


def pack_everything(site: Site, report: Report) -> dict[str, Any]:
    """Pack what waits in the landing log without waiting for quiet, make the copies, seal the journal."""
    site.arrivals.settle()
    before = site.catalog.tally()
    while site.desk.turn(flush=True):
        site.packing.wait()
        now = site.catalog.tally()
        done = now.instances_packed - before.instances_packed
        report(Progress("pack", done, before.instances_waiting, "instances"))
    site.packing.wait()
    site.desk.release_settled()
    finish_copies(site)
    now = site.catalog.tally()
    return {"instances": now.instances_packed - before.instances_packed, "packs": now.packs - before.packs}


def finish_copies(site: Site) -> None:
    """Make every copy that is due, the sealed journal's too."""
    while site.copies.complete():
        pass
    if seal_journal(site):
        while site.copies.complete():
            pass
