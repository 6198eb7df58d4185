"""Pulling: newest first, politely, resumable, and until it has really arrived."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from safelight.core.clock import SetClock
from safelight.protection.enumeration import Answer
from safelight.protection.finding import FindingCode
from safelight.protection.pull import (
    Compare,
    Enumerate,
    Fact,
    PullSettings,
    PullState,
    RangeAnswered,
    Retrieve,
    RetrieveEnded,
    SourceFailed,
    StudyCompared,
    Window,
    begin_pull,
    decide,
    do_command,
    fold,
    next_moment,
    take_turn,
)
from safelight.protection.pull_record import from_record, to_record
from safelight.protection.rate import TokenBucket
from safelight.protection.source import QueryKey, RetrieveWay, StudyClaim, StudyQuery
from support.source_model import (
    INSTANCE_BYTES,
    MemoryBook,
    Misbehaviour,
    ModelSource,
    ModelStudy,
    SourceModel,
    make_study,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Pulling:
    def __init__(
        self,
        studies: list[ModelStudy],
        misbehaviour: Misbehaviour | None = None,
        settings: PullSettings | None = None,
    ) -> None:
        self.book = MemoryBook()
        self.clock = SetClock(NOW)
        self.source = ModelSource(SourceModel(studies, misbehaviour or Misbehaviour()), self.book)
        self.studies = studies
        self.facts: list[Fact] = []
        self.state = begin_pull(settings or PullSettings(), NOW.date())

    def go(self, turns_max: int = 20_000) -> PullState:
        for _ in range(turns_max):
            if self.state.finished:
                break
            local = self.clock.now().replace(tzinfo=None)
            self.state, done = take_turn(
                self.state, self.source, self.book, self.clock, local, record=self.facts.append
            )
            if not done:
                due = next_moment(self.state, self.clock.now())
                self.clock.advance(due - self.clock.now() if due else timedelta(minutes=10))
                while self.source.late:
                    self.source.late.pop(0)()
        return self.state

    @property
    def whole(self) -> bool:
        return all(
            self.book.instances(study.uid) == {series: set(part) for series, part in study.series.items()}
            for study in self.studies
        )


def spread(count: int) -> list[ModelStudy]:
    return [make_study(n, (NOW.date() - timedelta(days=n)).strftime("%Y%m%d"), series=2) for n in range(count)]


@pytest.mark.parametrize("way", RetrieveWay)
def test_everything_claimed_arrives(way: RetrieveWay) -> None:
    studies = [*spread(300), *(make_study(1000 + n, "") for n in range(150)), make_study(2000, "20260101", series=0)]
    misbehaviour = Misbehaviour(row_limit=100, duplicate_rows=True, early_move=True)
    pulling = Pulling(studies, misbehaviour, PullSettings(ways=(way,)))
    state = pulling.go()
    assert pulling.whole
    assert state.finished
    assert state.enumeration.complete
    assert (state.settled, state.unfinished) == (len(studies) - 1, ())


def test_the_newest_studies_come_first_and_what_is_held_is_not_fetched() -> None:
    pulling = Pulling(spread(40))
    for study in pulling.studies[:3]:
        for series, part in study.series.items():
            for instance in part:
                pulling.book.arrive(study.uid, series, instance, study.date)
    pulling.go()
    assert [study for study, _, _ in pulling.source.retrieves] == [study.uid for study in pulling.studies[3:]]


def test_only_the_series_that_lack_something_are_fetched() -> None:
    (study,) = studies = [make_study(1, "20260101", series=3)]
    pulling = Pulling(studies)
    for instance in study.series[f"{study.uid}.2"]:
        pulling.book.arrive(study.uid, f"{study.uid}.2", instance)
    pulling.go()
    assert {series for _, series, _ in pulling.source.retrieves} == {f"{study.uid}.1", f"{study.uid}.3"}
    assert pulling.whole


def test_a_source_that_does_not_deliver_is_asked_by_series_then_reported_and_the_rest_goes_on() -> None:
    studies = spread(5)
    lost = studies[1].series[f"{studies[1].uid}.1"][0]
    ways = (RetrieveWay.GET, RetrieveWay.MOVE)
    pulling = Pulling(studies, Misbehaviour(never_sends=frozenset({lost})), PullSettings(ways=ways))
    state = pulling.go()
    assert state.unfinished == (studies[1].uid,)
    assert state.settled == 4
    assert [finding.code for finding in state.findings("PACS")] == [FindingCode.PULL_UNFINISHED]
    asked = [(series, way) for study, series, way in pulling.source.retrieves if study == studies[1].uid]
    assert asked == [
        (None, RetrieveWay.GET),
        (f"{studies[1].uid}.1", RetrieveWay.MOVE),
        (f"{studies[1].uid}.1", RetrieveWay.GET),
    ]


def test_an_outage_of_the_source_costs_no_study_an_attempt() -> None:
    pulling = Pulling(spread(5))
    pulling.source.unreachable = True
    pulling.go(turns_max=60)
    state = pulling.state
    assert state.failures_in_row > 5
    waits = [b.at - a.at for a, b in zip(pulling.facts, pulling.facts[1:], strict=False)]
    assert waits[0] < waits[3] <= timedelta(minutes=30)
    pulling.source.unreachable = False
    state = pulling.go()
    assert pulling.whole
    assert (state.unfinished, state.failures_in_row) == ((), 0)


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_pull_cut_at_any_turn_resumes_from_its_recorded_facts(cut: int) -> None:
    misbehaviour = Misbehaviour(row_limit=30, early_move=True)
    settings = PullSettings(ways=(RetrieveWay.MOVE,))
    studies = [*spread(12), *(make_study(100 + n, "20260215") for n in range(40))]
    pulling = Pulling(studies, misbehaviour, settings)
    pulling.go(turns_max=cut)
    journal = [json.dumps(to_record(fact)) for fact in pulling.facts]
    before = len(pulling.source.retrieves)
    state = begin_pull(settings, NOW.date())
    for line in journal:
        kind, body = json.loads(line)
        state = fold(state, from_record(kind, body))
    assert decide(state, 9, pulling.clock.now(), NOW.replace(tzinfo=None)) == decide(
        pulling.state, 9, pulling.clock.now(), NOW.replace(tzinfo=None)
    ) or _same_but_patients(state, pulling.state)
    pulling.state = state
    pulling.go()
    assert pulling.whole
    asked = [study for study, _, _ in pulling.source.retrieves]
    assert len(asked) <= len(studies) + 1, (before, len(asked))


def _same_but_patients(one: PullState, other: PullState) -> bool:
    """Patient IDs of claims stay out of the journal, so commands are equal but for them."""
    return list(one.studies) == list(other.studies) and one.enumeration.pending == other.enumeration.pending


def test_taking_a_fact_twice_changes_nothing_but_the_rate() -> None:
    pulling = Pulling(spread(6))
    state = pulling.state
    pulling.go()
    for fact in pulling.facts:
        once = fold(state, fact)
        if not isinstance(fact, StudyCompared):
            assert fold(once, fact) == once
        state = once
    assert state == pulling.state


def test_commands_under_way_are_not_given_again_and_slots_are_kept() -> None:
    pulling = Pulling(spread(30))
    while len(pulling.state.studies) < 5:
        pulling.go(turns_max=1)
    local = NOW.replace(tzinfo=None)
    first = decide(pulling.state, 3, pulling.clock.now(), local)
    second = decide(pulling.state, 3, pulling.clock.now(), local, frozenset(first))
    assert len(first) == 3
    assert not set(first) & set(second)
    assert decide(pulling.state, 0, pulling.clock.now(), local) == []


def test_nothing_is_asked_outside_the_windows() -> None:
    night = Window(time(22), time(6), frozenset({4}))
    state = begin_pull(PullSettings(windows=(night,)), NOW.date())
    asked = {
        (day, hour): bool(decide(state, 1, NOW, datetime(2026, 3, 2 + day, hour)))
        for day in range(7)
        for hour in range(24)
    }
    open_hours = {key for key, is_asked in asked.items() if is_asked}
    assert open_hours == {(4, 22), (4, 23), *((5, hour) for hour in range(6))}


@pytest.mark.parametrize("way", RetrieveWay)
def test_the_rate_holds_over_a_pull(way: RetrieveWay) -> None:
    settings = PullSettings(
        ways=(way,), bytes_per_second_max=2.0 * INSTANCE_BYTES, settle_seconds=0.01, settling_studies_max=1
    )
    pulling = Pulling(spread(20), Misbehaviour(early_move=True), settings)
    pulling.go()
    assert pulling.whole
    instances = sum(study.instance_count for study in pulling.studies)
    last = pulling.studies[-1].instance_count
    seconds = pulling.clock.elapsed() / timedelta(seconds=1)
    assert seconds >= (instances - last) / 2.0
    assert seconds <= 1.2 * instances / 2.0


def test_what_was_held_before_costs_no_rate() -> None:
    (study,) = studies = [make_study(1, "20260101", series=2, instances=100)]
    pulling = Pulling(studies, settings=PullSettings(bytes_per_second_max=INSTANCE_BYTES))
    for instance in study.series[f"{study.uid}.1"]:
        pulling.book.arrive(study.uid, f"{study.uid}.1", instance)
    state = pulling.go()
    assert pulling.whole
    assert state.rate_until is not None
    assert state.rate_until - NOW == timedelta(seconds=100)


@pytest.mark.parametrize(
    ("idle", "taken", "waits"),
    [
        (0, [500, 500, 1000, 500], [0, 0, 1, 1.5]),
        (60, [1000, 1, 999], [0, 0.001, 1]),
        (0, [10_000], [9]),
    ],
)
def test_the_bucket_gives_the_delays_of_its_rate(idle: int, taken: list[int], waits: list[float]) -> None:
    clock = SetClock(NOW)
    bucket = TokenBucket(1000.0, clock)
    clock.advance(timedelta(seconds=idle))
    assert [bucket.take(count) / timedelta(seconds=1) for count in taken] == waits


def test_whoever_waits_as_the_bucket_says_reads_at_its_rate() -> None:
    clock = SetClock(NOW)
    bucket = TokenBucket(1000.0, clock)
    for _ in range(100):
        clock.advance(bucket.take(131))
    assert clock.elapsed() == timedelta(seconds=13.1 - 1)


def test_a_large_study_is_fetched_by_series() -> None:
    pulling = Pulling([make_study(1, "20260101", series=3, instances=5)], settings=PullSettings(study_instances_max=10))
    pulling.go()
    assert [series is None for _, series, _ in pulling.source.retrieves] == [False] * 3
    assert pulling.whole


def test_a_source_without_counts_is_pulled_whole() -> None:
    pulling = Pulling(spread(10), Misbehaviour(counts=False))
    assert pulling.go().unfinished == ()
    assert pulling.whole


def test_a_question_that_is_refused_stays_unknown_and_is_not_asked_for_ever() -> None:
    pulling = Pulling(spread(10))
    pulling.source.refuses = lambda query: not query.dated
    state = pulling.go()
    assert pulling.whole
    assert not state.enumeration.complete


@pytest.mark.parametrize(
    "fact",
    [
        RangeAnswered(
            NOW,
            Answer(
                StudyQuery(NOW.date(), NOW.date(), (1, 2), "Aß*", "CT"),
                7,
                truncated=True,
                ignored=frozenset({QueryKey.TIME}),
                characters=frozenset("Aß"),
                modalities=frozenset({"CT"}),
            ),
            ((StudyClaim("1.2", "20260101", "12", series_count=1, instance_count=None), True),),
        ),
        RangeAnswered(NOW, Answer(StudyQuery(), 0, failed=True), ()),
        StudyCompared(NOW, "1.2", None, ("1.2.1",), 4, 4000),
        RetrieveEnded(NOW, NOW, "1.2", None, accepted=True, completed=3, failed=1),
        SourceFailed(NOW, "test.failed", "1.2"),
        SourceFailed(NOW, "test.failed", None),
    ],
)
def test_every_fact_comes_back_from_the_journal_as_it_was(fact: Fact) -> None:
    kind, body = json.loads(json.dumps(to_record(fact)))
    assert from_record(kind, body) == fact


def test_a_fact_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="pack-sealed"):
        from_record("pack-sealed", {})


def test_a_patient_id_is_not_shown_by_a_claim_or_a_query() -> None:
    pulling = Pulling([make_study(1, "20260228", patient="SECRET")])
    pulling.go(turns_max=2)
    commands = [Enumerate(StudyQuery(patient="SECRET*")), *decide(pulling.state, 9, NOW, NOW.replace(tzinfo=None))]
    assert any(isinstance(command, Compare | Retrieve) for command in commands)
    assert "SECRET" not in repr((commands, pulling.facts, pulling.state))


def test_a_command_done_twice_is_harmless() -> None:
    pulling = Pulling(spread(3))
    command = Retrieve(pulling.studies[0].uid, None, RetrieveWay.GET)
    first = do_command(command, pulling.source, pulling.book, pulling.clock)
    held = pulling.book.counts([pulling.studies[0].uid])
    assert do_command(command, pulling.source, pulling.book, pulling.clock) == first
    assert pulling.book.counts([pulling.studies[0].uid]) == held
