"""The parts that drills are made of: who is called next, what was reached, which steps a shift has."""

from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.drill.decision import Ask, CallPerson, FetchKey, Finish, Look, Note, Restore, Seal, decide
from safelight.drill.facts import (
    Abandoned,
    Answered,
    Call,
    Called,
    CopyTried,
    Fact,
    Finished,
    Inject,
    ItemAssigned,
    ItemClosed,
    KeyAsked,
    KeyTried,
    Measured,
    OpenItem,
    Restored,
    Restoring,
    Sealed,
    Started,
    Step,
    StepNoted,
    TierMeasured,
    from_entry,
    to_body,
)
from safelight.drill.notification import BadCall, judge_times, next_call, reached, seconds_until_all
from safelight.drill.shift import READY, shift_steps
from safelight.drill.state import DrillState, OutOfTurn, fold
from safelight.plan.practice import Procedure
from safelight.plan.practice import Step as PlanStep
from safelight.plan.words import Disruption, Phase, Side, StepKind

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADMIN, LEAD = Call("pacs-admin", "radiology", "paula", "mei"), Call("lead", "radiology", "paula")
COORDINATOR = Call("coordinator", "it", "omar", "tove")
STEPS = (Step("worklist", "It answers", "it", check="worklist"), Step("d-1", "Hand out", "radiology"))


def started(**more: object) -> Started:
    values: dict[str, object] = {
        "drill": "1", "at": NOW, "type": "full", "rehearsal": "", "disruption": "hardware", "covers": (),
        "covered_digest": "", "target": "", "limit": None, "exposure_seconds": None, "reason": "why", "by": "who",
    }  # fmt: skip
    return Started(**{**values, **more})  # type: ignore[arg-type]


def called(person: str, after: int, answered_after: int | None) -> Called:
    answered_at = None if answered_after is None else NOW + answered_after * MINUTE
    return Called("1", NOW, person, "mobile", NOW + after * MINUTE, answered_at)


def folded(*facts: Fact) -> DrillState:
    state = DrillState()
    for fact in facts:
        state = fold(state, fact)
    return state


def test_a_deputy_is_called_when_the_person_does_not_answer_and_nobody_twice() -> None:
    calls = (ADMIN, LEAD, COORDINATOR)
    assert next_call(calls, []) == (ADMIN, "paula")
    assert next_call(calls, [called("paula", 0, 1)]) == (COORDINATOR, "omar"), "she has both roles"
    silent = [called("paula", 0, None)]
    assert next_call(calls, silent) == (ADMIN, "mei")
    assert next_call(calls, [*silent, called("mei", 2, 3)]) == (COORDINATOR, "omar")
    gone = [*silent, called("mei", 2, 3), called("omar", 4, None), called("tove", 5, None)]
    assert next_call(calls, gone) is None
    roles = reached(calls, gone)
    assert [(one.by, one.after_seconds) for one in roles] == [("mei", 180.0), ("", None), ("", None)]
    assert seconds_until_all(roles) is None, "not every role was reached"
    assert seconds_until_all(reached((ADMIN,), gone)) == 180.0


@pytest.mark.parametrize(("call", "answer"), [(1, None), (0, 1), (-1, -2)])
def test_a_call_is_answered_after_it_is_made_and_not_tomorrow(call: int, answer: int | None) -> None:
    with pytest.raises(BadCall):
        judge_times(NOW + call * MINUTE, None if answer is None else NOW + answer * MINUTE, NOW)
    judge_times(NOW - MINUTE, NOW, NOW)


def test_a_full_drill_goes_from_the_calls_over_key_and_restore_to_the_table_and_seals_once() -> None:
    inject = Inject("a", "It burns.", "Who?", "Where?")
    facts: list[Fact] = [started(calls=(LEAD,), placements=("home",), target="R@h:1", injects=(inject,))]
    rest: list[tuple[object, list[Fact]]] = [
        (CallPerson(LEAD, "paula"), [called("paula", 0, 1)]),
        (FetchKey(("home",)), [KeyAsked("1", NOW), KeyTried("1", NOW, (CopyTried("home", "ab", NOW),))]),
        (Restore(), [Restoring("1", NOW, "7"), Restored("1", NOW), Measured("1", NOW, "7", (TIER,))]),
        (Ask(inject, 1, 1), [Answered("1", NOW, "a", "x", "y")]),
        (Seal(), [Sealed("1", NOW, "abc")]),
        (Finish(), [Finished("1", NOW)]),
    ]
    for command, more in rest:
        assert decide(folded(*facts)) == command
        facts += more
    assert decide(folded(*facts)) is None


@pytest.mark.parametrize(
    ("begins", "fact"),
    [
        (started(calls=(LEAD,)), called("paula", 0, 1)),
        (started(injects=(Inject("a", "It burns.", "Who?", "Where?"),)), Answered("1", NOW, "a", "x", "y")),
        (started(steps=STEPS[1:]), StepNoted("1", NOW, "d-1", True, "")),
    ],
)
def test_a_bundle_exported_in_the_middle_is_not_the_evidence_of_what_came_after(begins: Started, fact: Fact) -> None:
    before = folded(begins, Sealed("1", NOW, "early"))
    assert before.evidence == "early"
    assert decide(fold(before, fact)) == Seal()


