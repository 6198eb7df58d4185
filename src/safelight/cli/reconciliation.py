"""Reconcile after an outage: what differs, decide, do what follows, take back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import act_options, dry_run_option, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET
from safelight.reconciliation.difference import Kind
from safelight.reconciliation.facts import FREE_VERDICTS, Verdict

outage_option = click.option(
    "--outage", "outages", type=int, multiple=True, help="Which outage; all that are not closed if not given."
)
target_option = click.option(
    "--target", help="The restored PACS: AET@HOST:PORT or a named peer. Default: safelight.toml."
)


@click.group()
def reconciliation() -> None:
    """After an outage: exams meet their orders, the PACS gets what it lacks, until nothing is open."""


@reconciliation.command()
@target_option
@click.option("--deep", is_flag=True, help="Fetch every instance back from the target and compare its content too.")
@outage_option
@home_option
@json_option
def compare(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Ask the restored PACS what it has of the outage, and close by rule what is certain. Exit 1 while any is open."""
    document = run_act(home_directory, "reconciliation.compare", _listed(told), as_json=as_json)
    return _show_differences(document, as_json=as_json)


@reconciliation.command("list")
@click.option("--kind", type=click.Choice([one.value for one in Kind]), help="Only differences of this kind.")
@outage_option
@home_option
@json_option
def list_differences(home_directory: Path, kind: str | None, outages: tuple[int, ...], as_json: bool) -> None:
    """Show every open difference and what it waits for."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_view import differences_document

    document = differences_document(Home.at(home_directory), outages, kind)
    _show_differences(document, as_json=as_json)


@reconciliation.command()
@outage_option
@home_option
@json_option
def status(home_directory: Path, outages: tuple[int, ...], as_json: bool) -> int:
    """Show how much is open, by kind and by what it waits for. Exit 1 while anything is."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_view import counts_document

    document = counts_document(Home.at(home_directory), outages)
    if as_json:
        print_json(document)
    else:
        for title in ("by_kind", "by_wait"):
            for name, count in document[title].items():
                click.echo(f"  {title.removeprefix('by_'):<5} {name:<22} {count:>7,}")
        _show_total(document)
    return EXIT_OBJECTIVE_NOT_MET if document["open"] else 0


@reconciliation.command()
@click.argument("difference")
@outage_option
@home_option
@json_option
def show(difference: str, home_directory: Path, outages: tuple[int, ...], as_json: bool) -> None:
    """Show one difference with the orders that may fit and why; DIFFERENCE is its id, or an exam's number."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_view import difference_named

    document = difference_named(Home.at(home_directory), difference, outages)
    if as_json:
        print_json(document)
        return
    _show_difference(document)
    for one in document["proposals"]:
        state = "certain" if one["certain"] else one["but"]
        click.echo(
            f"    order {one['order']:<16} {one['points']:>4} points, {state}  {one['procedure']} {one['started']}"
        )
        click.echo(f"      for: {', '.join(one['for']) or '-'}; against: {', '.join(one['against']) or '-'}")
    for text in document["advice"]:
        click.echo(f"  {text}")


@reconciliation.command()
@outage_option
@home_option
@json_option
def report(home_directory: Path, outages: tuple[int, ...], as_json: bool) -> int:
    """Show what was done in the outage, exam by exam: whose it is, and what is open. Exit 1 while anything is."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_report import report_document

    document = report_document(Home.at(home_directory), outages)
    if as_json:
        print_json(document)
    else:
        for one in document["exams"]:
            _show_exam(one)
        for one in document["others"]:
            _show_difference(one)
        _show_total(document)
    return EXIT_OBJECTIVE_NOT_MET if document["open"] else 0


@reconciliation.command()
@click.argument("name", metavar="EXAM")
@outage_option
@home_option
@json_option
def exam(name: str, home_directory: Path, outages: tuple[int, ...], as_json: bool) -> None:
    """Show one exam as every side has it, side by side; EXAM is its downtime number or its Study Instance UID."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_report import FIELDS, exam_document

    document = exam_document(Home.at(home_directory), name, outages)
    if as_json:
        print_json(document)
        return
    _show_exam(document)
    columns = [(one["side"], one) for one in document["sides"]]
    columns += [(f"order {one['order']}", one["ordered"]) for one in document["proposals"]]
    for side, one in columns:
        click.secho(side, bold=True)
        for field in FIELDS:
            text = "/".join(one[field]) if field == "modalities" else one[field]
            if text:
                is_other = field in one["differs"]
                lent = " (given out for the outage)" if field in one["temporary"] else ""
                told = f"  {field.replace('_', ' '):<12} {text}{lent}{'   <- differs' if is_other else ''}"
                click.secho(told, fg="red" if is_other else None)


@reconciliation.command()
@click.argument("exam")
@click.option("--order", default="", help="Accession, placer or filler number. Default: the order that fits best.")
@click.option("--also", is_flag=True, help="Another exam fulfils this order, and this one does too.")
@outage_option
@dry_run_option
@act_options
@home_option
@json_option
def match(exam: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Say which order an exam fulfils; EXAM is its downtime number, a Study Instance UID or the difference's id."""
    told = {**_listed(told), "differences": [exam], "verdict": Verdict.MATCHED.value}
    _show_decisions(run_act(home_directory, "reconciliation.decide", told, as_json=as_json), as_json=as_json)


