"""The vault: usage, verify, heal, export, the recovery key."""

import sys
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET, UsageError


class NothingNamed(UsageError):
    """Say which study, instance version or everything is to be exported."""

    code = "vault.nothing-named"
    hint = "Give one of: --study UID, --digest SHA256, --all"


@click.group()
def vault() -> None:
    """The proven copy: how much, is it whole, get it out."""


@vault.command()
@home_option
@json_option
def usage(home_directory: Path, as_json: bool) -> None:
    """How much is held, where, and how small it became."""
    from safelight.site.home import Home
    from safelight.site.status import usage_document

    document = usage_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    raw, kept = document["bytes_raw"], document["bytes_packed"]
    ratio = f"{raw / kept:.2f} to 1" if kept else "nothing packed yet"
    click.echo(f"Received {raw / 1e6:,.1f} MB, kept as {kept / 1e6:,.1f} MB ({ratio}) in {document['packs']:,} packs")
    click.echo(f"Landing log: {document['landing_bytes'] / 1e6:,.1f} MB waiting to be packed")
    for place in document["placements"]:
        click.echo(
            f"  {place['name']:<8} {place['packs']:>8,} packs verified of {document['packs']:,}   "
            f"{place['free_bytes'] / 1e9:,.1f} GB free   {place['told']}"
        )


@vault.command()
@click.option(
    "--deep", is_flag=True, help="Also decrypt and decode everything and compare digests (needs the node key)."
)
@click.option("--heal/--no-heal", default=True, show_default=True, help="Replace a bad copy from a good one.")
@home_option
@json_option
def verify(home_directory: Path, as_json: bool, deep: bool, heal: bool) -> int:
    """Read every pack in every placement, the landing log and the journal; name what is damaged."""
    document = run_act(home_directory, "vault.verify", {"deep": deep, "heal": heal}, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _show_verification(document)
    return 0 if document["whole"] else EXIT_OBJECTIVE_NOT_MET


def _show_verification(document: dict[str, Any]) -> None:
    click.echo(
        f"Read {document['packs']:,} pack copies, {document['landing_records']:,} landing records, "
        f"{document['journal_entries']:,} journal entries"
    )
    for damage in document["damaged"]:
        healed = click.style("healed", fg="green") if damage["healed"] else click.style("NOT healed", fg="red")
        click.echo(f"  {healed}: {damage['what']} {damage['name']} in {damage['place']}: {damage['why']}")
    if document["whole"]:
        click.secho("Everything is whole now.", fg="green")
    else:
        click.secho("Damage is left. Delete nothing.", fg="red", bold=True)


@vault.command()
@click.option("--study", help="Study Instance UID.")
@click.option("--digest", help="SHA-256 of one version's data set (or of an opaque file).")
@click.option("--all", "everything", is_flag=True, help="Everything that is held.")
@click.option("--to", "folder", type=DIRECTORY, required=True, help="Folder for the files; made if missing.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@home_option
@json_option
def export(
    home_directory: Path,
    as_json: bool,
    study: str | None,
    digest: str | None,
    everything: bool,
    folder: Path,
    dry_run: bool,
) -> int:
    """Write Part 10 files whose data sets equal what was received, byte for byte.

    Each file is named by the SHA-256 of its data set; files that came with a preamble and file meta of
    their own leave with exactly those.
    """
    if sum((bool(study), bool(digest), everything)) != 1:
        raise NothingNamed
    told = {"study": study, "digest": digest, "to": str(folder.absolute()), "dry_run": dry_run}
    document = run_act(home_directory, "vault.export", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        verb = "would be written" if dry_run else "written"
        click.echo(f"{document['files']:,} files, {document['bytes'] / 1e6:,.1f} MB {verb} to {folder}")
        for failure in document["failed"]:
            click.secho(f"  failed: {failure['digest']}: {failure['code']}", fg="red")
    return 0 if not document["failed"] else EXIT_OBJECTIVE_NOT_MET


@vault.command()
@home_option
@json_option
def pack(home_directory: Path, as_json: bool) -> None:
    """Pack and copy everything that waits in the landing log now, without waiting for quiet."""
    document = run_act(home_directory, "vault.pack", {}, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['instances']:,} instances packed in {document['packs']:,} packs.")


@vault.command("confirm-key")
@home_option
@json_option
def confirm_key(home_directory: Path, as_json: bool) -> int:
    """Show that the recovery key was written down: type its 24 words, or pipe them in."""
    from safelight.site.founding import confirm_by_words
    from safelight.site.home import Home

    home = Home.at(home_directory)
    asked = "The 24 words, separated by spaces"
    words = click.prompt(asked, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    confirmed = confirm_by_words(home, words)
    if as_json:
        print_json({"confirmed": confirmed})
    elif confirmed:
        click.secho("Right. The recovery key is confirmed.", fg="green")
    else:
        click.secho("These words are not the recovery key of this home.", fg="red")
    return 0 if confirmed else EXIT_OBJECTIVE_NOT_MET
