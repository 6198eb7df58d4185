"""What modalities have begun and completed, by their own word: a scheduled step that was done is done.

While the RIS is away nobody else says so: without it a step would be offered again after its images were made.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from pydicom.dataset import Dataset

from safelight.catalog.order_changes import FINAL, StepState
from safelight.catalog.order_search import ORDERS, StepRow
from safelight.core.clock import Clock
from safelight.core.errors import SafelightError
from safelight.gateway.dicom.procedure_step_service import StepStatus
from safelight.journal.entry import Entry
from safelight.journal.journal import Journal
from safelight.journal.kinds import FactKind
from safelight.wire.dicom.identifier import decode_identifier

RAW_CODEC: Final = "latin-1"
"""Attributes stand in their fact as text in which each character is one byte."""
KINDS: Final = (FactKind.PROCEDURE_STEP_BEGUN, FactKind.PROCEDURE_STEP_CHANGED)
REMEMBERED: Final = timedelta(days=14)
"""What was performed longer ago is not scheduled any more."""
ATTRIBUTES_BYTES_MAX: Final = 4 * 2**20
REFERENCES_MAX: Final = 100
_STATES: Final[Mapping[StepStatus, StepState]] = {
    StepStatus.IN_PROGRESS: StepState.STARTED,
    StepStatus.COMPLETED: StepState.COMPLETED,
    # Discontinued is not done: it may be tried again.
    StepStatus.DISCONTINUED: StepState.SCHEDULED,
}


@dataclass(frozen=True, slots=True)
class _Performed:
    state: StepState
    position: int


class PerformedSteps:
    """The steps that modalities spoke of; reads no fact of the journal twice. Used by many threads."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._read_until = -1
        self._references: dict[str, tuple[tuple[str, str], ...]] = {}
        """By performed step: the study and number of each scheduled step that it performs."""
        self._performed: dict[tuple[str, str], _Performed] = {}

    def applied(self, row: StepRow, told: Mapping[str, str]) -> StepRow:
        """Return a step with the state that its modality gave it; ``told`` are its values as they are offered."""
        study, step = told["StudyInstanceUID"], told["ScheduledProcedureStepID"]
        # After a merge a study that no order names may be offered under another UID; its numbers stay.
        names = ((study, step), (study, ""), (_numbered(told.get("AccessionNumber", "")), step))
        performed = next((self._performed[name] for name in names if name in self._performed), None)
        if performed is None or row.state in FINAL:
            return row
        if row.sources == (ORDERS,) and row.journal_position > performed.position:
            # A message that came later knows better; a list only repeats what it has not been told.
            return row
        return replace(row, state=performed.state)

    def catch_up(self) -> None:
        """Take in what modalities said since the last time."""
        with self._lock:
            if self._read_until < 0:
                # A journal may have years of them.
                self._read_until = self._journal.position_before(self._clock.now() - REMEMBERED)
            for entry in self._journal.entries(after=self._read_until, kinds=KINDS):
                self._read_until = entry.position
                self._take(entry)

    def _take(self, entry: Entry) -> None:
        instance, status = str(entry.facts["instance"]), str(entry.facts["status"])
        if entry.kind == FactKind.PROCEDURE_STEP_BEGUN:
            self._references[instance] = _references(entry)
        if status:
            performed = _Performed(_STATES[StepStatus(status)], entry.position)
            for reference in self._references.get(instance, ()):
                self._performed[reference] = performed


def _references(entry: Entry) -> tuple[tuple[str, str], ...]:
    raw = str(entry.facts["attributes"]).encode(RAW_CODEC)
    try:
        told = decode_identifier(raw, str(entry.facts["transfer_syntax"]), ATTRIBUTES_BYTES_MAX)
    except SafelightError:
        return ()
    items: list[Dataset] = list(told.get("ScheduledStepAttributesSequence") or [])[:REFERENCES_MAX]
    pairs: list[tuple[str, str]] = []
    for one in items:
        study, step, accession = (
            str(one.get(name) or "") for name in ("StudyInstanceUID", "ScheduledProcedureStepID", "AccessionNumber")
        )
        if study:
            pairs.append((study, step))
        if accession and step:
            pairs.append((_numbered(accession), step))
    return tuple(pairs)


def _numbered(accession: str) -> str:
    """Return the name of a study by its accession number, which no UID looks like."""
    return f"accession {accession}"
