"""Begin and look: init, serve, status, check."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET
from safelight.core.names import AETitle

SUBJECTS_SHOWN: Final = 3
"""Of findings that say the same, so many are named."""


@click.command()
@click.option("--home", "home_directory", type=DIRECTORY, required=True, help="An empty or new directory.")
@click.option("--site", "site_name", required=True, help="Name of the hospital or site, as people say it.")
@click.option("--ae-title", required=True, help="What modalities and the PACS shall call us (1 to 16 characters).")
@click.option("--dicom-port", type=click.IntRange(1, 65535), required=True, help="Where we listen for DICOM.")
@click.option(
    "--hl7-port", type=click.IntRange(1, 65535), help="Where we listen for HL7 v2 (MLLP); not at all without it."
)
@click.option(
    "--http-port",
    type=click.IntRange(1, 65535),
    help="Where screens and DICOMweb are answered, over TLS, to whoever has an account; not at all without it.",
)
@click.option(
    "--http-name",
    "http_names",
    multiple=True,
    help="A name or address by which browsers reach this machine, for its certificate; may be repeated.",
)
@click.option(
    "--second",
    type=DIRECTORY,
    help="A second folder or mount for copies, in another failure domain. It can be added later in safelight.toml.",
)
@click.option(
    "--open",
    "is_open",
    is_flag=True,
    help="For tests and rehearsal only: on this machine's loopback, store from any calling AE title, and plain HTTP "
    "without login.",
)
@json_option
def init(
    home_directory: Path,
    site_name: str,
    ae_title: str,
    dicom_port: int,
    hl7_port: int | None,
    http_port: int | None,
    http_names: tuple[str, ...],
    second: Path | None,
    is_open: bool,
    as_json: bool,
) -> None:
    """Make a home: settings with comments, keys, an empty vault.

    Prints the offline recovery key ONCE, as words and as a QR code. Whoever has it can read the vault
    when this machine is gone; nobody can without it. Write it down, and keep it off this machine.
    """
    from safelight.site.founding import Founding, found

    made = found(
        Founding(
            directory=home_directory,
            site=site_name,
            title=AETitle.parse(ae_title),
            port=dicom_port,
            hl7_port=hl7_port or 0,
            http_port=http_port or 0,
            http_names=http_names,
            second=second,
            accept_any=is_open,
        )
    )
    if as_json:
        print_json(
            {
                "home": str(made.home.directory),
                "recovery_words": made.recovery_words,
                "recovery_identity": made.recovery_identity,
                "recovery_recipient": made.recovery_recipient,
                "certificate_fingerprint": made.certificate_fingerprint,
                "is_open": is_open,
            }
        )
        return
    click.echo(made.sheet)
    if sys.stdin.isatty() and not is_open:
        _ask_words(made)
    else:
        click.secho("The recovery key is not confirmed yet. When it is written down, run:", fg="yellow")
        click.echo(f"  safelight vault confirm-key --home {home_directory}")
    if is_open:
        click.secho(
            "OPEN HOME: any calling AE title may store, and anybody on this machine sees and does everything over "
            "HTTP, without login. Never use it with real patients.",
            fg="red",
            bold=True,
        )
    elif http_port:
        click.echo(f"Browsers show this SHA-256 fingerprint of our certificate:\n  {made.certificate_fingerprint}")
        click.echo("Nobody can log in yet: safelight console account add NAME --name PERSON --role pacs-administrator")
    click.echo(f"\nHome made at {home_directory}. Next: safelight serve --home {home_directory}")


def _ask_words(made: Any) -> None:
    from safelight.site.founding import confirm_by_positions, positions_to_ask

    asked = positions_to_ask()
    click.echo("Let us see that it is written down.")
    answers = {position: click.prompt(f"Word number {position}") for position in asked}
    if confirm_by_positions(made, answers):
        click.secho("Right. The recovery key is confirmed.", fg="green")
    else:
        click.secho("That does not match. The home is made; confirm later with: safelight vault confirm-key", fg="red")


@click.command()
@home_option
@json_option
def serve(home_directory: Path, as_json: bool) -> None:
    """Receive, pack, copy and verify, in the foreground, until SIGTERM or Ctrl-C.

    Prints one line, `ready` (with --json: {"ready": true}), on standard output when associations are
    accepted. Log lines go to standard error.
    """
    from safelight.site.home import Home
    from safelight.site.serve import serve_until_told

    line = '{"ready": true}' if as_json else "ready"
    serve_until_told(Home.at(home_directory), ready=lambda: click.echo(line))


@click.command()
@home_option
@json_option
def status(home_directory: Path, as_json: bool) -> None:
    """What is held, what would be lost right now, and what needs you."""
    from safelight.site.home import Home
    from safelight.site.status import status_document

    document = status_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    _show_status(document)


def _show_status(document: dict[str, Any]) -> None:
    serving = "serving" if document["serving"] else "NOT serving"
    click.secho(f"{document['site']}  phase {document['phase']}  {serving}", bold=True)
    exposure = document["exposure_seconds"]
    told = "unknown" if exposure is None else _span(exposure)
    click.secho(f"Exposure: {told}", fg="yellow" if exposure is None or exposure else "green")
    for reason in document["exposure_because"]:
        click.echo(f"  because {reason}")
    click.echo(f"Studies   {document['studies']:>12,}    instances {document['instances_landed']:>12,}")
    click.echo(f"Packed    {document['instances_packed']:>12,}    packs     {document['packs']:>12,}")
    click.echo(
        f"Size      {document['bytes_raw'] / 1e6:>9,.0f} MB received, {document['bytes_packed'] / 1e6:,.0f} MB kept"
    )
    findings = document["findings"]
    if not findings:
        click.secho("No open findings.", fg="green")
        return
    _show_findings(findings)


def _show_findings(findings: Sequence[dict[str, Any]]) -> None:
    """Show the gravest first, and those that say the same of different things together."""
    click.secho(f"Open findings: {len(findings):,}", fg="red")
    alike: dict[tuple[str, str, str], list[str]] = {}
    for finding in findings:
        said = (finding["severity"], finding["code"], finding.get("hint") or "")
        alike.setdefault(said, []).append(finding["subject"])
    for (severity, code, hint), subjects in alike.items():
        count = f", {len(subjects):,} times" if len(subjects) > 1 else ""
        more = len(subjects) - SUBJECTS_SHOWN
        told = "  ".join(subjects[:SUBJECTS_SHOWN]) + (f"  and {more:,} more" if more > 0 else "")
        where = f": {told}" if told else ""
        click.secho(f"  {severity:<8} {code}{count}{where}", fg="red" if severity == "critical" else None)
        if hint:
            click.echo(f"    What to do: {hint}")
    if any(len(subjects) > SUBJECTS_SHOWN for subjects in alike.values()):
        click.echo("  All of them: safelight status --json")


def _span(seconds: float) -> str:
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


@click.command()
@home_option
@json_option
def check(home_directory: Path, as_json: bool) -> int:
    """Look at this home and its surroundings; exit 1 when something must be mended.

    Checks settings, keys, free space, placements, journal chain, catalog and whether `serve` answers.
    """
    from safelight.site.checkup import checkup
    from safelight.site.home import Home

    results = checkup(Home.at(home_directory))
    if as_json:
        print_json({"checks": results})
    else:
        for one in results:
            mark = click.style("ok  ", fg="green") if one["ok"] else click.style("MEND", fg="red", bold=True)
            click.echo(f"{mark} {one['what']}: {one['told']}")
            if not one["ok"] and one.get("hint"):
                click.echo(f"     What to do: {one['hint']}")
    return 0 if all(one["ok"] for one in results) else EXIT_OBJECTIVE_NOT_MET