TIER = TierMeasured("emergency", 2, 2, 5.0, 0.0)


def test_a_shift_looks_by_itself_where_it_can_and_asks_for_the_rest() -> None:
    facts: list[Fact] = [started(steps=STEPS)]
    assert decide(folded(*facts)) == Look(STEPS[0])
    facts.append(StepNoted("1", NOW, "worklist", False, "no answer"))
    assert decide(folded(*facts)) == Note(STEPS[1], 2, 2)
    facts.append(StepNoted("1", NOW, "d-1", True, "", (OpenItem("more packs", "paula"),)))
    assert decide(folded(*facts)) == Seal()
    assert folded(*facts).items == (("d-1", OpenItem("more packs", "paula")),)


@pytest.mark.parametrize(
    "fact",
    [
        called("stranger", 0, 1),
        StepNoted("1", NOW, "d-9", True, ""),
        KeyTried("1", NOW, ()),
        ItemClosed("1", NOW, 1, "done", "who"),
    ],
)
def test_what_the_drill_does_not_have_is_refused(fact: Fact) -> None:
    with pytest.raises(OutOfTurn):
        folded(started(calls=(ADMIN,), steps=STEPS, placements=("home",)), fact)


def test_a_placement_that_was_not_tried_did_not_open() -> None:
    begins = started(placements=("home", "second"))
    tried = KeyTried("1", NOW, (CopyTried("home", "ab", NOW), CopyTried("elsewhere", "cd", NOW)))
    assert folded(begins).unopened == ("home", "second")
    assert folded(begins, KeyAsked("1", NOW), tried).unopened == ("second",)


def test_items_keep_their_numbers_when_the_clock_is_set_back() -> None:
    first, second = OpenItem("more packs", "paula"), OpenItem("a torch", "omar")
    facts = [
        StepNoted("1", NOW, "worklist", True, "", (first,)),
        StepNoted("1", NOW - MINUTE, "d-1", True, "", (second,)),
    ]
    assert folded(started(steps=STEPS), *facts).items == (("worklist", first), ("d-1", second))


def test_nothing_is_said_twice() -> None:
    for fact in (called("paula", 0, 1), StepNoted("1", NOW, "d-1", True, "")):
        with pytest.raises(OutOfTurn):
            folded(started(calls=(ADMIN,), steps=STEPS), fact, fact)


@pytest.mark.parametrize("end", [Sealed("1", NOW, "a"), Finished("1", NOW), Abandoned("1", NOW, "late", "who")])
def test_an_item_is_closed_once_whatever_became_of_its_drill(end: Fact) -> None:
    item = StepNoted("1", NOW, "d-1", True, "", (OpenItem("more packs", "paula"),))
    closed = ItemClosed("1", NOW, 1, "bought", "paula")
    state = folded(started(steps=STEPS), item, end, closed)
    assert state.closed == (closed,)
    with pytest.raises(OutOfTurn):
        fold(state, closed)


@pytest.mark.parametrize(
    "fact",
    [
        started(calls=(ADMIN,), steps=STEPS, placements=("home",)), called("paula", 0, None), KeyAsked("1", NOW),
        KeyTried("1", NOW, (CopyTried("home", "ab", None, "vault.bad-key"),)), ItemClosed("1", NOW, 1, "a", "b"),
        ItemAssigned("1", NOW, 1, "a", date(2026, 3, 9), "b", "c"),
        StepNoted("1", NOW, "d-1", True, "", (OpenItem("z", ""),)),
    ],
)  # fmt: skip
def test_a_fact_comes_back_from_the_journal_as_it_was(fact: object) -> None:
    assert from_entry(fact.kind, to_body(fact)) == fact  # type: ignore[attr-defined,arg-type]


def test_a_shift_has_what_must_lie_ready_and_the_procedures_that_apply() -> None:
    step = PlanStep(do="Read at the console", kind=StepKind.HUMAN, who="radiology-lead")
    procedures = [
        Procedure(id="day", name="First day", phase=Phase.DOWNTIME, steps=(step, step)),
        Procedure(id="paper", name="On paper", phase=Phase.ANALOG, disruptions=(Disruption.SITE,), steps=(step,)),
        Procedure(id="close", name="Closing", phase=Phase.RECONCILE, steps=(step,)),
    ]
    steps = shift_steps(procedures, Disruption.HARDWARE)
    assert steps[: len(READY)] == READY
    assert [(one.id, one.side, one.who) for one in steps[len(READY) :]] == [
        ("day-1", Side.RADIOLOGY, "radiology-lead"),
        ("day-2", Side.RADIOLOGY, "radiology-lead"),
    ]
