"""Lists of scheduled steps that others keep: the mirrored worklist of a RIS, imported extracts."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def worklist() -> None:
    """The worklist of a RIS, mirrored, and extracts of a schedule, imported: to be served when the RIS is gone."""


def accept_options(command: Any) -> Any:
    """Give a command ``--accept`` with who and why, and ``--dry-run``."""
    command = click.option("--by", help="Who accepts it: a person's name.")(command)
    command = click.option("--reason", help="Why it is accepted.")(command)
    command = click.option(
        "--accept", is_flag=True, help="Keep it although it is far shorter than expected; with --reason and --by."
    )(command)
    return click.option("--dry-run", is_flag=True, help="Only show what would be changed.")(command)


@worklist.command("mirror")
@click.option("--source", help="The RIS as AET@HOST:PORT; else the one of the settings.")
@accept_options
@home_option
@json_option
@click.pass_context
def worklist_mirror(context: click.Context, /, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Ask the RIS for its worklist now, and keep it if it can be believed; exit 1 when it stays as it was."""
    document = run_act(home_directory, "gateway.worklist.mirror", told, as_json=as_json)
    if as_json:
        print_json(document)
    elif document["because"] == "declared-away":
        click.echo(f"{document['source']} is declared away: its worklist stays as it was (--accept to take it anew).")
    else:
        show_change(document)
    if not document["changed"]:
        context.exit(EXIT_OBJECTIVE_NOT_MET)


@worklist.command("import")
@click.argument("file", type=DIRECTORY)
@click.option("--source", default="extract", show_default=True, help="Whose extract it is: it replaces the last one.")
@click.option("--as-of", help="When it was written, as 2026-11-24T03:10:00+01:00; else as its file says.")
@accept_options
@home_option
@json_option
@click.pass_context
def worklist_import(context: click.Context, /, file: Path, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Take in an extract of a schedule: CSV, XLSX, or HL7 SIU messages in a file. Look with --dry-run first.

    Exit 1 when the list stays as it was, or when --dry-run finds no line that can be used. Which column
    holds what is told in extract_mapping.toml of the home.
    """
    asked = {"file": str(file.absolute()), **told}
    document = run_act(home_directory, "gateway.worklist.import", asked, as_json=as_json)
    if as_json:
        print_json(document)
    elif "messages" in document:
        messages = document["messages"]
        if document["dry_run"]:
            click.echo(f"{messages['found']:,} messages would be taken in, less those that are known.")
        else:
            click.echo(f"{messages['kept']:,} messages kept, {messages['known']:,} were known.")
    else:
        _show_extract(document)
    if "messages" not in document and not (document["changed"] and document["steps"]):
        context.exit(EXIT_OBJECTIVE_NOT_MET)


@worklist.command("list")
@home_option
@json_option
def worklist_list(home_directory: Path, as_json: bool) -> None:
    """Show which lists are kept, how old they are, and whether they stand still."""
    from safelight.site.hl7_worklist import lists_document
    from safelight.site.home import Home

    document = lists_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for one in document["lists"]:
        frozen = f"  STANDS STILL: {one['frozen']}" if one["frozen"] else ""
        click.echo(f"{one['source']:<24} {one['steps']:>7,} steps as of {one['as_of']}{frozen}")


def _show_extract(document: dict[str, Any]) -> None:
    for heading, keyword in document["columns"].items():
        click.echo(f"  {heading:<32.32} {keyword}")
    for heading in document["columns_not_understood"]:
        click.secho(f"  {heading:<32.32} not understood", fg="yellow")
    for one in document["bad_lines"]:
        click.secho(f"  line {one['line']}: {one['why']}", fg="yellow")
    show_change(document)


def show_change(document: dict[str, Any]) -> None:
    """Show what a newer edition of a list changes."""
    if document["expected"] is not None:
        click.secho(
            f"{document['source']}: {document['got']:,} steps where {document['expected']:,} were expected"
            + ("" if document["changed"] else "; the list stays as it was (--accept to take it all the same)"),
            fg="yellow",
        )
    words = "are" if document["changed"] and not document["dry_run"] else "would be"
    click.echo(
        f"{document['source']}: {document['steps']:,} steps; {document['new_or_other']:,} {words} new or other, "
        f"{document['gone']:,} gone, {document['not_understood']:,} not understood"
    )
