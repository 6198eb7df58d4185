"""What the console asks of the house."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from safelight.console.account import Accounts


class House(Protocol):
    """A served home, as the screens see it. Used by many threads."""

    @property
    def site(self) -> str:
        """The hospital's or site's name."""

    def accounts(self) -> Accounts:
        """Return who may log in."""

    def set_password(self, account: str, password: str) -> None:
        """Give an account another password; its owner asked for it.

        Raises:
            BadPassword: it is not taken.
        """

    def document(self, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the document that the command of this name prints with ``--json``."""

    def sheet(self, name: str, asked: Mapping[str, Any]) -> bytes:
        """Return what the command of this name prints as PDF."""

    def act(self, name: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do an act as the command line does."""

    def mark(self) -> str:
        """Return how far the house is, for `changed_since`."""

    def changed_since(self, mark: str) -> Sequence[str]:
        """Return the names of the documents that may have changed since; all of them for a mark that is not ours."""

    def note(self, event: str, **facts: Any) -> None:
        """Write a log line."""

    def failed(self, error: BaseException) -> None:
        """Write down what went wrong in an answer."""
