"""Downtime: say what is away, carry on, come back."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.downtime_device import device
from safelight.cli.downtime_exam import exam
from safelight.cli.downtime_numbers import numbers
from safelight.cli.options import act_options, dry_run_option, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET
from safelight.downtime.outage import Scope

scope_option = click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope], case_sensitive=False),
    multiple=True,
    required=True,
    help="What is meant; may be repeated.",
)
since_option = click.option("--since", help="Since when, as 2026-11-24T03:10:00+01:00; now if not given.")


@click.group()
def downtime() -> None:
    """Say what is away, carry on, come back: outages and what is done while they last."""


downtime.add_command(numbers)
downtime.add_command(exam)
downtime.add_command(device)


@downtime.command()
@home_option
@json_option
def cutover(home_directory: Path, as_json: bool) -> None:
    """Show the AE titles of other systems that we answer to, whether they are in force now, and who called by them."""
    from safelight.site.cutover import cutover_document
    from safelight.site.home import Home

    document = cutover_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    if not document["aliases"]:
        click.echo("No aliases are set: see [gateway.dicom] aliases in docs/operating.md.")
    for one in document["aliases"]:
        state = "in force" if one["active"] else "not in force"
        why = "always" if one["always"] else f"{one['scope']} is in {one['phase']}"
        click.secho(f"{one['title']:<16} {state} ({why})", fg="green" if one["active"] else None)
        for caller in one["called_by"]:
            did = ", ".join(caller["did"])
            click.echo(f"  {caller['device']:<16} {caller['calls']:>7,} calls, last {caller['last']}  {did}")


@downtime.command()
@scope_option
@since_option
@click.option("--planned-start", help="Not away yet: it will be taken away at this moment. Again: another moment.")
@dry_run_option
@act_options
@home_option
@json_option
def declare(
    scopes: tuple[str, ...],
    since: str | None,
    planned_start: str | None,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Declare that something is away, or when it will be taken away on purpose."""
    if since and planned_start:
        raise click.UsageError("It broke (--since), or it will be taken away (--planned-start): one of them.")
    event = "planned" if planned_start else "declared"
    _say(event, scopes, planned_start or since, dry_run, reason, by, home_directory, as_json=as_json)


@downtime.command()
@scope_option
@dry_run_option
@act_options
@home_option
@json_option
def cancel(scopes: tuple[str, ...], dry_run: bool, reason: str, by: str, home_directory: Path, as_json: bool) -> None:
    """Take a declaration or a plan back: it was a mistake, or will not be done."""
    _say("cancelled", scopes, None, dry_run, reason, by, home_directory, as_json=as_json)


@downtime.command()
@scope_option
@since_option
@dry_run_option
@act_options
@home_option
@json_option
def recover(
    scopes: tuple[str, ...],
    since: str | None,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Say that something is being brought back; `recovery start` says so of a PACS by itself."""
    _say("recovery-started", scopes, since, dry_run, reason, by, home_directory, as_json=as_json)


@downtime.command()
@scope_option
@since_option
@dry_run_option
@act_options
@home_option
@json_option
def end(
    scopes: tuple[str, ...],
    since: str | None,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    as_json: bool,
) -> None:
    """Say that something is back in service; what was done meanwhile is reconciled from now on."""
    _say("ended", scopes, since, dry_run, reason, by, home_directory, as_json=as_json)


@downtime.command()
@scope_option
@click.option("--leave-open", is_flag=True, help="Close although exams of the outage wait for something.")
@dry_run_option
@act_options
@home_option
@json_option
def close(
    scopes: tuple[str, ...], leave_open: bool, dry_run: bool, reason: str, by: str, home_directory: Path, as_json: bool
) -> None:
    """Say that nothing of an outage is open any more: back to normal."""
    _say("closed", scopes, None, dry_run, reason, by, home_directory, as_json=as_json, leave_open=leave_open)


@downtime.command()
@home_option
@json_option
def status(home_directory: Path, as_json: bool) -> None:
    """Show what is away, since when, and who said so."""
    from safelight.site.downtime import downtime_document
    from safelight.site.home import Home

    document = downtime_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    click.secho(f"Phase: {document['phase']}", bold=True)
    for one in document["scopes"]:
        _show_scope(one)


@downtime.command()
@click.option(
    "--probe", "probes", multiple=True, help="SCOPE WAY TARGET, way echo, find, mllp or http; may be repeated."
)
@click.option("--slow-seconds", type=float, help="An answer later than this counts as away.")
@home_option
@json_option
def advise(probes: tuple[str, ...], slow_seconds: float | None, home_directory: Path, as_json: bool) -> int:
    """Ask the systems whether they work, and advise; a person declares. Exit 1 when there is something to say."""
    from safelight.site.home import Home
    from safelight.site.probing import advice_document

    document = advice_document(Home.at(home_directory), probes, slow_seconds)
    if as_json:
        print_json(document)
    else:
        for one in document["probes"]:
            colour = "green" if one["verdict"] == "up" else "red"
            told = f"{one['seconds']:8.3f} s  {one['trouble']}"
            click.secho(f"{one['verdict']:<5} {one['scope']:<22} {one['way']:<5} {one['target']:<32} {told}", fg=colour)
        for one in document["advice"]:
            if one["advice"] != "nothing":
                click.echo(f"Advice: {one['scope']} is {one['phase']}: safelight downtime {one['advice']}")
    return 0 if document["nothing_to_say"] else EXIT_OBJECTIVE_NOT_MET


@downtime.command()
@home_option
@json_option
def log(home_directory: Path, as_json: bool) -> None:
    """Show everything that was said of outages, in order, with both times."""
    from safelight.site.downtime import log_document
    from safelight.site.home import Home

    document = log_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for row in document["said"]:
        said = f"since {row['since']}  {row['by']}: {row['reason']}"
        click.echo(f"{row['said_at']}  {row['scope']:<22} {row['event']:<17} {said}")


def _say(
    event: str,
    scopes: tuple[str, ...],
    since: str | None,
    dry_run: bool,
    reason: str,
    by: str,
    home_directory: Path,
    *,
    as_json: bool,
    leave_open: bool = False,
) -> None:
    told = {
        "event": event,
        "scopes": [scope.lower() for scope in scopes],
        "since": since,
        "dry_run": dry_run,
        "leave_open": leave_open,
        "reason": reason,
        "by": by,
    }
    document = run_act(home_directory, "downtime.say", told, as_json=as_json)
    if as_json:
        print_json(document)
        return
    for one in document["scopes"]:
        click.echo(f"{one['scope']}: {one['phase_before']} -> {one['phase']}, outage {one['outage'] or '-'}")
    click.echo("Nothing was recorded." if dry_run else f"Phase: {document['phase']}")


def _show_scope(one: dict[str, Any]) -> None:
    said = f"  since {one['since']}  {one['by']}: {one['reason']}" if one["said_at"] and one["outage"] else ""
    colour = None if one["in_service"] else "red"
    click.secho(f"  {one['scope']:<22} {one['phase']:<15}{said}", fg=colour)
