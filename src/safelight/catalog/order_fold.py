"""Folding what messages say into patients, steps and reports: in journal order, and harmless when repeated.

An older message never overwrites what a newer one said, by the sender's own time: it only fills what is empty. A
settled step does not come back because its order is placed (again) by a message that is not newer. What comes under an
identifier that was merged away belongs to the patient it was merged into; of that patient it only fills what is empty,
since its sender does not know who the patient is. Source: IHE RAD TF-2, 4.12, 4.1 to 4.4.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, update

from safelight.catalog.order_changes import (
    FINAL,
    Changes,
    Merge,
    OrderChange,
    PatientChange,
    StepState,
)
from safelight.catalog.order_tables import report_table, step_table
from safelight.catalog.order_working_set import Person, Step, WorkingSet

STEPS_MAX: Final = 1000
"""Steps of one message that are told apart."""

Told = tuple[int, Changes]
"""A journal position and what its message says."""


def fold_all(connection: Connection, told: Sequence[Told]) -> set[int]:
    """Take what messages say into account, in order of their positions; return those that missed a merge.

    Such a message is newer than the merge, and names its patient by the identifier that was merged away.
    """
    missed = set()
    for part in _parts(told):
        working = WorkingSet.load(connection, [changes for _, changes in part])
        for position, changes in part:
            if _fold(working, position, changes):
                missed.add(position)
        working.store(connection)
        for _, changes in part:
            for merge in changes.merges:
                _hand_over(connection, merge)
    return missed


def _parts(told: Sequence[Told]) -> Iterator[list[Told]]:
    """Cut behind each merge, which changes whose things are that are not in the working set."""
    part: list[Told] = []
    for one in told:
        part.append(one)
        if one[1].merges:
            yield part
            part = []
    if part:
        yield part


def _fold(working: WorkingSet, position: int, changes: Changes) -> bool:
    missed = [_fold_patient(working, position, changes.told_at, patient) for patient in changes.patients]
    for merge in changes.merges:
        _fold_merge(working, position, changes.told_at, merge)
    for number, order in enumerate(changes.orders[:STEPS_MAX]):
        _fold_order(working, position, number, changes.told_at, order)
    for number, report in enumerate(changes.reports[:STEPS_MAX]):
        working.reports[position, number] = (working.in_force(report.patient), report)
    return any(missed)


def _fold_patient(working: WorkingSet, position: int, told_at: str, change: PatientChange) -> bool:
    """Take into account what is said of a patient; return whether the sender missed that it was merged."""
    name = working.in_force(change.patient)
    person = working.persons.get(name) or working.add(Person(name))
    if person.position >= position:
        return False
    was_merged_away = name != change.patient
    missed = was_merged_away and told_at > person.told_at
    is_late = was_merged_away or told_at < person.told_at
    if change.in_house is not None and not is_late:
        person.in_house = change.in_house
    person.attributes = _merged(person.attributes, change.attributes, is_late=is_late)
    person.others |= {(one.patient_id, one.issuer) for one in change.others}
    if not was_merged_away:
        person.told_at = max(told_at, person.told_at)
    person.position = position
    return missed


def _fold_merge(working: WorkingSet, position: int, told_at: str, merge: Merge) -> None:
    name = working.in_force(merge.patient)
    if merge.prior == name:
        return
    for one in (name, merge.prior):
        if one not in working.persons:
            working.add(Person(one, told_at=told_at, position=position))
    prior = working.persons[merge.prior]
    prior.merged_into = name
    prior.in_house = False


def _hand_over(connection: Connection, merge: Merge) -> None:
    """Give steps and reports of the prior identifier to the patient in force."""
    name = WorkingSet.load(connection, [Changes("", merges=(merge,))]).in_force(merge.patient)
    if merge.prior == name:
        return
    for owned in (step_table, report_table):
        connection.execute(
            update(owned)
            .where(owned.c.patient_id == merge.prior.patient_id, owned.c.issuer == merge.prior.issuer)
            .values(patient_id=name.patient_id, issuer=name.issuer)
        )


def _fold_order(working: WorkingSet, position: int, number: int, told_at: str, change: OrderChange) -> None:
    owner = working.in_force(change.patient)
    step = working.step(change.names)
    is_new = step is None
    if step is None:
        step = Step(position * STEPS_MAX + number, owner)
        working.steps[step.key] = step
    elif step.position >= position:
        return
    is_late = told_at < step.told_at
    keeps_its_end = change.is_new and step.state in FINAL and told_at <= step.told_at and not is_new
    if change.state is not None and not is_late and not keeps_its_end:
        step.state = StepState(change.state)
    step.attributes = _merged(step.attributes, change.attributes, is_late=is_late)
    # It is the newer message that knows whose the step is.
    step.patient = working.in_force(step.patient) if is_late else owner
    step.told_at = max(told_at, step.told_at)
    step.position = position
    for name in (*change.names, *change.also):
        working.names.setdefault(name, step.key)


def _merged(before: Mapping[str, str], told: Mapping[str, str], *, is_late: bool) -> dict[str, str]:
    """Return attributes after a message: a newer one speaks, an older one fills what is empty."""
    if is_late:
        return {**{name: value for name, value in told.items() if value}, **before}
    return {name: value for name, value in {**before, **told}.items() if value}
