"""Storage commitment: whether a PACS takes responsibility for what it was sent, and what modalities asked of us."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import act_options, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def commitment() -> None:
    """Ask a PACS whether it takes responsibility for what it was sent; see what it, and we, were asked and answered."""


@commitment.command("ask")
@click.option("--to", required=True, help="The PACS: AET@HOST:PORT, or the title of a named peer.")
@click.option("--study", "studies", multiple=True, help="Study Instance UID; may be repeated.")
@click.option("--refilled", is_flag=True, help="Every study that the last recovery has compared.")
@click.option(
    "--wait-seconds",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    help="How long to wait for each answer on the same association; later ones come to `serve`.",
)
@click.option("--dry-run", is_flag=True, help="Only show how much would be asked for.")
@act_options
@home_option
@json_option
@click.pass_context
def commitment_ask(context: click.Context, /, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Ask for storage commitment; exit 1 when the PACS answered that it does not hold something."""
    told["studies"] = list(told["studies"])
    document = run_act(home_directory, "gateway.commitment.ask", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        words = "would be asked for" if document["dry_run"] else "asked for"
        click.echo(
            f"{document['to']}: {document['instances']:,} instances of {document['studies']:,} studies {words}, "
            f"{document['answered']:,} answered, {document['failed']:,} not given"
        )
    if document["failed"]:
        context.exit(EXIT_OBJECTIVE_NOT_MET)


@commitment.command("list")
@click.option("--peer", default="", help="Only what was asked of, or by, this peer: its AE title.")
@click.option("--open", "only_open", is_flag=True, help="Only what has no answer that was taken.")
@home_option
@json_option
def commitment_list(peer: str, only_open: bool, home_directory: Path, as_json: bool) -> None:
    """Show what was asked by us and of us, how far it is, and what was answered."""
    from safelight.site.commitment_asks import commitments_document
    from safelight.site.home import Home

    document = commitments_document(Home.at(home_directory), peer, only_open=only_open)
    if as_json:
        print_json(document)
        return
    for one in document["requests"]:
        way = "asked of" if one["direction"] == "by-us" else "asked by"
        answer = "" if one["failed"] is None else f"{len(one['failed']):,} not given"
        click.echo(
            f"{one['asked_at']} {way} {one['peer']:<16} {one['instances']:>6,} instances  {one['state']:<9} "
            f"after {one['age_seconds']:,.0f} s  {answer}  {one['study'] or one['transaction']}"
        )
    click.echo(f"{document['waiting']:,} wait for an answer")
