"""The phases of a scope: every cell of the table, and what follows from moments."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from safelight.core.errors import StateError
from safelight.downtime.outage import KIND_OF, Event, Said, Scope
from safelight.downtime.phase import (
    NEXT,
    BackAlready,
    DowntimeState,
    NoOutage,
    NotBack,
    NotBegun,
    OutageOpen,
    Phase,
    TimesDisagree,
    TooLateToCancel,
    fold,
    fold_refill,
    hospital_phase,
    judge,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PACS = Scope.PACS
WAY_TO = {
    Phase.NORMAL: [],
    Phase.PLANNED: [Event.PLANNED],
    Phase.DOWNTIME: [Event.DECLARED],
    Phase.CANCELLED: [Event.DECLARED, Event.CANCELLED],
    Phase.RECOVERY: [Event.DECLARED, Event.RECOVERY_STARTED],
    Phase.RECONCILIATION: [Event.DECLARED, Event.ENDED],
    Phase.SECOND_OUTAGE: [Event.DECLARED, Event.ENDED, Event.DECLARED],
}
REFUSED_WITH = {
    (Phase.NORMAL, Event.CANCELLED): NoOutage,
    (Phase.NORMAL, Event.RECOVERY_STARTED): NoOutage,
    (Phase.NORMAL, Event.ENDED): NoOutage,
    (Phase.NORMAL, Event.CLOSED): NoOutage,
    (Phase.CANCELLED, Event.CANCELLED): NoOutage,
    (Phase.CANCELLED, Event.RECOVERY_STARTED): NoOutage,
    (Phase.CANCELLED, Event.ENDED): NoOutage,
    (Phase.CANCELLED, Event.CLOSED): NoOutage,
    (Phase.PLANNED, Event.RECOVERY_STARTED): NotBegun,
    (Phase.PLANNED, Event.ENDED): NotBegun,
    (Phase.PLANNED, Event.CLOSED): NotBegun,
    (Phase.DOWNTIME, Event.PLANNED): OutageOpen,
    (Phase.DOWNTIME, Event.DECLARED): OutageOpen,
    (Phase.DOWNTIME, Event.CLOSED): NotBack,
    (Phase.SECOND_OUTAGE, Event.PLANNED): OutageOpen,
    (Phase.SECOND_OUTAGE, Event.DECLARED): OutageOpen,
    (Phase.SECOND_OUTAGE, Event.CLOSED): NotBack,
    (Phase.RECOVERY, Event.PLANNED): OutageOpen,
    (Phase.RECOVERY, Event.CANCELLED): TooLateToCancel,
    (Phase.RECOVERY, Event.CLOSED): NotBack,
    (Phase.RECONCILIATION, Event.PLANNED): OutageOpen,
    (Phase.RECONCILIATION, Event.CANCELLED): TooLateToCancel,
    (Phase.RECONCILIATION, Event.ENDED): BackAlready,
}


def _say(
    state: DowntimeState, event: Event, at: datetime, since: datetime | None = None, scope: Scope = PACS
) -> DowntimeState:
    if event is Event.PLANNED and since is None:
        since = at + 10 * HOUR
    said = judge(state, event, scope, at, since, reason="r", by="b")
    return fold(state, Said.from_entry(said.kind, said.to_body()))


def _in(phase: Phase) -> DowntimeState:
    state = DowntimeState()
    for minute, event in enumerate(WAY_TO[phase]):
        state = _say(state, event, NOW - HOUR + timedelta(minutes=minute))
    assert state.scopes[PACS].phase is phase
    return state


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, KIND_OF)))
def test_every_pair_is_a_row_or_a_refusal_with_a_hint_of_its_own(phase: Phase, event: Event) -> None:
    state = _in(phase)
    if (phase, event) in NEXT:
        assert _say(state, event, NOW).scopes[PACS].phase is NEXT[phase, event]
        assert (phase, event) not in REFUSED_WITH
        return
    with pytest.raises(REFUSED_WITH[phase, event]) as refused:
        _say(state, event, NOW)
    assert isinstance(refused.value, StateError)
    assert refused.value.facts == {"scope": "pacs", "phase": phase, "event": event}
    assert state.scopes[PACS].phase is phase


@pytest.mark.parametrize("phase", Phase)
def test_only_what_is_planned_begins_when_its_moment_comes(phase: Phase) -> None:
    later = _in(phase).scope(PACS, NOW + 100 * HOUR)
    assert later.phase is NEXT.get((phase, Event.START_CAME), phase)
    assert (later.phase is Phase.DOWNTIME) == (phase in {Phase.PLANNED, Phase.DOWNTIME})


def test_a_plan_begins_at_its_moment_and_not_before() -> None:
    state = _say(DowntimeState(), Event.PLANNED, NOW, NOW + HOUR)
    assert state.scope(PACS, NOW + HOUR - timedelta(microseconds=1)).phase is Phase.PLANNED
    begun = state.scope(PACS, NOW + HOUR)
    assert (begun.phase, begun.since) == (Phase.DOWNTIME, NOW + HOUR)


def test_a_plan_said_again_moves_its_moment_and_stays_the_same_outage() -> None:
    state = _say(DowntimeState(), Event.PLANNED, NOW, NOW + HOUR)
    state = _say(state, Event.PLANNED, NOW, NOW + 3 * HOUR)
    assert state.scope(PACS, NOW + 2 * HOUR).phase is Phase.PLANNED
    assert state.scopes[PACS].outages == (1,)


def test_a_plan_that_breaks_early_is_declared_and_stays_the_same_outage() -> None:
    state = _say(DowntimeState(), Event.PLANNED, NOW, NOW + HOUR)
    state = _say(state, Event.DECLARED, NOW + HOUR / 2)
    assert state.scopes[PACS].phase is Phase.DOWNTIME
    assert state.scopes[PACS].outages == (1,)


def test_what_was_judged_just_before_a_plan_began_folds_just_as_it_was_judged() -> None:
    # The journal's own moment comes after the judging; the fact carries the moment at which it was judged.
    state = _say(DowntimeState(), Event.PLANNED, NOW, NOW + HOUR)
    said = judge(state, Event.DECLARED, PACS, NOW + HOUR - timedelta(microseconds=1), None, reason="r", by="b")
    assert fold(state, said).scopes[PACS].phase is Phase.DOWNTIME


@pytest.mark.parametrize(
    ("event", "since"),
    [(Event.PLANNED, NOW), (Event.PLANNED, NOW - HOUR), (Event.DECLARED, NOW + timedelta(seconds=1))],
)
def test_a_plan_lies_ahead_and_an_outage_behind(event: Event, since: datetime) -> None:
    with pytest.raises(TimesDisagree):
        _say(DowntimeState(), event, NOW, since)


def test_nothing_ends_before_it_broke() -> None:
    state = _say(DowntimeState(), Event.DECLARED, NOW, NOW - HOUR)
    with pytest.raises(TimesDisagree):
        _say(state, Event.ENDED, NOW, NOW - 2 * HOUR)
    assert _say(state, Event.ENDED, NOW, NOW - HOUR / 2).scopes[PACS].since == NOW - HOUR / 2


def test_a_clock_that_was_set_back_keeps_nobody_from_speaking() -> None:
    state = _say(DowntimeState(), Event.DECLARED, NOW)
    state = _say(state, Event.ENDED, NOW - 5 * HOUR)
    assert state.scopes[PACS].phase is Phase.RECONCILIATION
    assert state.scopes[PACS].since == NOW


def test_both_times_are_kept() -> None:
    state = _say(DowntimeState(), Event.DECLARED, NOW, NOW - HOUR)
    said = state.scopes[PACS].said
    assert said is not None
    assert (said.said_at, said.since) == (NOW, NOW - HOUR)


def test_a_second_outage_is_a_new_one_and_the_first_stays_open() -> None:
    state = _in(Phase.SECOND_OUTAGE)
    assert state.scopes[PACS].outages == (1, 2)
    state = _say(state, Event.CANCELLED, NOW)
    assert (state.scopes[PACS].phase, state.scopes[PACS].outages) == (Phase.RECOVERY, (1,))
    state = _say(_say(state, Event.ENDED, NOW), Event.CLOSED, NOW)
    assert state.scopes[PACS].outages == ()


def test_scopes_are_away_independently_and_the_worst_is_the_hospitals_phase() -> None:
    state = _in(Phase.RECONCILIATION)
    assert hospital_phase(state, NOW, refilling=False) is Phase.RECONCILIATION
    assert hospital_phase(state, NOW, refilling=True) is Phase.RECOVERY
    state = _say(state, Event.DECLARED, NOW, scope=Scope.RIS)
    assert state.scopes[Scope.RIS].outages == (2,)
    assert hospital_phase(state, NOW, refilling=True) is Phase.DOWNTIME
    state = _say(state, Event.CANCELLED, NOW, scope=Scope.RIS)
    state = _say(state, Event.CLOSED, NOW)
    assert hospital_phase(state, NOW, refilling=False) is Phase.NORMAL


@pytest.mark.parametrize("phase", Phase)
def test_a_refill_says_by_itself_that_the_pacs_is_being_recovered(phase: Phase) -> None:
    state = fold_refill(_in(phase), NOW)
    assert state.scopes[PACS].phase is NEXT.get((phase, Event.RECOVERY_STARTED), phase)
    assert state.scopes[Scope.RIS].phase is Phase.NORMAL
