"""What an outage does to the department, by simulation."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, records_home
from safelight.cli.progress import shown
from safelight.plan.words import Disruption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from safelight.core.progress import Report as Progress
    from safelight.impact.calibration import Counted, Line
    from safelight.site.impact_report import DeclaredMtd, Report
    from safelight.site.plan_outage import OutageEstimate

until_option = click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The day after the last that is counted; today if not given."
)
optional_home_option = click.option(
    "--home",
    "home_directory",
    type=DIRECTORY,
    envvar="SAFELIGHT_HOME",
    show_envvar=True,
    help="The home whose records `--calibrate` counts, and whose sizes and rates the plan's estimates take.",
)
UNITS: Final = {"_hours": "h", "_minutes": "min", "_seconds": "s", "_gb": "GB"}


@click.command()
@click.option(
    "--department",
    "department_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The YAML file that describes the department and its scenarios; see docs/impact.md.",
)
@click.option(
    "--plan",
    "plan_folder",
    type=DIRECTORY,
    help="The folder of the plan that says estimates, offered as lengths, and MTDs; the department is the one in it.",
)
@click.option("--scenario", "scenario_name", help="Which scenario of the file; the first if none is named.")
@click.option("--hours", type=float, help="Another length of the outage than the scenario's.")
@click.option(
    "--disruption",
    type=click.Choice([one.value for one in Disruption]),
    help="Let the outage last as long as the plan estimates for this disruption; needs --plan.",
)
@click.option("--seeds", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many runs.")
@click.option(
    "--weeks",
    "run_weeks",
    type=click.IntRange(1, 60),
    help="How long each run is; as long as needed if not given.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="With which probability an exam must stay within its limits.",
)
@click.option("--tolerance/--no-tolerance", default=True, show_default=True, help="Derive the tolerance of services.")
@click.option("--svg", "svg_directory", type=click.Path(path_type=Path, file_okay=False), help="Draw pictures here.")
@click.option(
    "--calibrate",
    is_flag=True,
    help="Put what the home's own records say in place of the file's figures; see `plan impact-calibrate`.",
)
@optional_home_option
@click.option(
    "--count-weeks",
    "weeks",
    type=click.IntRange(1, 520),
    default=12,
    show_default=True,
    help="How many weeks of the home `--calibrate` counts.",
)
@until_option
@json_option
def impact(
    department_file: Path | None,
    plan_folder: Path | None,
    scenario_name: str | None,
    hours: float | None,
    disruption: str | None,
    seeds: int,
    run_weeks: int | None,
    confidence: float,
    tolerance: bool,
    svg_directory: Path | None,
    calibrate: bool,
    home_directory: Path | None,
    weeks: int,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Simulate an outage: backlogs, waits against limits, and how long each service really stands it.

    Every run is made twice on the same exams, with and without the outage. Nothing is changed anywhere.
    """
    from safelight.site.impact_file import department_document
    from safelight.site.impact_report import Length, report
    from safelight.site.plan_department import DEPARTMENT
    from safelight.site.plan_outage import estimate_for

    if disruption and (hours is not None or plan_folder is None):
        raise click.UsageError("--disruption takes the length from the estimate of a --plan, instead of --hours.")
    file = department_file or (plan_folder / DEPARTMENT if plan_folder else None)
    if file is None:
        raise click.UsageError("Name the file of a --department, or a --plan that has one.")
    document = department_document(file)
    offered, declared = _of_plan(plan_folder, document, disruption, home_directory) if plan_folder else ({}, {})
    length = None if hours is None else Length.asked(hours)
    if disruption:
        length = estimate_for(offered, Disruption(disruption)).length
    if calibrate and home_directory is None:
        raise click.UsageError("--calibrate counts what a home holds: give --home.")
    with shown(quiet=as_json) as progress:
        counted = _counted(home_directory, weeks, until, progress) if calibrate and home_directory else None
        told = report(
            document,
            scenario_name,
            length,
            seeds,
            run_weeks,
            confidence,
            tolerance,
            progress,
            counted=counted,
            declared=declared,
        )
    if svg_directory is not None:
        svg_directory.mkdir(parents=True, exist_ok=True)
        for name, picture in told.pictures().items():
            (svg_directory / f"{name}.svg").write_text(picture, encoding="utf-8")
    if as_json:
        print_json({**told.document(), "plan_estimates": {str(of): one.hours for of, one in offered.items()}})
    else:
        _show(told, offered)


