"""A rehearsal hospital, and the demonstration that loses its PACS and gets it back."""

from pathlib import Path

import click

from safelight.cli.options import DIRECTORY, json_option, print_json
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def rehearsal() -> None:
    """Invented patients to practise with."""


@rehearsal.command()
@click.argument("folder", type=DIRECTORY)
@click.option("--megabytes", type=click.IntRange(1), default=300, show_default=True, help="About how much.")
@click.option(
    "--seed", "seed_number", type=int, default=1, show_default=True, help="The same seed gives the same hospital."
)
@json_option
def generate(folder: Path, megabytes: int, seed_number: int, as_json: bool) -> None:
    """Generate a hospital of invented patients into FOLDER: CT, MR, CR, DX, US, MG, SR, KOS."""
    from dataclasses import asdict

    from safelight.cli.progress import shown
    from safelight.site.rehearsal.hospital import generate as generate_hospital

    with shown(quiet=as_json) as report:
        made = generate_hospital(folder, seed=seed_number, size_bytes=megabytes * 10**6, report=report)
    if as_json:
        print_json(asdict(made))
    else:
        size = f"{made.size_bytes / 1e6:.0f} MB"
        click.echo(f"Made {made.studies} studies with {made.instances} instances ({size}) in {made.images}")


@rehearsal.command()
@click.argument("folder", type=DIRECTORY)
@click.option("--megabytes", type=click.IntRange(1), default=300, show_default=True, help="Size of the hospital.")
def demonstrate(folder: Path, megabytes: int) -> int:
    """Protect a PACS, destroy it, refill an empty one in clinical order, and hand over the evidence."""
    from safelight.site.demonstration import demonstrate as run

    return 0 if run(folder, megabytes) else EXIT_OBJECTIVE_NOT_MET


@rehearsal.command()
@click.argument("folder", type=DIRECTORY)
def day(folder: Path) -> int:
    """Live through a day on which a hospital loses PACS and RIS, until nothing of it is open."""
    from safelight.site.downtime_demonstration import rehearse_day

    return 0 if rehearse_day(folder) else EXIT_OBJECTIVE_NOT_MET


@rehearsal.command("drill")
@click.argument("folder", type=DIRECTORY)
@click.option("--megabytes", type=click.IntRange(1), default=40, show_default=True, help="Size of the hospital.")
def rehearse_drill(folder: Path, megabytes: int) -> int:
    """Run a drill from plan to evidence: restore a tier into a scratch PACS, measure, check the seal without us."""
    from safelight.site.drill_demonstration import demonstrate_drill

    return 0 if demonstrate_drill(folder, megabytes) else EXIT_OBJECTIVE_NOT_MET
