"""Downtime exams: every cell of the table, what waits, and which numbers a registration gets."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from safelight.core.errors import SafelightError
from safelight.core.names import Personal
from safelight.downtime.exam import (
    NEXT,
    Exam,
    ExamOutOfTurn,
    Happened,
    NoUrgentRead,
    Registered,
    Stage,
    Step,
    UnknownExam,
    Way,
    happen,
    open_exams,
)
from safelight.downtime.number import Block, NumberFor, Numbers, Range
from safelight.downtime.registration import (
    Asked,
    BadRegistration,
    NoNumberLeft,
    NumberNotAllotted,
    NumberOfOrder,
    NumberTaken,
    PatientDiffers,
    register,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NUMBERS = Numbers(
    {
        1: Range(1, NumberFor.ACCESSION, "DT", 1, 99, 2),
        2: Range(2, NumberFor.PATIENT, "DP", 1, 99, 2),
    },
    {
        1: Block(1, 1, 1, 3, "main", "CT1"),
        2: Block(2, 2, 1, 3, "main", "CT1"),
        3: Block(3, 1, 4, 6, "main", "DX1"),
    },
    {1: 7, 2: 4},
)
TOLD: dict[Step, dict[str, Any]] = {
    Step.ARRIVED: {},
    Step.ACQUIRED: {},
    Step.READ: {"preliminary": True, "text": "seen", "urgent": True},
    Step.CALLED: {"read": 1, "to": "Dr. Ward", "read_back": True},
    Step.IDENTIFIED: {"patient_id": "4711", "reason": "wallet"},
    Step.CANCELLED: {"reason": "gone"},
}
WAY_TO = {
    Stage.REGISTERED: [],
    Stage.ARRIVED: [Step.ARRIVED],
    Stage.ACQUIRED: [Step.ARRIVED, Step.ACQUIRED],
    Stage.READ: [Step.ACQUIRED, Step.READ],
    Stage.CANCELLED: [Step.CANCELLED],
}


def _register(exams: dict[str, Exam] | None = None, **asked: Any) -> Registered:
    told = {"way": Way.WALK_IN, "site": "main", "device": "CT1", "modality": "CT", "procedure": "", "place": ""}
    told |= {"name": Personal("DOE^JANE"), **asked}
    if told["way"] is Way.UNIDENTIFIED and "name" not in asked:
        del told["name"]
    found = register(NUMBERS, exams or {}, Asked(**told), study="2.25.1", at=NOW, said_at=NOW, by="b", outages=(1,))
    assert Registered.from_body(found.to_body()) == found
    return found


def _exams(*registered: Registered) -> dict[str, Exam]:
    return {one.accession: Exam(one) for one in registered}


def _do(exam: Exam, step: Step, **told: Any) -> Exam:
    happened = Happened(step, exam.registered.accession, NOW, NOW, "b", {**TOLD[step], **told})
    return happen({exam.registered.accession: exam}, Happened.from_entry(happened.kind, happened.to_body()))


def _at(stage: Stage, way: Way = Way.WALK_IN) -> Exam:
    exam = Exam(_register(way=way))
    for step in WAY_TO[stage]:
        exam = _do(exam, step)
    assert exam.stage is stage
    return exam


@pytest.mark.parametrize(("stage", "step"), list(product(Stage, Step)))
def test_every_pair_is_a_row_or_a_refusal(stage: Stage, step: Step) -> None:
    exam = _at(stage)
    if (stage, step) in NEXT:
        assert _do(exam, step).stage is NEXT[stage, step]
        return
    with pytest.raises(ExamOutOfTurn):
        _do(exam, step)


@pytest.mark.parametrize(
    ("stage", "waits"),
    [
        (Stage.REGISTERED, ["images"]),
        (Stage.ARRIVED, ["images"]),
        (Stage.ACQUIRED, ["read"]),
        (Stage.READ, ["call"]),
        (Stage.CANCELLED, []),
    ],
)
def test_an_exam_says_what_it_waits_for(stage: Stage, waits: list[str]) -> None:
    assert _at(stage).waits_for() == waits
    unknown = _at(stage, Way.UNIDENTIFIED)
    assert unknown.waits_for() == ([*waits, "identity"] if waits else [])


def test_an_urgent_read_is_open_until_that_very_read_was_read_back() -> None:
    exam = _do(_at(Stage.READ), Step.CALLED, read_back=False)
    assert exam.waits_for() == ["call"]
    exam = _do(_do(exam, Step.CALLED), Step.READ, text="more", urgent=True)
    assert exam.waits_for() == ["call"]
    assert _do(exam, Step.CALLED, read=2).waits_for() == []
    with pytest.raises(NoUrgentRead):
        _do(exam, Step.CALLED, read=3)


def test_a_patient_who_became_known_is_open_no_more() -> None:
    exam = _do(_at(Stage.ACQUIRED, Way.UNIDENTIFIED), Step.IDENTIFIED)
    assert exam.identified_as == "4711"
    assert exam.waits_for() == ["read"]
    assert exam.registered.person.patient_id == "DP01"


def test_open_exams_are_those_of_the_outages_asked_for() -> None:
    exams = [_at(Stage.ARRIVED), _at(Stage.CANCELLED)]
    assert open_exams(exams) == open_exams(exams, [1, 7]) == exams[:1]
    assert open_exams(exams, [7]) == []


def test_a_step_of_an_exam_that_nobody_registered_is_refused() -> None:
    with pytest.raises(UnknownExam):
        happen({}, Happened(Step.ARRIVED, "DT01", NOW, NOW, "b", {}))


def test_whoever_has_no_number_gets_the_next_of_the_device() -> None:
    first = _register()
    second = _register(_exams(first), name=Personal("ROE^JOHN"))
    assert [(one.accession, one.person.patient_id) for one in (first, second)] == [("DT01", "DP01"), ("DT02", "DP02")]
    exams = _exams(first, second, _register(_exams(first, second)))
    with pytest.raises(NoNumberLeft):
        _register(exams)
    with pytest.raises(NoNumberLeft):
        _register(device="MR1")


def test_an_unidentified_patient_is_called_after_their_number() -> None:
    assert _register(way=Way.UNIDENTIFIED).person.name == Personal("UNIDENTIFIED^DP01")
    with pytest.raises(BadRegistration):
        _register(way=Way.UNIDENTIFIED, name=Personal("DOE^JANE"))


def test_a_second_exam_of_a_patient_keeps_the_patient_and_never_another_ones_number() -> None:
    first = _register(birth_date="19700102", sex="F")
    second = _register(_exams(first), patient_id="DP01", name=Personal(""), modality="MR")
    assert second.person == first.person
    assert second.accession == "DT02"
    with pytest.raises(PatientDiffers):
        _register(_exams(first), patient_id="DP01", name=Personal("ROE^JOHN"))
    with pytest.raises(PatientDiffers):
        _register(_exams(first), patient_id="DP01", birth_date="19700103")
    with pytest.raises(PatientDiffers):
        _register(_exams(first), patient_id="DP01", way=Way.UNIDENTIFIED)


def test_an_order_keeps_its_own_numbers() -> None:
    ordered = _register(way=Way.ORDERED, accession="A-123", patient_id="4711")
    assert (ordered.accession, ordered.person.patient_id) == ("A-123", "4711")
    with pytest.raises(BadRegistration):
        _register(way=Way.ORDERED, patient_id="4711")
    with pytest.raises(NumberOfOrder):
        _register(way=Way.ORDERED, accession="DT05", patient_id="4711")
    with pytest.raises(NumberOfOrder):
        _register(accession="A-123")


def test_a_label_of_another_device_may_be_used_once_and_one_that_nobody_has_never() -> None:
    first = _register(accession="DT05")
    with pytest.raises(NumberTaken):
        _register(_exams(first), accession="DT05")
    for asked in ({"accession": "DT07"}, {"patient_id": "DP04"}):
        with pytest.raises(NumberNotAllotted):
            _register(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"name": Personal("SECRET^NAME\\")},
        {"name": Personal("SECRET\x00NAME")},
        {"name": Personal("SECRET\nNAME")},
        {"name": Personal("SECRET" * 11)},
        {"name": Personal("")},
        {"name": Personal(" ^ ")},
        {"birth_date": "SECRET"},
        {"sex": "SECRET"},
        {"modality": "ct"},
        {"procedure": "SECRET\r"},
        {"place": "SECRET" * 500},
        {"patient_id": "SECRET\\"},
        {"patient_id": "SECRETÄ"},
        {"accession": "SECRET" * 3},
    ],
)
def test_what_cannot_stand_on_a_worklist_is_refused_and_not_repeated(asked: dict[str, Any]) -> None:
    with pytest.raises(BadRegistration) as refused:
        _register(**asked)
    assert "SECRET" not in f"{refused.value} {refused.value!r}"


def test_no_error_and_no_representation_shows_a_name() -> None:
    first = _register()
    assert "JANE" not in repr(Exam(first))
    refusals: list[SafelightError] = []
    for asked in ({"patient_id": "DP01", "name": Personal("ROE^JANE")}, {"accession": "DT01"}, {"accession": "DT99"}):
        try:
            _register(_exams(first), **asked)
        except SafelightError as error:
            refusals.append(error)
    assert len(refusals) == 3
    assert all("JANE" not in f"{one} {one!r}" for one in refusals)
