"""The program `safelight`: finds the command, shows errors so that they say who must act and how."""

import gc
import importlib
import json
import os
import sys
import traceback
from typing import Any, ClassVar, Final

import click

from safelight import VERSION
from safelight.core.errors import Defect, SafelightError, UsageError, foreseen

GARBAGE_LOOKED_FOR_AFTER: Final = 50_000
EXIT_STOPPED: Final = 130
EXIT_NOBODY_READS: Final = 141

COMMANDS: Final = {
    "init": ("safelight.cli.start:init", "Make a home: settings, keys, an empty vault."),
    "serve": ("safelight.cli.start:serve", "Receive, pack, copy and verify until stopped."),
    "status": ("safelight.cli.start:status", "What is held, what would be lost right now, what needs you."),
    "check": ("safelight.cli.start:check", "Look at this home and its surroundings; say what to mend."),
    "gateway": ("safelight.cli.gateway:gateway", "Other systems: echo, peers, callers, queues of messages."),
    "protection": ("safelight.cli.protection:protection", "Seed, pull, census: get every study into the vault."),
    "vault": ("safelight.cli.vault:vault", "Usage, verify and heal, export, the recovery key."),
    "catalog": ("safelight.cli.catalog:catalog", "Find studies; rebuild the catalog from the vault."),
    "plan": ("safelight.cli.plan:plan", "The plan that IT and radiology sign together: write, assess, agree."),
    "downtime": ("safelight.cli.downtime:downtime", "Say what is away, carry on, come back."),
    "console": ("safelight.cli.console:console", "Screens: who may log in, and the certificate."),
    "recovery": ("safelight.cli.recovery:recovery", "Refill a PACS in clinical order and prove it."),
    "reconciliation": (
        "safelight.cli.reconciliation:reconciliation",
        "After an outage: match, correct, send, until none is open.",
    ),
    "drill": ("safelight.cli.drill:drill", "Rehearse: restore a tier into a scratch PACS, or sit at a table; measure."),
    "evidence": ("safelight.cli.evidence:evidence", "Export and verify sealed, signed evidence."),
    "rehearsal": ("safelight.cli.rehearsal:rehearsal", "Generate a rehearsal hospital; run the demonstration."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is used, so that `--help` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a hospital's work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their one-line help, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Do the command; a reader of our output that is gone ends it, quietly and with a code of its own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would end with 1, the code of an objective that is not met.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(EXIT_NOBODY_READS)


# The control character keeps click from running the lines of a paragraph together.
HELP: Final = """Safelight: disaster recovery for a PACS.

Protects every study as a verified, encrypted holding; refills a lost PACS in clinical order;
hands over evidence that can be checked without us.

\b
First steps:
  safelight init --home DIR --site NAME --ae-title SAFELIGHT --dicom-port 11112
  safelight serve --home DIR
  safelight status --home DIR

Every command takes --home DIR (or SAFELIGHT_HOME), and --json for programs.
"""


class BadCommandLine(UsageError):
    """The command line cannot be understood."""

    code: ClassVar[str] = "cli.bad-command-line"
    hint: ClassVar[str] = "Every command explains itself with --help."


@click.group(
    cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(VERSION, prog_name="safelight")
def program() -> None:
    """Begin; the words shown to people are HELP."""


def show_error(error: SafelightError, as_json: bool) -> int:
    """Tell an error on standard error and return the exit code of its family."""
    from safelight.gateway.control import error_document

    told = error_document(error)
    exit_code: int = told["exit"]
    if as_json:
        click.echo(json.dumps({"error": told}), err=True)
        return exit_code
    click.secho(f"safelight: {told['code']}", fg="red", bold=True, err=True)
    if told["reason"]:
        click.echo(f"  {told['reason']}", err=True)
    for name, value in told["facts"].items():
        if value is not None:
            click.echo(f"  {name}: {value}", err=True)
    if told["hint"]:
        click.echo(f"  What to do: {told['hint']}", err=True)
    return exit_code


def main() -> None:
    """Run the program; the one place where a failure becomes words and an exit code."""
    as_json = "--json" in sys.argv
    # What a command loads stays; looking through it for garbage again and again is a tenth of its start.
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    try:
        code = program.main(standalone_mode=False) or 0
    except click.ClickException as error:
        code = _show_click_error(error, as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("safelight: stopped by you", err=True)
        code = EXIT_STOPPED
    except SafelightError as error:
        code = show_error(error, as_json)
    except Exception as error:  # noqa: BLE001 - the program's one place: a defect gets an exit code of its own
        told = foreseen(error)
        if isinstance(told, Defect):
            traceback.print_exc()
        code = show_error(told, as_json)
    sys.exit(code)


def _show_click_error(error: click.ClickException, as_json: bool) -> int:
    if as_json:
        return show_error(BadCommandLine(told=error.format_message()), as_json)
    error.show()
    return BadCommandLine.exit_code
