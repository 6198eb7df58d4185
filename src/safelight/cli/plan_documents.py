"""The plan and the downtime pack on paper, and the plan as pictures."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safelight.cli.options import DIRECTORY, json_option, print_json, records_home, records_option, run_act
from safelight.cli.plan_options import FILE, folder_argument
from safelight.plan.words import PackForm

if TYPE_CHECKING:
    from safelight.site.plan_documents import Allot

to_option = click.option("--to", "to", type=DIRECTORY, required=True, help="The folder to write both files to.")


@click.command("print")
@folder_argument
@to_option
@records_option
@json_option
def plan_print(folder: Path, to: Path, home_directory: Path | None, as_json: bool) -> None:
    """Write the plan as PDF and HTML, in the order of NIST SP 800-34 A.3; who has not signed stands on page one."""
    from safelight.site.plan_documents import print_plan
    from safelight.site.plan_folder import PlanFolder

    told = print_plan(PlanFolder(folder), to, datetime.now().astimezone(), records_home(home_directory))
    if as_json:
        print_json(told)
        return
    click.echo(f"Version {told['version']}: {', '.join(told['files'])}")


@click.command("pack")
@folder_argument
@to_option
@click.option("--home", "home_directory", type=DIRECTORY, help="Take reserved numbers and today's schedule from here.")
@click.option("--site", help="Where the pack will lie: a site of the plan; else the first where radiology works.")
@click.option("--holder", help="Who will have it: a person of the plan.")
@click.option(
    "--form",
    type=click.Choice([PackForm.PRINTED.value, PackForm.ISOLATED_LAPTOP.value]),
    default=PackForm.PRINTED.value,
    show_default=True,
    help="In which form it will lie there.",
)
@click.option(
    "--labels",
    type=click.IntRange(1, 1000),
    help="Allot so many patient and accession numbers to this pack alone, with bar codes; needs --home and --by.",
)
@click.option("--by", help="Who allots the numbers: a person's name.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written, allotted and registered.")
@json_option
def plan_pack(
    folder: Path,
    to: Path,
    home_directory: Path | None,
    site: str | None,
    holder: str | None,
    form: str,
    labels: int | None,
    by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the downtime pack as PDF and as one HTML file for a laptop without network, and register it in the plan.

    With --home it holds names of patients: keep it as you keep request forms.
    """
    from safelight.site.plan_documents import PackAsked, make_pack
    from safelight.site.plan_folder import PlanFolder

    allot = None
    if labels is not None:
        if home_directory is None or not by:
            raise click.UsageError("--labels needs --home, where numbers are reserved, and --by, who allots them.")
        allot = _allotting(home_directory, labels, by)
    asked = PackAsked(site, holder, PackForm(form), records_home(home_directory), allot)
    told = make_pack(PlanFolder(folder), to, datetime.now().astimezone(), asked, dry_run=dry_run)
    if as_json:
        print_json(told)
        return
    click.echo(f"Pack {told['serial']} of version {told['version']}, for {told['site']}, {told['form']}:")
    click.echo(f"  {told['numbers']} numbers, {told['exams']} exams of today")
    click.echo(
        "Nothing was written." if dry_run else f"  {', '.join(told['files'])}; registered: {told['registered_in']}"
    )


@click.command("map")
@folder_argument
@click.option("--to", "to_file", type=FILE, required=True, help="The SVG file to write.")
@click.option("--network", is_flag=True, help="Draw sites, segments and what flows between systems instead.")
@json_option
def plan_map(folder: Path, to_file: Path, network: bool, as_json: bool) -> None:
    """Draw what needs what, as SVG; what IT's plan does not have is dashed."""
    from safelight.plan.network_picture import network_picture
    from safelight.plan.picture import picture
    from safelight.site.plan_folder import PlanFolder

    read = PlanFolder(folder).read().plan
    to_file.write_text(network_picture(read) if network else picture(read), "utf-8")
    if as_json:
        print_json({"file": str(to_file), "systems": len(read.systems)})
    else:
        click.echo(f"{len(read.systems)} systems drawn to {to_file}")


def _allotting(home: Path, count: int, by: str) -> "Allot":
    from safelight.downtime.number import NumberFor

    def allot(serial: str, site: str, dry_run: bool) -> list[dict[str, Any]]:
        asked = {"count": count, "site": site, "device": serial, "reason": f"downtime pack {serial}", "by": by}

        def ask(of: NumberFor, *, only_try: bool) -> dict[str, Any]:
            told = {**asked, "of": of.value, "dry_run": only_try}
            return run_act(home, "downtime.numbers.allot", told, as_json=True)

        # Tried first: a range that is used up must not leave a block of the other kind behind.
        tried = [ask(of, only_try=True) for of in NumberFor]
        return tried if dry_run else [ask(of, only_try=False) for of in NumberFor]

    return allot
