"""Destinations of messages: systems that get HL7 from us."""

from pathlib import Path

import click

from safelight.cli.options import home_option, json_option, print_json


@click.group()
def destination() -> None:
    """Name the systems that get HL7 messages from us, and what each takes."""


@destination.command("add")
@click.argument("name")
@click.argument("address")
@click.option("--event", "events", multiple=True, help="Only these events, for example 'ORM^*'; may be repeated.")
@click.option("--lanes", type=click.IntRange(1, 32), default=1, show_default=True, help="Connections at once.")
@click.option("--answer-seconds", type=click.IntRange(1), default=30, show_default=True, help="Patience for an answer.")
@click.option("--attempts", multiple=True, help="Tries before a dead letter, as AE=3; 0: for ever; may be repeated.")
@home_option
@json_option
def destination_add(
    name: str,
    address: str,
    events: tuple[str, ...],
    lanes: int,
    answer_seconds: int,
    attempts: tuple[str, ...],
    home_directory: Path,
    as_json: bool,
) -> None:
    """Send what comes from now on to the system NAME that listens at ADDRESS (HOST:PORT).

    With more than one lane, order is kept for each patient and not over all.
    """
    from safelight.core.disk import RealDisk
    from safelight.site.hl7_destinations import Destination, name_destination
    from safelight.site.home import Home

    limits = {
        code: int(limit) if limit.isdigit() else -1 for code, _, limit in (one.partition("=") for one in attempts)
    }
    named = Destination.parse(
        name, address, events=events, lanes=lanes, answer_seconds=answer_seconds, attempts_max=limits
    )
    name_destination(RealDisk(), Home.at(home_directory).destinations, named)
    if as_json:
        print_json(named.document())
    else:
        click.echo(f"{name} gets messages from now on, at {named.address}.")


@destination.command("remove")
@click.argument("name")
@home_option
@json_option
def destination_remove(name: str, home_directory: Path, as_json: bool) -> None:
    """Send nothing more to NAME; what waits for it stays in its queue."""
    from safelight.core.disk import RealDisk
    from safelight.site.hl7_destinations import forget_destination
    from safelight.site.home import Home

    forget_destination(RealDisk(), Home.at(home_directory).destinations, name)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"{name} gets nothing more.")


@destination.command("list")
@home_option
@json_option
def destination_list(home_directory: Path, as_json: bool) -> None:
    """List the systems that get messages from us."""
    from safelight.site.hl7_destinations import read_destinations
    from safelight.site.home import Home

    known = read_destinations(Home.at(home_directory).destinations)
    if as_json:
        print_json({"destinations": [one.document() for one in known.values()]})
        return
    for one in known.values():
        click.echo(f"{one.name:<20} {one.address:<22} {one.lanes} lanes  {' '.join(one.events) or 'every event'}")
