"""What is done next: always the same from the same state, one step after the other, and nothing that harms."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.names import Personal
from safelight.reconciliation.case import cases_of
from safelight.reconciliation.decision import Destinations, Merge, StudyCommand, decide
from safelight.reconciliation.facts import Decided, Done, Fact, Identity, Undone, Verdict, fact_of
from safelight.reconciliation.identity import Way, identity_by_order, way_to_correct
from safelight.reconciliation.messages import Sender, control_id, merge_message, report_message, update_message
from safelight.reconciliation.sides import Call, Patient, Read, Sides
from safelight.reconciliation.state import (
    NEXT,
    DecidedAlready,
    Event,
    OrderTaken,
    ReconciliationState,
    Stage,
    UndoneAlready,
    UnknownDecision,
    fold,
    judge,
    judge_undo,
)
from safelight.wire.hl7.message import Message
from support.reconciled_sides import AT, RITA, TEMP, TEMPORARY, exam, look, order, study, there

READ = Read(1, "R. Reader", AT, "Bleeding.\nCall | surgery ^ now.", True, (Call("Dr. Ward", AT, "R. Reader", True),))
WALK_IN = exam("DT01", TEMP, reads=(READ,))
IMAGES = study(WALK_IN)
EVERYBODY = Destinations(("MPI",), "RIS")
MATCHED = Decided(1, Verdict.MATCHED, "DT01", AT, "test", "A. Admin", 1, identity_by_order(order()))
OTHER = replace(RITA, patient_id=Personal("9"))


def state(*facts: Fact) -> ReconciliationState:
    folded = ReconciliationState()
    for fact in facts:
        folded = fold(folded, fact)
    return folded


def sides(**told: Any) -> Sides:
    asked: dict[str, Any] = {"exams": [WALK_IN], "studies": [IMAGES], "temporary": TEMPORARY, "target": look()}
    return Sides(**{**asked, **told})


def names(of: Sides, known: ReconciliationState, slots: int = 99, to: Destinations = EVERYBODY) -> list[str]:
    cases = cases_of(of.exams, of.studies, of.replaced)
    return [one.name for one in decide(known, cases, of, to, slots)]


def done(what: str, **told: Any) -> Done:
    return Done(1, what, AT + timedelta(minutes=1), told)


def test_a_case_goes_step_by_step_until_nothing_is_left() -> None:
    facts: list[Fact] = [MATCHED]
    seen = []
    while commands := names(sides(), state(*facts), 1):
        seen += commands
        facts.append(done(commands[0]))
    assert seen == ["merge DP01 to MPI", "correct 2.25.1", "send 2.25.1", "report 1 to RIS"]


def test_nothing_is_done_about_what_nobody_decided_or_somebody_took_back() -> None:
    assert names(sides(), ReconciliationState()) == []
    assert names(sides(), state(MATCHED, Undone(1, AT, "wrong", "A. Admin"))) == []


def test_what_the_target_does_not_give_back_is_sent_again_with_what_came_back_different() -> None:
    at_target = sides(target=look(there(IMAGES, RITA, "RA1"), at=AT + timedelta(hours=1)))
    matched = [MATCHED, *(done(what) for what in ("merge DP01 to MPI", "correct 2.25.1", "report 1 to RIS"))]
    for lacking, differing, again in (
        ([], [], set()),
        ([], ["2"], set()),
        (["1"], [], {"1"}),
        (["1"], ["2"], {"1", "2"}),
    ):
        known = state(*matched, done("send 2.25.1", lacking=lacking, differing=differing))
        cases = cases_of(at_target.exams, at_target.studies)
        commands = decide(known, cases, at_target, EVERYBODY, 9)
        assert {name for one in commands if isinstance(one, StudyCommand) for name in one.instances} == again


def test_one_content_of_several_comes_to_count_before_anything_is_sent_and_once() -> None:
    kept, taken = (
        Decided(number, verdict, subject, AT, "test", "A. Admin", instances=("1",))
        for number, verdict, subject in ((2, Verdict.OURS, "here 2.25.1"), (3, Verdict.THEIRS, "2.25.1"))
    )
    assert names(sides(), state(MATCHED, kept, taken))[:2] == ["keep 2.25.1", "take 2.25.1"]
    # Whose it is need not be known, and a target that was not asked gives nothing.
    assert names(sides(), state(replace(kept, number=1))) == ["keep 2.25.1"]
    assert names(sides(target=None), state(replace(taken, number=1))) == []
    assert names(sides(), state(replace(kept, number=1), done("keep 2.25.1"))) == []
    assert fact_of(kept.kind, kept.to_body()) == kept


def test_ours_and_theirs_are_never_both_in_force() -> None:
    ours, theirs = (
        Decided(number, verdict, "2.25.1", AT, "test", "A. Admin", identity=MATCHED.identity, instances=("1",))
        for number, verdict in ((2, Verdict.OURS), (3, Verdict.THEIRS))
    )
    for first, second in ((ours, theirs), (theirs, ours)):
        with pytest.raises(DecidedAlready):
            judge(state(MATCHED, replace(first, number=2)), replace(second, number=3))


def test_a_study_that_the_target_lost_again_is_sent_again() -> None:
    known = state(
        MATCHED, *(done(what) for what in names(sides(), state(MATCHED))), done("correct 2.25.1"), done("send 2.25.1")
    )
    assert names(sides(), known) == []
    assert names(sides(target=look(at=AT + timedelta(hours=1))), known) == ["send 2.25.1"]


def test_what_was_corrected_and_is_there_is_sent_once_more_to_be_compared() -> None:
    known = state(MATCHED, done("merge DP01 to MPI"), done("report 1 to RIS"), done("correct 2.25.1"))
    at_target = sides(target=look(there(IMAGES, RITA, "RA1"), at=AT + timedelta(hours=1)))
    assert names(at_target, known) == ["send 2.25.1"]


def test_a_study_that_is_right_goes_out_as_it_was_received() -> None:
    ordered = exam("RA1", RITA)
    of = sides(exams=[ordered], studies=[study(ordered)])
    assert names(of, state(replace(MATCHED, subject="RA1"))) == ["send 2.25.1"]


def test_instances_of_another_number_are_never_merged_and_only_replaced_when_somebody_says_so() -> None:
    wrong = sides(target=look(there(IMAGES, OTHER)), exams=[exam("DT01", OTHER)], studies=[study(exam("DT01", OTHER))])
    assert names(wrong, state(MATCHED)) == []
    replaced = Decided(2, Verdict.REPLACED, "2.25.1", AT, "wrong patient", "A. Admin", None, MATCHED.identity)
    assert names(wrong, state(MATCHED, replaced)) == ["replace 2.25.1"]
    note = Done(2, "replace 2.25.1", AT + timedelta(minutes=1), {"studies": {"2.25.1": "1.2.1"}})
    rest = replace(study(exam("DT01", OTHER)), instances=frozenset({"note"}))
    after = replace(
        wrong, studies=[rest, study(exam("DT01", RITA), study="1.2.1", accession="RA1")], replaced={"1.2.1": "2.25.1"}
    )
    assert names(after, state(MATCHED, replaced, note)) == ["send 2.25.1", "send 1.2.1"]


@pytest.mark.parametrize(
    ("theirs", "accession", "way"),
    [
        (RITA, "RA1", Way.NONE),
        (replace(RITA, name=Personal("REAL^RITA^M")), "RA1", Way.NONE),
        (replace(RITA, name=Personal("Reel^Rita")), "RA1", Way.UPDATE),
        (replace(RITA, birth_date="19700201"), "RA1", Way.UPDATE),
        (replace(RITA, birth_date="", sex=""), "RA1", Way.NONE),
        (TEMP, "DT01", Way.MERGE),
        (OTHER, "RA1", Way.OBJECTS),
        # The hospital merged it, and the archive has not.
        (replace(RITA, patient_id=Personal("111")), "RA1", Way.MERGE),
        (RITA, "DT01", Way.OBJECTS),
    ],
)
def test_the_way_of_a_correction_depends_on_what_the_archive_has(theirs: Patient, accession: str, way: Way) -> None:
    assert (
        way_to_correct(
            theirs, accession, identity_by_order(order()), Sides(temporary=TEMPORARY, in_force={"111": "4711"})
        )
        is way
    )


@pytest.mark.parametrize(("stage", "event"), list(product(Stage, Event)))
def test_every_pair_is_a_row_or_a_refusal(stage: Stage, event: Event) -> None:
    facts: list[Fact] = [MATCHED, *([Undone(1, AT, "wrong", "A. Admin")] if stage is Stage.UNDONE else [])]
    known = state(*facts)
    if event is Event.CONSEQUENCE_DONE:
        assert fold(known, done("merge DP01 to MPI")).decisions[1].stage is NEXT[stage, event]
    elif (stage, event) in NEXT:
        assert (
            fold(known, Undone(judge_undo(known, 1).fact.number, AT, "wrong", "B")).decisions[1].stage is Stage.UNDONE
        )
    else:
        with pytest.raises(UndoneAlready):
            judge_undo(known, 1)


def test_one_thing_is_decided_once_and_one_order_fulfilled_once_unless_somebody_says_so() -> None:
    known = state(MATCHED)
    for verdict in (Verdict.MATCHED, Verdict.NO_ORDER):
        with pytest.raises(DecidedAlready):
            judge(known, replace(MATCHED, number=2, verdict=verdict))
    other = replace(MATCHED, number=2, subject="DT02")
    with pytest.raises(OrderTaken):
        judge(known, other)
    assert judge(known, other, also=True) is other
    with pytest.raises(UnknownDecision):
        judge_undo(known, 7)
    undone = fold(known, Undone(1, AT, "wrong", "A. Admin"))
    assert judge(undone, other) is other
    assert undone.settled_as("DT01") is None and undone.matched_to(1) == []


@pytest.mark.parametrize(
    "fact", [MATCHED, replace(MATCHED, identity=None), Undone(1, AT, "r", "b"), done("x", message=1)]
)
def test_a_fact_is_read_back_as_it_was_written(fact: Fact) -> None:
    assert fact_of(fact.kind, fact.to_body()) == fact


SENDER = Sender("SAFELIGHT", "H", "node", 1, AT)


def test_a_message_is_the_same_whenever_it_is_written_and_says_what_it_must() -> None:
    (report,) = [
        one
        for one in decide(state(MATCHED), cases_of([WALK_IN], [IMAGES]), sides(), EVERYBODY, 99)
        if one.name.startswith("report")
    ]
    merge = Merge(1, "MPI", TEMP.patient_id, identity_by_order(order()))
    messages = [report_message(SENDER, report), merge_message(SENDER, merge), update_message(SENDER, merge)]  # type: ignore[arg-type]
    assert messages == [report_message(SENDER, report), merge_message(SENDER, merge), update_message(SENDER, merge)]  # type: ignore[arg-type]
    told, merged, _ = (Message(raw) for raw in messages)
    assert (
        told.header.control_id.decode() == control_id(SENDER, "report 1 to RIS") and len(told.header.control_id) == 20
    )
    (request,) = told.all("OBR")
    assert [request.field(number).component() for number in (2, 3, 18, 19, 25)] == ["P1", "F1", "RA1", "", "P"]
    texts = [segment.field(5).component() for segment in told.all("OBX")]
    assert "Call | surgery ^ now." in texts and "URGENT RESULT." in texts and texts[-1] == "2.25.1"
    assert any("Told to Dr. Ward" in text and "read back" in text for text in texts)
    assert {segment.field(11).component() for segment in told.all("OBX")} == {"P"}
    (patient,) = merged.all("PID")
    (prior,) = merged.all("MRG")
    assert (patient.field(3).component(), prior.field(1).component()) == ("4711", "DP01")
    other = Sender("SAFELIGHT", "H", "node", 2, AT)
    assert control_id(other, "report 1 to RIS") != control_id(SENDER, "report 1 to RIS")


def test_identity_survives_as_json() -> None:
    identity = identity_by_order(order())
    assert Identity.from_body(identity.to_body()) == identity


@given(
    st.lists(st.sampled_from(["walk-in", "known", "unknown"]), min_size=1, max_size=3),
    st.booleans(),
    st.integers(min_value=1, max_value=5),
)
def test_whatever_is_asked_at_once_everything_is_done_once_and_in_order(
    kinds: list[str], is_there: bool, slots: int
) -> None:
    exams, studies, facts = [], [], []
    for number, kind in enumerate(kinds, 1):
        patient = {"walk-in": replace(TEMP, patient_id=Personal(f"DP0{number}"))}.get(kind, RITA)
        of = replace(exam(f"DT0{number}", patient, reads=(READ,)), is_unidentified=kind == "unknown")
        exams.append(of)
        studies.append(study(of))
        if kind != "unknown":
            facts.append(replace(MATCHED, number=len(facts) + 1, subject=of.accession))
    known = state(*facts)
    of_all = sides(
        exams=exams,
        studies=studies,
        temporary=TEMPORARY | {"DP03", "DT03"},
        target=look(*(there(one, RITA, "RA1") for one in studies if is_there)),
    )
    seen: list[tuple[int, str]] = []
    while commands := decide(known, cases_of(exams, studies), of_all, EVERYBODY, slots):
        assert len(commands) <= slots
        for command in commands:
            seen.append((command.decision, command.name))
            fact = Done(command.decision, command.name, AT + timedelta(minutes=len(seen)), {})
            known = fold(known, fact)
    assert len(set(seen)) == len(seen)
    for decided in facts:
        names_of = [name for number, name in seen if number == decided.number]
        order_of = [name.split()[0] for name in names_of]
        # Patients before everything; a correction before its study goes; a report waits for no study.
        assert "merge" not in order_of[1:]
        assert [what for what in order_of if what in ("correct", "send")] in ([], ["send"], ["correct", "send"])
        assert "report" in order_of and (is_there or "send" in order_of)