@click.command("impact-calibrate")
@click.option("--weeks", type=click.IntRange(1, 520), default=12, show_default=True, help="How many weeks to count.")
@until_option
@home_option
@click.option("--yaml", "as_yaml", is_flag=True, help="Print it in the words of a department's file, to paste there.")
@json_option
def impact_calibrate(weeks: int, until: datetime | None, home_directory: Path, as_yaml: bool, as_json: bool) -> None:
    """Count this home's own work: exams by modality, priority and hour of week, durations of exams and readings.

    Says of each figure on how many exams it rests and where it comes from. Nothing is changed anywhere.
    """
    import yaml

    with shown(quiet=as_json) as progress:
        counted = _counted(home_directory, weeks, until, progress)
    if as_json:
        print_json(counted.document())
    elif as_yaml:
        told = {key: value for key, value in counted.document().items() if key in ("hours", "modalities")}
        click.echo(yaml.safe_dump(told, sort_keys=False, default_flow_style=None, width=110), nl=False)
    else:
        click.secho(f"{counted.weeks:g} weeks from {counted.since}", bold=True)
        _show_lines(counted.lines())
        for why, count in counted.left_out.items():
            click.echo(f"  {count:,} x {why}")
        if counted.outages:
            click.secho(f"  {counted.outages} outages were declared: choose other weeks with --until", fg="yellow")


def _counted(home_directory: Path, weeks: int, until: datetime | None, report: "Progress") -> "Counted":
    from safelight.core.clock import SystemClock
    from safelight.site.home import Home
    from safelight.site.impact_calibration import counted_of

    # Devices tell local time; so the week is counted by this machine's local days.
    last = (until or SystemClock().now().astimezone()).date()
    return counted_of(Home.at(home_directory), last, weeks, report)


def _of_plan(
    plan_folder: Path, document: "Mapping[str, Any]", disruption: str | None, home_directory: Path | None
) -> "tuple[dict[Disruption, OutageEstimate], dict[str, DeclaredMtd]]":
    """Return the plan's estimates of how long outages last, and the MTDs that its services declare."""
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_outage import declared_mtds, outage_estimates
    from safelight.site.plan_records import records_of

    plan, records = PlanFolder(plan_folder).read().plan, records_of(records_home(home_directory))
    declared = declared_mtds(plan, document, Disruption(disruption) if disruption else None)
    return outage_estimates(plan, document, records.figures), declared


def _show_lines(lines: "Sequence[Line]") -> None:
    for one in lines:
        value = "" if one.value is None else _number(one.value)
        if one.interval is not None:
            value += f" [{_number(one.interval[0])} to {_number(one.interval[1])}]"
        click.echo(f"  {one.subject:<18} {one.what:<18} {value:<24} {one.rests_on:>7,}  {one.source}")
        for why, count in sorted(one.left_out.items()):
            click.echo(f"  {'':<18} {'':<18} {'':<24} {count:>7,}  left out: {why}")


def _show_length(told: "Report", offered: "Mapping[Disruption, OutageEstimate]") -> None:
    """Say who says how long the outage lasts, and how long it lasts by the plan's estimates."""
    click.echo(f"Length: {_number(told.length.hours)} h, {told.length.words}")
    for part in told.length.path:
        click.echo(f"  {part['takes']:>12}  {part['system'] or 'everybody'}: {part['what']} [{part['source']}]")
    for disruption, one in offered.items():
        span = "unknown" if one.hours is None else f"{_number(one.hours)} h"
        click.echo(f"  by the plan's estimate: {span}, with --disruption {disruption}")


def _show(told: "Report", offered: "Mapping[Disruption, OutageEstimate]") -> None:
    from safelight.impact.picture import length

    scenario = told.scenario
    click.secho(f"{told.department.name}: {scenario.name}, {scenario.hours:g} h, {scenario.scope}", bold=True)
    _show_length(told, offered)
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
        declared = f"; declared MTD {length(row.declared.hours)} ({row.declared.source})" if row.declared else ""
        rift = ": more than it stands" if row.is_rift else ""
        click.secho(f"  {row.service:<16} {row.words}{declared}{rift}", fg="red" if row.is_rift else None)
    if told.lines:
        click.secho("\nCounted from the site's own records (value, 95 % interval, exams it rests on)", bold=True)
        _show_lines(told.lines)
    click.echo("\nWhere durations come from")
    for line in told.sources():
        click.echo(f"  {line}")


def _number(value: float | None) -> str:
    if value is None:
        return "not seen"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}".rstrip("0").rstrip(".")
