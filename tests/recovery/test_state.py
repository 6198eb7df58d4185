import json
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safelight.recovery.decision import Act, Command, decide, wake_at
from safelight.recovery.facts import (
    Fact,
    Finished,
    InstanceNote,
    Level,
    Paused,
    Planned,
    PlannedStudy,
    Probed,
    Resumed,
    Settings,
    Started,
    StudyCompared,
    StudyFailed,
    StudyReleased,
    StudySent,
    StudyWithheld,
    TargetLost,
    from_entry,
    to_body,
)
from safelight.recovery.state import (
    NEXT,
    SETTLED,
    Event,
    OutOfTurn,
    RecoveryState,
    Stage,
    UnknownStudy,
    estimates,
    fold,
    judge,
)
from support.recovery_journal import SETTINGS, START, PowerCut, Rehearsal
from support.recovery_target import MemoryHoldings, held

PROBED = Probed("R1", START, "generic", "1.2", "X", ("get",), None)


def begun(*tiers: str, settings: Settings = SETTINGS) -> RecoveryState:
    studies = tuple(PlannedStudy(f"{number}", tier, 10, 5_000_000) for number, tier in enumerate(tiers))
    state = RecoveryState()
    for fact in (Started("R1", START, settings), Planned("R1", START, studies, last=True), PROBED):
        state = fold(state, fact)
    return state


def sent(study: str, seconds: float = 1.0) -> StudySent:
    return StudySent("R1", START + timedelta(seconds=10), study, 10, 5_000_000, seconds)


def compared(study: str, level: Level = Level.BYTES, **more: object) -> StudyCompared:
    at = START + timedelta(seconds=20)
    return StudyCompared("R1", at, study, level, "get", 10, 5_000_000, 1.0, {"bytes": 10}, **more)  # type: ignore[arg-type]


def failed(study: str, step: str, *, transient: bool) -> StudyFailed:
    return StudyFailed("R1", START, study, step, "x.y", transient)


BRING: dict[Stage, list[Fact]] = {
    Stage.WAITING: [],
    Stage.SENT_UNCONFIRMED: [sent("0")],
    Stage.CONFIRMED: [sent("0"), compared("0")],
    Stage.DIFFERS: [sent("0"), compared("0", Level.UIDS)],
    Stage.UNCONFIRMABLE: [sent("0"), failed("0", "confirm", transient=False)],
    Stage.FAILED: [failed("0", "send", transient=False)],
    Stage.WITHHELD: [StudyWithheld("R1", START, "0", "rejected")],
}
TELL: dict[Event, Fact] = {
    Event.SENT: sent("0"),
    Event.TRY_AGAIN: failed("0", "send", transient=True),
    Event.GIVEN_UP: failed("0", "send", transient=False),
    Event.CONFIRMED: compared("0"),
    Event.SEND_AGAIN: compared("0", missing=("1.1",)),
    Event.DIFFERED: compared("0", Level.UIDS),
    Event.COMPARE_AGAIN: failed("0", "confirm", transient=True),
    Event.NOT_COMPARABLE: failed("0", "confirm", transient=False),
    Event.WITHHELD: StudyWithheld("R1", START, "0", "rejected"),
    Event.RELEASED: StudyReleased("R1", START, "0", "because", "IT"),
}


@pytest.mark.parametrize(("stage", "event"), list(product(Stage, Event)))
def test_every_pair_is_a_row_or_a_refusal(stage: Stage, event: Event) -> None:
    state = begun("rest")
    for fact in BRING[stage]:
        state = fold(state, fact)
    assert state.studies["0"].stage is stage
    following = NEXT.get((stage, event))
    if following is None:
        with pytest.raises(OutOfTurn):
            judge(state, TELL[event])
        return
    assert fold(state, TELL[event]).studies["0"].stage is following
    assert state.count(following) == 1
    assert state.unsettled == (0 if following in SETTLED else 1)


@pytest.mark.parametrize("stage", sorted(SETTLED))
def test_a_settled_study_is_never_asked_for_again(stage: Stage) -> None:
    state = begun("rest")
    for fact in BRING[stage]:
        state = fold(state, fact)
    assert decide(state, 4, START) == (Command(Act.FINISH),)


def test_facts_of_another_recovery_or_an_unplanned_study_are_refused() -> None:
    with pytest.raises(OutOfTurn):
        fold(begun("rest"), replace(sent("0"), recovery="R2"))
    with pytest.raises(UnknownStudy):
        fold(begun("rest"), sent("9"))
    with pytest.raises(OutOfTurn):
        fold(RecoveryState(), sent("0"))


