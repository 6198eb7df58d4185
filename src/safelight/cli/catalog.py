"""Find studies; rebuild the catalog."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.catalog_worklist import reports, worklist
from safelight.cli.options import home_option, json_option, print_json, run_act


@click.group()
def catalog() -> None:
    """Find what is held and what is scheduled; rebuild the catalog from the vault alone."""


catalog.add_command(worklist)
catalog.add_command(reports)


@catalog.command()
@click.option("--patient-id", help="Patient ID, exactly.")
@click.option("--name", help="Patient name; * and ? are wildcards, case does not matter.")
@click.option("--accession", help="Accession number, exactly.")
@click.option("--study", help="Study Instance UID.")
@click.option("--modality", help="A modality in the study, for example CT.")
@click.option("--from", "date_from", help="First study date, YYYYMMDD or YYYY-MM-DD.")
@click.option("--to", "date_to", help="Last study date, YYYYMMDD or YYYY-MM-DD.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many studies."
)
@home_option
@json_option
def find(home_directory: Path, as_json: bool, **asked: Any) -> None:
    """Find studies, newest first."""
    from safelight.site.finding_studies import find_studies
    from safelight.site.home import Home

    rows = find_studies(Home.at(home_directory), asked)
    if as_json:
        print_json({"studies": rows})
        return
    for row in rows:
        click.echo(
            f"{row['date']:<8} {'/'.join(row['modalities']):<8} {row['instances']:>6} inst  {row['patient_id']:<16} "
            f"{row['patient_name']:<28.28} {row['accession']:<14} {row['study']}"
        )
    click.echo(f"{len(rows)} studies" + (" (limit reached: narrow the search)" if len(rows) == asked["limit"] else ""))


@catalog.command()
@click.option("--study", help="Only of this Study Instance UID.")
@click.option("--account", help="Only by this account.")
@click.option("--calling", metavar="AET", help="Only by C-MOVE or C-GET from this calling AE title.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="At most so many.")
@home_option
@json_option
def readings(home_directory: Path, as_json: bool, **asked: Any) -> None:
    """Show who opened which study by console or DICOMweb, or retrieved it by C-MOVE or C-GET, the newest first."""
    from safelight.site.home import Home
    from safelight.site.readings import readings_document

    document = readings_document(Home.at(home_directory), asked)
    if as_json:
        print_json(document)
        return
    for one in document["readings"]:
        who = one["account"] or f"{one['calling']}@{one['address']} to {one['destination']}"
        click.echo(f"{one['at']:<28} {who:<50} {one['study']}")
    if document["is_more"]:
        click.echo("Limit reached: narrow the question, or raise --limit")
    for gap in document["missed"]:
        told = f"From {gap['since']} to {gap['until']} not every study that was opened or retrieved could be recorded"
        click.secho(told, fg="yellow")


@catalog.command()
@home_option
@json_option
def rebuild(home_directory: Path, as_json: bool) -> None:
    """Compute the catalog again from the packs, the landing log and the journal.

    Needs the node key. Works beside the old catalog and takes its place only when complete.
    """
    document = run_act(home_directory, "catalog.rebuild", {}, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Rebuilt: {document['instances']:,} instances in {document['packs']:,} packs.")
