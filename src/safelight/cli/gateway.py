"""Other systems: echo, peers, the register of who was seen to call, destinations and queues of messages."""

from pathlib import Path

import click

from safelight.cli.gateway_commitment import commitment
from safelight.cli.gateway_destination import destination
from safelight.cli.gateway_procedure_steps import procedure_steps
from safelight.cli.gateway_queue import queue
from safelight.cli.gateway_worklist import worklist
from safelight.cli.options import DIRECTORY, home_option, json_option, print_json, run_act
from safelight.core.names import AETitle, Peer


@click.group()
def gateway() -> None:
    """Other systems: are they there, who calls us, which messages go where and how far they are."""


gateway.add_command(queue)
gateway.add_command(destination)
gateway.add_command(worklist)
gateway.add_command(commitment)
gateway.add_command(procedure_steps)


@gateway.command()
@click.argument("target")
@home_option
@json_option
def echo(target: str, home_directory: Path, as_json: bool) -> None:
    """Ask TARGET (AET@HOST:PORT, or the title of a named peer) for a C-ECHO and time it."""
    from safelight.site.home import Home
    from safelight.site.peers import find_peer
    from safelight.site.retrieval import echo_peer

    home = Home.at(home_directory)
    peer = find_peer(home.peers, target)
    answer = echo_peer(home.settings(), peer)
    if as_json:
        print_json({"peer": str(peer), **answer})
        return
    milliseconds = answer["seconds"] * 1000
    click.secho(f"{peer} answered in {milliseconds:.1f} ms", fg="green")
    click.echo(f"  implementation {answer['implementation_version']} {answer['implementation_class']}")


@gateway.group()
def peer() -> None:
    """Name the application entities that may store here and that we may reach."""


@peer.command("add")
@click.argument("title")
@click.argument("address")
@home_option
@json_option
def peer_add(title: str, address: str, home_directory: Path, as_json: bool) -> None:
    """Name the application entity TITLE that listens at ADDRESS (HOST:PORT)."""
    from safelight.core.disk import RealDisk
    from safelight.site.home import Home
    from safelight.site.peers import name_peer

    named = Peer.parse(f"{AETitle.parse(title)}@{address}")
    name_peer(RealDisk(), Home.at(home_directory).peers, named)
    if as_json:
        print_json({"peer": str(named)})
    else:
        click.echo(f"{named} is named; it may store here and be reached by its title.")


@peer.command("remove")
@click.argument("title")
@home_option
@json_option
def peer_remove(title: str, home_directory: Path, as_json: bool) -> None:
    """Forget the application entity TITLE; it may no longer store here."""
    from safelight.core.disk import RealDisk
    from safelight.site.home import Home
    from safelight.site.peers import forget_peer

    forget_peer(RealDisk(), Home.at(home_directory).peers, AETitle.parse(title))
    if as_json:
        print_json({"forgotten": title})
    else:
        click.echo(f"{title} is forgotten.")


@peer.command("list")
@home_option
@json_option
def peer_list(home_directory: Path, as_json: bool) -> None:
    """List the named application entities."""
    from safelight.site.home import Home
    from safelight.site.peers import read_peers

    peers = read_peers(Home.at(home_directory).peers)
    if as_json:
        print_json({"peers": [str(one) for one in peers.values()]})
        return
    for one in peers.values():
        click.echo(str(one))


@gateway.command()
@click.option("--csv", "csv_file", type=DIRECTORY, help="Write the register to this file, for the new PACS.")
@home_option
@json_option
def callers(csv_file: Path | None, home_directory: Path, as_json: bool) -> None:
    """Show who was seen to call: titles, addresses, SOP classes, transfer syntaxes, last store.

    When the PACS is lost, its table of devices is lost too. This one was observed.
    """
    from safelight.site.home import Home
    from safelight.site.register import callers_csv, callers_document

    home = Home.at(home_directory)
    if csv_file is not None:
        csv_file.write_text(callers_csv(home), encoding="utf-8")
        click.echo(f"Register written to {csv_file}", err=as_json)
    rows = callers_document(home)
    if as_json:
        print_json({"callers": rows})
        return
    for row in rows:
        click.echo(f"{row['title']:<16} {row['address']:<20} {row['stores']:>8,} stores  last {row['last_seen']}")


@gateway.command("import")
@click.argument("folder", type=DIRECTORY)
@click.option("--dry-run", is_flag=True, help="Only count what is there, known messages too.")
@home_option
@json_option
def import_(folder: Path, dry_run: bool, home_directory: Path, as_json: bool) -> None:
    """Keep the HL7 messages in the files of FOLDER: history that is found here and forwarded to nobody."""
    told = {"folder": str(folder.absolute()), "dry_run": dry_run}
    result = run_act(home_directory, "gateway.import", told, as_json=as_json)
    if as_json:
        print_json(result)
    elif dry_run:
        click.echo(f"{result['found']:,} messages in {result['files']:,} files; nothing was kept.")
    else:
        click.echo(
            f"{result['kept']:,} messages kept of {result['files']:,} files, {result['known']:,} were known, "
            f"{result['not_messages']:,} pieces are no messages."
        )
