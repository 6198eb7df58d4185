"""Rehearse a recovery: what is due, run it, read what came of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET

KINDS: Final = (
    "table-top",
    "notification",
    "restore-sample",
    "restore-tier",
    "escrow-key",
    "downtime-shift",
    "full",
)
CLOSES_SHOWN: Final = 5
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
item_argument = click.argument("name", metavar="ITEM")
plan_option = click.option("--plan", "plan_folder", type=DIRECTORY, help="The folder of the plan.")


@click.group()
def drill() -> None:
    """Rehearse a recovery: call people, fetch the key, restore, work a shift, sit at a table; measure, and seal it."""


@drill.command("list")
@plan_option
@home_option
@json_option
def drill_list(plan_folder: Path | None, home_directory: Path, as_json: bool) -> int:
    """Show which drills the plan asks for, what is due first and which findings it closes. Exit 1 if one is red."""
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
            _show_closes(one["closes"])
        for one in document["not_rehearsed"]:
            click.secho(f"no rehearsal of the type {one['type']}", fg="yellow")
            _show_closes(one["closes"])
        for one in document["drills"]:
            click.echo(f"drill {one['number']:<4} {one['type']:<14} {one['state']:<10} {one['started_at']}")
        for one in document["written_in_the_plan"]:
            click.echo(f"written in the plan: {one['id']}, {one['type']}, {one['held_on']}")
        if not document["planned"] and not document["drills"]:
            click.echo("Nothing was run. Give --plan FOLDER to see what is due.")
    return EXIT_OBJECTIVE_NOT_MET if document["red"] else 0


def _show_closes(closes: list[dict[str, Any]]) -> None:
    for one in closes[:CLOSES_SHOWN]:
        click.echo(f"       would close {one['rule']} {one['severity']}: {one['what']}")
    if len(closes) > CLOSES_SHOWN:
        click.echo(f"       and {len(closes) - CLOSES_SHOWN} more")


@drill.command("run")
@plan_option
@click.option("--rehearsal", help="Which rehearsal of the plan; it says type, target and limit.")
@click.option("--type", "kind", type=click.Choice(KINDS), help="Without a rehearsal: its type.")
@click.option("--disruption", help="What is played, such as hardware or ransomware.")
@click.option("--rehearsal-target", help="AET@HOST:PORT or a named peer: a PACS that nobody works with.")
@click.option("--limit", type=click.IntRange(1), help="At most so many studies; without it, the whole first tier.")
@click.option("--patients", type=DIRECTORY, help="CSV of current patients and schedule, as for a recovery.")
@click.option("--script", type=FILE, help="A table-top's script, YAML.")
@click.option("--present", multiple=True, help="ROLE:NAME of who sits at a table-top; without it, asked. Repeatable.")
@click.option("--answers", type=FILE, help="Answers, calls and steps in a file, YAML, instead of asking.")
@click.option("--recovery-key", type=FILE, help="A file with the recovery key or its 24 words, instead of asking.")
@click.option("--evidence", type=DIRECTORY, help="Where the bundle goes. Default: evidence/drill-N.zip in the home.")
@click.option("--resume", help="Go on with the drill of this number.")
@click.option("--abandon", help="Give up the drill of this number.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done; the target is judged.")
@act_options
@home_option
@json_option
def drill_run(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Run a drill, or go on with one that was cut off. Exit 1 when an objective is not met or an item has no owner.

    A restore goes into the rehearsal target and nowhere else. People are asked in the terminal; a call is made by a
    person, and Safelight sends nothing. Write no patient's name into an answer: answers stand in the journal for good.
    """
    if told["abandon"]:
        said = {name: told[name] for name in ("reason", "by", "dry_run")}
        said |= {"what": "abandon", "number": told["abandon"]}
        document = run_act(home_directory, "drill.say", said, as_json=as_json)
    else:
        document = _run(home_directory, told, as_json=as_json)
    if as_json:
        print_json(document)
    elif document.get("dry_run"):
        _show_dry_run(document, is_new=not (told["abandon"] or told["resume"]))
    else:
        _show(document)
    return 0 if document["succeeded"] or document.get("dry_run") or told["abandon"] else EXIT_OBJECTIVE_NOT_MET


@drill.command("report")
@click.argument("number", required=False)
@click.option("--write", "plan_folder", type=DIRECTORY, help="Write what was measured under `drills` of this plan.")
@click.option("--dry-run", is_flag=True, help="With --write: only show what would be written.")
@home_option
@json_option
def drill_report(
    number: str | None, plan_folder: Path | None, dry_run: bool, home_directory: Path, as_json: bool
) -> None:
    """Show what drill NUMBER measured, what it left out, and what is open with whom. Default: the last one."""
    from safelight.site.drill_report import report_document
    from safelight.site.home import Home

    home = Home.at(home_directory)
    document = report_document(home, number)
    if plan_folder is not None:
        from safelight.site.drill_written import write_drill

        document["written"] = write_drill(home, document["number"], plan_folder, dry_run=dry_run)
    if as_json:
        print_json(document)
    else:
        _show(document)
        if plan_folder is not None:
            written = document["written"]
            click.echo(f"  written to {written['file']}: both sides sign it there" if written["file"] else "")
            click.echo(written["text"].rstrip())


