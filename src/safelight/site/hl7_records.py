"""Facts about messages: durable in the journal, then findable in the index of messages."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from safelight.catalog.listed_steps import LISTING_KINDS
from safelight.catalog.message_facts import MESSAGE_KINDS
from safelight.catalog.message_index import MessageIndex
from safelight.core.errors import IntegrityError
from safelight.core.gathering import Gathering
from safelight.journal.entry import Entry
from safelight.journal.errors import JournalDamaged
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.site.records import Records

CAUGHT_UP_AT_ONCE: Final = 500
Told = tuple[str, Mapping[str, Any]]
"""A kind of fact and its particulars."""
RAW_CODEC: Final = "latin-1"
"""A message stands in its fact as text in which each character is one byte."""
WAKING: Final = frozenset(MESSAGE_KINDS) - {FactKind.HL7_DELIVERED, FactKind.HL7_REFUSED}


class KeptMessageMissing(IntegrityError):
    """The journal no longer has the bytes of a message that the index speaks of."""

    code = "gateway.hl7-message-missing"
    hint = "Delete nothing. Run: safelight check, then safelight vault verify."


class PackedMessages(Protocol):
    """Where messages lie that are too large for the journal."""

    def read(self, pack: str) -> bytes:
        """Return the message in a pack."""


class MessageRecords:
    """Records facts about messages, one commit at a time. Used by many threads."""

    def __init__(self, records: Records, index: MessageIndex, packed: PackedMessages) -> None:
        self.index = index
        self.more_to_send: Callable[[], None] = lambda: None
        """Called when a queue may have got longer, or is not as it was: held, released, skipped."""
        self._records = records
        self._packed = packed
        self._gathering = Gathering(self._write)

    @classmethod
    def open(cls, records: Records, index: Path, packed: PackedMessages) -> "MessageRecords":
        """Open the index and take into account what a crash, or its loss, kept from it."""
        found = MessageIndex.open(index)
        if not _goes_with(found, records.journal):
            found.close()
            found = MessageIndex.again(index)
        opened = cls(records, found, packed)
        batch: list[Entry] = []
        for entry in records.journal.entries(after=found.journal_place[0], kinds=MESSAGE_KINDS):
            batch.append(entry)
            if len(batch) >= CAUGHT_UP_AT_ONCE and not _goes_on(entry):
                opened.index.apply(batch)
                batch = []
        opened.index.apply(batch)
        return opened

    def record(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        """Record one fact."""
        return self.record_all([(kind, facts)])[0]

    def record_all(self, facts: Sequence[Told]) -> list[Entry]:
        """Record facts; they are durable and findable when this returns. Those who wait together share a commit."""
        return list(self._gathering.ask(facts))

    def _write(self, facts: Sequence[Told]) -> list[Entry]:
        # One thread at a time: the index takes facts in the journal's order, or a crash could leave one out.
        entries = self._records.record_all(facts, MESSAGE_KINDS)
        self.index.apply([entry for entry in entries if entry.kind in MESSAGE_KINDS])
        if any(entry.kind in WAKING for entry in entries):
            self.more_to_send()
        return entries

    def raw(self, position: int) -> bytes:
        """Return the bytes of a message as they came.

        Raises:
            KeptMessageMissing, JournalDamaged: they cannot be read.
        """
        for entry in self._records.journal.entries(after=position - 1, until=position):
            told = entry.facts
            if "raw" in told:
                return str(told["raw"]).encode(RAW_CODEC)
            if "pack" in told:
                return self._packed.read(str(told["pack"]))
            if "duplicate_of" in told:
                return self.raw(cast("int", told["duplicate_of"]))
        raise KeptMessageMissing(message=position)

    def sealed_sequence(self) -> int:
        """Return the highest sequence of the message log of which a sealed copy lies in the vault."""
        return self.index.last_sequence_until(self._records.journal.sealed_until())

    def close(self) -> None:
        """Close the index."""
        self.index.close()


def _goes_on(entry: Entry) -> bool:
    """Say whether the next fact belongs to this one: an edition of a list is shown whole, or not yet."""
    return entry.kind in LISTING_KINDS and not entry.facts["is_whole"]


def _goes_with(index: MessageIndex, journal: Journal) -> bool:
    """Say whether the index was computed from this journal, and not from one that was lost and restored since."""
    position, known = index.journal_place
    try:
        return position == 0 or journal.hash_at(position) == known
    except JournalDamaged:
        return False
