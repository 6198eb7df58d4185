"""The patients and steps that a number of messages speak of: read together, changed in memory, written together."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Row, select

from safelight.catalog.order_changes import FILLER, PLACER, START, Changes, PatientName, ReportNotice, StepState
from safelight.catalog.order_tables import person_table, report_table, step_name_table, step_table
from safelight.catalog.reading import chunks
from safelight.core.database import insert_or_replace, insert_or_skip

KINDS = ("filler", "placer", "accession", "study")


@dataclass(slots=True)
class Person:
    """A patient as far as messages told."""

    name: PatientName
    attributes: dict[str, str] = field(default_factory=dict)
    others: set[tuple[str, str]] = field(default_factory=set)
    in_house: bool = False
    told_at: str = ""
    merged_into: PatientName | None = None
    position: int = 0


@dataclass(slots=True)
class Step:
    """A scheduled procedure step as far as messages told."""

    key: int
    patient: PatientName
    state: StepState = StepState.SCHEDULED
    attributes: dict[str, str] = field(default_factory=dict)
    told_at: str = ""
    position: int = 0


@dataclass(slots=True)
class WorkingSet:
    """Everything that some messages speak of."""

    persons: dict[PatientName, Person] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    reports: dict[tuple[int, int], tuple[PatientName, ReportNotice]] = field(default_factory=dict)

    @classmethod
    def load(cls, connection: Connection, changes: Sequence[Changes]) -> Self:
        """Read what these messages speak of."""
        working = cls()
        names = {name for one in changes for order in one.orders for name in (*order.names, *order.also)}
        working._load_steps(connection, names)
        spoken_of = {
            name
            for one in changes
            for name in (
                *(patient.patient for patient in one.patients),
                *(name for merge in one.merges for name in (merge.patient, merge.prior)),
                *(order.patient for order in one.orders),
                *(report.patient for report in one.reports),
            )
        }
        working._load_persons(connection, spoken_of | {step.patient for step in working.steps.values()})
        return working

    def in_force(self, name: PatientName) -> PatientName:
        """Return under which identifier a patient goes now."""
        known = {name}
        while (person := self.persons.get(name)) is not None and person.merged_into is not None:
            name = person.merged_into
            if name in known:
                # Merged in a circle: nobody can say more than whoever was named last.
                break
            known.add(name)
        return name

    def add(self, person: Person) -> Person:
        """Take a patient in of whom nothing was known."""
        self.persons[person.name] = person
        return person

    def step(self, names: Iterable[tuple[str, str]]) -> Step | None:
        """Return the step that one of these names means."""
        for name in names:
            if (key := self.names.get(name)) is not None:
                return self.steps.get(key)
        return None

    def store(self, connection: Connection) -> None:
        """Write everything back."""
        for table, rows, replace in (
            (person_table, [_person_row(one) for one in self.persons.values()], True),
            (step_table, [_step_row(one) for one in self.steps.values()], True),
            (
                step_name_table,
                [{"kind": name[0], "value": name[1], "step": key} for name, key in self.names.items()],
                False,
            ),
            (report_table, [_report_row(*place, *told) for place, told in self.reports.items()], False),
        ):
            if rows:
                statement = insert_or_replace(connection, table) if replace else insert_or_skip(connection, table)
                connection.execute(statement, rows)

    def _load_steps(self, connection: Connection, names: set[tuple[str, str]]) -> None:
        table = step_name_table.c
        for chunk in chunks({value for _, value in names}):
            columns = select(table.kind, table.value, table.step).where(table.value.in_(chunk), table.kind.in_(KINDS))
            for kind, value, key in connection.execute(columns):
                if (kind, value) in names:
                    self.names[kind, value] = key
        for keys in chunks(set(self.names.values())):
            for row in connection.execute(select(step_table).where(step_table.c.key.in_(keys))):
                self.steps[row.key] = _step(row)

    def _load_persons(self, connection: Connection, names: set[PatientName]) -> None:
        looked_for: set[PatientName] = set()
        while names:
            looked_for |= names
            found = []
            for chunk in chunks({name.patient_id for name in names}):
                rows = connection.execute(select(person_table).where(person_table.c.patient_id.in_(chunk)))
                found += [person for row in rows if (person := person_of(row)).name in names]
            self.persons.update({person.name: person for person in found})
            names = {person.merged_into for person in found if person.merged_into is not None} - looked_for


def person_of(row: Row[Any]) -> Person:
    """Read a row of the table of patients."""
    merged_into = None if row.merged_into_id is None else PatientName(row.merged_into_id, row.merged_into_issuer)
    return Person(
        PatientName(row.patient_id, row.issuer),
        json.loads(row.attributes),
        {(patient_id, issuer) for patient_id, issuer in json.loads(row.others)},
        row.in_house,
        row.told_at,
        merged_into,
        row.journal_position,
    )


def _person_row(person: Person) -> dict[str, Any]:
    return {
        "patient_id": person.name.patient_id,
        "issuer": person.name.issuer,
        "attributes": _json(person.attributes),
        "others": json.dumps(sorted(person.others)),
        "in_house": person.in_house,
        "told_at": person.told_at,
        "merged_into_id": person.merged_into.patient_id if person.merged_into else None,
        "merged_into_issuer": person.merged_into.issuer if person.merged_into else None,
        "journal_position": person.position,
    }


def _step(row: Row[Any]) -> Step:
    return Step(
        row.key,
        PatientName(row.patient_id, row.issuer),
        StepState(row.state),
        json.loads(row.attributes),
        row.told_at,
        row.journal_position,
    )


def _step_row(step: Step) -> dict[str, Any]:
    told = step.attributes
    return {
        "key": step.key,
        "patient_id": step.patient.patient_id,
        "issuer": step.patient.issuer,
        "state": step.state,
        "accession": told.get("AccessionNumber", ""),
        "study": told.get("StudyInstanceUID", ""),
        "placer": told.get(PLACER, ""),
        "filler": told.get(FILLER, ""),
        "modality": told.get("Modality", ""),
        "station": told.get("ScheduledStationAETitle", ""),
        "start_date": told.get(START[0], ""),
        "start_time": told.get(START[1], ""),
        "attributes": _json(told),
        "told_at": step.told_at,
        "journal_position": step.position,
    }


def _report_row(message: int, number: int, patient: PatientName, report: ReportNotice) -> dict[str, Any]:
    return {
        "message": message,
        "number": number,
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "accession": report.accession,
        "study": report.study,
        "filler": report.filler,
        "status": report.status,
        "observed": report.observed,
        "title": report.title,
    }


def _json(attributes: dict[str, str]) -> str:
    return json.dumps(attributes, ensure_ascii=False, sort_keys=True)