@drill.group()
def item() -> None:
    """What drills left open, with whom, until somebody closes it."""


@item.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was closed.")
@home_option
@json_option
def item_list(everything: bool, home_directory: Path, as_json: bool) -> None:
    """Show what is open after drills, what is overdue first, and who brings the answer until when."""
    from safelight.site.drill_report import items_document
    from safelight.site.home import Home

    document = items_document(Home.at(home_directory), date.today(), everything=everything)
    if as_json:
        print_json(document)
        return
    for one in document["items"]:
        until = f"due {one['due_on']}" if one["due_on"] else "no day yet"
        closed = f"  closed by {one['closed_by']}: {one['closed_because']}" if one["closed_at"] else ""
        line = f"{one['item']:<8} {until:<15} {one['what']}, owner: {one['owner'] or 'NOBODY'}{closed}"
        click.secho(line, fg="red" if one["overdue"] else None if one["closed_at"] else "yellow")
    click.echo(f"{document['open']} open, {document['overdue']} overdue")


@item.command("assign")
@item_argument
@click.option("--owner", help="Who does it, as the plan names them. Default: who has it already.")
@click.option("--due", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Until which day.")
@click.option("--dry-run", is_flag=True, help="Only look whether it can be given so.")
@act_options
@home_option
@json_option
def item_assign(
    name: str,
    owner: str | None,
    due: datetime,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Give ITEM, such as 3.2, to somebody until a day; again, with the reason, when either changes."""
    told = {"owner": owner, "due_on": due.date().isoformat(), "reason": reason, "by": by, "dry_run": dry_run}
    found = _follow(home_directory, "assign-item", name, told, as_json=as_json)
    if not as_json:
        click.echo(f"{name} {'can be' if dry_run else 'is'} with {found['owner']}, due {found['due_on']}.")


@item.command("close")
@item_argument
@click.option("--dry-run", is_flag=True, help="Only look whether it can be closed.")
@act_options
@home_option
@json_option
def item_close(name: str, dry_run: bool, reason: str, by: str, home_directory: Path, as_json: bool) -> None:
    """Say that ITEM, such as 3.2, is done, and how (--reason)."""
    told = {"reason": reason, "by": by, "dry_run": dry_run}
    _follow(home_directory, "close-item", name, told, as_json=as_json)
    if not as_json:
        click.echo(f"{name} {'can be closed' if dry_run else 'is closed'}.")


def _follow(home_directory: Path, what: str, name: str, told: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Say something of an open item, and return the item as it stands then."""
    number, _, place = name.partition(".")
    if not place.isdecimal():
        raise click.UsageError("An item is named as `safelight drill item list` names it, such as 3.2.")
    said = {"what": what, "number": number, "item": int(place), **told}
    document = run_act(home_directory, "drill.say", said, as_json=as_json)
    if as_json:
        print_json({"item": name, "dry_run": told["dry_run"], "open_items": document["open_items"]})
    return dict(document["open_items"][int(place) - 1])


def _seated(present: Iterable[str]) -> dict[str, str]:
    found = {}
    for one in present:
        role, _, name = (part.strip() for part in one.partition(":"))
        if not role or not name:
            raise click.UsageError(f"--present {one}: write ROLE:NAME, as pacs-administrator:Paula Reyes.")
        found[role] = name
    return found


def _run(home_directory: Path, told: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    from safelight.cli.drill_asking import Asking, asked_present

    if not (told["resume"] or told["rehearsal"] or told["kind"]):
        raise click.UsageError("Give --rehearsal with --plan, or --type, or --resume.")
    if told["rehearsal"] and not told["plan_folder"]:
        raise click.UsageError("--rehearsal names one of the plan: give --plan FOLDER too.")
    # Read before anything begins: a mistake in a file must not leave a drill half done.
    asking = Asking.of(home_directory, told["plan_folder"], told["answers"], told["recovery_key"])
    names = ("rehearsal", "disruption", "rehearsal_target", "limit", "resume", "dry_run", "reason", "by")
    act = {name: told[name] for name in names if told[name]}
    for name, key in (("plan_folder", "plan"), ("patients", "patients"), ("evidence", "evidence")):
        if told[name]:
            act[key] = str(told[name].absolute())
    act |= {"type": told["kind"]} if told["kind"] else {}
    act |= {"script": told["script"].read_text("utf-8")} if told["script"] else {}
    act |= {"present": _seated(told["present"])} if told["present"] else {}
    if asking.answers is None and not (told["resume"] or told["present"] or told["dry_run"]):
        # The script is read where the home is: looked at first, so that nobody is asked when the clock runs.
        looked_at = run_act(home_directory, "drill.run", {**act, "dry_run": True}, as_json=as_json)
        act |= {"present": asked_present(looked_at)} if looked_at["injects"] else {}
    document = run_act(home_directory, "drill.run", act, as_json=as_json)
    while not told["dry_run"] and (waiting := document["waits_for"]) is not None:
        if waiting["what"] == "itself":
            if document["recovery"] and not document["tiers"]:
                # The restore was stopped from elsewhere: --resume goes on with it.
                break
            again = {**act, "resume": document["number"], "same_sitting": True}
            document = run_act(home_directory, "drill.run", again, as_json=as_json)
            continue
        for said in asking.said(document, waiting):
            document = run_act(home_directory, "drill.say", {"number": document["number"], **said}, as_json=as_json)
    return document


def _show_dry_run(document: dict[str, Any], *, is_new: bool) -> None:
    """Show what a drill would do and ask; of one that is there already, only that nothing came to it."""
    click.secho(f"{document['type']}, {document['disruption']}", bold=True)
    click.secho(f"  Nothing was {'begun' if is_new else 'recorded'}.", fg="yellow")
    if document["target"]:
        click.echo(f"  would restore into {document['target']}, a rehearsal target")
    for role in (document["notification"] or {"roles": ()})["roles"]:
        click.echo(f"  would be called: {role['role']}")
    if document["escrow_key"] is not None:
        click.echo("  would be fetched: the offline recovery key, to open a pack in each placement")
    for step in document["shift"]:
        click.echo(f"  would be executed: {step['do']}")
    for one in document["injects"]:
        click.secho(f"  would be asked: {one['tells']}", bold=True)
        click.echo(f"      IT: {one['asks_it']}\n      Radiology: {one['asks_radiology']}")
        if one["roles"]:
            click.echo(f"      {', '.join(role['role'] for role in one['roles'])}")
    for one in document["not_executed"]:
        click.echo(f"  would not be executed: {one}")


VERDICTS: Final = {"met": "green", "not-met": "red", "not-measured": "yellow", "no-objective": None}


def _show(document: dict[str, Any]) -> None:
    from safelight.cli.drill_asking import seats

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
            if one["roles"]:
                click.echo(f"             {seats(one['roles'])}")
    for line, colour in _parts(document):
        click.secho(line, fg=colour)
    for one in document["open_items"]:
        state = f"closed by {one['closed_by']}" if one["closed_at"] else "open"
        due = f", due {one['due_on']}" if one["due_on"] else ""
        told = f"  {state}: {one['item']} {one['what']} ({one['inject']}), owner: {one['owner'] or 'NOBODY'}{due}"
        click.secho(told, fg=None if one["closed_at"] else "yellow")
    for one in document["not_executed"]:
        click.echo(f"  not executed: {one}")
    if document["evidence_sha256"]:
        click.echo(f"  evidence {document['evidence_sha256']}")
    ended = _ended(document)
    click.secho(f"  {document['state']}: {ended}", fg="green" if document["succeeded"] else "yellow")


def _parts(document: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    if (notification := document["notification"]) is not None:
        for one in notification["roles"]:
            told = f"{one['by']} after {one['after_seconds'] / 60:.1f} min" if one["by"] else "NOT REACHED"
            yield f"  {one['role']:<24} {told}", None if one["by"] else "red"
        whole = _seconds(notification["seconds_until_all"])
        yield f"  every role reached: {'not' if whole == 'unknown' else f'within {whole}'}", None
    for one in (document["escrow_key"] or {"copies": ()})["copies"]:
        told = f"opened {_seconds(one['after_seconds'])} after asking" if one["opened"] else f"NOT: {one['trouble']}"
        yield f"  recovery key, {one['placement']:<10} {told}", "green" if one["opened"] else "red"
    for one in document["shift"]:
        mark = "executed    " if one["executed"] else "NOT executed"
        yield (
            f"  {mark} {one['do']}{': ' if one['note'] else ''}{one['note'] or ''}",
            None if one["executed"] else "red",
        )


def _ended(document: dict[str, Any]) -> str:
    if not document["succeeded"]:
        return "not a success"
    told = ["every open item has an owner"] if document["injects"] else []
    told += ["every role reached"] if document["notification"] else []
    told += ["every copy opened"] if document["escrow_key"] else []
    told += ["every step executed"] if document["shift"] else []
    if document["target"]:
        told.append("every objective met" if document["objectives"] else "all confirmed; held against no objective")
    return ", ".join(told)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} s"
