"""Refill a PACS in clinical order and prove that it came back."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import DIRECTORY, act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def recovery() -> None:
    """Refill a PACS in clinical order; every study confirmed by fetching it back."""


@recovery.command()
@click.option("--target", help="AET@HOST:PORT or a named peer.")
@click.option("--to", "folder", type=DIRECTORY, help="Instead of a target: a folder for Part 10 files.")
@click.option(
    "--recipe",
    type=click.Choice(["auto", "orthanc", "dcm4chee", "generic"]),
    default="auto",
    show_default=True,
    help="How this kind of target is refilled and proven.",
)
@click.option("--target-url", default="", help="Orthanc's REST address, so that its own traps can be undone.")
@click.option(
    "--repair-target", is_flag=True, help="Delete at the target what it lists but cannot give back; send again."
)
@click.option("--as-of", default="", help="Restore what was current at this moment, ISO 8601 with an offset.")
@click.option("--broke-at", default="", help="When the PACS broke, ISO 8601 with an offset; RTO runs from then.")
@click.option("--patients", type=DIRECTORY, help="CSV of current patients and schedule; see docs/operating.md.")
@click.option("--pin", "pins", multiple=True, help="Study Instance UID to send first; may be repeated.")
@click.option("--limit", type=click.IntRange(1), help="At most so many studies, in clinical order.")
@click.option("--associations", type=click.IntRange(1, 16), help="Parallel associations. Default: safelight.toml.")
@click.option("--throttle-mb", type=click.FloatRange(0), help="At most so many MB a second.")
@click.option(
    "--accept-side-effects",
    is_flag=True,
    help="You have checked that the target's routing, AI and notifications may see a refill, or are switched off.",
)
@click.option("--dry-run", is_flag=True, help="Only show the order, the tiers and what would be withheld.")
@act_options
@home_option
@json_option
def start(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Refill a target in clinical order, confirm by fetching back, and write the report.

    Runs to the end; exit 0 only when every study is confirmed at the level that the recipe requires.
    """
    told["folder"] = str(told["folder"].absolute()) if told["folder"] else ""
    told["patients"] = str(told["patients"].absolute()) if told["patients"] else ""
    document = run_act(home_directory, "recovery.start", told, as_json=as_json)
    if as_json:
        print_json(document)
    elif told["dry_run"]:
        _show_plan(document)
    else:
        _show_outcome(document)
    return 0 if document["all_confirmed"] else EXIT_OBJECTIVE_NOT_MET


@recovery.command()
@click.argument("number", required=False)
@home_option
@json_option
def status(number: str | None, home_directory: Path, as_json: bool) -> None:
    """How far a recovery is: tiers, ETA with its error, studies that need a person. Default: the last one."""
    from safelight.site.home import Home
    from safelight.site.recoveries import recovery_document

    document = recovery_document(Home.at(home_directory), number)
    if as_json:
        print_json(document)
    else:
        _show_outcome(document)


@recovery.command()
@click.argument("number", required=False)
@act_options
@home_option
@json_option
def pause(number: str | None, reason: str, by: str, home_directory: Path, as_json: bool) -> None:
    """Hold a running recovery after the studies that are on their way."""
    told = {"number": number, "reason": reason, "by": by}
    document = run_act(home_directory, "recovery.pause", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Recovery {document['number']} is paused. Go on with: safelight recovery resume")


@recovery.command()
@click.argument("number", required=False)
@act_options
@home_option
@json_option
def resume(number: str | None, reason: str, by: str, home_directory: Path, as_json: bool) -> int:
    """Go on with a recovery that was paused, or that a crash cut off, to its end."""
    told = {"number": number, "reason": reason, "by": by}
    document = run_act(home_directory, "recovery.resume", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _show_outcome(document)
    return 0 if document["all_confirmed"] else EXIT_OBJECTIVE_NOT_MET


def _show_plan(document: dict[str, Any]) -> None:
    for tier in document["tiers"]:
        click.echo(f"{tier['name']:<18} {tier['studies']:>7,} studies  {tier['megabytes']:>10,.1f} MB")
    click.echo(f"Withheld: {document['withheld']:,} instances. Nothing was sent.")
    for question in document.get("questions", []):
        click.secho(f"  before you start: {question}", fg="yellow")


def _show_outcome(document: dict[str, Any]) -> None:
    click.secho(f"Recovery {document['number']}  to {document['target']}  ({document['recipe']})", bold=True)
    for tier in document["tiers"]:
        eta = ""
        if tier["eta_seconds"] and tier["settled"] < tier["studies"]:
            eta = f"  ETA {tier['eta_seconds']:,.0f} s ± {tier['eta_error']:,.0f}"
        told = f"{tier['confirmed']:>6,} of {tier['studies']:>6,} confirmed, {tier['sent']:>6,} sent"
        click.echo(f"  {tier['name']:<18} {told}{eta}")
    for label in ("transfer_seconds", "confirmed_seconds", "rto_seconds"):
        value = document["times"].get(label)
        name = {"transfer_seconds": "transfer", "confirmed_seconds": "confirmed", "rto_seconds": "RTO since it broke"}
        click.echo(f"  {name[label]:<20} " + ("-" if value is None else f"{value:,.1f} s"))
    for study in document["open"][:20]:
        click.secho(f"  {study['state']}: {study['study']}  {study['told']}", fg="red")
    state = "every study confirmed" if document["all_confirmed"] else f"{len(document['open']):,} studies not confirmed"
    click.secho(f"  {document['state']}: {state}", fg="green" if document["all_confirmed"] else "red")
