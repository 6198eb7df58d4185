"""Where a plan would fail, and how it stands to laws and standards."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import json_option, print_json, records_home, records_option
from safelight.cli.plan_options import FILE, folder_argument, today
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET

COLOURS: Final = {"critical": "red", "high": "yellow", "medium": "cyan", "low": None}
STANDINGS: Final = {"met": "green", "decided": None, "open": "red", "not checked": "yellow"}


@click.command("assess")
@folder_argument
@click.option("--all", "everything", is_flag=True, help="Also what was mitigated or accepted.")
@click.option("--requirements", is_flag=True, help="Each requirement of laws and standards, not only how many are met.")
@click.option("--impact", "impact_file", type=FILE, help="What `safelight plan impact --json` said, as a file.")
@records_option
@json_option
def plan_assess(
    folder: Path,
    everything: bool,
    requirements: bool,
    impact_file: Path | None,
    home_directory: Path | None,
    as_json: bool,
) -> int:
    """Ask all rules where this plan would fail, and how it stands to laws and standards.

    Exit 1 when anything critical is open.
    """
    from safelight.site.plan_assessment import assessment_document, assessment_of
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_records import records_of
    from safelight.site.plan_simulation import impacts

    on_disk = PlanFolder(folder)
    read = on_disk.read()
    simulated = impacts(impact_file, read.plan) if impact_file else {}
    told = assessment_of(on_disk, read.plan, today(), simulated, records_of(records_home(home_directory)))
    document = assessment_document(told, read.places)
    if as_json:
        print_json(document)
    else:
        _show_assessment(document, everything=everything)
        _show_requirements(document["requirements"], each=requirements)
    return EXIT_OBJECTIVE_NOT_MET if document["open"]["critical"] or document["broken_rules"] else 0


def _show_assessment(document: dict[str, Any], *, everything: bool) -> None:
    counts = ", ".join(f"{count} {severity}" for severity, count in document["open"].items())
    click.secho(f"Open: {counts}. Rifts between the sides: {document['rifts']}.", bold=True)
    for one in document["services"]:
        first = one["first_blocking"]
        blocked = f"{first['rule']} {first['title']}" if first else "nothing found"
        breach = one["first_breach_minutes"]
        simulated = f"; first patient beyond the limit after {breach:.0f} min" if breach is not None else ""
        click.echo(f"  {one['service']:<20} first in the way: {blocked}{simulated}")
    click.echo()
    for one in document["findings"]:
        if one["state"] != "open" and not everything:
            continue
        state = "" if one["state"] == "open" else f" [{one['state']} by {one['owner']} until {one['until']}]"
        click.secho(
            f"{one['rule']} {one['severity']:<8} {one['kind']:<4} {one['what']}{state}", fg=COLOURS[one["severity"]]
        )
        click.echo(f"      {one['subject']}  {one['where'] or ''}".rstrip())
        click.echo(f"      IT: {one['it']}  Radiology: {one['radiology']}")
    for one in document["broken_rules"]:
        click.secho(f"Rule {one['rule']} failed: {one['trouble']}", fg="red", err=True)


def _show_requirements(packs: list[dict[str, Any]], *, each: bool) -> None:
    click.secho("\nWhat laws and standards ask for (met: every rule that looks at it found nothing)", bold=True)
    for pack in packs:
        counts = Counter(one["standing"] for one in pack["requirements"])
        told = ", ".join(f"{counts[one]} {one}" for one in STANDINGS if counts[one])
        click.echo(f"  {pack['source']}, {pack['edition']}: {told}")
        for one in pack["requirements"] if each else ():
            by = f" by {', '.join(one['found_by'])}" if one["found_by"] else ""
            click.secho(f"      {one['ref']:<26} {one['standing']}{by}", fg=STANDINGS[one["standing"]])
            served = ", ".join(one["parts"]).replace("_", " ") or "nothing in the plan"
            rules = " ".join([*one["rules"], *([one["check"]] if one["check"] else [])]) or "no rule"
            click.echo(f"          {one['text']}. Text: {one['verified']}. Asked: {rules}. Served by: {served}")
            for said in (*one["says"], *([one["beyond"]] if one["beyond"] else [])):
                click.echo(f"          {said}")
