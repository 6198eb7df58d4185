"""The plan and the downtime pack as files: PDF, and one HTML file that needs nothing from elsewhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from safelight.core.disk import RealDisk, write_file
from safelight.core.errors import UsageError
from safelight.plan.model import Plan
from safelight.plan.printing import PackFacts, pack_html, plan_html
from safelight.plan.source import quoted
from safelight.plan.words import PackForm
from safelight.site.home import Home
from safelight.site.pack_look import looked_into
from safelight.site.plan_assessment import assessment_of, objectives_document, requirements_document
from safelight.site.plan_folder import PlanFolder
from safelight.site.plan_records import NO_RECORDS, records_of


class NoSuchPlace(UsageError):
    """The plan does not know this site or this person."""

    code: ClassVar[str] = "site.no-such-place"
    hint: ClassVar[str] = "Name a site (--site) and a person (--holder) of the plan by their ids."


Allot = Callable[[str, str, bool], Sequence[Mapping[str, Any]]]
"""Allots numbers to a device (here: a serial) at a site, or only tries to; returns what it tells of each block."""


@dataclass(frozen=True, slots=True)
class PackAsked:
    """Where a pack will lie, with whom, and from which home its numbers and schedule come."""

    site: str | None
    holder: str | None
    form: PackForm
    home: Home | None
    allot: Allot | None = None
    """Allots numbers to this pack alone; without it, the pack shows what the devices have."""


def print_plan(folder: PlanFolder, to: Path, at: datetime, home: Home | None = None) -> dict[str, Any]:
    """Write `plan.pdf` and `plan.html`."""
    plan = folder.read().plan
    records = records_of(home)
    told = requirements_document(assessment_of(folder, plan, at.date(), records=records))
    html = plan_html(plan, folder.signatures(), objectives_document(plan, records), told, at)
    return {"version": plan.plan.version, "files": _written(to, "plan", html)}


def make_pack(folder: PlanFolder, to: Path, at: datetime, asked: PackAsked, *, dry_run: bool = False) -> dict[str, Any]:
    """Write `downtime-pack.pdf` and `downtime-pack.html`, then add the pack to the plan's register.

    Raises:
        NoSuchPlace: the plan does not know the site or the holder.
        ScheduleTooLong: today has more exams than a pack holds.
    """
    plan = folder.read().plan
    site = asked.site or next((one.id for one in plan.sites if one.radiology), "")
    sites = {one.id: one.name for one in plan.sites}
    people = {one.id: one.name for one in plan.people}
    if site not in sites or (asked.holder is not None and asked.holder not in people):
        raise NoSuchPlace(site=site, holder=asked.holder or "")
    serial = next_serial(plan)
    folder.check_with(_register_line(plan, serial, site, asked, at, ()))
    # What can be refused is, before numbers are allotted that nobody could take back.
    with looked_into(asked.home) as look:
        schedule = look.schedule(at) if look else None
        # Allotted before anybody is told: a pack that is cut off here leaves numbers that nobody uses.
        own = asked.allot(serial, site, dry_run) if asked.allot else None
        blocks = look.blocks(own) if look and not dry_run else ()
        records = look.records() if look else NO_RECORDS
    text = _register_line(plan, serial, site, asked, at, own or ())
    facts = PackFacts(serial, sites[site], people.get(asked.holder or "", "nobody"), blocks, schedule)
    objectives = objectives_document(plan, records)
    html = pack_html(plan, folder.signatures(), objectives, at, facts)
    told: dict[str, Any] = {"serial": serial, "site": site, "holder": asked.holder, "form": str(asked.form)}
    shown = sum(len(one["labels"]) for one in facts.blocks)
    told |= {"version": plan.plan.version, "numbers": sum(one["numbers"] for one in own) if own else shown}
    told |= {"exams": len(schedule or ()), "dry_run": dry_run}
    if dry_run:
        return {**told, "files": [], "registered_in": None}
    written = _written(to, "downtime-pack", html)
    return {**told, "files": written, "registered_in": folder.add_file(f"pack-{serial}", text)}


def next_serial(plan: Plan) -> str:
    """Return the serial that follows the highest one of the register."""
    found = (re.fullmatch(r"P-(\d{1,9})", one.id) for one in plan.packs)
    return f"P-{1 + max((int(one[1]) for one in found if one), default=0):03}"


def stale_packs(plan: Plan) -> list[dict[str, Any]]:
    """Return the packs that are of another version than the plan; whoever holds one must be given a new one."""
    return [
        {"pack": one.id, "version": one.version, "site": one.site, "holder": one.holder}
        for one in plan.packs
        if one.version != plan.plan.version
    ]


def _register_line(
    plan: Plan, serial: str, site: str, asked: PackAsked, at: datetime, own: Sequence[Mapping[str, Any]]
) -> str:
    told = {"id": serial, "site": site, "form": str(asked.form), "version": plan.plan.version}
    told |= {"holder": asked.holder} if asked.holder else {}
    cells = ", ".join(f"{name}: {quoted(value)}" for name, value in told.items())
    numbers = ", ".join(quoted(f"{one['first']} to {one['last']}") for one in own)
    cells += f", numbers: [{numbers}]" if numbers else ""
    return f"packs:\n  - {{{cells}, made_on: {at.date().isoformat()}}}\n"


def _written(to: Path, stem: str, html: str) -> list[str]:
    from safelight.evidence.report import report_pdf

    pdf = report_pdf(html)
    to.mkdir(parents=True, exist_ok=True)
    made = {to / f"{stem}.pdf": pdf, to / f"{stem}.html": html.encode("utf-8")}
    for file, content in made.items():
        # Numbers of people, and patients of the day, stand in it: for the owner alone.
        write_file(RealDisk(), file, content)
    return [str(file) for file in made]
