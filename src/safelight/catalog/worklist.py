"""The worklist as one: steps from messages, from lists that others keep, and from people, each step once.

The same step is told by its patient, by accession number, study, placer or filler number, and by the number of the
step where both have one. A list has the RIS's own identifiers, so a step of it stands for the orders that it names; a
person in a downtime knows best, so what was registered by hand stands for both. Whoever spoke last, by the journal,
says what an attribute is; whoever spoke before fills what is empty. What messages have completed or cancelled stays so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, select

from safelight.catalog.listed_step import ListedStep
from safelight.catalog.listed_steps import Listing, listings, step_of
from safelight.catalog.order_changes import FILLER, FINAL, PLACER, START, PatientName, StepState
from safelight.catalog.order_search import StepRow, StepSearch, narrowed, patients_called, steps_named
from safelight.catalog.order_search import steps as ordered_steps
from safelight.catalog.order_tables import listed_step_table, person_table
from safelight.catalog.order_working_set import Person, person_of
from safelight.catalog.reading import chunks
from safelight.core.names import Personal

STEP: Final = "ScheduledProcedureStepID"
LOOK_FURTHER: Final = 4
"""So many times as far is looked where too many of the first steps turn out not to be wanted."""
NAMES: Final[Mapping[str, str]] = {
    "accession": "AccessionNumber",
    "study": "StudyInstanceUID",
    "placer": PLACER,
    "filler": FILLER,
}
"""By what the same step is told, by the column that has it."""
_STATES: Final = {state.value: state for state in StepState}


def steps(connection: Connection, search: StepSearch, by_hand: Sequence[StepRow] = ()) -> list[StepRow]:
    """Return the steps that are wanted, by start; fewer than the limit only where there are no more."""
    by_hand = _under_numbers_in_force(connection, by_hand)
    known = {one.source: one for one in listings(connection)}
    if not known and not by_hand:
        return ordered_steps(connection, search)
    looked = search
    while True:
        found, is_all = _looked_up(connection, looked, known, by_hand)
        if is_all or len(found) >= search.limit:
            return found[: search.limit]
        # What one source has, another may have settled.
        looked = replace(looked, limit=looked.limit * LOOK_FURTHER)


def _looked_up(
    connection: Connection, search: StepSearch, known: Mapping[str, Listing], by_hand: Sequence[StepRow]
) -> tuple[list[StepRow], bool]:
    """Return the steps that are wanted as far as every source was looked at, by start, and whether that is all."""
    orders = ordered_steps(connection, search)
    listed = _listed(connection, known, narrowed(listed_step_table, search), search.limit) if known else []
    ends = [max(map(_moment, rows)) for rows in (orders, listed) if rows and len(rows) >= search.limit]
    wanted = [row for row in by_hand if search.fits(row)]
    # What else is said of these steps decides too, whether it would be found by itself or not.
    if known:
        listed += _listed_named(connection, known, [*orders, *wanted], listed)
    everything = steps_named(connection, _names([*listed, *wanted]), orders)
    rows = _composed(list(everything.values()), listed, by_hand)
    found = sorted((row for row in rows if search.fits(row)), key=_start)
    # Past the first end one source says nothing yet of steps that come before those of another.
    return [row for row in found if not ends or _moment(row) <= min(ends)], not ends


def _under_numbers_in_force(connection: Connection, by_hand: Sequence[StepRow]) -> list[StepRow]:
    """Return what was registered by hand under the numbers that its patients have now, merges and all."""
    numbers = [row.patient_id.text for row in by_hand]
    merged = {
        one.called.patient_id: Personal(one.name.patient_id)
        for one in (patients_called(connection, numbers) if numbers else ())
        if one.name.patient_id != one.called.patient_id
    }
    return [replace(row, patient_id=merged.get(row.patient_id.text, row.patient_id)) for row in by_hand]


def _composed(orders: Sequence[StepRow], listed: Sequence[StepRow], by_hand: Sequence[StepRow]) -> list[StepRow]:
    """Put what several say of one step together: who counts most stands, and the others are named with it."""
    said = _Said()
    for row in [*by_hand, *listed]:
        places = [place for place in said.like(row) if not set(said.rows[place].sources) & set(row.sources)]
        for place in places:
            said.rows[place] = _together(said.rows[place], [row])
        if not places:
            said.add(row)
    spoken_for: dict[int, list[StepRow]] = {}
    rest = []
    for order in orders:
        places = said.like(order)
        for place in places:
            spoken_for.setdefault(place, []).append(order)
        if not places:
            rest.append(order)
    for place, same in spoken_for.items():
        said.rows[place] = _together(said.rows[place], same)
    return said.rows + rest


class _Said:
    """Steps so far, found by what names them."""

    def __init__(self) -> None:
        self.rows: list[StepRow] = []
        self._places: dict[tuple[str, str], list[int]] = {}

    def add(self, row: StepRow) -> None:
        for name in _own_names(row):
            self._places.setdefault(name, []).append(len(self.rows))
        self.rows.append(row)

    def like(self, row: StepRow) -> list[int]:
        """Return the places of the steps that are the same as this one."""
        near = {place for name in _own_names(row) for place in self._places.get(name, ())}
        return [place for place in sorted(near) if _is_same(self.rows[place], row)]


def _own_names(row: StepRow) -> list[tuple[str, str]]:
    return [(column, value) for column, keyword in NAMES.items() if (value := row.attributes.get(keyword))]


def _names(rows: Iterable[StepRow]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {column: set() for column in NAMES}
    for row in rows:
        for column, value in _own_names(row):
            names[column].add(value)
    return names


def _is_same(one: StepRow, other: StepRow) -> bool:
    # Whoever registers an order by hand knows its number, and which of its exams they mean by the modality.
    tells_apart = "Modality" if one.is_whole_order or other.is_whole_order else STEP
    apart = one.attributes.get(tells_apart), other.attributes.get(tells_apart)
    if all(apart) and apart[0] != apart[1]:
        return False
    # Numbers are given again, and several systems give them: what is said of one patient never fills up another's step.
    return one.patient_id == other.patient_id and bool(set(_own_names(one)) & set(_own_names(other)))


def _together(row: StepRow, others: Sequence[StepRow]) -> StepRow:
    """Return a step with what others say of it."""
    if not others:
        return row
    newest_last = sorted([row, *others], key=lambda one: (one.is_whole_order, one.journal_position))
    attributes: dict[str, str] = {}
    for one in newest_last:
        attributes |= {name: value for name, value in one.attributes.items() if value}
    # A list was put together with what messages say of the patient; whoever registered by hand saw them.
    patient: dict[str, Personal] = {}
    for one in (*others, row):
        patient |= {name: value for name, value in one.patient.items() if value.text}
    states = [one.state for one in others]
    state = row.state
    if state not in FINAL and all(one in FINAL for one in states):
        state = states[0]
    elif state is StepState.SCHEDULED:
        state = next((one for one in states if one not in FINAL and one is not StepState.SCHEDULED), state)
    return replace(
        row,
        # A number that is made of the order's place in the journal stays when a list names the order later.
        key=min(one.key for one in (row, *others)) if STEP not in attributes else row.key,
        state=state,
        issuer=row.issuer or others[0].issuer,
        patient=patient,
        attributes=attributes,
        sources=tuple(dict.fromkeys(source for one in (row, *others) for source in one.sources)),
    )


def _start(row: StepRow) -> tuple[str, str, int]:
    return row.attributes.get(START[0], ""), row.attributes.get(START[1], ""), row.key


def _moment(row: StepRow) -> tuple[str, str]:
    return _start(row)[:2]


def _place(row: StepRow) -> tuple[str, int]:
    return row.sources[0], row.key


def _listed(
    connection: Connection, known: Mapping[str, Listing], conditions: Sequence[ColumnElement[bool]], limit: int | None
) -> list[StepRow]:
    statement = select(listed_step_table).where(*conditions)
    statement = statement.order_by(listed_step_table.c.start_date, listed_step_table.c.start_time).limit(limit)
    found = [(row.source, row.key, step_of(row)) for row in connection.execute(statement)]
    people = _people(connection, {step.patient.patient_id for _, _, step in found})
    rows = [_as_row(known[source], key, step, people) for source, key, step in found if source in known]
    order = list(known)
    return sorted(rows, key=lambda row: order.index(row.sources[0]))


def _listed_named(
    connection: Connection, known: Mapping[str, Listing], others: Sequence[StepRow], there: Sequence[StepRow]
) -> list[StepRow]:
    """Return listed steps that are not there yet, and that others, or steps of another list, may be the same as."""
    names = _names([*others, *there] if len(known) > 1 else others)
    if len(known) == 1:
        named_there = _names(there)
        names = {column: values - named_there[column] for column, values in names.items()}
    places = {_place(row) for row in there}
    found: dict[tuple[str, int], StepRow] = {}
    for column, values in names.items():
        for chunk in chunks(sorted(values)):
            for row in _listed(connection, known, [listed_step_table.c[column].in_(chunk)], None):
                if _place(row) not in places:
                    found[_place(row)] = row
    return list(found.values())


def _people(connection: Connection, identifiers: set[str]) -> dict[str, list[Person]]:
    """Return the patients with these identifiers, and whom they were merged into."""
    people: dict[str, list[Person]] = {}
    while identifiers:
        found = []
        for chunk in chunks(sorted(identifiers)):
            rows = connection.execute(select(person_table).where(person_table.c.patient_id.in_(chunk)))
            found += [person_of(row) for row in rows]
        people |= {identifier: [] for identifier in identifiers}
        for person in found:
            people[person.name.patient_id].append(person)
        identifiers = {person.merged_into.patient_id for person in found if person.merged_into} - people.keys()
    return people


def _as_row(listing: Listing, key: str, step: ListedStep, people: Mapping[str, Sequence[Person]]) -> StepRow:
    person = _person(step.patient, people)
    patient = dict(step.of_patient)
    name = step.patient
    if person is not None:
        told = {keyword: value for keyword, value in person.attributes.items() if value}
        is_newer = person.position > listing.journal_position or person.name.patient_id != name.patient_id
        patient = {**patient, **told} if is_newer else {**told, **{k: v for k, v in patient.items() if v}}
        name = person.name
    number, _, again = key.partition("-")
    return StepRow(
        key=int(number[:15], 16) + int(again or 0),
        state=_STATES.get(step.attributes.get("ScheduledProcedureStepStatus", "").lower(), StepState.SCHEDULED),
        patient_id=Personal(name.patient_id),
        issuer=name.issuer,
        patient={keyword: Personal(value) for keyword, value in patient.items()},
        attributes=step.attributes,
        told_at="",
        journal_position=listing.journal_position,
        sources=(listing.source,),
        as_of=listing.as_of,
    )


def _person(name: PatientName, people: Mapping[str, Sequence[Person]]) -> Person | None:
    """Return who is meant now; a list that names no issuer means the only patient of that identifier."""
    known = set()
    while name not in known:
        known.add(name)
        found = [one for one in people.get(name.patient_id, ()) if name.issuer in ("", one.name.issuer)]
        if len(found) != 1:
            return None
        if found[0].merged_into is None:
            return found[0]
        name = found[0].merged_into
    return None
