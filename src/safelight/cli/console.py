"""The console: accounts of people, and the certificate of its web server."""

import sys
from pathlib import Path
from typing import Any

import click

from safelight.cli.options import Command, act_options, dry_run_option, home_option, json_option, print_json, run_act
from safelight.console.role import Role

role_option = click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True, help="What its owner may do."
)
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input, and ask nobody."
)


def account_options(command: Command) -> Command:
    """Give an act on an account what each has."""
    for option in (json_option, home_option, act_options, dry_run_option):
        command = option(command)
    return click.argument("account")(command)


@click.group()
def console() -> None:
    """Screens in a browser: who may log in, and the certificate that browsers see."""


@console.group()
def account() -> None:
    """Local accounts; they need no directory and no network."""


@account.command("add")
@account_options
@click.option("--name", required=True, help="The person's or desk's name; acts are signed with it.")
@role_option
@click.option("--shared", is_flag=True, help="Several people use it, and say who they are with each act.")
@password_option
def account_add(home_directory: Path, as_json: bool, password_stdin: bool, **told: Any) -> None:
    """Give somebody the account ACCOUNT (a-z, 0-9, dot, hyphen, underscore).

    The password is asked for, or comes by --password-stdin; never by the command line, which others can see.
    """
    told["password"] = _password(from_stdin=password_stdin)
    _changed(home_directory, "console.account.add", told, as_json=as_json)


@account.command("remove")
@account_options
def account_remove(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Remove an account; whoever is logged in with it is logged out."""
    _changed(home_directory, "console.account.remove", told, as_json=as_json)


@account.command("password")
@account_options
@password_option
def account_password(home_directory: Path, as_json: bool, password_stdin: bool, **told: Any) -> None:
    """Give an account another password; whoever is logged in with it is logged out."""
    told["password"] = _password(from_stdin=password_stdin)
    _changed(home_directory, "console.account.password", told, as_json=as_json)


@account.command("role")
@account_options
@role_option
def account_role(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Give an account another role; whoever is logged in with it is logged out."""
    _changed(home_directory, "console.account.role", told, as_json=as_json)


@account.command("list")
@home_option
@json_option
def account_list(home_directory: Path, as_json: bool) -> None:
    """Show who may log in, and as what."""
    from safelight.site.accounts import accounts_document
    from safelight.site.home import Home

    document = accounts_document(Home.at(home_directory))
    if as_json:
        print_json(document)
        return
    for one in document["accounts"]:
        click.echo(f"{one['account']:<32} {one['role']:<20} {one['name']}{'  (shared)' if one['shared'] else ''}")
    if not document["accounts"]:
        click.echo("Nobody can log in: safelight console account add")


@console.group()
def certificate() -> None:
    """The certificate of the web server."""


@certificate.command("show")
@home_option
@json_option
def certificate_show(home_directory: Path, as_json: bool) -> None:
    """Show the fingerprint that browsers show, the names, and until when it is valid."""
    from safelight.site.certificate_renewal import certificate_document
    from safelight.site.home import Home

    _show_certificate(certificate_document(Home.at(home_directory)), as_json=as_json)


@certificate.command("renew")
@click.option("--http-name", "names", multiple=True, help="A further name or address of this machine; may be repeated.")
@dry_run_option
@act_options
@home_option
@json_option
def certificate_renew(home_directory: Path, as_json: bool, **told: Any) -> None:
    """Make a new certificate and key for the same names; it is shown from the next start of `serve` on."""
    told["names"] = list(told["names"])
    _show_certificate(run_act(home_directory, "console.certificate.renew", told, as_json=as_json), as_json=as_json)
    if not as_json and not told["dry_run"]:
        click.echo("Restart `safelight serve`, and tell people the new fingerprint.")


def _show_certificate(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    click.echo(f"SHA-256  {document['fingerprint']}")
    click.echo(f"names    {', '.join(document['names'])}")
    click.echo(f"valid    {document['not_before']} to {document['not_after']}")
    for one in document.get("findings", ()):
        click.secho(f"{one['code']}: {one['hint']}", fg="red")


def _changed(home_directory: Path, act: str, told: dict[str, Any], *, as_json: bool) -> None:
    document = run_act(home_directory, act, told, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        done = "Nothing was done" if document["dry_run"] else "Done"
        click.echo(f"{done}: {document['account']} ({document['name']}), {document['role']}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    told: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return told
