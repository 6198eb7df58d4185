"""Scheduled steps as a modality is to see them: from orders, lists and people, less what was performed."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_search import OPEN_STATES, StepRow, StepSearch
from safelight.catalog.worklist import LOOK_FURTHER
from safelight.core.clock import SystemClock
from safelight.journal.journal import Journal
from safelight.site.downtime_steps import DowntimeSteps
from safelight.site.performed_steps import PerformedSteps

_ID_MAX: Final = 16


class ScheduledSteps:
    """Finds scheduled steps. Used by many threads."""

    def __init__(self, journal: Journal, stations: Callable[[], frozenset[str]], node: str) -> None:
        self._node = node
        self._by_hand = DowntimeSteps(journal, stations)
        self._performed = PerformedSteps(journal, SystemClock())

    def find(self, index: MessageIndex | None, search: StepSearch) -> list[tuple[StepRow, Mapping[str, str]]]:
        """Return the steps that are wanted, by start, each with its values; without an index what is not in it.

        Fewer than the limit only where there are no more.
        """
        # Whoever asks for what is done means what modalities have done, too.
        wide = replace(search, states=tuple(dict.fromkeys((*search.states, *OPEN_STATES))))
        by_hand = self._by_hand.rows()
        if index is None:
            return self._as_performed([row for row in by_hand if wide.fits(row)], search)
        while True:
            rows = index.steps(wide, by_hand)
            found = self._as_performed(rows, search)
            if len(rows) < wide.limit or len(found) >= search.limit:
                return found
            wide = replace(wide, limit=wide.limit * LOOK_FURTHER)

    def _as_performed(self, rows: Sequence[StepRow], search: StepSearch) -> list[tuple[StepRow, Mapping[str, str]]]:
        self._performed.catch_up()
        found: list[tuple[StepRow, Mapping[str, str]]] = []
        for row in rows:
            told = step_values(row, self._node)
            performed = self._performed.applied(row, told)
            if search.fits(performed):
                state = str(performed.state).upper()
                found.append((performed, {**told, "ScheduledProcedureStepStatus": state}))
        return found[: search.limit]


def step_values(row: StepRow, node: str) -> dict[str, str]:
    """Return what a step says, by keyword, with the identifiers that a modality cannot do without.

    Where no order gives them they follow from the order's own number, so that every query gets the same.
    """
    told = {name: value.text for name, value in row.patient.items()}
    told |= row.attributes
    told |= {
        "PatientID": row.patient_id.text,
        "IssuerOfPatientID": row.issuer,
        "ScheduledProcedureStepStatus": str(row.state).upper(),
    }
    accession = told.get("AccessionNumber", "")
    if not told.get("StudyInstanceUID"):
        # Without the issuer, which a list may not name and a later message does.
        named = f"{row.patient_id.text}\\{accession}" if accession else str(row.key)
        told["StudyInstanceUID"] = name_based_uid(node, named)
    if not told.get("ScheduledProcedureStepID"):
        told["ScheduledProcedureStepID"] = str(row.key)[-_ID_MAX:]
    if not told.get("RequestedProcedureID"):
        told["RequestedProcedureID"] = accession[:_ID_MAX] or told["ScheduledProcedureStepID"]
    return told


def name_based_uid(node: str, named: str) -> str:
    """Return a UID that only this node gives, and always the same one. Source: PS3.5 section B.2."""
    number = int.from_bytes(hashlib.sha256(f"{node}\\{named}".encode()).digest()[:16], "big")
    # Version and variant of a name-based UUID.
    number = number & ~(0xF << 76) | 8 << 76
    return f"2.25.{number & ~(0x3 << 62) | 2 << 62}"
