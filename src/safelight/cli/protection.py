"""Get every study into the vault, and know what is not."""

from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, run_act
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.group()
def protection() -> None:
    """Seed from folders, pull from a PACS, count what is protected, verify on schedule."""


@protection.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--label", default="", help="What to call this source in the records. Default: the folder's name.")
@click.option("--list", "list_file", type=DIRECTORY, help="Write one JSON line per file with what became of it.")
@click.option("--dry-run", is_flag=True, help="Only look: what would be kept, what cannot be read.")
@home_option
@json_option
def seed(folder: Path, label: str, list_file: Path | None, dry_run: bool, home_directory: Path, as_json: bool) -> int:
    """Take in a folder tree of DICOM files, whatever its layout and whatever else lies in it.

    Files that cannot be read as DICOM are kept as they are, counted and listed. Repeating is harmless:
    what is held already is not packed again.
    """
    told = {
        "folder": str(folder.absolute()),
        "label": label or folder.absolute().name,
        "list": str(list_file.absolute()) if list_file else "",
        "dry_run": dry_run,
    }
    document = run_act(home_directory, "protection.seed", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _show_seed(document)
    return 0 if not document["not_kept"] else EXIT_OBJECTIVE_NOT_MET


def _show_seed(document: dict[str, Any]) -> None:
    click.echo(f"{document['found']:>9,}  files found")
    for outcome, words in (("kept", "new"), ("held_already", "held already"), ("not_kept", "NOT kept")):
        bad = outcome == "not_kept" and document[outcome] > 0
        click.secho(f"{document[outcome]:>9,}  {words}", fg="red" if bad else None)
        for reason, count in document["reasons"][outcome].items():
            click.echo(f"{count:>17,}  of these: {_REASONS.get(reason, reason)}")
    if any(document["reasons"].values()):
        click.echo("--list FILE names each.")


_REASONS: Final = {
    "wire.not-dicom": "no DICOM file, kept as it is",
    "not-dicom": "no DICOM file, kept as it is",
    "wire.bad-data-set": "no SOP Instance UID to be read, kept as it is",
    "uids-missing": "UIDs are missing, kept as it is",
    "dicomdir": "a DICOMDIR, kept as it is",
    "wire.cut-short": "the data set is cut short, kept; a recovery does not send it",
    "empty": "empty",
}


@protection.command()
@click.option(
    "--source", default="", help="AET@HOST:PORT or a named peer. Default: protection.source in safelight.toml."
)
@click.option("--way", type=click.Choice(["get", "move"]), default="get", show_default=True, help="C-GET or C-MOVE.")
@click.option("--from", "date_from", default="", help="First study date, YYYYMMDD. Default: as far back as there is.")
@click.option("--to", "date_to", default="", help="Last study date, YYYYMMDD. Default: today.")
@click.option("--limit", type=click.IntRange(1), help="At most so many studies now; the rest on the next call.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Megabytes per second at most, all together.")
@click.option(
    "--anew", is_flag=True, help="Ask the source for everything again; do not go on where the last pull stopped."
)
@click.option("--dry-run", is_flag=True, help="Only ask what the source holds and say what would be pulled.")
@home_option
@json_option
def pull(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Pull studies from a PACS, newest first, politely; go on where the last pull stopped."""
    document = run_act(home_directory, "protection.pull", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        if document["resumed"]:
            click.echo("Went on where the last pull stopped.")
        click.echo(
            f"{document['claimed']:,} studies claimed by the source; {document['pulled']:,} pulled, "
            f"{document['held_already']:,} held already, {document['failed']:,} failed, {document['waiting']:,} waiting"
        )
        _show_troubles(document, told["way"])
        _show_unknown(document["unknown"])
    return 0 if not document["failed"] and document["complete"] else EXIT_OBJECTIVE_NOT_MET


def _show_troubles(document: dict[str, Any], way: str) -> None:
    for what, count in document["troubles"].items():
        click.echo(f"  the source answered {count:,} times: {what}")
    for study in document["failed_studies"]:
        click.echo(f"  did not come: {study}")
    if document["failed"] and way == "move":
        told = "Does the source know our AE title with our address and port, and did `gateway peer add` name it here?"
        click.echo(f"  What to do: {told}")
    elif document["failed"]:
        click.echo("  What to do: ask the owner of the source whether C-GET is allowed to us; or try --way move.")


@protection.command()
@click.option(
    "--source", default="", help="AET@HOST:PORT or a named peer. Default: protection.source in safelight.toml."
)
@click.option("--from", "date_from", default="", help="First study date, YYYYMMDD.")
@click.option("--to", "date_to", default="", help="Last study date, YYYYMMDD.")
@click.option(
    "--level",
    type=click.Choice(["study", "series", "instance"]),
    default="study",
    show_default=True,
    help="Where the numbers of a study agree: believe them, compare those of its series, or every SOP Instance UID. "
    "Where they differ, instances are always compared by UID.",
)
@home_option
@json_option
def census(home_directory: Path, as_json: bool, **told: Any) -> int:
    """Count what the PACS says it holds against what the vault holds.

    Says what it does not know (row limits that could not be split, ranges that failed) instead of
    guessing. Exit 0 only when the census is complete and everything claimed is protected.
    """
    document = run_act(home_directory, "protection.census", told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(
            f"protected {document['protected']:,}   unprotected {document['unprotected']:,}   "
            f"differing {document['differing']:,}   only in vault {document['only_in_vault']:,}   "
            f"gone from the source {document['vanished']:,}"
        )
        for study in document["studies"][:20]:
            click.echo(f"  {study['state']:<12} {study['study']}  {study['told']}")
        for gone in document["vanished_studies"][:20]:
            click.echo(f"  {'gone':<12} {gone}  the source claims it no more; what is held stays")
        if len(document["studies"]) > 20:
            click.echo(f"  ... and {len(document['studies']) - 20:,} more; --json lists all")
        _show_unknown(document["unknown"])
    whole = document["complete"] and not document["unprotected"] and not document["differing"]
    return 0 if whole else EXIT_OBJECTIVE_NOT_MET


def _show_unknown(unknown: list[str]) -> None:
    for reason in unknown:
        click.secho(f"  not known: {reason}", fg="yellow")


@protection.command()
@home_option
@json_option
def status(home_directory: Path, as_json: bool) -> None:
    """What would be lost right now, and why: exposure, last census, feeds, copies."""
    from safelight.site.home import Home
    from safelight.site.status import protection_document

    document = protection_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    exposure = document["exposure_seconds"]
    click.secho("Exposure: " + ("unknown" if exposure is None else f"{exposure:,} s"), bold=True)
    for reason in document["exposure_because"]:
        click.echo(f"  because {reason}")
    click.echo(f"Waiting to be packed: {document['waiting_instances']:,} instances")
    click.echo(f"Packs lacking copies: {document['packs_lacking_copies']:,} of {document['packs']:,}")
    click.echo(f"Last complete census: {document['last_complete_census'] or 'never'}")


@protection.command()
@click.option("--budget-mb", type=click.IntRange(1), help="Read at most so much now. Default: what is due today.")
@home_option
@json_option
def verify(home_directory: Path, as_json: bool, budget_mb: int | None) -> int:
    """Read again the copies that were not verified for longest; heal what is bad from a good copy."""
    document = run_act(home_directory, "protection.verify", {"budget_mb": budget_mb}, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['read']:,} copies read, {document['bad']:,} bad, {document['healed']:,} healed")
    return 0 if document["bad"] == document["healed"] else EXIT_OBJECTIVE_NOT_MET
