"""Reviews of a plan: the agenda of the next one, and the record of one that was held."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import json_option, print_json, records_home, records_option
from safelight.cli.plan_options import dry_run_option, folder_argument, today


@click.command("review")
@folder_argument
@click.option("--record", "name", help="Record a meeting under this short name; without it, print the agenda.")
@click.option("--at", "at", help="When the meeting was, as 2026-11-24T13:00:00+01:00; now if not given.")
@click.option("--attended", multiple=True, help="A person of the plan who was there; may be repeated.")
@click.option("--minutes", default="", help="What was said.")
@click.option("--discussed", multiple=True, help="A finding that was discussed, as R06; may be repeated.")
@click.option("--action", "actions", multiple=True, help="PERSON:DAY:WHAT, as ines:2026-12-24:Try the radios.")
@dry_run_option
@records_option
@json_option
def plan_review(
    folder: Path,
    name: str | None,
    at: str | None,
    attended: tuple[str, ...],
    minutes: str,
    discussed: tuple[str, ...],
    actions: tuple[str, ...],
    dry_run: bool,
    home_directory: Path | None,
    as_json: bool,
) -> None:
    """Print the agenda of a review from open findings, or record one with attendance, minutes and actions."""
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_records import records_of
    from safelight.site.plan_review import agenda, refuse_unknown_rules, review_text, without_pacs_administrator

    on_disk = PlanFolder(folder)
    read = on_disk.read()
    if name is None:
        told = agenda(on_disk, read.plan, today(), records_of(records_home(home_directory)))
        if as_json:
            print_json(told)
        else:
            _show_agenda(told)
        return
    moment = at or datetime.now().astimezone().isoformat(timespec="seconds")
    refuse_unknown_rules(on_disk, discussed)
    text = review_text(name, moment, attended, minutes, discussed, actions)
    on_disk.check_with(text)
    file = None if dry_run else on_disk.add_file(f"review-{name}", text)
    missing = without_pacs_administrator(read.plan, attended)
    if as_json:
        print_json({"file": file, "text": text, "without_pacs_administrator": missing})
        return
    click.echo(f"Recorded in {file}." if file else text.rstrip())
    if missing:
        click.secho("No PACS administrator took part: that is finding R06.", fg="red")


def _show_agenda(told: dict[str, Any]) -> None:
    click.secho(f"Agenda: {told['title']}", bold=True)
    click.echo(f"Invited: {', '.join(told['invited'])}")
    for number, one in enumerate(told["items"], 1):
        click.echo(f"{number:>3}. {one['rule']} {one['title']} ({one['severity']}, {one['count']} places)")
        click.echo(f"     IT: {one['it']}")
        click.echo(f"     Radiology: {one['radiology']}")
    for one in told["actions"]:
        click.echo(f"Open action {one['id']}, {one['owner']}, due {one['due_on']}: {one['what']}")
