"""The accounts of a home lie in a file of their own, which `serve` reads again whenever it changed."""

import threading
from collections.abc import Callable
from typing import Any, Final

from safelight.console.account import Account, Accounts, BadAccounts, read_accounts
from safelight.core.errors import SafelightError
from safelight.site.finding_table import computed
from safelight.site.home import Home
from safelight.site.settings import Settings

UNREADABLE: Final = "console.accounts-unreadable"
NOBODY: Final = "console.no-accounts"


class AccountFile:
    """The accounts of a served home; read again when their file changed. Used by many threads."""

    def __init__(self, home: Home, failed: Callable[[SafelightError], None]) -> None:
        self._home = home
        self._failed = failed
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._accounts: Accounts = {}

    def accounts(self) -> Accounts:
        """Return who may log in. A file that was spoilt meanwhile is told, and those who could go on."""
        try:
            facts = self._home.accounts.stat()
            # Not the time of writing: a copy may keep it, and a file that becomes ours to read does.
            stamp = (facts.st_ctime_ns, facts.st_ino, facts.st_size)
        except FileNotFoundError:
            return {}
        with self._lock:
            if stamp != self._stamp:
                try:
                    self._accounts = accounts_of(self._home)
                except SafelightError as error:
                    self._failed(error)
                self._stamp = stamp
            return self._accounts


def accounts_of(home: Home) -> dict[str, Account]:
    """Return the accounts of a home.

    Raises:
        BadAccounts: their file cannot be read.
    """
    try:
        return read_accounts(home.accounts.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadAccounts(error=error.strerror or type(error).__name__) from error


def account_findings(home: Home, settings: Settings) -> list[dict[str, Any]]:
    """Say that nobody can log in; computed, since whatever spoilt the file told nobody."""
    if not settings.console.port or not settings.console.login_required:
        return []
    try:
        return [] if accounts_of(home) else [computed(NOBODY, "console", "warning", {})]
    except BadAccounts as error:
        return [computed(UNREADABLE, "console", "serious", error.facts)]
