from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from safelight.drill.age import Colour, Held, standing
from safelight.drill.decision import Ask, Finish, GoOn, Measure, Restore, Seal, decide
from safelight.drill.facts import (
    Abandoned,
    Answered,
    Asked,
    Fact,
    Finished,
    Inject,
    Measured,
    Objective,
    OpenItem,
    Restored,
    Restoring,
    Resumed,
    Sealed,
    Started,
    TierMeasured,
    from_entry,
    to_body,
)
from safelight.drill.measurement import StudyTried, Verdict, compare, measure
from safelight.drill.state import NEXT, DrillState, Event, OutOfTurn, Phase, fold, next_phase
from safelight.drill.target import Place, ProductionTarget, refuse_production

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
INJECTS = (Inject("a", "It burns.", "Who?", "Where?"), Inject("b", "It rains.", "Who?", "Where?"))
OBJECTIVE = Objective("it", "pacs", 60.0, 0.0)


def started(**more: object) -> Started:
    values: dict[str, object] = {
        "drill": "1", "at": NOW, "type": "restore-tier", "rehearsal": "r", "disruption": "hardware",
        "covers": ("pacs",), "covered_digest": "d", "target": "R@h:1", "limit": None, "exposure_seconds": 0.0,
        "reason": "why", "by": "who", "objectives": (OBJECTIVE,), "not_executed": ("Failback",),
    }  # fmt: skip
    return Started(**{**values, **more})  # type: ignore[arg-type]


def folded(*facts: Fact) -> DrillState:
    state = DrillState()
    for fact in facts:
        state = fold(state, fact)
    return state


TIER = TierMeasured("emergency", 2, 2, 5.0, 0.0)
RESTORE: tuple[Fact, ...] = (
    started(),
    Restoring("1", NOW, "7"),
    Restored("1", NOW),
    Measured("1", NOW, "7", (TIER,)),
    Sealed("1", NOW, "abc"),
    Finished("1", NOW),
)


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)))
def test_every_pair_is_a_row_or_a_refusal(phase: Phase, event: Event) -> None:
    if (phase, event) in NEXT:
        assert next_phase(phase, event) is NEXT[phase, event]
    else:
        with pytest.raises(OutOfTurn):
            next_phase(phase, event)


@pytest.mark.parametrize(
    ("count", "command"),
    [(1, Restore()), (2, GoOn("7")), (3, Measure("7")), (4, Seal()), (5, Finish()), (6, None)],
)
def test_a_restore_cut_off_after_any_fact_goes_on_with_the_next_step(count: int, command: object) -> None:
    assert decide(folded(*RESTORE[:count])) == command
    if count < len(RESTORE):
        resumed = folded(*RESTORE[:count], Resumed("1", NOW, "power cut", "who"))
        assert decide(resumed) == command, "to go on is asked for again, and changes nothing of the way"


def test_a_table_top_asks_what_is_not_answered_yet_and_ends_with_the_last_answer() -> None:
    facts: list[Fact] = [started(type="table-top", target="", injects=INJECTS)]
    assert decide(folded(*facts)) == Ask(INJECTS[0], 1, 2)
    facts.append(Asked("1", NOW, "a"))
    assert decide(folded(*facts)) == Ask(INJECTS[0], 1, 2), "shown and not answered when the lights went out"
    facts.append(Answered("1", NOW, "a", "x", "y", (OpenItem("z", "omar"),)))
    assert decide(folded(*facts)) == Ask(INJECTS[1], 2, 2)
    with pytest.raises(OutOfTurn):
        folded(*facts, Answered("1", NOW, "a", "other", "other"))
    facts.append(Answered("1", NOW, "b", "x", "y"))
    assert decide(folded(*facts)) == Seal()
    facts.append(Sealed("1", NOW, "abc"))
    assert decide(folded(*facts)) == Finish()


@pytest.mark.parametrize("begun", [started(), started(type="table-top", injects=INJECTS)])
@pytest.mark.parametrize("fact", [Asked("1", NOW, "c"), Answered("1", NOW, "c", "x", "y")])
def test_an_inject_that_the_drill_does_not_have_is_not_answered(begun: Fact, fact: Fact) -> None:
    with pytest.raises(OutOfTurn):
        folded(begun, fact)


@pytest.mark.parametrize("late", [Restoring("1", NOW, "8"), Restored("1", NOW), Sealed("1", NOW, "other")])
@pytest.mark.parametrize("ended", [RESTORE, (*RESTORE[:3], Abandoned("1", NOW, "late", "who"))])
def test_what_a_recovery_tells_of_a_drill_that_is_over_changes_nothing(late: Fact, ended: tuple[Fact, ...]) -> None:
    assert folded(*ended, late) == folded(*ended)
    with pytest.raises(OutOfTurn):
        folded(*ended, Resumed("1", NOW, "again", "who"))


