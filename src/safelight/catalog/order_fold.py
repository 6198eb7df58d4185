"""Folding what messages say into patients, steps and reports: in journal order, and harmless when repeated.

An older message never overwrites what a newer one said, by the sender's own time: it only fills what is empty. A
settled step does not come back because its order is placed (again) by a message that is not newer. What comes under an
identifier that was merged away belongs to the patient it was merged into. Source: IHE RAD TF-2, 4.12, 4.1 to 4.4.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from safelight.catalog.order_changes import (
    FINAL,
    Changes,
    Merge,
    OrderChange,
    PatientChange,
    PatientName,
    ReportNotice,
    StepState,
)
from safelight.catalog.order_tables import person_table, report_table, step_name_table, step_table
from safelight.core.database import insert_or_replace, insert_or_skip

STEPS_MAX: Final = 1000
"""Steps of one message that are told apart."""
MERGES_MAX: Final = 32
START: Final = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")


def fold(connection: Connection, position: int, changes: Changes) -> None:
    """Take what the message at a journal position says into account."""
    for patient in changes.patients:
        _fold_patient(connection, position, changes.told_at, patient)
    for merge in changes.merges:
        _fold_merge(connection, position, changes.told_at, merge)
    for number, order in enumerate(changes.orders[:STEPS_MAX]):
        _fold_order(connection, position, number, changes.told_at, order)
    for number, report in enumerate(changes.reports[:STEPS_MAX]):
        _fold_report(connection, position, number, report)


def in_force(connection: Connection, patient: PatientName) -> PatientName:
    """Return under which identifier a patient goes now."""
    known = {patient}
    for _ in range(MERGES_MAX):
        row = _person(connection, patient)
        if row is None or row.merged_into_id is None:
            break
        patient = PatientName(row.merged_into_id, row.merged_into_issuer)
        if patient in known:
            # Merged in a circle: whoever was named last decided, and nobody can say more.
            break
        known.add(patient)
    return patient


def _person(connection: Connection, patient: PatientName) -> Row[Any] | None:
    table = person_table.c
    return connection.execute(
        select(person_table).where(table.patient_id == patient.patient_id, table.issuer == patient.issuer)
    ).first()


def _fold_patient(connection: Connection, position: int, told_at: str, change: PatientChange) -> None:
    patient = in_force(connection, change.patient)
    before = _person(connection, patient)
    if before is None:
        before_attributes: dict[str, str] = {}
        others, in_house, last = [], False, ""
    else:
        if before.journal_position >= position:
            return
        before_attributes = json.loads(before.attributes)
        others, in_house, last = json.loads(before.others), before.in_house, before.told_at
    is_late = told_at < last
    if change.in_house is not None and not is_late:
        in_house = change.in_house
    named = {tuple(one) for one in others} | {(one.patient_id, one.issuer) for one in change.others}
    row = {
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "attributes": _json(_merged(before_attributes, change.attributes, is_late=is_late)),
        "others": json.dumps(sorted(named)),
        "in_house": in_house,
        "told_at": max(told_at, last),
        "merged_into_id": before.merged_into_id if before is not None else None,
        "merged_into_issuer": before.merged_into_issuer if before is not None else None,
        "journal_position": position,
    }
    connection.execute(insert_or_replace(connection, person_table), row)


def _fold_merge(connection: Connection, position: int, told_at: str, merge: Merge) -> None:
    patient = in_force(connection, merge.patient)
    prior = merge.prior
    if prior == patient:
        return
    for one in (patient, prior):
        row = {
            "patient_id": one.patient_id,
            "issuer": one.issuer,
            "attributes": "{}",
            "others": "[]",
            "in_house": False,
            "told_at": told_at,
            "journal_position": position,
        }
        connection.execute(insert_or_skip(connection, person_table), row)
    table = person_table.c
    connection.execute(
        update(person_table)
        .where(table.patient_id == prior.patient_id, table.issuer == prior.issuer)
        .values(merged_into_id=patient.patient_id, merged_into_issuer=patient.issuer, in_house=False)
    )
    for owned in (step_table, report_table):
        connection.execute(
            update(owned)
            .where(owned.c.patient_id == prior.patient_id, owned.c.issuer == prior.issuer)
            .values(patient_id=patient.patient_id, issuer=patient.issuer)
        )


def _fold_order(connection: Connection, position: int, number: int, told_at: str, change: OrderChange) -> None:
    patient = in_force(connection, change.patient)
    step = _step(connection, change.names)
    key = position * STEPS_MAX + number if step is None else step.key
    if step is None:
        attributes, state, last = {}, StepState.SCHEDULED, ""
    else:
        if step.journal_position >= position:
            return
        attributes, state, last = json.loads(step.attributes), StepState(step.state), step.told_at
    is_late = told_at < last
    attributes = _merged(attributes, change.attributes, is_late=is_late)
    may_change = not is_late and not (change.is_new and state in FINAL and told_at <= last)
    if change.state is not None and may_change:
        state = change.state
    if is_late and step is not None:
        # It is the newer message that knows whose the step is.
        patient = in_force(connection, PatientName(step.patient_id, step.issuer))
    row = {
        "key": key,
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "state": state,
        "accession": attributes.get("AccessionNumber", ""),
        "study": attributes.get("StudyInstanceUID", ""),
        "modality": attributes.get("Modality", ""),
        "station": attributes.get("ScheduledStationAETitle", ""),
        "start_date": attributes.get(START[0], ""),
        "start_time": attributes.get(START[1], ""),
        "attributes": _json(attributes),
        "told_at": max(told_at, last),
        "journal_position": position,
    }
    connection.execute(insert_or_replace(connection, step_table), row)
    names = [{"kind": kind, "value": value, "step": key} for kind, value in (*change.names, *change.also)]
    if names:
        connection.execute(insert_or_skip(connection, step_name_table), names)


def _step(connection: Connection, names: Sequence[tuple[str, str]]) -> Row[Any] | None:
    for kind, value in names:
        key = connection.execute(
            select(step_name_table.c.step).where(step_name_table.c.kind == kind, step_name_table.c.value == value)
        ).scalar()
        if key is not None:
            return connection.execute(select(step_table).where(step_table.c.key == key)).first()
    return None


def _fold_report(connection: Connection, position: int, number: int, report: ReportNotice) -> None:
    patient = in_force(connection, report.patient)
    row = {
        "message": position,
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
    connection.execute(insert_or_skip(connection, report_table), row)


def _merged(before: Mapping[str, str], told: Mapping[str, str], *, is_late: bool) -> dict[str, str]:
    """Return attributes after a message: a newer one speaks, an older one fills what is empty."""
    if is_late:
        return {**{name: value for name, value in told.items() if value}, **before}
    return {name: value for name, value in {**before, **told}.items() if value}


def _json(attributes: Mapping[str, str]) -> str:
    return json.dumps(dict(attributes), ensure_ascii=False, sort_keys=True)
