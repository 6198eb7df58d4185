from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from safelight.core.errors import IntegrityError
from safelight.recovery.facts import (
    Finished,
    InstanceNote,
    Level,
    Paused,
    Probed,
    Resumed,
    StudyCompared,
    StudyFailed,
    StudyReleased,
    StudySent,
    StudyWithheld,
    TargetLost,
)
from safelight.recovery.pace import Lane
from safelight.recovery.ports import HeldInstance
from safelight.recovery.refill import NOTES_MAX
from support.recovery_journal import SETTINGS, START, Rehearsal
from support.recovery_target import CT, KOS, MemoryArchive, MemoryHoldings, at_once, held


def rehearsal(**studies: list[HeldInstance]) -> Rehearsal:
    return Rehearsal(MemoryHoldings(dict(studies)))


def three_studies() -> Rehearsal:
    return rehearsal(A=[held("1.1"), held("1.2")], B=[held("2.1")], C=[held("3.1"), held("3.2"), held("3.3")])


Of = TypeVar("Of")


def of_kind(it: Rehearsal, kind: type[Of]) -> list[Of]:
    return [fact for fact in it.recorder.facts() if isinstance(fact, kind)]


def test_an_empty_target_gets_everything_and_everything_is_confirmed() -> None:
    it = three_studies()
    state = it.run()
    assert it.stages() == dict.fromkeys("ABC", "confirmed")
    assert state.finished is not None
    assert (state.finished.confirmed, state.finished.unsettled) == (3, 0)
    assert [fact.level for fact in of_kind(it, StudyCompared)] == [Level.BYTES] * 3
    assert it.archive.sent == ["1.1", "1.2", "2.1", "3.1", "3.2", "3.3"]
    assert of_kind(it, StudySent)[2].instances == 3


def test_nothing_held_is_sent_as_of_now_but_as_of_the_start() -> None:
    it = three_studies()
    it.run()
    assert set(it.holdings.asked) == {START}
    wanted = START - timedelta(days=3)
    it = three_studies().set(as_of=wanted)
    it.run()
    assert set(it.holdings.asked) == {wanted}


def test_success_without_storing_is_found_and_never_confirmed() -> None:
    it = three_studies()
    it.archive.index = {"3.2": "C"}
    it.run()
    assert it.stages() == {"A": "confirmed", "B": "confirmed", "C": "differs"}
    assert it.whys()["C"] == "success-without-storing"
    compared = [fact for fact in of_kind(it, StudyCompared) if fact.study == "C"]
    assert [fact.missing for fact in compared] == [("3.2",), ("3.2",)]
    # What was missing was offered once more, alone.
    assert it.archive.sent.count("3.2") == 2
    assert it.archive.sent.count("3.1") == 1
    assert it.archive.removed == []


def test_a_lost_file_is_removed_at_the_target_and_restored_when_that_was_allowed() -> None:
    it = three_studies().set(repair_target=True)
    it.keeper = True
    it.archive.index = {"3.2": "C"}
    it.run()
    assert it.stages() == dict.fromkeys("ABC", "confirmed")
    assert it.archive.removed == ["3.2"]
    assert [fact.repaired for fact in of_kind(it, StudyCompared) if fact.study == "C"] == [("3.2",), ()]


def test_the_target_is_not_touched_without_permission() -> None:
    it = three_studies()
    it.keeper = True
    it.archive.index = {"3.2": "C"}
    it.run()
    assert it.archive.removed == []
    assert it.stages()["C"] == "differs"


def test_what_the_target_holds_under_the_same_uid_is_compared_and_not_believed() -> None:
    it = three_studies()
    it.archive.index = {"2.1": "B"}
    it.archive.files = {"2.1": (CT, "1.2", b"something else")}
    it.run()
    assert (it.stages()["B"], it.whys()["B"]) == ("differs", "equal-only-at-uids")
    (compared,) = [fact for fact in of_kind(it, StudyCompared) if fact.study == "B"]
    assert compared.tags == ("(7fe0,0010)",)
    assert compared.notes == (InstanceNote("2.1", "equal-at-uids", "(7fe0,0010)"),)


@pytest.mark.parametrize(
    ("required", "content", "stage"),
    [
        (Level.BYTES, b"a:", "differs"),
        (Level.ATTRIBUTES, b"a:", "confirmed"),
        (Level.ATTRIBUTES, b"p:", "differs"),
        (Level.PIXELS, b"p:", "confirmed"),
        (Level.UIDS, b"else", "confirmed"),
    ],
)
def test_confirmed_is_what_reaches_the_level_that_the_recipe_requires(
    required: Level, content: bytes, stage: str
) -> None:
    it = three_studies().set(required=required)
    it.archive.index = {"2.1": "B"}
    it.archive.files = {"2.1": (CT, "1.2", content)}
    it.run()
    assert it.stages()["B"] == stage


