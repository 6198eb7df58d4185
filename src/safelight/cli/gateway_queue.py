"""Queues of messages: what waits for each destination, hold it, release it, skip, replay."""

from pathlib import Path
from typing import Any

import click

from safelight.cli.options import act_options, dry_run_option, home_option, json_option, print_json, run_act

STATES = click.Choice(["waiting", "delivered", "skipped", "dead"])


@click.group()
def queue() -> None:
    """What waits for each destination of messages; hold it, release it, skip, replay."""


@queue.command("list")
@click.argument("destination", required=False)
@click.option("--state", type=STATES, help="Only messages in this state; else what waits and what is dead.")
@home_option
@json_option
def queue_list(destination: str | None, state: str | None, home_directory: Path, as_json: bool) -> None:
    """Show every queue in numbers, or the messages of one DESTINATION."""
    from safelight.site.hl7_queue import queue_document, queues_document
    from safelight.site.home import Home

    home = Home.at(home_directory)
    document = queues_document(home) if destination is None else queue_document(home, destination, state)
    if as_json:
        print_json(document)
        return
    for one in document["queues"] if destination is None else [document]:
        held = f"  HELD by {one['held_by']}: {one['held_reason']}" if one["held"] else ""
        click.echo(
            f"{one['destination']:<20} {one['waiting']:>8,} waiting {one['dead']:>6,} dead "
            f"{one['delivered']:>10,} delivered{held}"
        )
    for row in document.get("messages", []):
        click.echo(
            f"  {row['message']:>9} {row['state']:<9} {row['event']:<8} {row['control_id']:<20} "
            f"{row['received_at']}  {row['attempts']} attempts {row['code']}"
        )


@queue.command("hold")
@click.argument("destination")
@dry_run_option
@act_options
@home_option
@json_option
def queue_hold(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Let nothing more go to DESTINATION; what comes is kept for it, in order."""
    result = run_act(home_directory, "gateway.queue.hold", told, as_json=as_json)
    would = " would be" if result["dry_run"] else " is"
    _tell(result, as_json, f"{result['destination']}{would} held; {result['waiting']:,} messages wait.")


@queue.command("release")
@click.argument("destination")
@click.option("--one", is_flag=True, help="Let only the oldest message through; the rest stays held.")
@click.option("--message", type=int, help="Let only this message through, by its number in the list.")
@dry_run_option
@act_options
@home_option
@json_option
def queue_release(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Let everything that is held for DESTINATION go, or one message of it to see how it is taken."""
    result = run_act(home_directory, "gateway.queue.release", told, as_json=as_json)
    waiting = f"Everything, {result['waiting']:,} messages,"
    what = waiting if result["message"] is None else f"Message {result['message']}"
    may = "would go" if result["dry_run"] else "may go"
    _tell(result, as_json, f"{what} {may} to {result['destination']}.")


@queue.command("skip")
@click.argument("destination")
@click.option("--message", type=int, help="Only this message, waiting or dead, by its number in the list.")
@click.option("--from-message", "first", type=int, help="What waits from this message on. The queue must be held.")
@click.option("--since", help="What waits and was received from this moment on, as 2026-11-24T03:10:00+01:00.")
@click.option("--until", help="What was received up to this moment.")
@click.option("--dry-run", is_flag=True, help="Only show what would not go: numbers, orders, merges.")
@act_options
@home_option
@json_option
def queue_skip(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Decide that a message, or all that wait from a point on, do not go to DESTINATION.

    Of many, those that Safelight wrote itself stay: nobody else can have brought them.
    """
    _refuse_without_point(told, "Say which")
    result = run_act(home_directory, "gateway.queue.skip", told, as_json=as_json)
    what = f"{result['messages']:,} messages do" if told["message"] is None else f"Message {told['message']} does"
    _tell_effect(result, as_json, f"{what} not go to {told['destination']}.")


@queue.command("replay")
@click.argument("destination")
@click.option("--message", type=int, help="Only this message, by its number.")
@click.option("--from-message", "first", type=int, help="This message and all after it.")
@click.option("--since", help="Messages received from this moment on, as 2026-11-24T03:10:00+01:00.")
@click.option("--until", help="Messages received up to this moment.")
@click.option("--event", "events", multiple=True, help="Only these events, for example 'ORM^*'; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do: numbers, orders, merges.")
@act_options
@home_option
@json_option
def queue_replay(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Send messages to DESTINATION again, in the order of receipt; look with --dry-run first."""
    _refuse_without_point(told, "Say from where")
    told["events"] = list(told["events"])
    result = run_act(home_directory, "gateway.queue.replay", told, as_json=as_json)
    _tell_effect(result, as_json, f"{result['messages']:,} messages go to {told['destination']} again.")


def _refuse_without_point(told: dict[str, Any], words: str) -> None:
    if all(told[name] is None for name in ("message", "first", "since")):
        raise click.UsageError(f"{words}: --message, --from-message or --since.")


def _tell_effect(result: dict[str, Any], as_json: bool, words: str) -> None:
    """Tell what was done; of a dry run, what it would do."""
    if result["dry_run"] and not as_json:
        _show_effect(result)
    else:
        _tell(result, as_json, words)


def _show_effect(result: dict[str, Any]) -> None:
    click.echo(f"{result['messages']:,} messages, {result['delivered_before']:,} of them delivered before")
    for event, count in result["by_event"].items():
        click.echo(f"  {event:<10} {count:>8,}")
    click.echo(f"{result['patients']:,} patients, {result['merges']:,} merges, {result['orders']:,} orders that end as")
    for status, count in result["orders_end_as"].items():
        click.echo(f"  {status:<10} {count:>8,}")


def _tell(result: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        print_json(result)
    else:
        click.echo(words)