def test_a_held_study_waits_for_a_decision_from_the_start() -> None:
    state = fold(RecoveryState(), Started("R1", START, SETTINGS))
    state = fold(state, Planned("R1", START, (PlannedStudy("0", "rest", 1, 1, "gone-from-source"),), last=True))
    assert state.studies["0"].stage is Stage.WITHHELD
    assert state.studies["0"].why == "gone-from-source"
    state = fold(state, TELL[Event.RELEASED])
    assert [command.act for command in decide(fold(state, PROBED), 1, START)] == [Act.SEND]


def test_order_and_probe_come_before_any_study() -> None:
    assert decide(RecoveryState(), 4, START) == ()
    state = fold(RecoveryState(), Started("R1", START, SETTINGS))
    assert decide(state, 4, START) == (Command(Act.PLAN),)
    assert decide(state, 3, START, [Command(Act.PLAN)]) == ()
    state = fold(state, Planned("R1", START, (PlannedStudy("0", "rest", 1, 1),), last=False))
    assert decide(state, 4, START) == (Command(Act.PLAN),)
    state = fold(state, Planned("R1", START, (PlannedStudy("0", "rest", 1, 1),), last=True))
    assert len(state.order) == 1
    assert decide(state, 4, START) == (Command(Act.PROBE),)


def test_studies_are_sent_in_their_order_and_running_ones_are_not_asked_for_again() -> None:
    state = begun("emergency", "rest", "rest")
    assert decide(state, 2, START) == [Command(Act.SEND, "0"), Command(Act.SEND, "1")]
    assert decide(state, 1, START, decide(state, 2, START)) == [Command(Act.SEND, "2")]
    assert decide(state, 0, START) == ()


def test_with_one_slot_a_tier_is_proven_before_the_next_one_begins() -> None:
    state = fold(fold(begun("emergency", "emergency", "rest"), sent("0")), sent("1"))
    assert decide(state, 1, START) == [Command(Act.CONFIRM, "0", ways=("get",))]
    state = fold(begun("rest", "rest"), sent("0"))
    assert decide(state, 1, START) == [Command(Act.SEND, "1")]


def test_comparing_takes_half_of_the_slots_and_all_but_one_for_an_earlier_tier() -> None:
    state = begun(*["rest"] * 20)
    for number in range(8):
        state = fold(state, sent(str(number)))
    acts = [command.act for command in decide(state, 4, START)]
    assert acts.count(Act.CONFIRM) == 2
    state = begun(*["emergency"] * 8, *["rest"] * 8)
    for number in range(8):
        state = fold(state, sent(str(number)))
    acts = [command.act for command in decide(state, 4, START)]
    assert acts.count(Act.CONFIRM) == 3
    running = [command for command in decide(state, 4, START) if command.act is Act.CONFIRM]
    assert decide(state, 1, START, running)[0].act is Act.SEND


def test_nothing_new_begins_while_paused_or_when_finished() -> None:
    state = fold(begun("rest"), Paused("R1", START, "clinic", "IT"))
    assert decide(state, 4, START) == ()
    # Whoever resumes may have changed the target: it is asked again what it can.
    state = fold(state, Resumed("R1", START, "evening", "IT"))
    assert decide(state, 4, START) == (Command(Act.PROBE),)
    state = fold(state, PROBED)
    assert decide(state, 4, START) == [Command(Act.SEND, "0")]
    assert decide(fold(begun("rest"), Finished("R1", START, 0, 1)), 4, START) == ()


def test_a_failed_study_rests_while_others_go_and_comes_back_in_its_place() -> None:
    state = fold(begun("rest", "rest"), failed("0", "send", transient=True))
    assert decide(state, 1, START) == [Command(Act.SEND, "1")]
    assert wake_at(state) == START + timedelta(seconds=5)
    assert decide(state, 1, START + timedelta(seconds=5)) == [Command(Act.SEND, "0")]


def test_back_off_doubles_to_a_limit() -> None:
    state = begun("rest", settings=replace(SETTINGS, attempts_max=20, backoff_seconds_max=60))
    pauses = []
    for _ in range(6):
        state = fold(state, failed("0", "send", transient=True))
        pauses.append((state.studies["0"].due or START) - START)
    assert [pause.total_seconds() for pause in pauses] == [5, 10, 20, 40, 60, 60]


def test_several_associations_noticing_one_loss_count_it_once() -> None:
    state = begun("rest")
    for _ in range(4):
        state = fold(state, TargetLost("R1", START, "recovery.target-unreachable"))
    assert state.target_lost == 1
    assert decide(state, 4, START) == ()
    assert decide(state, 4, START + timedelta(seconds=5)) == (Command(Act.PROBE),)


def test_deciding_among_many_costs_no_more_than_among_few() -> None:
    state = begun(*["rest"] * 20_000)
    for number in range(10_000):
        state = fold(state, sent(str(number)))
    visits = 0

    class Counting(dict[str, object]):
        def __getitem__(self, key: str) -> object:
            nonlocal visits
            visits += 1
            return super().__getitem__(key)

    state.studies = Counting(state.studies)  # type: ignore[assignment]
    assert len(decide(state, 4, START)) == 4
    assert visits < 100


