"""Refill a PACS in clinical order and prove that it came back."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET

wait_option = click.option(
    "--wait", is_flag=True, help="Begin though the target does not answer yet; it is tried for about eight minutes."
)


NOT_TAKEN_WORDS: Final = {
    "encoding-refused": "does not accept {}",
    "refused": "refused with status {}",
    "failed": "failed with status {}",
}


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
@wait_option
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
    if not (told["accept_side_effects"] or told["folder"] or told["dry_run"]):
        told["accept_side_effects"] = _side_effects_accepted(as_json=as_json)
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
@click.option("--dry-run", is_flag=True, help="Only show which recovery would be held.")
@act_options
@home_option
@json_option
def pause(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Hold a running recovery after the studies that are on their way."""
    document = run_act(home_directory, "recovery.pause", told, as_json=as_json)
    if as_json:
        print_json(document)
    elif document["dry_run"]:
        click.echo(f"Recovery {document['number']} would be paused.")
    else:
        click.echo(f"Recovery {document['number']} is paused. Go on with: safelight recovery resume")


@recovery.command()
@click.argument("studies", nargs=-1, required=True)
@click.option("--number", help="Which recovery. Default: the last one.")
@click.option("--with-rejected", is_flag=True, help="Let instances go too that a rejection note names.")
@click.option("--dry-run", is_flag=True, help="Only show what would be released.")
@act_options
@home_option
@json_option
def release(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Let studies go that were withheld, failed or differ: STUDIES are Study Instance UIDs.

    Of a study that is withheld because it was rejected, the rejected instances go. The decision, its reason and who
    took it stand in the journal and in the evidence.
    """
    told["studies"] = list(told["studies"])
    document = run_act(home_directory, "recovery.release", told, as_json=as_json)
    if as_json:
        print_json(document)
        return
    for one in document["studies"]:
        rejected = f", {one['rejected_instances']:,} rejected instances too" if one["rejected_go_too"] else ""
        click.echo(f"  {one['study']}  {one['state']} {one['told']}: will be {one['will_be']}{rejected}")
    if document["dry_run"]:
        click.echo("Nothing was released.")
    else:
        click.echo(f"Recovery {document['number']}: released. Unless it runs, go on with: safelight recovery resume")


@recovery.command()
@click.argument("number", required=False)
@click.option("--target-url", default="", help="Orthanc's REST address once more: it is not kept.")
@click.option("--patients", type=DIRECTORY, help="Once more, if it was cut off before its order was on record.")
@click.option("--pin", "pins", multiple=True, help="Once more, if it was cut off before its order was on record.")
@click.option("--dry-run", is_flag=True, help="Only show how far it is and what is still open.")
@wait_option
@act_options
@home_option
@json_option
def resume(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Go on with a recovery that was paused, or that a crash cut off, to its end."""
    told |= {"patients": str(told["patients"].absolute()) if told["patients"] else "", "pins": list(told["pins"])}
    document = run_act(home_directory, "recovery.resume", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _show_outcome(document)
    return 0 if told["dry_run"] or document["all_confirmed"] else EXIT_OBJECTIVE_NOT_MET


def _side_effects_accepted(*, as_json: bool) -> bool:
    """Ask whether the target's side effects were looked at; where nobody can be asked, warn and go on."""
    from safelight.recovery.recipes import QUESTIONS, SideEffectsNotAccepted

    for question in QUESTIONS:
        click.secho(f"  {question.text}", fg="yellow", err=True)
    if sys.stdin.isatty() and not as_json:
        if click.confirm("Have you looked at each of these at the target, and may the refill begin?", err=True):
            return True
        raise SideEffectsNotAccepted(questions=",".join(question.code for question in QUESTIONS))
    click.secho(
        "Warning: nobody answered these questions (--accept-side-effects). The refill begins all the same; "
        "the journal and the evidence say that they are unanswered.",
        fg="yellow",
        err=True,
    )
    return False


def _show_plan(document: dict[str, Any]) -> None:
    if document["nothing_matched"]:
        click.secho("Nothing matched: no study that is held would be sent.", fg="red")
    for tier in document["tiers"]:
        click.echo(f"{tier['name']:<18} {tier['studies']:>7,} studies  {tier['megabytes']:>10,.1f} MB")
    click.echo(f"Withheld: {document['withheld']:,} instances. Nothing was sent.")
    for question in document.get("questions", []):
        click.secho(f"  before you start: {question}", fg="yellow")


def _show_outcome(document: dict[str, Any]) -> None:
    from safelight.recovery.recipes import REMARKS

    click.secho(f"Recovery {document['number']}  to {document['target']}  ({document['recipe']})", bold=True)
    if document["drill"]:
        click.echo(f"  a rehearsal: drill {document['drill']}")
    for remark in document["remarks"]:
        click.secho(f"  the target {REMARKS.get(remark, remark)}", fg="yellow")
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
    if document["slowed_to"]:
        rate = document["slowed_to"] / 1e6
        click.secho(
            f"  slowed to {rate:,.2f} MB a second: the target answers much more slowly than before", fg="yellow"
        )
    if document["side_effects"] == "unanswered":
        click.secho("  side effects at the target: nobody said that they were looked at", fg="yellow")
    for study in document["open"][:20]:
        click.secho(f"  {study['state']}: {study['study']}  {study['told']}", fg="red")
        for said in study["not_taken"]:
            what = NOT_TAKEN_WORDS[said["code"]].format(said["detail"])
            click.echo(f"    the target {what}: {said['instances']:,} of {study['instances']:,} instances")
    state = "every study confirmed" if document["all_confirmed"] else f"{len(document['open']):,} studies not confirmed"
    if document["nothing_matched"]:
        state = "nothing matched, so nothing was restored"
    if document["target_silent"]:
        _show_silence(document["target_silent"])
    if document["paused_because"]:
        click.secho(f"  paused by {document['paused_by']}: {document['paused_because']}", fg="red")
    click.secho(f"  {document['state']}: {state}", fg="green" if document["all_confirmed"] else "red")
    if document["hint"]:
        click.echo(f"  What to do: {document['hint']}")


def _show_silence(silence: dict[str, Any]) -> None:
    again = f", next at {silence['next_at']}" if silence["next_at"] else ""
    told = f"attempt {silence['attempts']} of {silence['attempts_max']}{again}"
    click.secho(f"  the target does not answer: {told}", fg="red")
