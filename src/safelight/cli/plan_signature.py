"""Signing a plan for one of its sides, and which signatures count."""

import os
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import json_option, print_json
from safelight.cli.plan_options import FILE, dry_run_option, folder_argument
from safelight.core.errors import EXIT_OBJECTIVE_NOT_MET


@click.command("sign")
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
