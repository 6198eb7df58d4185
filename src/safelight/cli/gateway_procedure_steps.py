"""Performed procedure steps: what modalities said of their work, and telling it to the RIS when it is back."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group("procedure-steps")
def procedure_steps() -> None:
    """What modalities said of their work (MPPS) while the RIS was away; tell it when it is back."""


@procedure_steps.command("list")
@click.option("--to", default="", help="AE title of a system: also show what it has not been told, or refused.")
@home_option
@json_option
def steps_list(to: str, home_directory: Path, as_json: bool) -> None:
    """Show the steps that were kept, the newest last."""
    from safelight.site.home import Home
    from safelight.site.step_forwarding import steps_document

    document = steps_document(Home.at(home_directory), to)
    if as_json:
        print_json(document)
        return
    for one in document["steps"]:
        told = f"  {one['waiting']} to tell, {one['refused']} refused" if to else ""
        click.echo(f"{one['told_at']} {one['modality']:<16} {one['status']:<12} {one['instance']}{told}")


@procedure_steps.command("forward")
@click.option("--to", required=True, help="The system to tell: AET@HOST:PORT, or the title of a named peer.")
@click.option("--since", help="Only what was said from this moment on, as 2026-11-24T03:10:00+01:00.")
@click.option("--retry", is_flag=True, help="Also tell again what it refused.")
@click.option("--dry-run", is_flag=True, help="Only show how much waits.")
@act_options
@home_option
@json_option
@click.pass_context
def steps_forward(context: click.Context, /, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Tell a system, in order, what modalities said while it was away; it can be done again and goes on.

    Exit 1 when something was refused, or it went away in the middle.
    """
    document = run_act(home_directory, "gateway.procedure-steps.forward", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        stopped = f"; stopped: {document['stopped']}" if document["stopped"] else ""
        click.echo(
            f"{document['to']}: {document['told']:,} notices told, {document['waiting']:,} wait, "
            f"{document['refused']:,} refused or behind a refused one{stopped}"
        )
    if document["stopped"] or document["refused"]:
        context.exit(EXIT_OBJECTIVE_NOT_MET)
