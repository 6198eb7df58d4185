"""Each device's checklist for a downtime."""

from pathlib import Path

import click

from safelight.cli.options import act_options, home_option, json_option, print_json, run_act
from safelight.downtime.device import Item


@click.group()
def device() -> None:
    """Which device is ready: its checklist, and what it was seen to do here."""


@device.command("check")
@click.argument("device")
@click.option("--item", type=click.Choice([item.value for item in Item]), required=True, help="What was checked.")
@click.option("--undo", is_flag=True, help="It does not hold any more.")
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@act_options
@home_option
@json_option
def device_check(
    device: str, item: str, undo: bool, dry_run: bool, reason: str, by: str, home_directory: Path, as_json: bool
) -> None:
    """Note that an item of the checklist of DEVICE (its AE title) was checked."""
    told = {"device": device, "item": item, "undo": undo, "dry_run": dry_run, "reason": reason, "by": by}
    document = run_act(home_directory, "downtime.device.check", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['device']}: {'ready' if document['ready'] else ', '.join(document['missing'])}")


@device.command("list")
@home_option
@json_option
def device_list(home_directory: Path, as_json: bool) -> None:
    """Show every device that called here or was checked, and what is missing."""
    from safelight.site.devices import devices_document
    from safelight.site.home import Home

    document = devices_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for one in document["devices"]:
        colour = "green" if one["ready"] else "yellow"
        click.secho(
            f"{one['device']:<16} {'ready' if one['ready'] else 'missing: ' + ', '.join(one['missing'])}", fg=colour
        )
