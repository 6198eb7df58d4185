"""The sides of a reconciliation as this home knows them: exams, holdings, orders, and the last look at the target."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from safelight.catalog.catalog import Catalog
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_changes import StepState
from safelight.catalog.order_search import KnownPatient, StepRow, StepSearch
from safelight.catalog.rows import StudyRow
from safelight.catalog.search import StudySearch
from safelight.core.names import Personal
from safelight.downtime.exam import Exam as DowntimeExam
from safelight.downtime.exam import Happened, Stage, Step, Way
from safelight.downtime.number import NumberFor, Numbers
from safelight.journal.journal import Journal
from safelight.reconciliation.facts import KINDS, Done, fact_of
from safelight.reconciliation.sides import Call, Exam, HeldStudy, Order, Patient, Read, Sides, TargetLook
from safelight.reconciliation.state import ReconciliationState, fold
from safelight.site.exams import exams_of, numbers_of
from safelight.site.reconciliation_window import Window, is_between, local_text
from safelight.site.scheduled_steps import step_values

ENTERED_AHEAD: Final = timedelta(days=1)
STEPS_MAX: Final = 100_000
STUDIES_MAX: Final = 1_000_000
FINAL_STATUSES: Final = ("F", "C", "AU", "LA")
"""OBR-25 and TXA-17 of a report that somebody answers for. Source: HL7 tables 0123 and 0271."""
CANCELLED: Final = (StepState.CANCELED, StepState.DISCONTINUED)


def state_of(journal: Journal) -> ReconciliationState:
    """Return everything that was decided."""
    state = ReconciliationState()
    for entry in journal.entries(kinds=KINDS):
        state = fold(state, fact_of(entry.kind, entry.facts))
    return state


class SidesReader:
    """Reads the sides of one window."""

    def __init__(
        self, catalog: Catalog, journal: Journal, index: MessageIndex | None, node: str, now: datetime, window: Window
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._index = index
        self._node = node
        self._now = now
        self._window = window
        self._times = window.local(now)
        self._numbers: Numbers = numbers_of(journal)

    def read(self, state: ReconciliationState, look: TargetLook | None) -> Sides:
        """Return the sides as they are now, the target as it was looked at."""
        downtime_exams = [
            one
            for one in exams_of(self._journal).values()
            if set(one.registered.outages).intersection(self._window.outages)
        ]
        exams = self._exams(downtime_exams)
        rows = self._rows(downtime_exams, state)
        orders = self._orders([row.accession for row in rows], [exam.accession for exam in exams])
        rows |= self._rows_of_orders(orders, rows)
        studies = [one for row in sorted(rows, key=lambda row: row.study) if (one := self._study(row)).instances]
        theirs = list(look.studies.values()) if look is not None else []
        patients = [one.patient for one in exams] + [one.patient for one in studies] + [one.patient for one in theirs]
        numbers = {one.patient_id.text for one in patients}
        numbers |= {one.accession for one in exams} | {one.accession for one in studies}
        return Sides(
            exams=exams,
            studies=studies,
            orders=orders,
            target=look,
            held=frozenset(self._catalog.held_studies([one.study for one in theirs])),
            temporary=frozenset(text for text in numbers if self._is_temporary(text)),
            in_force=self._in_force(numbers, orders, state),
            final_reports=self._final_reports(orders, exams, studies, state),
            deliveries=self._deliveries(state),
            replaced=_replaced(state),
        )

    def _exams(self, exams: Sequence[DowntimeExam]) -> list[Exam]:
        found = {one.called.patient_id: one for one in self._called(filter(None, (e.identified_as for e in exams)))}
        return [_exam(one, found.get(one.identified_as or "")) for one in exams]

    def _called(self, ids: Iterable[str]) -> list[KnownPatient]:
        return self._index.patients_called(list(ids)) if self._index is not None else []

    def _in_force(self, numbers: set[str], orders: Sequence[Order], state: ReconciliationState) -> dict[str, str]:
        wanted = {one.fact.identity.patient.patient_id.text for one in state.in_force if one.fact.identity is not None}
        wanted |= {one.patient.patient_id.text for one in orders}
        called = self._called(numbers | wanted)
        return {
            one.called.patient_id: one.name.patient_id for one in called if one.called.patient_id != one.name.patient_id
        }

    def _rows(self, exams: Sequence[DowntimeExam], state: ReconciliationState) -> set[StudyRow]:
        """Return what was done during the outage, as far as modalities tell; without a date, when it came counts.

        What came meanwhile and is older, as from a seed or a pull, is none of it.
        """
        rows = {
            row
            for row in self._catalog.received_since(self._window.since, STUDIES_MAX)
            if not row.study_date or is_between(row.study_date + row.study_time, self._times)
        }
        named = {one.registered.study for one in exams}
        named |= {str(new) for done in _done(state) for new in done.told.get("studies", {}).values()}
        rows |= {row for study in named if (row := self._catalog.study(study)) is not None}
        for one in exams:
            rows |= self._of_accession(one.registered.accession)
        # Decisions are made of what was received, and are not undone by having been carried out.
        return set(self._catalog.as_received(rows))

    def _of_accession(self, accession: str) -> set[StudyRow]:
        # What a search takes for any letter may stand in a number.
        found = self._catalog.as_received(self._catalog.find(StudySearch(accession=accession)))
        return {row for row in found if row.accession == accession}

    def _rows_of_orders(self, orders: Sequence[Order], known: set[StudyRow]) -> set[StudyRow]:
        """Return what orders of the outage may have been done by before it."""
        accessions, studies = {row.accession for row in known}, {row.study for row in known}
        found: set[StudyRow] = set()
        for order in orders:
            if not order.is_during or order.accession in accessions or order.study in studies:
                continue
            if order.accession:
                found |= self._of_accession(order.accession)
            if order.study and (row := self._catalog.study(order.study)) is not None:
                found |= set(self._catalog.as_received([row]))
        return found

    def _study(self, row: StudyRow) -> HeldStudy:
        rejected = frozenset(one.sop_instance for one in self._catalog.rejections(row.study))
        versions = self._catalog.versions(row.study)
        kept = frozenset(one.sop_instance for one in versions) - rejected
        return HeldStudy(
            row.study,
            Patient(row.patient_id, row.issuer, row.patient_name, row.birth_date.text, row.sex),
            row.accession,
            frozenset(row.modalities),
            frozenset(one.calling for one in versions),
            (row.study_date + row.study_time)[:14] if row.study_date else "",
            kept,
            self._disputed(kept),
            rejected,
        )

    def _disputed(self, instances: frozenset[str]) -> frozenset[str]:
        """Return instances of which an open finding says that they came with several contents."""
        several = self._catalog.disputed(instances)
        if not several:
            return frozenset()
        told = {one.subject for one in self._catalog.findings(code="protection.version-conflict")}
        return frozenset(several & told)

    def _orders(self, accessions: Iterable[str], exams: Iterable[str]) -> list[Order]:
        if self._index is None:
            return []
        # Clerks enter orders afterwards, with the time at which they do, or a later one.
        times = (self._times[0], local_text(self._now + ENTERED_AHEAD))
        states = list(StepState)
        search = StepSearch(times[0][:8], times[1][:8], states=states, limit=STEPS_MAX)
        steps = {row.key: row for row in self._index.steps(search) if is_between(_start(row), times)}
        known = {row.attributes.get("AccessionNumber", "") for row in steps.values()}
        for accession in {*accessions, *exams} - known - {""}:
            steps |= {row.key: row for row in self._index.steps(StepSearch(accession=accession, states=states))}
        return orders_of(steps.values(), self._node, self._times)

    def _is_temporary(self, text: str) -> bool:
        return any(self._numbers.range_of(of, text) is not None for of in NumberFor)

    def _final_reports(
        self,
        orders: Sequence[Order],
        exams: Sequence[Exam],
        studies: Sequence[HeldStudy],
        state: ReconciliationState,
    ) -> frozenset[str]:
        read = [exam for exam in exams if exam.reads]
        if self._index is None or not read:
            return frozenset()
        names = {exam.accession for exam in read} | {order.accession for order in orders}
        of_decisions = (one.fact.identity for one in state.in_force)
        names |= {identity.accession for identity in of_decisions if identity is not None}
        found = [one for name in names - {""} for one in self._index.reports(accession=name)]
        found += [one for study in studies for one in self._index.reports(study=study.study)]
        final = [one for one in found if one.status in FINAL_STATUSES]
        return frozenset({one.accession for one in final} | {one.study for one in final}) - {""}

    def _deliveries(self, state: ReconciliationState) -> Mapping[tuple[str, int], str]:
        found = {}
        for done in _done(state):
            if self._index is not None and "message" in done.told:
                place = (str(done.told["destination"]), int(done.told["message"]))
                row = self._index.delivery(*place)
                found[place] = str(row.state) if row is not None else ""
        return found


def orders_of(steps: Iterable[StepRow], node: str, times: tuple[str, str]) -> list[Order]:
    """Return orders, one for each accession number; those that begin between two local times are of the outage."""
    groups: dict[str, list[StepRow]] = {}
    for row in sorted(steps, key=lambda row: row.key):
        groups.setdefault(row.attributes.get("AccessionNumber") or f"#{row.key}", []).append(row)
    return [_order(rows, node, times) for rows in groups.values()]


def _order(rows: Sequence[StepRow], node: str, times: tuple[str, str]) -> Order:
    row = rows[0]
    told = step_values(row, node)
    start = _start(row)
    return Order(
        key=row.key,
        accession=told.get("AccessionNumber", ""),
        placer=told.get("PlacerOrderNumberImagingServiceRequest", ""),
        filler=told.get("FillerOrderNumberImagingServiceRequest", ""),
        study=told["StudyInstanceUID"],
        patient=Patient(
            row.patient_id,
            row.issuer,
            Personal(told.get("PatientName", "")),
            told.get("PatientBirthDate", ""),
            told.get("PatientSex", ""),
        ),
        modalities=frozenset(filter(None, (one.attributes.get("Modality") for one in rows))),
        stations=frozenset(filter(None, (one.attributes.get("ScheduledStationAETitle") for one in rows))),
        started=start,
        procedure=told.get("RequestedProcedureDescription", ""),
        procedure_code=(told.get("RequestedProcedureCodeValue", ""), told.get("RequestedProcedureCodingScheme", "")),
        requested_procedure=told["RequestedProcedureID"],
        is_cancelled=all(one.state in CANCELLED for one in rows),
        is_during=is_between(start, times),
    )


def _start(row: StepRow) -> str:
    told = row.attributes
    date, time = told.get("ScheduledProcedureStepStartDate", ""), told.get("ScheduledProcedureStepStartTime", "")
    return (date + time)[:14] if date else ""


def _exam(exam: DowntimeExam, known: KnownPatient | None) -> Exam:
    registered, person = exam.registered, exam.registered.person
    return Exam(
        registered.accession,
        registered.study,
        Patient(Personal(person.patient_id), "", person.name, person.birth_date, person.sex),
        registered.modality,
        registered.procedure,
        registered.device,
        registered.at,
        is_unidentified=registered.way is Way.UNIDENTIFIED,
        identified_as=_identified(exam.identified_as, known),
        is_cancelled=exam.stage is Stage.CANCELLED,
        reads=tuple(_read(number, one, exam) for number, one in enumerate(exam.of(Step.READ), 1)),
    )


def _identified(patient_id: str | None, known: KnownPatient | None) -> Patient | None:
    if patient_id is None:
        return None
    if known is None:
        return Patient(Personal(patient_id))
    told = known.attributes
    return Patient(
        Personal(known.name.patient_id),
        known.name.issuer,
        Personal(told.get("PatientName", "")),
        told.get("PatientBirthDate", ""),
        told.get("PatientSex", ""),
    )


def _read(number: int, read: Happened, exam: DowntimeExam) -> Read:
    calls = [
        Call(str(one.told["to"]), one.at, one.by, bool(one.told["read_back"]))
        for one in exam.of(Step.CALLED)
        if one.told["read"] == number
    ]
    return Read(number, read.by, read.at, str(read.told["text"]), bool(read.told["urgent"]), tuple(calls))


def _replaced(state: ReconciliationState) -> dict[str, str]:
    """Return for studies of corrected instances those that were acquired, also where they were replaced twice."""
    origins: dict[str, str] = {}
    for done in _done(state):
        for old, new in done.told.get("studies", {}).items():
            origins[str(new)] = origins.get(str(old), str(old))
    return origins


def _done(state: ReconciliationState) -> list[Done]:
    return [done for one in state.decisions.values() for done in one.done.values()]
