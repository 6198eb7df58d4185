"""Folding what came into patients, steps and reports: behind everything else, since only looking waits for it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from safelight.catalog.message_rows import MessageRow
from safelight.catalog.order_changes import Changes
from safelight.gateway.hl7.mapping import Mappings
from safelight.gateway.hl7.order_reading import READING, read_changes
from safelight.site.hl7_import import IMPORTED
from safelight.site.hl7_records import MessageRecords
from safelight.wire.hl7.header import UnreadableHeader
from safelight.wire.hl7.message import Message

FOLDED_AT_ONCE: Final = 100
TURN_SECONDS: Final = 0.25
GIVING_WAY_SECONDS: Final = 0.4
READ_BYTES: Final = 2**20
"""Of a longer message only so much is read: what is long in it is a report's text or image."""
NOT_FOLDED: Final = "gateway.hl7-not-folded"
UNFIT_VALUE: Final = "gateway.hl7-unfit-value"
CLOCK_ASTRAY: Final = "gateway.hl7-clock-astray"
MERGE_MISSED: Final = "gateway.hl7-merge-missed"
KINDS: Final = ("ADT", "ORM", "OMG", "OMI", "SIU", "ORU", "MDM")


def read_mappings(path: Path) -> Mappings:
    """Read the usual mapping and what this home changed in it.

    Raises:
        BadMapping: the home's file means nothing.
    """
    return Mappings.read(path.read_text(encoding="utf-8") if path.is_file() else "")


class Folding:
    """Folds messages that are in the journal, in order. Its thread gives way while messages are being received."""

    def __init__(
        self,
        records: MessageRecords,
        mappings: Mappings,
        busy: Callable[[], bool],
        open_finding: Callable[[str, str, str], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._records = records
        self._mappings = mappings
        self._busy = busy
        self._open_finding = open_finding
        self._failed = failed
        self._told: set[tuple[str, str]] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hl7-folding", daemon=True)
        records.index.begin_folding(f"{mappings.name} {READING}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not folded yet is folded after the next start."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def settle(self) -> None:
        """Fold everything that is in the journal now, in this thread."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """Fold the next messages; return whether there were any. Called by one thread at a time."""
        rows = self._records.index.unfolded(FOLDED_AT_ONCE)
        if not rows:
            return False
        changes = [(row.position, self._changes(row)) for row in rows]
        missed = self._records.index.fold(changes)
        for row, (_, told) in zip(rows, changes, strict=True):
            for why in told.not_understood:
                self._tell(NOT_FOLDED, f"{row.sender} {row.event}: {why}")
            for why in told.unfit:
                self._tell(UNFIT_VALUE, f"{row.sender} {row.event}: {why}")
            if told.clock:
                self._tell(CLOCK_ASTRAY, f"{row.sender}: {told.clock}")
            if row.position in missed:
                self._tell(MERGE_MISSED, row.sender)
        return True

    def _changes(self, row: MessageRow) -> Changes:
        if row.event.partition("^")[0] not in KINDS:
            return Changes("")
        mapping = self._mappings.of(row.sender)
        try:
            message = Message(self._records.raw(row.position)[:READ_BYTES], assumed_charset=mapping.charset)
        except UnreadableHeader:
            return Changes("")
        return read_changes(message, mapping, row.received_at, is_history=row.host == IMPORTED)

    def _tell(self, code: str, subject: str) -> None:
        if (code, subject) not in self._told and len(self._told) < 1000:
            self._told.add((code, subject))
            self._open_finding(code, subject, "warning")

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                more = self.turn()
            except Exception as error:  # noqa: BLE001 - a worker's one place: it goes on with its next turn
                self._failed(error)
                more = False
            self._ending.wait((GIVING_WAY_SECONDS if self._busy() else 0.0) if more else TURN_SECONDS)
