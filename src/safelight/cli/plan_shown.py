"""What `safelight plan show` says: who has signed, systems by tier, the values of every objective."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from safelight.cli.columns import columns

UNKNOWN: Final = "unknown"
NOT_SAID: Final = "not said"
SYSTEM_HEAD: Final = (
    "tier",
    "system",
    "in IT's plan",
    "bought by",
    "run by",
    "owner at IT",
    "owner at radiology",
    "most urgent service, and what it bears",
)
OBJECTIVE_HEAD: Final = (
    "service",
    "disruption",
    "",
    "MTD",
    "tolerance",
    "IT says",
    "estimate",
    "caught up",
    "measured",
)
RTO_VALUES: Final = ("mtd", "tolerance", "capability", "estimate", "caught_up", "measurement")
RPO_VALUES: Final = ("rpo_tolerance", "rpo_capability", "rpo_estimate")


def show_plan(told: Mapping[str, Any], *, with_path: bool) -> None:
    """Show a plan in words."""
    _show_agreement(told)
    _show_systems(told)
    _show_objectives(told["objectives"], with_path=with_path)
    if told["without_tolerance"]:
        names = ", ".join(one["name"] for one in told["without_tolerance"])
        click.secho(f"Nobody said what these can bear: {names}", fg="yellow")
    _show_measured(told["objectives"])


def _show_agreement(told: Mapping[str, Any]) -> None:
    from safelight.findings.rules_ownership import SPOKEN

    click.secho(f"{told['title']}, {told['hospital']}, version {told['version']}", bold=True)
    waiting = {side: told["unsigned"][side] for side in SPOKEN}
    state = "approved by both sides" if told["approved"] else "NOT approved: "
    lack = "; ".join(f"{SPOKEN[side]} has {len(parts)} parts to sign" for side, parts in waiting.items() if parts)
    click.echo(f"{state}{lack}")
    for why in told["refused"]:
        click.secho(f"A signature does not count: {why}", fg="red")
    for pack in told["stale_packs"]:
        click.secho(f"Pack {pack['pack']} at {pack['site']} is version {pack['version']}: replace it", fg="yellow")


def _show_systems(told: Mapping[str, Any]) -> None:
    from safelight.findings.rules_ownership import SPOKEN

    click.secho("\nSystems by IT's recovery tier; 1 comes first", bold=True)
    rows: list[tuple[str, ...]] = [SYSTEM_HEAD]
    for one in told["systems"]:
        needed = one["most_urgent"]
        rows.append(
            (
                str(one["tier"] or "none"),
                one["name"],
                "yes" if one["in_it_plan"] else "NO",
                SPOKEN.get(one["bought_by"], NOT_SAID),
                SPOKEN.get(one["staffed_by"], NOT_SAID),
                one["it_owner"] or "nobody",
                one["radiology_owner"] or "nobody",
                f"{needed['name']}, {needed['bears']}" if needed else "",
            )
        )
    for line in columns(rows):
        click.echo(line)
    for one in told["pacs_standing"]:
        places = [f"{where} {_named(one[where])}" for where in ("after", "beside", "before") if one[where]]
        against = "; ".join(places) or "no system of the business is in the plan to compare it with"
        click.secho(f"{_named([one])}: {against}", fg="red" if one["after"] else None)


def _named(systems: Iterable[Mapping[str, Any]]) -> str:
    tiers = [(one["name"], f"tier {one['tier']}" if one["tier"] else "no tier") for one in systems]
    return ", ".join(f"{name} ({tier})" for name, tier in tiers)


def _show_objectives(objectives: list[dict[str, Any]], *, with_path: bool) -> None:
    click.secho("\nWhat services bear, and what is said, estimated and measured", bold=True)
    rows: list[tuple[str, ...]] = [OBJECTIVE_HEAD]
    for one in objectives:
        rto, rpo = ([one[name] or UNKNOWN for name in names] for names in (RTO_VALUES, RPO_VALUES))
        rows.append((one["name"], one["disruption"], "RTO", *rto))
        rows.append(("", "", "RPO", "", *rpo, "", one["rpo_measurement"] or UNKNOWN))
    head, *lines = columns(rows)
    click.echo(head)
    for one, line, rpo_line in zip(objectives, lines[::2], lines[1::2], strict=True):
        _show_values(line, [name for name in one["beyond_tolerance"] if not name.startswith("rpo-")])
        _show_values(rpo_line, [name for name in one["beyond_tolerance"] if name.startswith("rpo-")])
        for part in one["path"] if with_path else ():
            what = f"{part['system'] or 'everybody'}: {part['what']}"
            click.echo(f"        {part['takes']:>12}  {what} [{part['source']}]")
        if with_path and one["complete"]:
            click.echo(f"        {one['complete']:>12}  until everything that is held is back")
        for loss in one["losses"] if with_path else ():
            click.echo(f"        loses {loss['loses'] or UNKNOWN:>12}  {loss['system']} [{loss['source']}]")
        for missing in one["unknown"]:
            click.echo(f"        estimate unknown: {missing}")


def _show_values(line: str, beyond: list[str]) -> None:
    click.secho(line, fg="red" if beyond else None)
    if beyond:
        click.secho(f"        beyond tolerance: {', '.join(beyond)}", fg="red")


def _show_measured(objectives: Iterable[Mapping[str, Any]]) -> None:
    held: dict[str, None] = {}
    for objective in objectives:
        for one in objective["measured"]:
            spans = f"RTO {one['rto'] or UNKNOWN}, RPO {one['rpo'] or UNKNOWN}"
            told = f"{one['system']}, {objective['disruption']}: {spans}, on {one['on']} by {one['drill']}"
            held[told] = None
    if held:
        click.secho("\nMeasured in drills", bold=True)
    for told in held:
        click.echo(f"  {told}")
