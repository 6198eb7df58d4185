"""A home: the directory that holds one node's settings, keys, journal, catalog, landing log and packs."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from safelight.core.errors import StateError, UsageError
from safelight.site.settings import FILE_NAME, Settings, read_settings

if TYPE_CHECKING:
    from safelight.catalog.catalog import Catalog
    from safelight.catalog.message_index import MessageIndex
    from safelight.catalog.order_search import StepRow, StepSearch
    from safelight.journal.journal import Journal


class NoHome(UsageError):
    """There is no Safelight home at this place."""

    code: ClassVar[str] = "site.no-home"
    hint: ClassVar[str] = "Make one with: safelight init --home DIR ... , or give --home (or SAFELIGHT_HOME)."


class HomeExists(StateError):
    """The directory holds something already; `init` never writes over it."""

    code: ClassVar[str] = "site.home-exists"
    hint: ClassVar[str] = "Choose an empty directory. To use the home that is there, run: safelight status --home DIR"


class HomeInUse(StateError):
    """Another Safelight process works on this home."""

    code: ClassVar[str] = "site.home-in-use"
    hint: ClassVar[str] = "One `serve` (or one acting command) at a time. Stop the other one, then try again."


class Scheduled(Protocol):
    """Finds scheduled steps. Used by many threads."""

    def find(self, index: "MessageIndex | None", search: "StepSearch") -> "Sequence[tuple[StepRow, Mapping[str, str]]]":
        """Return the steps that are wanted, by start, each with its values."""


class OpenRecords(Protocol):
    """What a process that serves a home has open of it. Used by many threads."""

    @property
    def catalog(self) -> "Catalog":
        """What is held, received, claimed and found."""

    @property
    def journal(self) -> "Journal":
        """The facts."""

    @property
    def message_index(self) -> "MessageIndex":
        """Messages and what they order."""

    @property
    def scheduled_steps(self) -> "Scheduled":
        """What is scheduled, as modalities are offered it."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where things lie in a home."""

    directory: Path
    records: OpenRecords | None = field(default=None, compare=False, repr=False)
    """What is open already in this process; where nothing is, whoever looks opens it for reading."""

    @classmethod
    def at(cls, directory: Path) -> "Home":
        """Return the home at this directory.

        Raises:
            NoHome: nothing was initialised there.
        """
        home = cls(directory.absolute())
        if not home.settings_file.is_file():
            raise NoHome(directory=str(directory))
        return home

    @property
    def settings_file(self) -> Path:
        """The settings, safelight.toml."""
        return self.directory / FILE_NAME

    @property
    def keys(self) -> Path:
        """Node key, public recovery key, signing key."""
        return self.directory / "keys"

    @property
    def journal(self) -> Path:
        """The facts."""
        return self.directory / "journal.db"

    @property
    def catalog(self) -> Path:
        """Computed from vault and journal; may be deleted."""
        return self.directory / "catalog.db"

    @property
    def landing(self) -> Path:
        """Instances that are durable and not packed yet."""
        return self.directory / "landing"

    @property
    def vault(self) -> Path:
        """The first placement of the packs."""
        return self.directory / "vault"

    @property
    def peers(self) -> Path:
        """Other application entities by name."""
        return self.directory / "peers.toml"

    @property
    def destinations(self) -> Path:
        """Systems that get messages from us, by name."""
        return self.directory / "destinations.toml"

    @property
    def accounts(self) -> Path:
        """Who may log in, with what is kept of their passwords."""
        return self.directory / "accounts.json"

    @property
    def sessions(self) -> Path:
        """Who was logged in when `serve` last wrote it down; may be deleted, and they log in again."""
        return self.run / "sessions.json"

    @property
    def messages(self) -> Path:
        """Messages that are durable and not in the journal yet."""
        return self.directory / "messages"

    @property
    def messages_index(self) -> Path:
        """Computed from the journal; may be deleted."""
        return self.directory / "messages.db"

    @property
    def order_mapping(self) -> Path:
        """What this hospital changed in the field mapping of HL7 messages."""
        return self.directory / "order_mapping.toml"

    @property
    def extract_mapping(self) -> Path:
        """What this hospital changed in the mapping of an extract's columns."""
        return self.directory / "extract_mapping.toml"

    @property
    def run(self) -> Path:
        """Lock and control socket; holds nothing that must survive."""
        return self.directory / "run"

    @property
    def control_socket(self) -> Path:
        """Where a running `serve` takes commands."""
        return self.run / "control.sock"

    def settings(self) -> Settings:
        """Read safelight.toml."""
        return read_settings(self.settings_file)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home for this process; the kernel lets go when the process dies.

    Raises:
        HomeInUse: another process holds it.
    """
    home.run.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(home.run / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeInUse(directory=str(home.directory)) from error
        yield
    finally:
        os.close(descriptor)
