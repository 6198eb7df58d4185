"""Asking for scheduled steps, patients and reports."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, or_, select

from safelight.catalog.order_changes import Changes, PatientChange, PatientName, StepState
from safelight.catalog.order_tables import person_table, report_table, step_table
from safelight.catalog.order_working_set import WorkingSet
from safelight.catalog.reading import chunks
from safelight.core.names import Personal

ORDERS = "orders"
"""What folded messages are called among the sources of a step."""
OPEN_STATES = (StepState.SCHEDULED, StepState.ARRIVED, StepState.STARTED)


@dataclass(frozen=True, slots=True)
class StepSearch:
    """Which steps are wanted; what is empty is not asked for. Dates as YYYYMMDD."""

    date_from: str = ""
    date_to: str = ""
    modality: str = ""
    station: str = ""
    patient_id: str = ""
    accession: str = ""
    states: Sequence[StepState] = OPEN_STATES
    limit: int = 1000

    def fits(self, row: "StepRow") -> bool:
        """Say whether a step is wanted."""
        told = row.attributes
        date = told.get("ScheduledProcedureStepStartDate", "")
        return (
            row.state in self.states
            and (not self.date_from or date >= self.date_from)
            and (not self.date_to or date <= self.date_to)
            and self.modality in ("", told.get("Modality", ""))
            and self.station in ("", told.get("ScheduledStationAETitle", ""))
            and self.patient_id in ("", row.patient_id.text)
            and self.accession in ("", told.get("AccessionNumber", ""))
        )


@dataclass(frozen=True, slots=True)
class StepRow:
    """A scheduled procedure step with the patient as known now."""

    key: int
    state: StepState
    patient_id: Personal
    issuer: str
    patient: Mapping[str, Personal]
    """By DICOM keyword."""
    attributes: Mapping[str, str]
    """By DICOM keyword."""
    told_at: str
    journal_position: int
    sources: tuple[str, ...] = (ORDERS,)
    """Who says so, the one that counts first: messages, a list, people in a downtime."""
    as_of: datetime | None = None
    """When the list that has it was known to be so; None where messages or people say so."""
    is_whole_order: bool = False
    """Registered by hand: it stands for every step of the order that it names."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report and the message that carries it."""

    message: int
    patient_id: Personal
    issuer: str
    accession: str
    study: str
    filler: str
    status: str
    observed: str
    title: str


def steps(connection: Connection, search: StepSearch) -> list[StepRow]:
    """Return steps by start."""
    step = step_table.c
    statement = _steps().where(step.state.in_([str(state) for state in search.states]), *narrowed(step_table, search))
    ordered = statement.order_by(step.start_date, step.start_time, step.key).limit(search.limit)
    return [_step(row) for row in connection.execute(ordered)]


def narrowed(table: Table, search: StepSearch) -> list[ColumnElement[bool]]:
    """Return the conditions of a search on a table of steps."""
    step = table.c
    conditions: list[ColumnElement[bool]] = []
    if search.date_from:
        conditions.append(step.start_date >= search.date_from)
    if search.date_to:
        conditions.append(step.start_date <= search.date_to)
    for column, wanted in (
        (step.modality, search.modality),
        (step.station, search.station),
        (step.patient_id, search.patient_id),
        (step.accession, search.accession),
    ):
        if wanted:
            conditions.append(column == wanted)
    return conditions


def steps_named(
    connection: Connection, names: Mapping[str, Iterable[str]], known: Iterable[StepRow] = ()
) -> dict[int, StepRow]:
    """Return known steps, and those in any state that have one of these names: a column's values."""
    found = {row.key: row for row in known}
    for column, values in names.items():
        for chunk in chunks(values):
            for row in connection.execute(_steps().where(step_table.c[column].in_(chunk))):
                if row.key not in found:
                    found[row.key] = _step(row)
    return found


def _steps() -> Select[Any]:
    step, person = step_table.c, person_table.c
    source = step_table.outerjoin(person_table, (person.patient_id == step.patient_id) & (person.issuer == step.issuer))
    return select(step_table, person.attributes.label("of_patient")).select_from(source)


def reports(connection: Connection, patient_id: str, accession: str, study: str, limit: int) -> list[ReportRow]:
    """Return reports that fit any of what is given, the newest first."""
    report = report_table.c
    wanted = [
        column == value
        for column, value in ((report.patient_id, patient_id), (report.accession, accession), (report.study, study))
        if value
    ]
    statement = select(report_table)
    if wanted:
        statement = statement.where(or_(*wanted))
    rows = connection.execute(statement.order_by(report.message.desc(), report.number).limit(limit))
    return [
        ReportRow(
            row.message,
            Personal(row.patient_id),
            row.issuer,
            row.accession,
            row.study,
            row.filler,
            row.status,
            row.observed,
            row.title,
        )
        for row in rows
    ]


def patient(connection: Connection, name: PatientName) -> tuple[PatientName, dict[str, str], bool] | None:
    """Return under which identifier a patient goes now, what is known, and whether it is in the house."""
    working = WorkingSet.load(connection, [Changes("", patients=(PatientChange(name, {}),))])
    person = working.persons.get(working.in_force(name))
    return None if person is None else (person.name, person.attributes, person.in_house)


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient under an identifier that people name without its issuer."""

    called: PatientName
    name: PatientName
    """The identifier in force, which is another one after a merge."""
    attributes: Mapping[str, str]


def patients_called(connection: Connection, patient_ids: Sequence[str]) -> list[KnownPatient]:
    """Return everybody who goes, or went before a merge, by one of these identifiers, whoever issued it."""
    called = [
        PatientName(row.patient_id, row.issuer)
        for chunk in chunks(dict.fromkeys(patient_ids))
        for row in connection.execute(
            select(person_table.c.patient_id, person_table.c.issuer).where(person_table.c.patient_id.in_(chunk))
        )
    ]
    working = WorkingSet.load(connection, [Changes("", patients=tuple(PatientChange(one, {}) for one in called))])
    found = []
    for one in called:
        name = working.in_force(one)
        person = working.persons.get(name)
        found.append(KnownPatient(one, name, person.attributes if person is not None else {}))
    return found


def _step(row: Any) -> StepRow:
    person = json.loads(row.of_patient) if row.of_patient else {}
    return StepRow(
        key=row.key,
        state=StepState(row.state),
        patient_id=Personal(row.patient_id),
        issuer=row.issuer,
        patient={name: Personal(value) for name, value in person.items()},
        attributes=json.loads(row.attributes),
        told_at=row.told_at,
        journal_position=row.journal_position,
    )
