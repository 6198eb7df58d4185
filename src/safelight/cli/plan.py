"""The plan that IT and radiology sign together: begin, check, show, compare, sign, assess, draw, import, review."""

import json
import os
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click

from safelight.cli.options import DIRECTORY, json_option, print_json, records_home, records_option
from safelight.cli.plan_documents import plan_pack, plan_print
from safelight.cli.plan_impact import impact, impact_calibrate
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET
from safelight.plan.words import EXAMPLES

FILE = click.Path(path_type=Path, dir_okay=False)
COLOURS: Final = {"critical": "red", "high": "yellow", "medium": "cyan", "low": None}
STANDINGS: Final = {"met": "green", "decided": None, "open": "red", "not checked": "yellow"}
EXIT_USAGE: Final = 2

folder_argument = click.argument("folder", type=DIRECTORY)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be written.")


@click.group()
def plan() -> None:
    """One recovery plan that IT and radiology sign together."""


plan.add_command(impact)
plan.add_command(impact_calibrate)
plan.add_command(plan_print)
plan.add_command(plan_pack)


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
        texts, beside = example_texts(example, _today()), example_beside(example)
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
    """Check the files of a plan; say everything that is wrong, where, and how to mend it. Exit 2 if anything is.

    With a home, also which drills on record are not written into the plan, so that nobody signed them.
    """
    from safelight.plan.errors import BadPlan, Trouble
    from safelight.plan.estimate import order
    from safelight.site.drill_measured import drills_on_record, unwritten
    from safelight.site.plan_folder import PlanFolder

    troubles: tuple[Trouble, ...] = ()
    waiting: list[str] = []
    try:
        read = PlanFolder(folder).read()
        order(read.plan.systems)
        held = unwritten(read.plan, drills_on_record(records_home(home_directory)))
        waiting = [one.started.drill for one in held if one.started]
    except BadPlan as error:
        troubles = error.troubles
    if as_json:
        told = [{"where": str(one.place), "what": one.what, "mend": one.mend} for one in troubles]
        print_json({"sound": not troubles, "troubles": told, "drills_not_written": waiting})
    for one in () if as_json else troubles:
        click.secho(f"{one.place}: {one.what}", fg="red")
        click.echo(f"    {one.mend}")
    if not as_json and not troubles:
        click.echo(f"Sound: {len(read.plan.systems)} systems, {len(read.plan.services)} services.")
    for number in () if as_json else waiting:
        click.secho(f"Drill {number} is on record and in no file: safelight drill report {number} --write", fg="yellow")
    return EXIT_USAGE if troubles else 0


