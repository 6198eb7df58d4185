"""Journal and catalog together: a fact becomes durable, then findable."""

import threading
from collections.abc import Container, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from safelight.catalog.catalog import Catalog
from safelight.core.clock import Clock
from safelight.core.disk import Disk
from safelight.core.signing import SigningKey
from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.segment import Segment
from safelight.site.home import Home
from safelight.vault.keys import load_public_keys, load_secret_keys

KEY_UNCONFIRMED: Final = "vault.recovery-key-unconfirmed"


class Records:
    """Records facts in the journal and keeps the catalog up to date with them. Used by many threads."""

    def __init__(self, journal: Journal, catalog: Catalog) -> None:
        self.journal = journal
        self.catalog = catalog
        self._lock = threading.Lock()

    @classmethod
    def founded(cls, home: Home, clock: Clock, node: str, signer: SigningKey, disk: Disk) -> Self:
        """Make an empty journal and an empty catalog."""
        journal = Journal.create(home.journal, clock, node, signer, disk=disk)
        return cls(journal, Catalog.create(home.catalog, disk=disk))

    @classmethod
    def of(cls, home: Home, clock: Clock) -> Self:
        """Open the records of a home for writing.

        Raises:
            JournalMissing, JournalDamaged, CatalogMissing, CatalogDamaged: they cannot be used as they are.
        """
        node = load_public_keys(home.keys).signing.key_id
        signer = load_secret_keys(home.keys).signing
        return cls(Journal.open(home.journal, clock, node, signer), Catalog.open(home.catalog))

    def record(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        """Record one fact; it is durable and applied to the catalog when this returns."""
        return self.record_all([(kind, facts)])[0]

    def record_all(
        self, facts: Sequence[tuple[str, Mapping[str, Any]]], passed_over: Container[str] = ()
    ) -> list[Entry]:
        """Record several facts in one commit.

        Of kinds that are ``passed_over``, as the catalog does not answer from them, it takes no more than the position.
        """
        # One at a time: the catalog takes facts in the journal's order.
        with self._lock:
            entries = self.journal.append_all(facts)
            self.catalog.apply([entry for entry in entries[:-1] if entry.kind not in passed_over] + entries[-1:])
        return entries

    def mark_sealed(self, segment: Segment, pack: str) -> Entry:
        """Record that journal entries lie in the vault."""
        with self._lock:
            entry = self.journal.mark_sealed(segment, pack)
            self.catalog.apply([entry])
        return entry

    def catch_up(self) -> int:
        """Apply facts that the catalog has not seen, as after a crash between the two; return how many."""
        count = 0
        with self._lock:
            batch: list[Entry] = []
            for entry in self.journal.entries(after=self.catalog.tally().journal_position):
                batch.append(entry)
                if len(batch) == 500:
                    self.catalog.apply(batch)
                    count += len(batch)
                    batch = []
            self.catalog.apply(batch)
        return count + len(batch)

    def open_finding(self, code: str, subject: str, severity: str = "warning", **facts: Any) -> None:
        """Say that something needs a person; one that is open already is not said again."""
        if not any(one.subject == subject for one in self.catalog.findings(code=code)):
            self.record("finding-opened", {"code": code, "subject": subject, "severity": severity, **facts})

    def close_finding(self, code: str, subject: str, because: str) -> None:
        """Say that it no longer holds; nothing is recorded where it was not open."""
        if any(one.subject == subject for one in self.catalog.findings(code=code)):
            self.record("finding-closed", {"code": code, "subject": subject, "because": because})

    def close(self) -> None:
        """Close both."""
        self.catalog.close()
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