def test_coerced_tags_are_listed_though_confirmed() -> None:
    it = three_studies()
    it.archive.index, it.archive.files = {"2.1": "B"}, {"2.1": (CT, "1.2", b"a:")}
    it.run()
    (compared,) = [fact for fact in of_kind(it, StudyCompared) if fact.study == "B"]
    assert (compared.coerced, compared.tags) == (("(0008,0005)",), ())


def test_a_target_that_gives_nothing_back_leaves_studies_sent_and_unconfirmed() -> None:
    it = three_studies()
    it.archive.ways = ("find",)
    state = it.run()
    assert it.stages() == dict.fromkeys("ABC", "unconfirmable")
    assert state.finished is not None
    assert state.finished.confirmed == 0
    assert of_kind(it, Probed)[0].remarks == ("cannot-be-fetched-back",)


def test_a_query_that_does_not_find_what_was_sent_is_not_unconfirmed_but_wrong() -> None:
    it = three_studies()
    it.archive.ways = ("find",)
    it.archive.index = {"2.1": "another study"}
    it.run()
    assert (it.stages()["B"], it.whys()["B"]) == ("differs", "success-without-storing")


def test_an_early_success_of_a_retrieve_does_not_make_instances_missing() -> None:
    it = three_studies()
    it.archive.early_success = True
    it.run()
    assert it.stages() == dict.fromkeys("ABC", "confirmed")


def test_some_lost_files_among_very_many_are_told_from_those_that_only_came_not_along() -> None:
    it = rehearsal(A=[held(f"1.{number:03}") for number in range(200)])
    it.archive.index = {f"1.{number:03}": "A" for number in range(5)}
    it.run()
    (first, *_) = of_kind(it, StudyCompared)
    assert first.missing == tuple(f"1.{number:03}" for number in range(5))


