"""What is done to accounts of the console: a fact of the journal each, and then their file."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from safelight.console.account import Account, Accounts, the_account, with_account, write_accounts
from safelight.console.password import hashed, judge_password
from safelight.core.disk import write_file
from safelight.journal.kinds import FactKind
from safelight.site.account_file import accounts_of
from safelight.site.home import Home
from safelight.site.saying import signed

if TYPE_CHECKING:
    from safelight.site.opened import Site

changing: Final = threading.Lock()
"""Reading the file, judging and writing it are one step."""


def accounts_document(home: Home) -> dict[str, Any]:
    """Return what `safelight console account list --json` prints."""
    return {"accounts": [one.told() for one in accounts_of(home).values()]}


def account_added(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Give somebody an account.

    Raises:
        NotSigned, BadAccount, AccountThere, BadPassword: it cannot be given so.
    """
    asked = Account.parse(str(told["account"]), str(told["name"]), str(told["role"]), shared=bool(told.get("shared")))
    judge_password(str(told["password"]), asked.account, asked.name)
    with changing:
        accounts = with_account(accounts_of(site.home), replace(asked, password=hashed(str(told["password"]))))
        return _changed(site, told, FactKind.CONSOLE_ACCOUNT_MADE, accounts, asked)


def account_removed(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Remove an account; its sessions end at once.

    Raises:
        NotSigned, UnknownAccount: it cannot be removed so.
    """
    with changing:
        accounts = accounts_of(site.home)
        gone = the_account(accounts, str(told["account"]))
        rest = {name: one for name, one in accounts.items() if name != gone.account}
        return _changed(site, told, FactKind.CONSOLE_ACCOUNT_REMOVED, rest, gone)


def password_set(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Give an account another password; its sessions end at once.

    Raises:
        NotSigned, UnknownAccount, BadPassword: it cannot be given so.
    """
    with changing:
        accounts = accounts_of(site.home)
        account = the_account(accounts, str(told["account"]))
        judge_password(str(told["password"]), account.account, account.name)
        changed = replace(account, password=hashed(str(told["password"])))
        return _changed(site, told, FactKind.CONSOLE_PASSWORD_SET, {**accounts, account.account: changed}, changed)


def role_changed(site: "Site", told: Mapping[str, Any]) -> dict[str, Any]:
    """Give an account another role; its sessions end at once.

    Raises:
        NotSigned, UnknownAccount, BadAccount: it cannot be given so.
    """
    with changing:
        accounts = accounts_of(site.home)
        known = the_account(accounts, str(told["account"]))
        changed = Account.parse(
            known.account, known.name, str(told["role"]), shared=known.shared, password=known.password
        )
        return _changed(site, told, FactKind.CONSOLE_ROLE_CHANGED, {**accounts, known.account: changed}, changed)


def _changed(
    site: "Site", told: Mapping[str, Any], kind: FactKind, accounts: Accounts, account: Account
) -> dict[str, Any]:
    reason, by = signed(told)
    dry_run = bool(told.get("dry_run"))
    if not dry_run:
        # The fact first: there is never an account of which nobody can say who made it.
        site.records.record(kind, {**account.told(), "reason": reason, "by": by})
        write_file(site.disk, site.home.accounts, write_accounts(accounts.values()))
    return {"dry_run": dry_run, **account.told()}
