"""Rehearse a recovery: what is due, run it, read what came of it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
plan_option = click.option("--plan", "plan_folder", type=DIRECTORY, help="The folder of the plan.")


@click.group()
def drill() -> None:
    """Rehearse a recovery: restore a tier into a scratch PACS, or sit at a table; measure, and seal it."""


@drill.command("list")
@plan_option
@home_option
@json_option
def drill_list(plan_folder: Path | None, home_directory: Path, as_json: bool) -> int:
    """Show which drills the plan asks for, which are overdue or stale, and what was run. Exit 1 while one is red."""
    from safelight.site.drill_report import list_document
    from safelight.site.home import Home

    document = list_document(Home.at(home_directory), plan_folder, date.today())
    if as_json:
        print_json(document)
    else:
        for one in document["planned"]:
            due = f"due {one['due_on']}" if one["due_on"] else "due now"
            line = f"{one['colour']:<6} {one['rehearsal']:<20} {one['type']:<14} {one['state']:<8} {due}  {one['why']}"
            click.secho(line.rstrip(), fg=one["colour"])
        for one in document["drills"]:
            click.echo(f"drill {one['number']:<4} {one['type']:<14} {one['state']:<10} {one['started_at']}")
        for one in document["written_in_the_plan"]:
            click.echo(f"written in the plan: {one['id']}, {one['type']}, {one['held_on']}")
        if not document["planned"] and not document["drills"]:
            click.echo("Nothing was run. Give --plan FOLDER to see what is due.")
    return EXIT_OBJECTIVE_NOT_MET if document["red"] else 0


@drill.command("run")
@plan_option
@click.option("--rehearsal", help="Which rehearsal of the plan; it says type, target and limit.")
@click.option("--type", "kind", type=click.Choice(["restore-tier", "table-top"]), help="Without a rehearsal: its type.")
@click.option("--disruption", help="What is played, such as hardware or ransomware.")
@click.option("--rehearsal-target", help="AET@HOST:PORT or a named peer: a PACS that nobody works with.")
@click.option("--limit", type=click.IntRange(1), help="At most so many studies; without it, the whole first tier.")
@click.option("--patients", type=DIRECTORY, help="CSV of current patients and schedule, as for a recovery.")
@click.option("--script", type=FILE, help="A table-top's script, YAML.")
@click.option("--answers", type=FILE, help="Answers in a file, YAML, instead of asking in the terminal.")
@click.option("--evidence", type=DIRECTORY, help="Where the bundle goes. Default: evidence/drill-N.zip in the home.")
@click.option("--resume", help="Go on with the drill of this number.")
@click.option("--abandon", help="Give up the drill of this number.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done; the target is judged.")
@act_options
@home_option
@json_option
def drill_run(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Run a drill, or go on with one that was cut off. Exit 1 when an objective is not met or an item has no owner.

    A restore goes into the rehearsal target and nowhere else; a table-top shows one inject after the other. Write no
    patient's name into an answer: answers stand in the journal for good.
    """
    if told["abandon"]:
        said = {"what": "abandon", "number": told["abandon"], "reason": told["reason"], "by": told["by"]}
        document = run_act(home_directory, "drill.say", said, as_json=as_json)
    else:
        document = _run(home_directory, told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _show(document)
    return 0 if document["succeeded"] or document.get("dry_run") or told["abandon"] else EXIT_OBJECTIVE_NOT_MET


@drill.command("report")
@click.argument("number", required=False)
@home_option
@json_option
def drill_report(number: str | None, home_directory: Path, as_json: bool) -> None:
    """Show what drill NUMBER measured, what it left out, and what is open with whom. Default: the last one."""
    from safelight.site.drill_report import report_document
    from safelight.site.home import Home

    document = report_document(Home.at(home_directory), number)
    if as_json:
        print_json(document)
    else:
        _show(document)


def _run(home_directory: Path, told: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    from safelight.drill.tabletop import read_answers

    if not (told["resume"] or told["rehearsal"] or told["kind"]):
        raise click.UsageError("Give --rehearsal with --plan, or --type, or --resume.")
    if told["rehearsal"] and not told["plan_folder"]:
        raise click.UsageError("--rehearsal names one of the plan: give --plan FOLDER too.")
    # Read before anything begins: a mistake in the file must not leave a drill half done.
    file = told["answers"]
    answers = read_answers(file.name, file.read_text("utf-8")) if file else None
    names = ("rehearsal", "disruption", "rehearsal_target", "limit", "resume", "dry_run", "reason", "by")
    act = {name: told[name] for name in names if told[name]}
    for name, key in (("plan_folder", "plan"), ("patients", "patients"), ("evidence", "evidence")):
        if told[name]:
            act[key] = str(told[name].absolute())
    act |= {"type": told["kind"]} if told["kind"] else {}
    act |= {"script": told["script"].read_text("utf-8")} if told["script"] else {}
    document = run_act(home_directory, "drill.run", act, as_json=as_json)
    for inject in _waiting(document) if not told["dry_run"] else ():
        said = {"number": document["number"], "inject": inject["id"]}
        run_act(home_directory, "drill.say", {**said, "what": "shown"}, as_json=as_json)
        answer = _given(answers, inject["id"]) if answers is not None else _asked(document, inject)
        document = run_act(home_directory, "drill.say", {**said, "what": "answered", **answer}, as_json=as_json)
    return document


def _waiting(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in document["injects"] if one["answered_after_seconds"] is None]


def _given(answers: Mapping[str, Any], inject: str) -> dict[str, Any]:
    it, radiology, items = answers.get(inject, ("", "", ()))
    opened = [{"what": one.what, "owner": one.owner} for one in items]
    return {"it": it, "radiology": radiology, "open": opened}


def _asked(document: dict[str, Any], inject: dict[str, Any]) -> dict[str, Any]:
    """Show an inject as the facilitator sees it, and take what the table says."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    from safelight.core.clock import SystemClock, from_text

    console = Console(stderr=True)
    elapsed = (SystemClock().now() - from_text(document["started_at"])).total_seconds()
    ids = [one["id"] for one in document["injects"]]
    body = Table.grid(padding=(1, 1))
    body.add_row("", f"[bold]{inject['tells']}[/bold]")
    body.add_row("Ask IT", inject["asks_it"])
    body.add_row("Ask radiology", inject["asks_radiology"])
    title = f"{document['script']} · {ids.index(inject['id']) + 1} of {len(ids)} · {elapsed / 60:.0f} min"
    console.print(Panel(body, title=title, border_style="red", padding=(1, 2)))
    it = click.prompt("IT answers", default="", show_default=False, err=True)
    radiology = click.prompt("Radiology answers", default="", show_default=False, err=True)
    opened = []
    while what := click.prompt("Open item (empty: none)", default="", show_default=False, err=True):
        opened.append({"what": what, "owner": click.prompt("  Owner", err=True)})
    return {"it": it, "radiology": radiology, "open": opened}


VERDICTS: Final = {"met": "green", "not-met": "red", "not-measured": "yellow", "no-objective": None}


def _show(document: dict[str, Any]) -> None:
    click.secho(f"Drill {document['number']}  {document['type']}, {document['disruption']}", bold=True)
    if document["target"]:
        click.echo(f"  into {document['target']}, a rehearsal target; no production system was written to")
    for tier in document["tiers"]:
        told = f"{tier['confirmed']:>6,} of {tier['studies']:>6,} confirmed"
        times = f"RTO {_seconds(tier['rto_seconds'])}  RPO {_seconds(tier['rpo_seconds'])}"
        click.echo(f"  {tier['tier']:<18} {told}  {times}")
    for one in document["objectives"]:
        for name in ("rto", "rpo"):
            bound = _seconds(one[f"{name}_seconds"])
            line = f"  {one['side']:<10} {one['of']:<18} {name.upper()} {bound:>12}  {one[name].replace('-', ' ')}"
            click.secho(line, fg=VERDICTS[one[name]])
    for why in document["exposure_because"]:
        click.echo(f"  would have been lost: {why}")
    for one in document["injects"]:
        if one["answered_after_seconds"] is not None:
            click.secho(f"  {one['answered_after_seconds'] / 60:5.1f} min  {one['tells']}", bold=True)
            click.echo(f"             IT: {one['it'] or '-'}\n             Radiology: {one['radiology'] or '-'}")
    for one in document["open_items"]:
        click.secho(f"  open: {one['what']} ({one['inject']}), owner: {one['owner'] or 'NOBODY'}", fg="yellow")
    for one in document["not_executed"]:
        click.echo(f"  not executed: {one}")
    if document["evidence_sha256"]:
        click.echo(f"  evidence {document['evidence_sha256']}")
    ended = _ended(document)
    click.secho(f"  {document['state']}: {ended}", fg="green" if document["succeeded"] else "yellow")


def _ended(document: dict[str, Any]) -> str:
    if not document["succeeded"]:
        return "not a success"
    if document["injects"]:
        return "every open item has an owner"
    return "every objective met" if document["objectives"] else "every study confirmed; held against no objective"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} s"