@reconciliation.command()
@click.argument("differences", nargs=-1)
@click.option("--all-of", type=click.Choice([one.value for one in Kind]), help="Every open difference of this kind.")
@click.option(
    "--as",
    "verdict",
    type=click.Choice([one.value for one in FREE_VERDICTS]),
    required=True,
    help="no-order: none will come; not-done: what was ordered was not done; left: stays as it is; "
    "replaced: corrected instances and a rejection note go to the target; replaced-for-safety: nobody may see the old; "
    "ours: of several contents the one here counts and goes out; theirs: the target's is taken in.",
)
@outage_option
@dry_run_option
@act_options
@home_option
@json_option
def decide(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Decide upon differences in another way than by a match; DIFFERENCES are their ids.

    Of those that are named, all are decided or none. What --all-of passes over is listed, with what to do about it.
    """
    told = {**_listed(told), "differences": list(told["differences"])}
    _show_decisions(run_act(home_directory, "reconciliation.decide", told, as_json=as_json), as_json=as_json)


@reconciliation.command()
@click.argument("decision", type=int)
@dry_run_option
@act_options
@home_option
@json_option
def undo(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Take a decision back by its number; what went out already is listed, and is corrected by the next decision."""
    document = run_act(home_directory, "reconciliation.undo", told, as_json=as_json)
    if as_json:
        print_json(document)
        return
    click.echo(f"Decision {document['decision']}: {document['verdict']} {document['subject']} is {document['state']}")
    for one in document["done"]:
        click.secho(f"  was done before: {one['what']}", fg="yellow")


@reconciliation.command()
@target_option
@outage_option
@dry_run_option
@home_option
@json_option
def send(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Do everything that was decided: messages, corrections, studies. Exit 1 while anything is open."""
    document = run_act(home_directory, "reconciliation.send", _listed(told), as_json=as_json)
    if as_json:
        print_json(document)
    elif document["dry_run"]:
        for one in document["would_do"]:
            click.echo(f"  decision {one['decision']}: would {one['what']}")
        if document["target_error"]:
            click.secho(f"The PACS was not asked: {document['target_error']}", fg="red")
        click.echo("Nothing was recorded.")
    else:
        for one in document["done"]:
            click.echo(f"  decision {one['decision']}: {one['what']}")
        for one in document["failed"]:
            click.secho(f"  decision {one['decision']}: {one['what']} failed: {one['error']}", fg="red")
        if document["target_error"]:
            click.secho(f"The PACS was not asked: {document['target_error']}. Messages went all the same.", fg="red")
        _show_differences(document, as_json=False)
    return 0 if document["dry_run"] or not document["open"] else EXIT_OBJECTIVE_NOT_MET


@reconciliation.command()
@home_option
@json_option
def log(home_directory: Path, as_json: bool) -> None:
    """Show every decision, by whom and why, what was done in consequence, and what was taken back."""
    from safelight.site.home import Home
    from safelight.site.reconciliation_view import decisions_document

    document = decisions_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for one in document["decisions"]:
        _show_decision(one)
        for done in one["done"]:
            click.echo(f"       {done['at']}  {done['what']}")
        if one["undone"]:
            click.secho(f"       taken back by {one['undone']['by']}: {one['undone']['reason']}", fg="yellow")


def _listed(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "outages": list(told["outages"])}


def _show_differences(document: Mapping[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(document)
    else:
        for one in document["differences"]:
            _show_difference(one)
        _show_total(document)
    return EXIT_OBJECTIVE_NOT_MET if document["open"] else 0


def _show_total(document: Mapping[str, Any]) -> None:
    if document["outages"] and document["compared_at"] is None:
        click.secho("The PACS was not asked yet: safelight reconciliation compare --target T", fg="yellow")
    for day in document["cut_short"]:
        click.secho(f"The PACS did not name every study of {day}: take a census of it", fg="yellow")
    looked = f", compared with {document['target']} at {document['compared_at']}" if document["target"] else ""
    click.secho(f"{document['open']:,} differences open{looked}", fg="red" if document["open"] else "green")


def _show_difference(one: Mapping[str, Any]) -> None:
    who = one["exam"] or one["order"] or one["study"]
    click.echo(f"{one['id']}  {one['kind']:<20} {who:<20} waits for {one['waits_for']:<9} {one['told']}")


def _show_exam(one: Mapping[str, Any]) -> None:
    decision, open_count = one["decision"], len(one["differences"])
    state = f"{open_count} open" if open_count else "settled"
    whose = f"{decision['verdict']} by {decision['by']}" if decision else "nobody decided whose it is"
    what = f"{'/'.join(one['modalities'])} {one['procedure']}"
    click.echo(f"{one['exam']:<24.24} {what:<28.28} {one['instances']:>6} inst  {state:<8} {whose}")
    for difference in one["differences"]:
        click.echo(f"  {difference['id']}  waits for {difference['waits_for']:<10} {difference['told']}")


def _show_decisions(document: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    for one in document["decisions"]:
        _show_decision(one)
    for one in document["passed_over"]:
        _show_difference(one)
        click.secho(f"  passed over: {' or '.join(one['advice'])}", fg="yellow")
    click.echo("Nothing was recorded." if document["dry_run"] else "Do it: safelight reconciliation send")


def _show_decision(one: Mapping[str, Any]) -> None:
    order = f" order {one['identity']['accession']}" if one["order"] is not None and one["identity"] else ""
    click.echo(f"{one['decision']:>5}  {one['verdict']:<9} {one['subject']}{order}  {one['by']}: {one['reason']}")
