"""Reserved numbers: reserve ranges, allot blocks, print labels."""

from pathlib import Path

import click

from safelight.cli.options import DIRECTORY, act_options, dry_run_option, home_option, json_option, print_json, run_act
from safelight.downtime.number import NumberFor

for_option = click.option(
    "--for",
    "of",
    type=click.Choice([one.value for one in NumberFor]),
    required=True,
    help="Patient IDs or accession numbers.",
)


@click.group()
def numbers() -> None:
    """Numbers for patients and exams without an order: reserve, allot in blocks, print on labels."""


@numbers.command("reserve")
@for_option
@click.option("--prefix", default="", help="What stands before the digits: A-Z, 0-9, -.")
@click.option("--first", type=int, required=True, help="The first number.")
@click.option("--last", type=int, required=True, help="The last number.")
@click.option("--digits", type=int, help="Digits of each number; else as many as the last has.")
@dry_run_option
@act_options
@home_option
@json_option
def numbers_reserve(
    of: str,
    prefix: str,
    first: int,
    last: int,
    digits: int | None,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Reserve numbers that the hospital's own systems never give out; agree on them with the RIS first."""
    told = {"of": of, "prefix": prefix, "first": first, "last": last, "digits": digits}
    told |= {"dry_run": dry_run, "reason": reason, "by": by}
    document = run_act(home_directory, "downtime.numbers.reserve", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Range {document['range']}: {document['first']} to {document['last']}")


@numbers.command("allot")
@for_option
@click.option("--count", type=int, required=True, help="How many numbers, 1 to 1000.")
@click.option("--site", required=True, help="At which site the device is.")
@click.option("--device", required=True, help="The device or desk that gives them out.")
@dry_run_option
@act_options
@home_option
@json_option
def numbers_allot(
    of: str,
    count: int,
    site: str,
    device: str,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Allot the next numbers to a device at a site; nobody else ever gets them."""
    told = {"of": of, "count": count, "site": site, "device": device}
    told |= {"dry_run": dry_run, "reason": reason, "by": by}
    document = run_act(home_directory, "downtime.numbers.allot", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Block {document['block']} for {device} at {site}: {document['first']} to {document['last']}")


@numbers.command("labels")
@click.option("--block", type=int, required=True, help="Which block.")
@click.option("--to", "file", type=DIRECTORY, required=True, help="The PDF file to write.")
@click.option("--each", type=int, default=1, show_default=True, help="How many labels of each number.")
@home_option
@json_option
def numbers_labels(block: int, file: Path, each: int, home_directory: Path, as_json: bool) -> None:
    """Write a block as labels with bar codes: A4, 21 on a page, 63.5 by 38.1 mm."""
    from safelight.site.downtime_numbers import print_labels
    from safelight.site.home import Home

    document = print_labels(Home.at(home_directory), block, file, each)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['labels']:,} labels: {file}")


@numbers.command("list")
@home_option
@json_option
def numbers_list(home_directory: Path, as_json: bool) -> None:
    """Show ranges and blocks, and how many of their numbers are taken."""
    from safelight.site.downtime_numbers import numbers_document
    from safelight.site.home import Home

    document = numbers_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for one in document["ranges"]:
        span = f"{one['first']} to {one['last']}"
        click.echo(f"range {one['range']:>3}  {one['for']:<9} {span:<36} {one['not_allotted']:>9,} not allotted")
    for one in document["blocks"]:
        span = f"{one['first']} to {one['last']}"
        told = f"{one['taken']:>5,} of {one['numbers']:,} taken"
        click.echo(f"block {one['block']:>3}  {one['for']:<9} {span:<36} {told}  {one['site']}, {one['device']}")