def test_estimates_follow_the_measured_rate_and_widen_with_its_scatter() -> None:
    state = begun("emergency", *["rest"] * 39, settings=replace(SETTINGS, associations_max=1))
    assert estimates(state) == {"emergency": None, "rest": None}
    steady = state
    for number in range(10):
        steady = fold(fold(steady, sent(str(number), seconds=2.0)), compared(str(number)))
    told = estimates(steady)
    assert told["emergency"] is not None
    assert told["emergency"].likely == timedelta(0)
    rest = told["rest"]
    assert rest is not None
    assert rest.likely.total_seconds() == pytest.approx(30 * 3.0, rel=0.01)
    assert rest.high - rest.low < timedelta(seconds=1)
    jumpy = begun("emergency", *["rest"] * 39, settings=replace(SETTINGS, associations_max=1))
    for number in range(10):
        jumpy = fold(fold(jumpy, sent(str(number), seconds=1.0 + 2 * (number % 2))), compared(str(number)))
    wide = estimates(jumpy)["rest"]
    assert wide is not None
    assert wide.high - wide.low > timedelta(seconds=10)
    assert wide.low <= timedelta(seconds=90) <= wide.high


texts = st.text("0123456789.abc", max_size=12)
instants = st.timedeltas(timedelta(0), timedelta(days=900)).map(lambda span: START + span)
notes = st.lists(st.builds(InstanceNote, texts, texts, texts), max_size=3).map(tuple)
names = st.lists(texts, max_size=3).map(tuple)
numbers = st.integers(0, 10**12)
facts = st.one_of(
    st.builds(
        Started,
        texts,
        instants,
        st.builds(
            Settings,
            *[texts] * 2,
            st.sampled_from(Level),
            *[texts] * 3,
            as_of=st.none() | instants,
            broke_at=st.none() | instants,
            accepted=names,
        ),
    ),
    st.builds(
        Planned,
        texts,
        instants,
        st.lists(st.builds(PlannedStudy, texts, texts, numbers, numbers, texts), max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(Probed, texts, instants, texts, texts, texts, names, st.none() | st.booleans(), names),
    st.builds(StudySent, texts, instants, texts, numbers, numbers, st.floats(0, 1e6), names, notes, numbers),
    st.builds(
        StudyCompared,
        texts,
        instants,
        texts,
        st.sampled_from(Level),
        texts,
        numbers,
        numbers,
        st.floats(0, 1e6),
        st.dictionaries(texts, numbers, max_size=3),
        *[names] * 4,
        notes,
        numbers,
    ),
    st.builds(StudyFailed, texts, instants, texts, texts, texts, st.booleans(), notes, numbers),
    st.builds(StudyWithheld, texts, instants, texts, texts, notes, numbers),
    st.builds(StudyReleased, texts, instants, texts, texts, texts),
    st.builds(TargetLost, texts, instants, texts),
    st.builds(Paused, texts, instants, texts, texts),
    st.builds(Resumed, texts, instants, texts, texts),
    st.builds(Finished, texts, instants, numbers, numbers),
)


@given(facts)
def test_a_fact_survives_the_journal(fact: Fact) -> None:
    assert from_entry(fact.kind, json.loads(json.dumps(to_body(fact), allow_nan=False))) == fact


def troubled() -> Rehearsal:
    """Some of everything: a lost file, a refusal, resources, a rejection, a broken association, a target going away."""
    it = Rehearsal(
        MemoryHoldings(
            {
                "A": [held("1.1"), held("1.2", rejected="113001")],
                "B": [held("2.1"), held("2.2")],
                "C": [held("3.1")],
                "D": [held("4.1")],
                "E": [held("5.1"), held("5.2")],
                "F": [],
            }
        )
    )
    it.archive.index = {"2.2": "B"}
    it.archive.statuses = {"3.1": [0xA700], "4.1": [0xC000] * 9}
    it.archive.broken_sends = {"5.2": 1}
    it.archive.unreachable = 1
    return it


RECORDS = 20
ENDS = {
    "A": "confirmed",
    "B": "confirmed",
    "C": "confirmed",
    "D": "failed",
    "E": "confirmed",
    "F": "withheld",
}


def repaired(it: Rehearsal) -> Rehearsal:
    it.keeper = True
    return it.set(repair_target=True)


def test_a_troubled_recovery_ends_with_every_study_settled() -> None:
    it = repaired(troubled())
    it.run()
    assert it.stages() == ENDS
    assert it.recorder.state().unsettled == 0
    assert len(it.recorder.lines) == RECORDS


@pytest.mark.parametrize("cut", range(1, RECORDS))
def test_a_cut_before_any_record_is_resumed_to_the_same_end(cut: int) -> None:
    it = repaired(troubled())
    it.recorder.cut_before = cut
    try:
        it.run()
    except PowerCut:
        assert len(it.recorder.lines) == cut
    else:
        pytest.fail("the power was not cut")
    it.recorder.cut_before = None
    it.run()
    assert it.stages() == ENDS
    state = it.recorder.state()
    assert state.finished
    assert sum(isinstance(fact, Finished) for fact in it.recorder.facts()) == 1


def test_cuts_one_after_another_end_the_same() -> None:
    it = repaired(troubled())
    for cut in range(1, 200):
        it.recorder.cut_before = cut
        try:
            it.run()
        except PowerCut:
            continue
        break
    assert it.stages() == ENDS


class AnyRecovery(RuleBasedStateMachine):
    """Commands decided are done in any order with any outcome; the counters must always tell the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.state = begun("emergency", "emergency", "rest", "rest", "rest")
        self.now = START
        self.running: list[Command] = []
        self.attempts = 0

    @rule(slots=st.integers(1, 4))
    def begin(self, slots: int) -> None:
        first = decide(self.state, slots, self.now, self.running)
        assert list(first) == list(decide(self.state, slots, self.now, self.running))
        assert len(first) <= slots
        self.running += first

    def _end(self, data: st.DataObject) -> Command:
        command = data.draw(st.sampled_from(self.running))
        self.running.remove(command)
        return command

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def go_well(self, data: st.DataObject) -> None:
        command = self._end(data)
        tell: dict[Act, Fact] = {
            Act.SEND: sent(command.study),
            Act.CONFIRM: compared(command.study),
            Act.PROBE: PROBED,
            Act.FINISH: Finished("R1", self.now, 0, 0),
            Act.STAND_DOWN: Paused("R1", self.now, "target-unreachable", "safelight"),
        }
        self.state = fold(self.state, tell[command.act])

    @precondition(lambda self: any(command.study for command in self.running))
    @rule(data=st.data(), transient=st.booleans())
    def go_wrong(self, data: st.DataObject, transient: bool) -> None:
        command = data.draw(st.sampled_from([command for command in self.running if command.study]))
        self.running.remove(command)
        told = failed(command.study, command.act.value, transient=transient)
        self.state = fold(self.state, replace(told, at=self.now))

    @precondition(lambda self: any(command.act is Act.CONFIRM for command in self.running))
    @rule(data=st.data(), missing=st.booleans(), level=st.sampled_from(Level))
    def compare_badly(self, data: st.DataObject, missing: bool, level: Level) -> None:
        command = data.draw(st.sampled_from([one for one in self.running if one.act is Act.CONFIRM]))
        self.running.remove(command)
        told = compared(command.study, level, missing=("1.1",) if missing else ())
        self.state = fold(self.state, told)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def lose_the_target(self, data: st.DataObject) -> None:
        self._end(data)
        self.state = fold(self.state, TargetLost("R1", self.now, "recovery.target-unreachable"))

    @rule(study=st.sampled_from("01234"), rejected=st.booleans())
    def release(self, study: str, rejected: bool) -> None:
        # A person may release at any moment, also while the study is on its way.
        self.state = fold(self.state, StudyReleased("R1", self.now, study, "because", "IT", rejected))

    @rule()
    def crash(self) -> None:
        self.running = []

    @rule(seconds=st.integers(1, 400))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def pause_and_resume(self) -> None:
        self.state = fold(self.state, Paused("R1", self.now, "a", "b"))
        assert decide(self.state, 4, self.now) == ()
        self.state = fold(self.state, Resumed("R1", self.now, "a", "b"))

    @invariant()
    def no_study_runs_twice(self) -> None:
        studies = [command.study for command in self.running if command.study]
        assert len(studies) == len(set(studies))

    @invariant()
    def counters_agree_with_the_studies(self) -> None:
        for stage in Stage:
            assert self.state.count(stage) == sum(one.stage is stage for one in self.state.studies.values())
        for tier, tally in self.state.tiers.items():
            waiting = [one for one in self.state.studies.values() if one.tier == tier and one.stage is Stage.WAITING]
            assert tally.to_send.studies == len(waiting)
            assert tally.to_send.load == pytest.approx(sum(one.load for one in waiting))

    @invariant()
    def somebody_can_always_go_on(self) -> None:
        if self.running or self.state.paused or self.state.finished:
            return
        assert decide(self.state, 1, self.now) or wake_at(self.state)


TestAnyRecovery = AnyRecovery.TestCase
TestAnyRecovery.settings = settings(max_examples=60, stateful_step_count=40)
