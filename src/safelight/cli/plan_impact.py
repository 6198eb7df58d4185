"""What an outage does to the department, by simulation."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from safelight.cli.options import home_option, json_option, print_json
from safelight.cli.progress import shown

if TYPE_CHECKING:
    from safelight.site.impact_report import Report

UNITS: Final = {"_hours": "h", "_minutes": "min", "_seconds": "s", "_gb": "GB"}


@click.command()
@click.option(
    "--department",
    "department_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The YAML file that describes the department and its scenarios; see docs/impact.md.",
)
@click.option("--scenario", "scenario_name", help="Which scenario of the file; the first if none is named.")
@click.option("--hours", type=float, help="Another length of the outage than the scenario's.")
@click.option("--seeds", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many runs.")
@click.option("--weeks", type=click.IntRange(1, 60), help="How long each run is; as long as needed if not given.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="With which probability an exam must stay within its limits.",
)
@click.option("--tolerance/--no-tolerance", default=True, show_default=True, help="Derive the tolerance of services.")
@click.option("--svg", "svg_directory", type=click.Path(path_type=Path, file_okay=False), help="Draw pictures here.")
@json_option
def impact(
    department_file: Path,
    scenario_name: str | None,
    hours: float | None,
    seeds: int,
    weeks: int | None,
    confidence: float,
    tolerance: bool,
    svg_directory: Path | None,
    as_json: bool,
) -> None:
    """Simulate an outage: backlogs, waits against limits, and how long each service really stands it.

    Every run is made twice on the same exams, with and without the outage. Nothing is changed anywhere.
    """
    from safelight.site.impact_file import department_document
    from safelight.site.impact_report import report

    document = department_document(department_file)
    with shown(quiet=as_json) as progress:
        told = report(document, scenario_name, hours, seeds, weeks, confidence, tolerance, progress)
    if svg_directory is not None:
        svg_directory.mkdir(parents=True, exist_ok=True)
        for name, picture in told.pictures().items():
            (svg_directory / f"{name}.svg").write_text(picture, encoding="utf-8")
    if as_json:
        print_json(told.document())
    else:
        _show(told)


@click.command("impact-arrivals")
@click.option("--weeks", type=click.IntRange(1, 520), default=12, show_default=True, help="How many weeks to count.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The day after the last; today if not given.")
@home_option
@json_option
def impact_arrivals(weeks: int, until: datetime | None, home_directory: Path, as_json: bool) -> None:
    """Count this home's own studies by modality, priority and hour of week, in the words of a department's file."""
    import yaml

    from safelight.core.clock import SystemClock
    from safelight.site.home import Home
    from safelight.site.impact_calibration import calibration_of

    # Devices tell local time; so the week is counted by this machine's local days.
    last = (until or SystemClock().now().astimezone()).date()
    document = calibration_of(Home.at(home_directory), last, weeks).document()
    if as_json:
        print_json(document)
    else:
        click.echo(yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=110), nl=False)


def _show(told: "Report") -> None:
    from safelight.impact.picture import length

    scenario = told.scenario
    click.secho(f"{told.department.name}: {scenario.name}, {scenario.hours:g} h, {scenario.scope}", bold=True)
    click.echo(f"{told.summary.seeds} runs of {told.plan.weeks} weeks; median [nine runs of ten]\n")
    for (measure, subject), one in sorted(told.summary.figures.items()):
        if measure.endswith(("_usual", "_empty_hours")) or one.median == one.high == 0.0:
            continue
        unit = next((short for ending, short in UNITS.items() if ending in measure), "")
        if measure == "cost":
            unit = told.currency or ""
        name = measure.replace("_", " ")
        values = f"{_number(one.median)} [{_number(one.low)} to {_number(one.high)}] {unit}".rstrip()
        click.echo(f"  {name:<28} {subject:<16} {values}")
    if told.tolerances:
        click.secho(f"\nWhat each service stands ({told.confidence:.0%} of its exams in time)", bold=True)
    for row in told.tolerances:
        declared = f"; declared MTD {length(row.declared_hours)}" if row.declared_hours is not None else ""
        rift = ": more than it stands" if row.is_rift else ""
        click.secho(f"  {row.service:<16} {row.words}{declared}{rift}", fg="red" if row.is_rift else None)
    click.echo("\nWhere figures come from")
    for line in told.sources():
        click.echo(f"  {line}")


def _number(value: float | None) -> str:
    if value is None:
        return "not seen"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}".rstrip("0").rstrip(".")