def test_many_missing_instances_are_asked_for_in_a_bounded_number_of_retrieves() -> None:
    it = rehearsal(A=[held(f"1.{number}") for number in range(1000)])
    it.archive.index = {f"1.{number}": "A" for number in range(1000)}
    fetches: list[int] = []
    fetch_back = it.archive.fetch_back
    it.archive.fetch_back = lambda study, wanted, *rest: (
        fetches.append(len(wanted)),
        fetch_back(study, wanted, *rest),
    )[1]  # type: ignore[method-assign,func-returns-value]
    it.run()
    assert it.stages() == {"A": "unconfirmable"}
    assert max(len(fetches) // 3, 1) <= 65


@pytest.mark.parametrize(("status", "code"), [(0xB000, "coerced"), (0xB006, "elements-discarded"), (0xB007, None)])
def test_a_warning_is_put_on_record_and_the_instance_is_compared_all_the_same(status: int, code: str | None) -> None:
    it = three_studies()
    it.archive.statuses = {"1.2": [status]}
    it.run()
    assert it.stages() == dict.fromkeys("ABC", "confirmed")
    (note,) = of_kind(it, StudySent)[0].notes
    assert (note.instance, note.detail) == ("1.2", f"{status:04X}H")
    assert note.code == (code or "does-not-match-sop-class")


@pytest.mark.parametrize("status", [None, 0x0122, 0xA900, 0xC000, 0x0124])
def test_an_instance_refused_for_good_does_not_cost_the_others_their_confirmation(status: int | None) -> None:
    it = three_studies()
    it.archive.statuses = {"3.2": [status] * 9}
    it.run()
    assert it.stages() == {"A": "confirmed", "B": "confirmed", "C": "differs"}
    assert it.whys()["C"] == "instances-refused"
    assert it.archive.sent.count("3.2") == 1
    sent = of_kind(it, StudySent)[2]
    assert sent.refused == ("3.2",)
    assert sent.instances == 2
    assert sent.notes[0].code == ("encoding-refused" if status is None else "refused")
    compared = [fact for fact in of_kind(it, StudyCompared) if fact.study == "C"]
    assert compared[0].instances == 2
    assert compared[0].missing == ()


def test_what_the_target_said_to_what_it_did_not_take_stays_until_it_is_released() -> None:
    it = three_studies()
    it.archive.statuses = {"3.1": [0xC000], "3.2": [None], "3.3": [0xC000]}
    state = it.run()
    encoding = f"{held('3.2').sop_class} in {held('3.2').transfer_syntax}"
    assert state.studies["C"].not_taken == {("refused", "C000H"): 2, ("encoding-refused", encoding): 1}
    assert state.studies["A"].not_taken == {}
    it.recorder.record(StudyReleased("R1", it.clock.now(), "C", "the class is let in", "IT"))
    assert it.recorder.state().studies["C"].not_taken == {}


def test_a_passing_failure_is_not_told_of_a_study_that_was_taken_later() -> None:
    it = three_studies()
    it.archive.statuses = {"1.1": [0xA700]}
    assert it.run().studies["A"].not_taken == {}
    assert of_kind(it, StudyFailed)


def test_a_study_of_which_nothing_is_taken_fails_at_once() -> None:
    it = three_studies()
    it.archive.statuses = {"2.1": [None] * 9}
    it.run()
    assert (it.stages()["B"], it.whys()["B"]) == ("failed", "encoding-refused")
    assert it.archive.sent.count("2.1") == 1


def test_out_of_resources_is_tried_again_with_growing_pauses_and_then_given_up() -> None:
    it = three_studies()
    it.archive.statuses = {"1.1": [0xA700] * 9, "2.1": [0xA700]}
    it.run()
    assert it.stages() == {"A": "failed", "B": "confirmed", "C": "confirmed"}
    failures = [fact.at for fact in of_kind(it, StudyFailed) if fact.study == "A"]
    assert len(failures) == SETTINGS.attempts_max
    assert failures[1] - failures[0] >= timedelta(seconds=5)
    assert failures[2] - failures[1] >= timedelta(seconds=10)


def test_a_study_that_breaks_associations_stops_nobody_else() -> None:
    it = three_studies()
    it.archive.broken_sends = {"1.2": 99}
    it.run()
    assert it.stages() == {"A": "failed", "B": "confirmed", "C": "confirmed"}


def test_a_retrieve_that_breaks_is_tried_again() -> None:
    it = rehearsal(A=[held("1.1")])
    it.archive.broken_fetches = 2
    it.run()
    assert it.stages() == {"A": "confirmed"}


def test_a_retrieve_that_never_works_leaves_the_study_unconfirmed() -> None:
    it = rehearsal(A=[held("1.1")])
    it.archive.broken_fetches = 99
    it.run()
    assert it.stages() == {"A": "unconfirmable"}
    assert it.whys() == {"A": "test.association-broken"}


def test_a_target_that_is_down_is_asked_again_and_no_study_is_blamed() -> None:
    it = three_studies()
    it.archive.unreachable = 4
    it.run()
    assert it.stages() == dict.fromkeys("ABC", "confirmed")
    assert len(of_kind(it, TargetLost)) == 4
    assert not of_kind(it, StudyFailed)


def test_a_target_that_stays_down_pauses_the_recovery_and_a_resume_goes_on() -> None:
    it = three_studies()
    it.archive.unreachable = 10
    state = it.run()
    assert state.paused
    assert of_kind(it, Paused)[-1].reason == "target-unreachable"
    it.recorder.record(Resumed("R1", it.clock.now(), "it runs again", "IT"))
    assert it.run().finished
    assert it.stages() == dict.fromkeys("ABC", "confirmed")


def test_a_target_that_echoes_but_takes_nothing_does_not_keep_us_forever() -> None:
    it = three_studies()
    send = it.archive.send

    def refuse(study: str, instances: Sequence[HeldInstance], lane: Lane) -> object:
        it.archive.unreachable = 1
        return send(study, instances, lane)

    it.archive.send = refuse  # type: ignore[method-assign,assignment]
    assert it.run().paused


def test_rejected_instances_stay_here_and_the_rejection_note_goes_first() -> None:
    it = rehearsal(
        A=[held("1.1"), held("1.2", rejected="113001"), held("1.3", sop_class=KOS, is_rejection_note=True)],
        B=[held("2.1", rejected="113037")],
    )
    it.run()
    assert it.archive.sent == ["1.3", "1.1"]
    assert it.stages() == {"A": "confirmed", "B": "withheld"}
    assert of_kind(it, StudySent)[0].notes == (InstanceNote("1.2", "rejected", "113001"),)
    assert of_kind(it, StudyWithheld)[0].notes == (InstanceNote("2.1", "rejected", "113037"),)


def test_a_target_that_honours_rejection_gets_the_note_before_what_it_rejects() -> None:
    it = rehearsal(A=[held("1.2", rejected="113001"), held("1.3", is_rejection_note=True)])
    it.set(honours_rejection=True).run()
    assert it.archive.sent == ["1.3", "1.2"]
    assert it.stages() == {"A": "confirmed"}


def test_which_version_of_a_uid_went_is_stated() -> None:
    one = held("1.1", versions=3)
    it = rehearsal(A=[one, held("1.2")])
    it.run()
    assert of_kind(it, StudySent)[0].notes == (InstanceNote("1.1", "version-sent", one.digest.hex()),)


def test_a_study_that_is_not_held_any_more_waits_for_a_person() -> None:
    it = rehearsal(A=[], B=[held("2.1")])
    it.run()
    assert it.stages() == {"A": "withheld", "B": "confirmed"}
    assert it.whys()["A"] == "nothing-held"


def test_a_damaged_holding_is_named_and_stops_nobody_else() -> None:
    class Torn(IntegrityError):
        code = "vault.digest-mismatch"

    def torn() -> object:
        raise Torn(digest="00")

    it = rehearsal(A=[held("1.1", open=torn)], B=[held("2.1")])
    it.run()
    assert it.stages() == {"A": "failed", "B": "confirmed"}
    assert it.whys()["A"] == "vault.digest-mismatch"


def test_a_release_sends_a_failed_study_after_all() -> None:
    it = three_studies()
    it.archive.statuses = {"2.1": [0xC000]}
    assert it.run().finished
    assert it.stages()["B"] == "failed"
    it.recorder.record(StudyReleased("R1", it.clock.now(), "B", "cured at the target", "PACS"))
    assert it.run().finished
    assert it.stages()["B"] == "confirmed"
    assert [fact.unsettled for fact in of_kind(it, Finished)] == [1, 0]


def test_a_pause_from_elsewhere_is_obeyed_before_the_next_study() -> None:
    it = three_studies()
    send = it.archive.send

    def send_and_pause(study: str, instances: Sequence[HeldInstance], lane: Lane) -> object:
        it.recorder.coming.append(Paused("R1", it.clock.now(), "clinic opens", "PACS"))
        return send(study, instances, lane)

    it.archive.send = send_and_pause  # type: ignore[method-assign,assignment]
    assert it.run().paused
    assert it.stages() == {"A": "sent-unconfirmed", "B": "waiting", "C": "waiting"}
    it.archive.send = send  # type: ignore[method-assign]
    it.recorder.record(Resumed("R1", it.clock.now(), "evening", "PACS"))
    assert it.run().finished


def test_notes_of_a_large_study_are_cut_and_counted() -> None:
    it = rehearsal(A=[held(f"1.{number}") for number in range(300)])
    it.archive.statuses = {f"1.{number}": [0xB000] for number in range(300)}
    it.run()
    (sent,) = of_kind(it, StudySent)
    assert (len(sent.notes), sent.notes_count) == (NOTES_MAX, 300)
    assert sent.notes_by_code == {"coerced": 300}


def test_rejected_instances_go_when_a_person_releases_them() -> None:
    it = rehearsal(A=[held("1.1", rejected="113001")], B=[held("2.1"), held("2.2", rejected="113037")])
    it.run()
    assert it.stages() == {"A": "withheld", "B": "confirmed"}
    for study in "AB":
        it.recorder.record(StudyReleased("R1", it.clock.now(), study, "the note was wrong", "Dr. R", True))
    assert it.run().finished
    assert it.stages() == dict.fromkeys("AB", "confirmed")
    assert set(it.archive.files) == {"1.1", "2.1", "2.2"}
    assert of_kind(it, StudySent)[-1].notes_by_code == {"sent-though-rejected": 1}


def test_a_release_that_does_not_name_rejected_instances_leaves_them_here() -> None:
    it = rehearsal(A=[held("1.1"), held("1.2", rejected="113001")])
    it.archive.statuses = {"1.1": [0xC000]}
    it.run()
    it.recorder.record(StudyReleased("R1", it.clock.now(), "A", "cured at the target", "PACS"))
    it.run()
    assert set(it.archive.files) == {"1.1"}


def test_a_way_that_is_shut_is_left_for_the_next_one() -> None:
    it = rehearsal(A=[held(f"1.{number}") for number in range(5)])
    it.archive.ways, it.archive.shut_ways = ("get", "move", "find"), {"get"}
    it.run()
    (compared,) = of_kind(it, StudyCompared)
    assert (it.stages()["A"], compared.way) == ("confirmed", "move")
    assert it.archive.fetches == 2


def test_when_every_way_is_shut_a_query_only_claims() -> None:
    it = rehearsal(A=[held("1.1")])
    it.archive.ways, it.archive.shut_ways = ("get", "move", "find"), {"get", "move"}
    it.run()
    assert (it.stages()["A"], it.whys()["A"]) == ("unconfirmable", "nothing-came-back")


def test_what_neither_way_gives_is_missing_though_one_of_them_was_shut() -> None:
    it = rehearsal(A=[held("1.1")])
    it.archive.ways, it.archive.shut_ways = ("get", "move", "find"), {"move"}
    it.archive.index = {"1.1": "A"}
    it.archive.lost_is_silent = True
    it.run()
    assert (it.stages()["A"], it.whys()["A"]) == ("differs", "success-without-storing")


def test_the_archive_double_keeps_what_it_is_told_to_keep() -> None:
    archive = MemoryArchive()
    assert [answer.status for answer in archive.send("A", [held("1.1")], at_once())] == [0]
    assert archive.claims("A", [held("1.1"), replace(held("1.1"), sop_instance="1.2")]) == {"1.1"}