@plan.command("show")
@folder_argument
@click.option(
    "--path", "with_path", is_flag=True, help="Show of which parts each estimate is the sum, and who says so."
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


@plan.command("assess")
@folder_argument
@click.option("--all", "everything", is_flag=True, help="Also what was mitigated or accepted.")
@click.option("--requirements", is_flag=True, help="Each requirement of laws and standards, not only how many are met.")
@click.option("--impact", "impact_file", type=FILE, help="What `safelight plan impact --json` said, as a file.")
@records_option
@json_option
def plan_assess(
    folder: Path,
    everything: bool,
    requirements: bool,
    impact_file: Path | None,
    home_directory: Path | None,
    as_json: bool,
) -> int:
    """Ask all rules where this plan would fail, and how it stands to laws and standards.

    Exit 1 when anything critical is open.
    """
    from safelight.site.plan_assessment import assessment_document, assessment_of
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_records import records_of
    from safelight.site.plan_simulation import impacts

    on_disk = PlanFolder(folder)
    read = on_disk.read()
    simulated = impacts(impact_file, read.plan) if impact_file else {}
    told = assessment_of(on_disk, read.plan, _today(), simulated, records_of(records_home(home_directory)))
    document = assessment_document(told, read.places)
    if as_json:
        print_json(document)
    else:
        _show_assessment(document, everything=everything)
        _show_requirements(document["requirements"], each=requirements)
    return EXIT_OBJECTIVE_NOT_MET if document["open"]["critical"] or document["broken_rules"] else 0


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


@plan.command("sign")
@folder_argument
@click.option("--by", help="Who signs: the id of a person of the plan.")
@click.option("--reason", help="What is agreed to, such as the version that was discussed.")
@click.option("--key", "key_file", type=FILE, help="The file with the signer's secret key.")
@click.option(
    "--check", is_flag=True, help="Sign nothing: show each signature and whether it counts. Exit 1 if a side lacks."
)
@click.option("--make-key", is_flag=True, help="Make the key file first, and say what to put into the plan.")
@dry_run_option
@json_option
def plan_sign(
    folder: Path,
    by: str | None,
    reason: str | None,
    key_file: Path | None,
    check: bool,
    make_key: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Sign every part of the plan for the side that a person speaks for."""
    if check:
        return _check_signatures(folder, as_json=as_json)
    if not by or not reason or key_file is None:
        raise click.UsageError("To sign, give --by, --reason and --key; to look at signatures, --check.")
    from safelight.core.clock import SystemClock
    from safelight.core.signing import SigningKey
    from safelight.findings.rules_ownership import SPOKEN
    from safelight.plan.document import parts
    from safelight.plan.signature import agreement, sign
    from safelight.site.plan_folder import PlanFolder, read_key

    if make_key:
        _make_key(by, key_file, as_json=as_json)
        return 0
    on_disk = PlanFolder(folder)
    read = on_disk.read().plan
    signature = sign(read, by, SigningKey.load(read_key(key_file)), SystemClock().now(), reason)
    before = on_disk.signatures()
    agreed = agreement(read, [*before, signature])
    if not dry_run:
        on_disk.add_signature(signature, parts(read))
    new = len(agreement(read, before).missing(signature.side))
    told = {
        "by": by,
        "side": str(signature.side),
        "parts": len(signature.covers),
        "newly_signed": new,
        "approved": agreed.approved,
        "recorded": not dry_run,
    }
    if as_json:
        print_json(told)
        return 0
    click.echo(f"{by} signs for {SPOKEN[signature.side]}: {told['parts']} parts, {new} of them not signed before.")
    click.echo("Nothing was recorded." if dry_run else "Recorded.")
    click.echo("Approved by both sides." if agreed.approved else "The other side has yet to sign.")
    return 0


@plan.command("map")
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


@plan.command("import")
@folder_argument
@click.argument("inventory_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@dry_run_option
@json_option
def plan_import(folder: Path, inventory_file: Path, dry_run: bool, as_json: bool) -> None:
    """Take systems from an inventory (CSV or XLSX) into a new file of the plan; what is known is left alone."""
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


@plan.command("review")
@folder_argument
@click.option("--record", "name", help="Record a meeting under this short name; without it, print the agenda.")
@click.option("--at", "at", help="When the meeting was, as 2026-11-24T13:00:00+01:00; now if not given.")
@click.option("--attended", multiple=True, help="A person of the plan who was there; may be repeated.")
@click.option("--minutes", default="", help="What was said.")
@click.option("--discussed", multiple=True, help="A finding that was discussed, as R06; may be repeated.")
@click.option("--action", "actions", multiple=True, help="PERSON:DAY:WHAT, as ines:2026-12-24:Try the radios.")
@dry_run_option
@records_option
@json_option
def plan_review(
    folder: Path,
    name: str | None,
    at: str | None,
    attended: tuple[str, ...],
    minutes: str,
    discussed: tuple[str, ...],
    actions: tuple[str, ...],
    dry_run: bool,
    home_directory: Path | None,
    as_json: bool,
) -> None:
    """Print the agenda of a review from open findings, or record one with attendance, minutes and actions."""
    from safelight.site.plan_folder import PlanFolder
    from safelight.site.plan_records import records_of
    from safelight.site.plan_review import agenda, refuse_unknown_rules, review_text, without_pacs_administrator

    on_disk = PlanFolder(folder)
    read = on_disk.read()
    if name is None:
        told = agenda(on_disk, read.plan, _today(), records_of(records_home(home_directory)))
        if as_json:
            print_json(told)
        else:
            _show_agenda(told)
        return
    moment = at or datetime.now().astimezone().isoformat(timespec="seconds")
    refuse_unknown_rules(on_disk, discussed)
    text = review_text(name, moment, attended, minutes, discussed, actions)
    on_disk.check_with(text)
    file = None if dry_run else on_disk.add_file(f"review-{name}", text)
    missing = without_pacs_administrator(read.plan, attended)
    if as_json:
        print_json({"file": file, "text": text, "without_pacs_administrator": missing})
        return
    click.echo(f"Recorded in {file}." if file else text.rstrip())
    if missing:
        click.secho("No PACS administrator took part: that is finding R06.", fg="red")


def _today() -> date:
    from safelight.core.clock import SystemClock

    return SystemClock().now().astimezone().date()


def _check_signatures(folder: Path, *, as_json: bool) -> int:
    from safelight.plan.signature import agreement
    from safelight.plan.words import Side
    from safelight.site.plan_folder import PlanFolder

    on_disk = PlanFolder(folder)
    agreed = agreement(on_disk.read().plan, on_disk.signatures())
    told: dict[str, Any] = {
        "approved": agreed.approved,
        "unsigned": {str(side): list(agreed.missing(side)) for side in Side},
        "signatures": [one.document() for one in agreed.counted],
        "refused": list(agreed.refused),
    }
    if as_json:
        print_json(told)
        return 0 if agreed.approved else EXIT_OBJECTIVE_NOT_MET
    for one in agreed.counted:
        way = f"login of {one.account} at the console" if one.account else "own key"
        click.echo(f"{one.side:<10} {one.person:<16} {one.at}  version {one.version}, {len(one.covers)} parts, {way}")
    for why in agreed.refused:
        click.secho(f"does not count: {why}", fg="red")
    for side, parts in told["unsigned"].items():
        click.echo(f"{side:<10} {len(parts)} parts to sign")
    return 0 if agreed.approved else EXIT_OBJECTIVE_NOT_MET


def _make_key(by: str, key_file: Path, *, as_json: bool) -> None:
    from safelight.core.signing import SigningKey

    key = SigningKey.generate()
    public = key.verify_key.raw.hex()
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(key.raw.hex() + "\n")
    if as_json:
        print_json({"by": by, "public_key": public, "file": str(key_file)})
        return
    click.echo(f"Made {key_file}: keep it where only {by} can read it. Put this into the plan, at {by} in `people`:")
    click.echo(f"    signing_key: {public}")


def _show_assessment(document: dict[str, Any], *, everything: bool) -> None:
    counts = ", ".join(f"{count} {severity}" for severity, count in document["open"].items())
    click.secho(f"Open: {counts}. Rifts between the sides: {document['rifts']}.", bold=True)
    for one in document["services"]:
        first = one["first_blocking"]
        blocked = f"{first['rule']} {first['title']}" if first else "nothing found"
        breach = one["first_breach_minutes"]
        simulated = f"; first patient beyond the limit after {breach:.0f} min" if breach is not None else ""
        click.echo(f"  {one['service']:<20} first in the way: {blocked}{simulated}")
    click.echo()
    for one in document["findings"]:
        if one["state"] != "open" and not everything:
            continue
        state = "" if one["state"] == "open" else f" [{one['state']} by {one['owner']} until {one['until']}]"
        click.secho(
            f"{one['rule']} {one['severity']:<8} {one['kind']:<4} {one['what']}{state}", fg=COLOURS[one["severity"]]
        )
        click.echo(f"      {one['subject']}  {one['where'] or ''}".rstrip())
        click.echo(f"      IT: {one['it']}  Radiology: {one['radiology']}")
    for one in document["broken_rules"]:
        click.secho(f"Rule {one['rule']} failed: {one['trouble']}", fg="red", err=True)


def _show_requirements(packs: list[dict[str, Any]], *, each: bool) -> None:
    click.secho("\nWhat laws and standards ask for (met: every rule that looks at it found nothing)", bold=True)
    for pack in packs:
        counts = Counter(one["standing"] for one in pack["requirements"])
        told = ", ".join(f"{counts[one]} {one}" for one in STANDINGS if counts[one])
        click.echo(f"  {pack['source']}, {pack['edition']}: {told}")
        for one in pack["requirements"] if each else ():
            by = f" by {', '.join(one['found_by'])}" if one["found_by"] else ""
            click.secho(f"      {one['ref']:<26} {one['standing']}{by}", fg=STANDINGS[one["standing"]])
            served = ", ".join(one["parts"]).replace("_", " ") or "nothing in the plan"
            rules = " ".join(one["rules"]) or "no rule"
            click.echo(f"          {one['text']}. Text: {one['verified']}. Asked: {rules}. Served by: {served}")


def _show_agenda(told: dict[str, Any]) -> None:
    click.secho(f"Agenda: {told['title']}", bold=True)
    click.echo(f"Invited: {', '.join(told['invited'])}")
    for number, one in enumerate(told["items"], 1):
        click.echo(f"{number:>3}. {one['rule']} {one['title']} ({one['severity']}, {one['count']} places)")
        click.echo(f"     IT: {one['it']}")
        click.echo(f"     Radiology: {one['radiology']}")
    for one in told["actions"]:
        click.echo(f"Open action {one['id']}, {one['owner']}, due {one['due_on']}: {one['what']}")
