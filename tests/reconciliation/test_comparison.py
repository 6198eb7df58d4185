"""What is open, over tables of sides and decisions; every kind of difference, and what closes it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safelight.core.names import Personal
from safelight.reconciliation.case import cases_of
from safelight.reconciliation.comparison import compare
from safelight.reconciliation.decision import Destinations
from safelight.reconciliation.difference import Difference, Kind, Wait
from safelight.reconciliation.facts import Decided, Done, Identity, Verdict
from safelight.reconciliation.identity import identity_by_order
from safelight.reconciliation.sides import Call, Read, Sides
from safelight.reconciliation.state import ReconciliationState, fold
from support.reconciled_sides import AT, RITA, TEMP, TEMPORARY, UNNAMED, exam, look, order, study, there

WALK_IN = exam("DT01", TEMP)
IMAGES = study(WALK_IN)
ORDER = order()
READ = Read(1, "R. Reader", AT, "Nothing acute.", urgent=False)
EVERYBODY = Destinations(("MPI",), "RIS")
LATER = AT + timedelta(hours=1)


def sides(**told: Any) -> Sides:
    asked: dict[str, Any] = {"exams": [WALK_IN], "studies": [IMAGES], "temporary": TEMPORARY}
    return Sides(**{**asked, **told})


def decided(verdict: Verdict, subject: str, number: int = 1, order_key: int | None = None) -> Decided:
    identity = identity_by_order(ORDER) if verdict is not Verdict.LEFT else None
    return Decided(number, verdict, subject, AT, "test", "A. Admin", order_key, identity)


def state(*facts: Any) -> ReconciliationState:
    folded = ReconciliationState()
    for fact in facts:
        folded = fold(folded, fact)
    return folded


def found(of: Sides, known: ReconciliationState | None = None, to: Destinations = EVERYBODY) -> list[Difference]:
    cases = cases_of(of.exams, of.studies, of.replaced)
    return compare(cases, of, known or ReconciliationState(), to)


def told(of: Sides, known: ReconciliationState | None = None, to: Destinations = EVERYBODY) -> set[tuple[Kind, Wait]]:
    return {(one.kind, one.wait) for one in found(of, known, to)}


MATCHED = decided(Verdict.MATCHED, "DT01", order_key=1)
DEAD, DELIVERED = ({("MPI", 7): how} for how in ("dead", "delivered"))
MERGED = Done(1, "merge DP01 to MPI", AT, {"destination": "MPI", "message": 7})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (sides(), {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER)}),
        (
            sides(orders=[ORDER]),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.DECISION), (Kind.ORDER_WITHOUT_STUDY, Wait.DECISION)},
        ),
        (sides(exams=[exam("DT01", UNNAMED, is_unidentified=True)]), {(Kind.STUDY_WITHOUT_ORDER, Wait.IDENTITY)}),
        (sides(studies=[]), {(Kind.ORDER_WITHOUT_STUDY, Wait.IMAGES)}),
        (sides(exams=[replace(WALK_IN, is_cancelled=True)], studies=[]), set()),
        # Images of an exam that was said to be cancelled are images all the same.
        (sides(exams=[replace(WALK_IN, is_cancelled=True)]), {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER)}),
        (sides(exams=[], studies=[], orders=[ORDER]), {(Kind.ORDER_WITHOUT_STUDY, Wait.DECISION)}),
        (sides(exams=[], studies=[], orders=[replace(ORDER, is_cancelled=True)]), set()),
        (sides(exams=[], studies=[], orders=[replace(ORDER, is_during=False)]), set()),
        (
            sides(target=look()),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER), (Kind.MISSING_AT_TARGET, Wait.DECISION)},
        ),
        (
            sides(target=look(there(IMAGES, instance_count=1))),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER), (Kind.MISSING_AT_TARGET, Wait.DECISION)},
        ),
        (sides(target=look(there(IMAGES))), {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER)}),
        (
            sides(studies=[replace(IMAGES, disputed=frozenset({"1"}))]),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER), (Kind.OTHER_BYTES, Wait.DECISION)},
        ),
        (
            sides(target=look(there(IMAGES, differing=frozenset({"2"})))),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER), (Kind.OTHER_BYTES, Wait.DECISION)},
        ),
        (
            sides(exams=[], studies=[], target=look(there(IMAGES))),
            {(Kind.UNKNOWN_TO_VAULT, Wait.DECISION)},
        ),
        (sides(exams=[], studies=[], target=look(there(IMAGES)), held=frozenset({IMAGES.study})), set()),
        (
            sides(exams=[replace(WALK_IN, reads=(READ,))]),
            {(Kind.STUDY_WITHOUT_ORDER, Wait.ORDER), (Kind.REPORT_NOT_DELIVERED, Wait.DECISION)},
        ),
    ],
)  # fmt: skip
def test_every_kind_of_difference_is_found_before_anything_is_decided(
    of: Sides, expected: set[tuple[Kind, Wait]]
) -> None:
    assert told(of) == expected


@pytest.mark.parametrize(
    ("of", "facts", "to", "expected"),
    [
        (sides(orders=[ORDER]), [MATCHED], EVERYBODY, {(Kind.IDENTITY_DIFFERS, Wait.SENDING)}),
        (sides(orders=[ORDER]), [MATCHED], Destinations(), {(Kind.IDENTITY_DIFFERS, Wait.SETTING)}),
        (sides(), [MATCHED, MERGED], EVERYBODY, {(Kind.IDENTITY_DIFFERS, Wait.DELIVERY)}),
        (sides(deliveries=DEAD), [MATCHED, MERGED], EVERYBODY, {(Kind.IDENTITY_DIFFERS, Wait.DECISION)}),
        (sides(deliveries=DELIVERED), [MATCHED, MERGED], EVERYBODY, set()),
        (
            sides(deliveries=DELIVERED, target=look()),
            [MATCHED, MERGED],
            EVERYBODY,
            {(Kind.MISSING_AT_TARGET, Wait.SENDING)},
        ),
        (
            sides(deliveries=DELIVERED, target=look(there(IMAGES))),
            [MATCHED, MERGED],
            EVERYBODY,
            {(Kind.IDENTITY_DIFFERS, Wait.LOOK)},
        ),
        (
            sides(deliveries=DELIVERED, target=look(there(IMAGES, RITA, "RA1"))),
            [MATCHED, MERGED],
            EVERYBODY,
            set(),
        ),
        (
            sides(
                deliveries=DELIVERED,
                target=look(there(IMAGES, replace(RITA, patient_id=Personal("9")), "RA1")),
            ),
            [MATCHED, MERGED],
            EVERYBODY,
            {(Kind.IDENTITY_DIFFERS, Wait.DECISION)},
        ),
        (
            sides(exams=[exam("DT01", RITA, reads=(READ,))], studies=[study(exam("DT01", RITA))]),
            [MATCHED],
            Destinations(),
            {(Kind.REPORT_NOT_DELIVERED, Wait.SETTING)},
        ),
        (
            sides(exams=[exam("DT01", RITA, reads=(READ,))], studies=[], final_reports=frozenset({"RA1"})),
            [MATCHED],
            EVERYBODY,
            {(Kind.ORDER_WITHOUT_STUDY, Wait.IMAGES)},
        ),
    ],
)  # fmt: skip
def test_what_follows_from_a_decision_is_open_until_it_is_seen(
    of: Sides, facts: list[Any], to: Destinations, expected: set[tuple[Kind, Wait]]
) -> None:
    assert told(of, state(*facts), to) == expected


def sent(number: int = 1, **told: list[str]) -> Done:
    return Done(number, "send 2.25.1", AT, {"level": "bytes", "lacking": [], "differing": [], **told})


@pytest.mark.parametrize(
    ("came_back", "expected"),
    [
        ({}, set()),
        ({"differing": ["1"]}, {(Kind.OTHER_BYTES, Wait.DECISION)}),
        ({"lacking": ["1"]}, {(Kind.MISSING_AT_TARGET, Wait.SENDING)}),
        (
            {"lacking": ["1"], "differing": ["2"]},
            {(Kind.MISSING_AT_TARGET, Wait.SENDING), (Kind.OTHER_BYTES, Wait.DECISION)},
        ),
    ],
)
def test_what_does_not_come_back_equal_after_it_was_sent_stays_open(
    came_back: dict[str, list[str]], expected: set[tuple[Kind, Wait]]
) -> None:
    at_target = sides(deliveries=DELIVERED, target=look(there(IMAGES, RITA, "RA1")))
    assert told(at_target, state(MATCHED, MERGED, sent(**came_back))) == expected


def several(verdict: Verdict, subject: str) -> Decided:
    return replace(decided(verdict, subject, 2), instances=("1",))


TAKEN = Done(2, "take 2.25.1", LATER, {"instances": [["1", "aa", "bb"]]})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([], {Wait.DECISION}),
        ([several(Verdict.OURS, "2.25.1")], {Wait.SENDING}),
        ([several(Verdict.THEIRS, "2.25.1")], {Wait.SENDING}),
        # What is found different at the target once more waits for a person again.
        ([several(Verdict.THEIRS, "2.25.1"), TAKEN], {Wait.DECISION}),
    ],
)
def test_other_content_at_the_target_waits_for_a_decision_and_then_for_its_consequence(
    facts: list[Any], expected: set[Wait]
) -> None:
    at_target = sides(
        deliveries=DELIVERED, target=look(there(IMAGES, RITA, "RA1", differing=frozenset({"1"})), at=LATER)
    )
    differences = found(at_target, state(MATCHED, MERGED, sent(), *facts))
    assert {one.wait for one in differences if one.kind is Kind.OTHER_BYTES} == expected
    assert {one.instances for one in differences if one.kind is Kind.OTHER_BYTES} == {frozenset({"1"})}


def test_what_was_sent_and_came_back_different_is_settled_by_taking_theirs() -> None:
    at_target = sides(deliveries=DELIVERED, target=look(there(IMAGES, RITA, "RA1")))
    facts = [MATCHED, MERGED, sent(differing=["1"]), several(Verdict.THEIRS, "2.25.1"), TAKEN]
    assert told(at_target, state(*facts)) == set()


def test_what_was_received_apart_is_settled_by_either_word() -> None:
    apart = sides(studies=[replace(IMAGES, disputed=frozenset({"1"}))])
    for subject, verdict in (("here 2.25.1", Verdict.OURS), ("2.25.1", Verdict.THEIRS)):
        differences = found(apart, state(several(verdict, subject)))
        assert {one.wait for one in differences if one.kind is Kind.OTHER_BYTES} == {Wait.SENDING}


def test_a_target_that_still_shows_what_a_note_rejects_is_told() -> None:
    replaced = decided(Verdict.REPLACED, "2.25.1", 2)
    done = Done(2, "replace 2.25.1", AT, {"studies": {"2.25.1": "1.2.1"}})
    rest = replace(IMAGES, instances=frozenset({"note"}), rejected=frozenset({"1", "2"}))
    for shown, expected in (({"note", "1"}, {(Kind.IDENTITY_DIFFERS, Wait.MENDING)}), ({"note"}, set())):
        names = frozenset(shown)
        of = sides(studies=[rest], deliveries=DELIVERED, target=look(there(rest, instances=names), at=LATER))
        assert told(of, state(MATCHED, MERGED, replaced, done)) == expected


def test_a_difference_keeps_its_id_and_can_be_left_as_it_is() -> None:
    (first,) = found(sides())
    (again,) = found(sides(orders=[], target=None))
    assert first.identity == again.identity
    assert found(sides(), state(decided(Verdict.LEFT, first.identity))) == []


def test_an_order_that_was_not_done_is_no_difference_any_more() -> None:
    alone = sides(exams=[], studies=[], orders=[ORDER])
    assert found(alone, state(decided(Verdict.NOT_DONE, "1"))) == []


def test_differences_name_no_patient() -> None:
    read = replace(READ, calls=(Call("Dr. Ward", AT, "R. Reader", read_back=True),))
    everything = sides(exams=[replace(WALK_IN, reads=(read,))], orders=[ORDER], target=look())
    text = repr(found(everything)).lower()
    assert "rita" not in text
    assert isinstance(MATCHED.identity, Identity)
