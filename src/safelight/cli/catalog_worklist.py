"""Scheduled steps and reports, as the HL7 messages tell them."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import home_option, json_option, print_json

STATES = ("scheduled", "arrived", "started", "completed", "canceled", "discontinued")


@click.command()
@click.option("--from", "date_from", help="First day of the start, YYYYMMDD or YYYY-MM-DD.")
@click.option("--to", "date_to", help="Last day of the start, YYYYMMDD or YYYY-MM-DD.")
@click.option("--modality", help="For example CT.")
@click.option("--station", help="Scheduled station AE title.")
@click.option("--patient-id", help="Patient ID, exactly.")
@click.option("--accession", help="Accession number, exactly.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Else what is still to be done.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="At most so many steps.")
@home_option
@json_option
def worklist(home_directory: Path, as_json: bool, **asked: Any) -> None:
    """Show scheduled procedure steps, by start: from orders, from lists of others, and registered by hand."""
    from safelight.site.hl7_worklist import worklist_document
    from safelight.site.home import Home

    document = worklist_document(Home.at(home_directory), asked)
    if as_json:
        print_json(document)
        return
    for row in document["steps"]:
        told = row["attributes"]
        start = f"{told.get('ScheduledProcedureStepStartDate', '')} {told.get('ScheduledProcedureStepStartTime', '')}"
        click.echo(
            f"{start:<15} {told.get('Modality', ''):<4} {row['state']:<10} {row['patient_id']:<14} "
            f"{row['patient'].get('PatientName', ''):<26.26} {told.get('AccessionNumber', ''):<14} "
            f"{told.get('ScheduledProcedureStepDescription', '')}"
        )
    click.echo(f"{len(document['steps'])} steps, as of journal entry {document['as_of_position']}")
    for one in document["lists"]:
        click.echo(
            f"{one['source']} as of {one['as_of']}" + (f", stands still: {one['frozen']}" if one["frozen"] else "")
        )


@click.command()
@click.option("--patient-id", default="", help="Patient ID, exactly.")
@click.option("--accession", default="", help="Accession number, exactly.")
@click.option("--study", default="", help="Study Instance UID.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many reports."
)
@home_option
@json_option
def reports(patient_id: str, accession: str, study: str, limit: int, home_directory: Path, as_json: bool) -> None:
    """Find reports that came as HL7 messages, and those that lie in the archive; any of what is given may fit.

    Without a patient, accession number or study only messages are listed, the newest first.
    """
    from safelight.site.hl7_worklist import reports_document
    from safelight.site.home import Home

    document = reports_document(Home.at(home_directory), patient_id, accession, study, limit)
    if as_json:
        print_json(document)
        return
    for row in document["reports"]:
        click.echo(
            f"{row['message'] or row['form']:>17} {row['observed']:<14} {row['status']:<3} {row['patient_id']:<14} "
            f"{row['accession']:<14} {row['title']}"
        )
