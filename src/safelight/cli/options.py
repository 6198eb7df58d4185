"""Options that many commands share, and how a command reaches the home it speaks of."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from safelight.cli.progress import shown

if TYPE_CHECKING:
    from safelight.site.home import Home

Command = TypeVar("Command", bound=Callable[..., Any])

DIRECTORY = click.Path(path_type=Path)


def home_option(command: Command) -> Command:
    """Give the command ``--home`` (or SAFELIGHT_HOME)."""
    return click.option(
        "--home",
        "home_directory",
        type=DIRECTORY,
        envvar="SAFELIGHT_HOME",
        required=True,
        show_envvar=True,
        help="The home that the command speaks of.",
    )(command)


def records_option(command: Command) -> Command:
    """Give a command that speaks of a plan ``--home``: the home whose records are read beside it."""
    return click.option(
        "--home",
        "home_directory",
        type=DIRECTORY,
        envvar="SAFELIGHT_HOME",
        show_envvar=True,
        help="The home whose drills count as measured, and whose sizes and rates the estimate takes.",
    )(command)


def records_home(directory: Path | None) -> "Home | None":
    """Return the home of `records_option`, or of an option that may be left away likewise."""
    from safelight.site.home import Home

    return Home.at(directory) if directory else None


def dry_run_option(command: Command) -> Command:
    """Give the command a plain ``--dry-run``; where it shows more than what would be done, its help says so itself."""
    return click.option("--dry-run", is_flag=True, help="Only show what would be done.")(command)


def json_option(command: Command) -> Command:
    """Give the command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")(command)


def act_options(command: Command) -> Command:
    """Give an act that patients or auditors feel ``--reason`` and ``--by``."""
    command = click.option("--by", required=True, help="Who does this: a person's name.")(command)
    return click.option("--reason", required=True, help="Why; it goes into the journal and the evidence.")(command)


def run_act(home_directory: Path, act: str, told: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Do an act: by the `serve` that runs on this home, else here while holding the home's lock."""
    from safelight.gateway.control import command, is_serving
    from safelight.site.home import Home

    home = Home.at(home_directory)
    with shown(quiet=as_json) as report:
        if is_serving(home.control_socket):
            return dict(command(home.control_socket, act, told, report))
        from safelight.site.acts import act_alone

        return dict(act_alone(home, act, told, report))


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")
