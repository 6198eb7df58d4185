"""The plan that IT and radiology sign together: begin, check, show, compare, import; the rest stands beside this."""

import json
from pathlib import Path
from typing import Final

import click

from safelight.cli.options import DIRECTORY, json_option, print_json, records_home, records_option
from safelight.cli.plan_assessment import plan_assess
from safelight.cli.plan_documents import plan_map, plan_pack, plan_print
from safelight.cli.plan_impact import impact, impact_calibrate
from safelight.cli.plan_options import dry_run_option, folder_argument, today
from safelight.cli.plan_review import plan_review
from safelight.cli.plan_signature import plan_sign
from safelight.plan.words import EXAMPLES

EXIT_USAGE: Final = 2


@click.group()
def plan() -> None:
    """One recovery plan that IT and radiology sign together."""


plan.add_command(plan_sign)
plan.add_command(plan_assess)
plan.add_command(plan_review)
plan.add_command(impact)
plan.add_command(impact_calibrate)
plan.add_command(plan_print)
plan.add_command(plan_pack)
plan.add_command(plan_map)


@plan.command("init")
@folder_argument
@click.option(
    "--from",
    "--example",
    "example",
    type=click.Choice([*EXAMPLES]),
    help="Begin with a whole plan instead of questions; see above.",
)
@json_option
def plan_init(folder: Path, example: str | None, as_json: bool) -> None:
    """Begin a plan in a new or empty FOLDER: by questions with usual answers, or from a whole plan.

    \b
    --from 400-bed    an invented hospital where every rule is content, to change into yours
    --from 100-bed    radiology bought and staffs its PACS, IT's plan is about the HIS: where rifts show
    --from rehearsal  the hospital of `safelight rehearsal`: its systems, AE titles, ports and wards

    400-bed and rehearsal bring a department that `safelight plan impact` simulates. Without --from, each answer is
    asked for on the terminal: Enter takes the usual one, - skips what nobody knows. `plan lint` is content with
    whatever comes out, and `plan assess` says what is missing.
    """  # noqa: D301 - the \b is a mark that click reads: in a raw docstring it would be two letters
    from safelight.cli.plan_asking import asked_answers, tell_left_out
    from safelight.plan.interview import left_out, plan_texts
    from safelight.plan.reading import read_plan
    from safelight.site.plan_folder import example_beside, example_texts, refuse_if_taken, write_plan

    refuse_if_taken(folder)
    beside: dict[str, str] = {}
    answers: dict[str, str] = {}
    if example:
        texts, beside = example_texts(example, today()), example_beside(example)
    else:
        answers = asked_answers(err=as_json)
        texts = plan_texts(answers)
    read_plan(texts)
    written = {**texts, **beside}
    write_plan(folder, written)
    if as_json:
        skipped = [one.key for one in left_out(answers)]
        print_json({"folder": str(folder), "files": sorted(written), "left_out": skipped})
        return
    click.echo(f"Written to {folder}: {', '.join(sorted(written))}")
    tell_left_out(answers)
    click.echo(f"Next: safelight plan lint {folder}; safelight plan assess {folder}")


@plan.command("lint")
@folder_argument
@records_option
@json_option
def plan_lint(folder: Path, home_directory: Path | None, as_json: bool) -> int:
    """Check the files of a plan and of its rules; say all that is wrong, where, and how to mend it. Exit 2 if any is.

    With a home, also which drills on record are not written into the plan, so that nobody signed them.
    """
    from safelight.site.drill_measured import unwritten
    from safelight.site.drill_written import drills_on_record
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_lint import lint

    found, troubles = lint(PlanFolder(folder), today())
    held = unwritten(found, drills_on_record(records_home(home_directory))) if found else []
    waiting = [one.started.drill for one in held if one.started]
    if as_json:
        told = [{"where": str(one.place), "what": one.what, "mend": one.mend} for one in troubles]
        print_json({"sound": not troubles, "troubles": told, "drills_not_written": waiting})
    for one in () if as_json else troubles:
        click.secho(f"{one.place}: {one.what}", fg="red")
        click.echo(f"    {one.mend}")
    if not as_json and found and not troubles:
        click.echo(f"Sound: {len(found.systems)} systems, {len(found.services)} services.")
    for number in () if as_json else waiting:
        click.secho(f"Drill {number} is on record and in no file: safelight drill report {number} --write", fg="yellow")
    return EXIT_USAGE if troubles else 0


