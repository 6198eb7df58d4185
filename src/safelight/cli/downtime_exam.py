"""Exams while a system is away: register, arrived, acquired, read, called, identify, cancel, list."""

import sys
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import (
    DIRECTORY,
    Command,
    act_options,
    dry_run_option,
    home_option,
    json_option,
    print_json,
    run_act,
)
from safelight.downtime.exam import Way

by_option = click.option("--by", required=True, help="Who says so: a person's name.")
at_option = click.option("--at", help="When it was, as 2026-11-24T03:10:00+01:00; now if not given.")


def step_options(command: Command) -> Command:
    """Give a step of an exam what every step has."""
    for option in (json_option, home_option, dry_run_option, at_option):
        command = option(command)
    return command


@click.group()
def exam() -> None:
    """Exams while a system is away, each by its accession number."""


@exam.command()
@click.option("--way", type=click.Choice([one.value for one in Way]), required=True, help="How it came to be.")
@click.option("--site", required=True, help="Whose numbers: the site.")
@click.option("--device", required=True, help="Whose numbers: the device or desk.")
@click.option("--modality", required=True, help="CT, MR, DX ...")
@click.option("--procedure", default="", help="What is to be done.")
@click.option("--place", default="", help="Where the patient comes from, and whom to call back.")
@click.option("--name", default="", help="FAMILY^GIVEN; none for an unidentified patient.")
@click.option("--patient-id", default="", help="The hospital's own, if it is sure, or from a label; else the next.")
@click.option("--accession", default="", help="From a label, or the order's own; else the next.")
@click.option("--birth-date", default="", help="YYYYMMDD.")
@click.option("--sex", default="", help="M, F or O.")
@by_option
@step_options
def register(dry_run: bool, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Register a patient and an exam by hand."""
    document = run_act(home_directory, "downtime.exam.register", {**told, "dry_run": dry_run}, as_json=as_json)
    if as_json:
        print_json(document)
        return
    click.echo(f"Accession number {document['accession']}, patient ID {document['patient_id']}")


@exam.command()
@click.argument("accession")
@by_option
@step_options
def arrived(accession: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Note that the patient came."""
    _step("arrived", accession, told, home_directory, as_json=as_json)


@exam.command()
@click.argument("accession")
@by_option
@step_options
def acquired(accession: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Note that the images were made."""
    _step("acquired", accession, told, home_directory, as_json=as_json)


@exam.command()
@click.argument("accession")
@click.option("--text", default="", help="What was seen; - reads it from standard input.")
@click.option("--urgent", is_flag=True, help="Somebody must be told; it stays open until read back.")
@click.option("--by", required=True, help="Who read it.")
@step_options
def read(accession: str, text: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Write down a preliminary read, with its author and time."""
    words = sys.stdin.read() if text == "-" else text
    _step("read", accession, {**told, "text": words}, home_directory, as_json=as_json)


@exam.command()
@click.argument("accession")
@click.option("--to", required=True, help="Who was told.")
@click.option("--read", type=int, default=1, show_default=True, help="Which read, counted from 1.")
@click.option("--read-back", is_flag=True, help="They read it back, and it was right.")
@click.option("--by", required=True, help="Who told them.")
@step_options
def called(accession: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Note that a result was told to somebody; an urgent one is open until it was read back."""
    _step("called", accession, told, home_directory, as_json=as_json)


@exam.command()
@click.argument("accession")
@click.option("--patient-id", required=True, help="The hospital's number of this patient.")
@act_options
@step_options
def identify(accession: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Note who the patient is; the exam keeps its numbers until it is reconciled."""
    _step("identified", accession, told, home_directory, as_json=as_json)


@exam.command()
@click.argument("accession")
@act_options
@step_options
def cancel(accession: str, home_directory: Path, as_json: bool, **told: Any) -> None:
    """Note that an exam will not be done; its number is not given out again."""
    _step("cancelled", accession, told, home_directory, as_json=as_json)


@exam.command("labels")
@click.argument("accession")
@click.option("--to", "file", type=DIRECTORY, required=True, help="The PDF file to write.")
@click.option("--each", type=int, default=3, show_default=True, help="How many labels.")
@home_option
@json_option
def exam_labels(accession: str, file: Path, each: int, home_directory: Path, as_json: bool) -> None:
    """Write labels for an exam, with name and both numbers as bar codes: A4, 21 on a page, 63.5 by 38.1 mm."""
    from safelight.site.downtime_numbers import print_exam_labels
    from safelight.site.home import Home

    document = print_exam_labels(Home.at(home_directory), accession, file, each)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['labels']:,} labels: {file}")


@exam.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only exams that wait for something.")
@home_option
@json_option
def exam_list(only_open: bool, home_directory: Path, as_json: bool) -> None:
    """Show the exams, how far they are, and what they wait for."""
    from safelight.site.downtime_exams import exams_document
    from safelight.site.home import Home

    document = exams_document(Home.at(home_directory), only_open=only_open)
    if as_json:
        print_json(document)
        return
    for one in document["exams"]:
        waits = f"waits for {', '.join(one['waits_for'])}" if one["waits_for"] else ""
        who = f"{one['patient_id']:<16} {one['name']:<28}"
        click.echo(f"{one['accession']:<16} {who} {one['modality']:<4} {one['stage']:<10} {waits}")
    click.echo(f"{document['open']:,} of them open")


def _step(step: str, accession: str, told: dict[str, Any], home_directory: Path, *, as_json: bool) -> None:
    told = {**told, "step": step, "accession": accession}
    document = run_act(home_directory, "downtime.exam.step", told, as_json=as_json)
    if as_json:
        print_json(document)
        return
    waits = ", ".join(document["waits_for"]) or "nothing"
    click.echo(f"{accession}: {document['stage']}, waits for {waits}")
