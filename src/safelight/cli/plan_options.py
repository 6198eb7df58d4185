"""Options that commands of a plan share."""

from datetime import date
from pathlib import Path

import click

from safelight.cli.options import DIRECTORY

FILE = click.Path(path_type=Path, dir_okay=False)

folder_argument = click.argument("folder", type=DIRECTORY)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be written.")


def today() -> date:
    """Return the day where this machine stands."""
    from safelight.core.clock import SystemClock

    return SystemClock().now().astimezone().date()
