"""What people registered in a downtime, as scheduled steps for the worklist; the same at every look."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import StepRow
from safelight.core.clock import Clock, SystemClock
from safelight.core.names import Personal
from safelight.downtime.exam import EXAM_KINDS, Exam, Registered, Stage, Way
from safelight.downtime.outage import Scope
from safelight.journal.journal import Journal
from safelight.site.exams import fold_exam
from safelight.site.home import Home
from safelight.site.outages import downtime_state
from safelight.site.peers import BadPeers, read_peers

BY_HAND: Final = "downtime"
REMEMBERED: Final = timedelta(days=1)
_SHORT: Final = 16
"""Characters of a station's name. Source: PS3.5 Table 6.2-1, value representation SH."""
_STATES: Final[Mapping[Stage, StepState]] = {
    Stage.REGISTERED: StepState.SCHEDULED,
    Stage.ARRIVED: StepState.ARRIVED,
    Stage.ACQUIRED: StepState.COMPLETED,
    Stage.READ: StepState.COMPLETED,
    Stage.CANCELLED: StepState.CANCELED,
}


class DowntimeSteps:
    """Downtime exams as steps; reads no fact of the journal twice. Used by many threads."""

    def __init__(self, journal: Journal, stations: Callable[[], frozenset[str]], clock: Clock | None = None) -> None:
        self._journal = journal
        self._stations = stations
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._exams: dict[str, Exam] = {}
        self._registered: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._read_until = 0

    def rows(self) -> list[StepRow]:
        """Return exams, those that are done or cancelled too: they say that a step is.

        When their outage is over, and a day later, the RIS is the one who knows.
        """
        with self._lock:
            for entry in self._journal.entries(after=self._read_until, kinds=EXAM_KINDS):
                accession = fold_exam(self._exams, entry)
                self._registered.setdefault(accession, entry.position)
                self._changed[accession] = self._read_until = entry.position
            if not self._exams:
                return []
            now, stations = self._clock.now(), self._stations()
            state = downtime_state(self._journal)
            open_outages = {number for scope in Scope for number in state.scope(scope, now).outages}
            return [
                _row(exam, self._registered[name], self._changed[name], stations)
                for name, exam in self._exams.items()
                if open_outages.intersection(exam.registered.outages) or now - exam.registered.said_at < REMEMBERED
            ]


def known_stations(home: Home, catalog: Catalog) -> frozenset[str]:
    """Return the AE titles that devices are known by: named as peers, or seen to call."""
    try:
        named = frozenset(read_peers(home.peers))
    except BadPeers:
        named = frozenset()
    return named | {one.title for one in catalog.callers()}


def _row(exam: Exam, key: int, position: int, stations: frozenset[str]) -> StepRow:
    registered = exam.registered
    person = registered.person
    patient = {"PatientName": person.name.text, "PatientBirthDate": person.birth_date, "PatientSex": person.sex}
    return StepRow(
        key=key,
        state=_STATES[exam.stage],
        patient_id=Personal(person.patient_id),
        issuer="",
        patient={name: Personal(value) for name, value in patient.items() if value},
        attributes={name: value for name, value in _attributes(registered, stations).items() if value},
        told_at="",
        journal_position=position,
        sources=(BY_HAND,),
        is_whole_order=registered.way is Way.ORDERED,
    )


def _attributes(registered: Registered, stations: frozenset[str]) -> dict[str, str]:
    # Modalities know the wall clock of the hospital, which is this machine's.
    start = registered.at.astimezone()
    own = registered.accession if registered.way is not Way.ORDERED else ""
    return {
        "AccessionNumber": registered.accession,
        "StudyInstanceUID": registered.study,
        "RequestedProcedureID": own,
        "ScheduledProcedureStepID": own,
        "RequestedProcedureDescription": registered.procedure,
        "ScheduledProcedureStepDescription": registered.procedure,
        "Modality": registered.modality,
        # A device that is called otherwise than its AE title would never be given the step: then any station is.
        "ScheduledStationAETitle": registered.device if registered.device in stations else "",
        "ScheduledStationName": registered.device[:_SHORT],
        "ScheduledProcedureStepStartDate": f"{start:%Y%m%d}",
        "ScheduledProcedureStepStartTime": f"{start:%H%M%S}",
        "CurrentPatientLocation": registered.place[:64],
    }