@plan.command("show")
@folder_argument
@click.option(
    "--path", "with_path", is_flag=True, help="Show what each estimate adds up, and which copies it rests on."
)
@records_option
@json_option
def plan_show(folder: Path, with_path: bool, home_directory: Path | None, as_json: bool) -> None:
    """Show systems by IT's tier with who bought and runs them, the values of every objective, and who has signed."""
    from safelight.cli.plan_shown import show_plan
    from safelight.site.plan_console import plan_document
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_records import records_of

    on_disk = PlanFolder(folder)
    told = plan_document(on_disk.read().plan, on_disk.signatures(), records_of(records_home(home_directory)))
    if as_json:
        print_json(told)
    else:
        show_plan(told, with_path=with_path)


@plan.command("diff")
@folder_argument
@click.argument("other", type=DIRECTORY, required=False)
@click.option("--since", "version", help="Compare with this version, as it was when somebody last signed it.")
@json_option
def plan_diff(folder: Path, other: Path | None, version: str | None, as_json: bool) -> None:
    """Show what changed from another plan's folder, since this one was last signed, or since a signed version."""
    if other is not None and version is not None:
        raise click.UsageError("Give another folder or --since, not both.")
    from safelight.plan.document import differences, parts
    from safelight.site.plan_folder import PlanFolder

    on_disk = PlanFolder(folder)
    now = parts(on_disk.read().plan)
    if other is not None:
        before = parts(PlanFolder(other).read().plan)
    else:
        before = on_disk.signed_parts(on_disk.last_signature(version))
    changes = differences(before, now)
    if as_json:
        told = [{"where": c.where, "field": c.field, "before": c.before, "after": c.after} for c in changes]
        print_json({"changes": told})
        return
    for one in changes:
        click.secho(f"{one.where} {one.field}".rstrip(), bold=True)
        click.secho(f"  - {json.dumps(one.before, ensure_ascii=False)}", fg="red")
        click.secho(f"  + {json.dumps(one.after, ensure_ascii=False)}", fg="green")
    click.echo(f"{len(changes)} changes")


@plan.command("import")
@folder_argument
@click.argument("inventory_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@dry_run_option
@json_option
def plan_import(folder: Path, inventory_file: Path, dry_run: bool, as_json: bool) -> None:
    """Take systems from an inventory (CSV or XLSX) into a new file of the plan; what is known is left alone.

    \b
    The first row has the headings; any column may be missing but the name, and others are left alone:
    id               also: ci, asset, asset id, kennung
    name             also: system, application, description
    kind             also: type, class, category
    site             also: location, data center, data centre
    segment          also: vlan, subnet, network
    tier             also: recovery tier, criticality
    in_it_plan       also: in it plan, in dr plan, disaster recovery; yes or no, and `no` where nothing is said
    it_owner         also: it owner, owner; a person of the plan, by id or name
    radiology_owner  also: radiology owner, business owner
    bought_by        also: bought by, funded by; it or radiology
    staffed_by       also: staffed by, run by

    What cannot be taken as it stands is told with file and row.
    """  # noqa: D301 - click wants the character itself
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_inventory import inventory

    on_disk = PlanFolder(folder)
    found = inventory(inventory_file, on_disk.read().plan)
    file = None if dry_run or not found.taken else on_disk.add_file("imported", found.text)
    told = {"taken": found.taken, "known": found.known, "remarks": found.remarks, "file": file}
    if as_json:
        print_json(told)
        return
    for one in found.remarks:
        click.secho(one, fg="yellow")
    click.echo(f"{len(found.taken)} new systems, {len(found.known)} known. {f'Written to {file}.' if file else ''}")
    if dry_run:
        click.echo(found.text.rstrip())