@pytest.mark.parametrize(
    "fact",
    [
        RESTORE[0], RESTORE[3], RESTORE[5], started(injects=INJECTS), Resumed("1", NOW, "a", "b"),
        Asked("1", NOW, "a"), Answered("1", NOW, "a", "x", "y", (OpenItem("z", ""),)), Abandoned("1", NOW, "a", "b"),
    ],
)  # fmt: skip
def test_a_fact_comes_back_from_the_journal_as_it_was(fact: object) -> None:
    body = to_body(fact)  # type: ignore[arg-type]
    assert from_entry(fact.kind, body) == fact  # type: ignore[attr-defined]


def test_a_tier_has_a_recovery_time_only_when_all_of_it_came_back() -> None:
    second = timedelta(seconds=1)
    whole, partly = measure(
        NOW,
        3.0,
        [
            StudyTried("emergency", NOW + 4 * second, NOW - 900 * second),
            StudyTried("emergency", NOW + 9 * second, NOW - 900 * second),
            StudyTried("rest", NOW + 20 * second, NOW - 900 * second),
            StudyTried("rest", None, NOW - 600 * second),
        ],
    )
    assert whole == TierMeasured("emergency", 2, 2, 9.0, 3.0)
    assert partly == TierMeasured("rest", 2, 1, None, 600.0)


def test_an_unknown_exposure_makes_the_recovery_point_unknown_and_not_zero() -> None:
    (tier,) = measure(NOW, None, [StudyTried("rest", NOW, NOW)])
    assert tier.rpo_seconds is None
    (told,) = compare([tier], [OBJECTIVE])
    assert (told.rto, told.rpo) == (Verdict.MET, Verdict.NOT_MEASURED)


def test_a_sample_tells_no_time_of_its_tier() -> None:
    (tier,) = measure(NOW, 5.0, [StudyTried("rest", NOW, NOW)], sample=True)
    assert (tier.confirmed, tier.rto_seconds, tier.rpo_seconds) == (1, None, 5.0)


@pytest.mark.parametrize(
    ("rto", "bound", "verdict"),
    [
        (60.0, 60.0, Verdict.MET),
        (60.1, 60.0, Verdict.NOT_MET),
        (0.0, 0.0, Verdict.MET),
        (0.1, 0.0, Verdict.NOT_MET),
        (5.0, None, Verdict.NO_OBJECTIVE),
        (None, 60.0, Verdict.NOT_MEASURED),
    ],
)
def test_zero_is_an_objective_and_nothing_is_none(rto: float | None, bound: float | None, verdict: Verdict) -> None:
    tiers = [TierMeasured("emergency", 1, 1, 0.0, 0.0), TierMeasured("rest", 1, 1, rto, 0.0)]
    assert compare(tiers, [Objective("it", "pacs", bound, None)])[0].rto is verdict
    assert compare([], [OBJECTIVE])[0].rto is Verdict.NOT_MEASURED


PRODUCTION = Place("PACS", frozenset({"pacs.example", "10.0.0.5"}), 104, "protection.source")


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        (Place("OTHER", frozenset({"alias.example", "10.0.0.5"}), 104), True),
        (Place("PACS", frozenset({"10.0.0.5"}), 11112), False),
        (Place("PACS", frozenset({"10.0.0.9"}), 104), False),
        (Place("RISMWL", frozenset({"10.0.0.9"}), 104), True),
    ],
)
def test_the_address_of_production_is_refused_by_any_name_and_a_bare_title_by_itself(
    target: Place, refused: bool
) -> None:
    production = [PRODUCTION, Place("RISMWL", frozenset(), None, "plan")]
    if not refused:
        refuse_production(target, production)
        return
    with pytest.raises(ProductionTarget):
        refuse_production(target, production)


@pytest.mark.parametrize(
    ("held", "changed_on", "digest", "colour"),
    [
        ([], None, "d", Colour.RED),
        ([Held("1", date(2026, 1, 1), True, "d")], None, "d", Colour.GREEN),
        ([Held("1", date(2025, 11, 1), True, "d")], None, "d", Colour.RED),
        ([Held("1", date(2026, 1, 1), True, "d")], date(2026, 1, 2), "d", Colour.RED),
        ([Held("1", date(2026, 1, 1), True, "d")], date(2026, 1, 1), "d", Colour.GREEN),
        ([Held("1", date(2026, 1, 1), True, "d")], None, "other", Colour.RED),
        ([Held("1", date(2026, 1, 1), True, "d"), Held("2", date(2026, 1, 9), False, "d")], None, "d", Colour.RED),
    ],
)
def test_green_is_earned_and_lost_with_age_change_and_failure(
    held: list[Held], changed_on: date | None, digest: str, colour: Colour
) -> None:
    told = standing(
        held, every=timedelta(days=90), changed_on=changed_on, covered_digest=digest, today=date(2026, 3, 2)
    )
    assert told.colour is colour
    assert bool(told.why) == (colour is Colour.RED)
