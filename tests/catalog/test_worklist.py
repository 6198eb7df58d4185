"""The worklist as one: the same step from messages, lists and people appears once, and newer words count."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from safelight.catalog.listed_step import ListedStep, change_of, keyed, steadied
from safelight.catalog.message_index import MessageIndex
from safelight.catalog.order_changes import Changes, Merge, OrderChange, PatientChange, PatientName, StepState
from safelight.catalog.order_search import StepRow, StepSearch
from safelight.core.names import Personal

MIRROR = "mirror RIS"


@dataclass
class Fact:
    kind: str
    position: int
    facts: dict[str, Any]
    at: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    hash: bytes = field(default=b"h")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[MessageIndex]:
    found = MessageIndex.open(tmp_path / "messages.db")
    yield found
    found.close()


def step(number: int, patient: str = "P1", **told: str) -> ListedStep:
    attributes = {
        "AccessionNumber": f"A{number}",
        "ScheduledProcedureStepID": f"S{number}",
        "StudyInstanceUID": f"1.2.{number}",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": f"{number:02d}0000",
        **told,
    }
    return ListedStep(PatientName(patient), {"PatientName": "Berg^Ana"}, {k: v for k, v in attributes.items() if v})


def listed(index: MessageIndex, position: int, *steps: ListedStep, source: str = MIRROR) -> None:
    kind = "worklist-mirrored" if source.startswith("mirror") else "worklist-imported"
    change = change_of(index.listed(source), keyed(steps))
    bodies = change.to_bodies(source, "2026-03-01T00:00:00.000000Z", {})
    index.apply([Fact(kind, position + number, body) for number, body in enumerate(bodies)])


def ordered(
    index: MessageIndex, position: int, number: int, state: StepState = StepState.SCHEDULED, **told: str
) -> None:
    patient = PatientName("P1", "H")
    attributes = {
        "AccessionNumber": f"A{number}",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20260302",
        "ReferringPhysicianName": "Ward",
        **told,
    }
    order = OrderChange(
        patient, (("filler", f"F{number}{told.get('ScheduledProcedureStepID', '')}"),), (), state, True, attributes
    )
    person = PatientChange(patient, {"PatientName": "Berg^Ana Maria"})
    index.fold([(position, Changes(f"2026030108{position:04d}", (person,), orders=(order,)))])


def shown(index: MessageIndex, *by_hand: StepRow, **search: Any) -> list[StepRow]:
    return index.steps(StepSearch(**search), by_hand)


def test_a_step_that_both_the_ris_and_an_order_tell_appears_once_with_what_each_knows(index: MessageIndex) -> None:
    ordered(index, 1, 1)
    listed(index, 2, step(1), step(2))
    first, second = shown(index)
    assert first.sources == (MIRROR, "orders") and second.sources == (MIRROR,)
    assert (first.attributes["StudyInstanceUID"], first.attributes["ReferringPhysicianName"]) == ("1.2.1", "Ward")
    assert first.as_of is not None


def test_whoever_spoke_last_says_what_an_attribute_is(index: MessageIndex) -> None:
    ordered(index, 1, 1, ScheduledProcedureStepStartDate="20260305")
    listed(index, 2, step(1))
    assert [row.attributes["ScheduledProcedureStepStartDate"] for row in shown(index)] == ["20260302"]
    assert shown(index, date_from="20260304") == []
    ordered(index, 3, 1, ScheduledProcedureStepStartDate="20260306")
    assert len(shown(index, date_from="20260304")) == 1
    assert shown(index, date_to="20260304") == []


@pytest.mark.parametrize("order", ["before", "after"])
def test_what_messages_cancelled_or_completed_does_not_come_back_by_a_list(index: MessageIndex, order: str) -> None:
    if order == "after":
        listed(index, 1, step(1))
    ordered(index, 5, 1, StepState.CANCELED)
    if order == "before":
        listed(index, 9, step(1))
    assert shown(index) == []
    assert len(shown(index, states=[StepState.CANCELED])) == 1


def test_steps_of_one_order_are_told_apart_by_their_numbers_or_stay_apart(index: MessageIndex) -> None:
    ordered(index, 1, 1)
    listed(index, 2, step(1), step(1, ScheduledProcedureStepID="S1b"))
    assert len(shown(index)) == 2
    ordered(index, 6, 1, ScheduledProcedureStepID="S9")
    assert len(shown(index)) == 3
    listed(index, 8, step(2, ScheduledProcedureStepID=""), step(2, ScheduledProcedureStepID="", Modality="MR"))
    assert len(shown(index, accession="A2")) == 2


@pytest.mark.parametrize(
    "number", [{"PlacerOrderNumberImagingServiceRequest": "77", "AccessionNumber": ""}, {"AccessionNumber": "77"}]
)
def test_a_number_means_the_same_step_for_the_same_patient_only(index: MessageIndex, number: dict[str, str]) -> None:
    ordered(index, 1, 1, **number)
    listed(index, 2, step(1, "P1", **number), step(2, "P2", **number))
    assert [(row.patient_id.text, len(row.sources)) for row in shown(index)] == [("P1", 2), ("P2", 1)]


def test_a_list_shows_the_patient_that_messages_have_merged(index: MessageIndex) -> None:
    listed(index, 1, step(1, "OLD"))
    index.fold([(2, Changes("20260301090000", merges=(Merge(PatientName("NEW", "H"), PatientName("OLD", "H")),)))])
    (row,) = shown(index)
    assert (row.patient_id.text, row.issuer) == ("NEW", "H")


def test_a_newer_edition_replaces_its_own_list_and_no_other(index: MessageIndex) -> None:
    listed(index, 1, step(1), step(2))
    listed(index, 2, step(2), step(3), source="import nightly")
    assert [row.sources for row in shown(index)] == [(MIRROR,), (MIRROR, "import nightly"), ("import nightly",)]
    listed(index, 3, step(4))
    assert [row.attributes["AccessionNumber"] for row in shown(index)] == ["A2", "A3", "A4"]
    assert [(one.source, one.journal_position) for one in index.listings()] == [(MIRROR, 3), ("import nightly", 2)]


def test_a_system_that_invents_studies_at_each_query_changes_nothing(index: MessageIndex) -> None:
    before = keyed([step(1), step(2), step(3)])
    invented = keyed([step(n, StudyInstanceUID=f"9.{n}", Modality="MR") for n in range(1, 5)])
    steady = steadied(before, invented)
    assert [one.attributes["StudyInstanceUID"] for one in steady.values()] == ["1.2.1", "1.2.2", "1.2.3", "9.4"]
    assert {one.attributes["Modality"] for one in steady.values()} == {"MR"}
    changed = keyed([step(1, StudyInstanceUID="9.9"), step(2), step(3)])
    assert steadied(before, changed) == changed
    assert len(change_of(before, changed).listed) == 1
    assert len(keyed([step(1), step(1, Modality="MR"), step(1)])) == 2


def test_a_long_change_is_said_in_parts_and_the_last_one_counts(index: MessageIndex) -> None:
    bodies = change_of({}, keyed([step(n) for n in range(1200)])).to_bodies(MIRROR, "2026-03-01T00:00:00.000000Z", {})
    assert [(len(one["listed"]), one["is_whole"]) for one in bodies] == [(500, False), (500, False), (200, True)]


def by_hand(accession: str, state: StepState = StepState.SCHEDULED, *, whole: bool = True, **told: str) -> StepRow:
    attributes = {"AccessionNumber": accession, "Modality": "CT", "ScheduledProcedureStepStartDate": "20260301", **told}
    return StepRow(
        5, state, Personal("P1"), "", {"PatientName": Personal("X")}, attributes, "", 99, ("downtime",), None, whole
    )


def test_an_order_that_is_registered_by_hand_appears_once_and_goes_when_it_is_done(index: MessageIndex) -> None:
    ordered(index, 1, 1)
    listed(index, 2, step(1))
    (row,) = shown(index, by_hand("A1"))
    assert row.sources == ("downtime", MIRROR, "orders")
    assert (row.attributes["ScheduledProcedureStepStartDate"], row.attributes["ScheduledProcedureStepID"]) == (
        "20260301",
        "S1",
    )
    assert shown(index, by_hand("A1", StepState.COMPLETED)) == []
    # Another exam of the same order goes on.
    assert len(shown(index, by_hand("A1", StepState.COMPLETED, Modality="MR"))) == 1
    ordered(index, 7, 1, StepState.CANCELED)
    assert shown(index, by_hand("A1")) == []


def test_what_was_registered_by_hand_goes_by_the_number_that_its_patient_has_after_every_merge(
    index: MessageIndex,
) -> None:
    for position, (prior, patient) in enumerate([("P1", "P2"), ("P2", "P3"), ("P8", "P9")], 1):
        merge = Merge(PatientName(patient, "H"), PatientName(prior, "H"))
        index.fold([(position, Changes(f"2026030109{position:04d}", merges=(merge,)))])
    assert [row.patient_id.text for row in shown(index, by_hand("A1"), patient_id="P3")] == ["P3"]


def test_a_limit_counts_steps_that_are_wanted_and_not_those_that_messages_have_settled(index: MessageIndex) -> None:
    for number in range(1, 7):
        ordered(index, number, number, StepState.COMPLETED)
    listed(index, 9, *(step(number) for number in range(1, 10)))
    assert [row.attributes["AccessionNumber"] for row in shown(index, limit=2)] == ["A7", "A8"]
    assert len(shown(index, limit=3)) == len(shown(index, limit=50)) == 3


def test_what_is_settled_at_the_head_of_one_source_lets_no_later_step_of_another_go_before(index: MessageIndex) -> None:
    for number in (1, 2):
        ordered(index, number, number, StepState.COMPLETED)
    for number in (8, 9):
        ordered(index, number, number, ScheduledProcedureStepStartTime=f"{number:02d}0000")
    listed(index, 10, *(step(number) for number in (1, 2, 3)))
    assert [row.attributes["AccessionNumber"] for row in shown(index, limit=2)] == ["A3", "A8"]


def test_lists_are_the_same_after_the_index_was_lost(index: MessageIndex, tmp_path: Path) -> None:
    listed(index, 1, step(1), step(2))
    again = MessageIndex.open(tmp_path / "again.db")
    listed(again, 1, step(1), step(2))
    assert again.steps(StepSearch()) == index.steps(StepSearch())
    again.close()
