"""Local accounts: they need no directory and no network, in the night when both are gone."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from safelight.console.role import Role
from safelight.core.errors import StateError, UsageError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}\Z")
PERSON_CHARACTERS_MAX: Final = 64


class BadAccount(UsageError):
    """An account is named by letters, digits, dot, hyphen and underscore, and has a person's or desk's name."""

    code: ClassVar[str] = "console.bad-account"
    hint: ClassVar[str] = "For example: safelight console account add jroe --name 'Jane Roe' --role technologist"


class AccountThere(StateError):
    """There is an account of this name already, or one of a person of this name."""

    code: ClassVar[str] = "console.account-there"
    hint: ClassVar[str] = "See: safelight console account list. What is signed must name one account only."


class UnknownAccount(UsageError):
    """There is no account of this name."""

    code: ClassVar[str] = "console.unknown-account"
    hint: ClassVar[str] = "See: safelight console account list"


class BadAccounts(UsageError):
    """accounts.json cannot be read: nobody can log in with it."""

    code: ClassVar[str] = "console.bad-accounts"
    hint: ClassVar[str] = "Put a copy of it back; or move it away and add accounts anew: safelight console account add"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in."""

    account: str
    name: str
    """As it is signed with."""
    role: Role
    password: str = field(repr=False)
    """What is kept of the password."""
    shared: bool = False
    """Several people log in with it and say who they are."""

    @classmethod
    def parse(cls, account: str, name: str, role: str, *, shared: bool, password: str = "") -> Self:
        """Read what somebody typed.

        Raises:
            BadAccount: it cannot be an account.
        """
        plain = name.strip()
        if not NAME.match(account):
            raise BadAccount(wrong="account")
        if not 1 <= len(plain) <= PERSON_CHARACTERS_MAX or not plain.isprintable():
            raise BadAccount(wrong="name")
        if role not in tuple(Role):
            raise BadAccount(wrong="role")
        return cls(account, plain, Role(role), password, shared)

    @property
    def stamp(self) -> str:
        """Changes with password and role: sessions from before it changed have ended."""
        return hashlib.sha256(f"{self.role}\n{self.password}".encode()).hexdigest()[:16]

    def told(self) -> dict[str, Any]:
        """Return what may be told of it."""
        return {"account": self.account, "name": self.name, "role": self.role.value, "shared": self.shared}


Accounts = Mapping[str, Account]


def with_account(accounts: Accounts, new: Account) -> dict[str, Account]:
    """Return the accounts with one more.

    Raises:
        AccountThere: its name, or the name it signs with, is taken.
    """
    signs = new.name.casefold()
    if new.account in accounts or any(one.name.casefold() == signs for one in accounts.values()):
        raise AccountThere(account=new.account)
    return {**accounts, new.account: new}


def the_account(accounts: Accounts, account: str) -> Account:
    """Return an account.

    Raises:
        UnknownAccount: there is none of this name.
    """
    if account not in accounts:
        raise UnknownAccount(account=account[:64])
    return accounts[account]


def read_accounts(data: bytes) -> dict[str, Account]:
    """Read what `write_accounts` wrote.

    Raises:
        BadAccounts: it is not that.
    """
    try:
        rows = json.loads(data)["accounts"]
        found = [
            Account.parse(row["account"], row["name"], row["role"], shared=row["shared"], password=row["password"])
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError, BadAccount) as error:
        raise BadAccounts(error=type(error).__name__) from error
    return {one.account: one for one in found}


def write_accounts(accounts: Iterable[Account]) -> bytes:
    """Write accounts as a file that people can look at."""
    rows = [{**one.told(), "password": one.password} for one in sorted(accounts, key=lambda one: one.account)]
    return (json.dumps({"accounts": rows}, ensure_ascii=False, indent=2) + "\n").encode()
