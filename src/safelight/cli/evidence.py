"""Sealed, signed evidence of a recovery."""

from pathlib import Path

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def evidence() -> None:
    """What was asked, done and compared: a bundle that an auditor checks without us."""


@evidence.command()
@click.argument("number", required=False)
@click.option("--to", "file", type=DIRECTORY, required=True, help="The bundle to write, a .zip file.")
@click.option("--drill", help="The number of a drill, whose one bundle is written instead of a recovery's.")
@click.option("--with-identity", is_flag=True, help="Study UIDs in the clear. Default: no patient identity at all.")
@home_option
@json_option
def export(
    number: str | None, file: Path, drill: str | None, with_identity: bool, home_directory: Path, as_json: bool
) -> None:
    """Write the evidence of recovery NUMBER (default: the last one), or of a drill."""
    if number and drill:
        raise click.UsageError("Give the NUMBER of a recovery, or --drill.")
    told = {"number": number, "drill": drill, "to": str(file.absolute()), "with_identity": with_identity}
    act = "evidence.export-drill" if drill else "evidence.export"
    document = run_act(home_directory, act, told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        of = f"drill {document['drill']}" if drill else f"recovery {document['number']}"
        click.echo(f"Evidence of {of} written to {file}")
        click.echo(f"  public key {document['key_id']}; check it with: safelight evidence verify {file}")
        click.echo("  or, without Safelight: unzip it and run  python3 verify_bundle.py")


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--public-key",
    type=DIRECTORY,
    help="The site's public key, had by another way. Without it only wholeness is shown.",
)
@json_option
def verify(file: Path, public_key: Path | None, as_json: bool) -> int:
    """Check a bundle: signature, every member's digest, the journal chain. Needs no home."""
    from safelight.site.evidence import verify_file

    document = verify_file(file, public_key)
    if as_json:
        print_json(document)
    else:
        for line in document["checks"]:
            mark = click.style("ok  ", fg="green") if line["ok"] else click.style("BAD ", fg="red", bold=True)
            click.echo(f"{mark}{line['what']}")
    return 0 if document["whole"] else EXIT_OBJECTIVE_NOT_MET
