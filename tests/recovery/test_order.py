from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.names import Personal
from safelight.recovery.order import (
    BadTierOrder,
    OrderPlan,
    PatientClass,
    PatientNow,
    StudyFacts,
    Tier,
    clinical_order,
)
from safelight.recovery.patients import BadPatientList, read_patients

NOW = datetime(2026, 3, 10, 14, 30)
RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)


def study(uid: str, day: str = "20200101", time: str = "120000", patient: str = "none", **more: object) -> StudyFacts:
    facts = {"modalities": ("CT",), "received_at": RECEIVED} | more
    return StudyFacts(study=uid, patient=Personal(patient), date=day, time=time, **facts)  # type: ignore[arg-type]


def tiers(studies: list[StudyFacts], **more: object) -> dict[str, Tier]:
    placed = clinical_order(studies, local_now=NOW, **more)  # type: ignore[arg-type]
    return {one.facts.study: one.tier for one in placed}


def names(studies: list[StudyFacts], **more: object) -> list[str]:
    return [one.facts.study for one in clinical_order(studies, local_now=NOW, **more)]  # type: ignore[arg-type]


HOUSE = [
    PatientNow(Personal("E1"), patient_class=PatientClass.EMERGENCY),
    PatientNow(Personal("I1"), patient_class=PatientClass.INPATIENT, location="WARD 3"),
    PatientNow(Personal("I2"), patient_class=PatientClass.INPATIENT, location="STROKE-UNIT"),
    PatientNow(Personal("O1"), patient_class=PatientClass.OUTPATIENT, scheduled=date(2026, 3, 11)),
    PatientNow(Personal("O2"), patient_class=PatientClass.OUTPATIENT, scheduled=date(2026, 3, 13)),
    PatientNow(Personal("O3"), patient_class=PatientClass.OUTPATIENT),
]


@pytest.mark.parametrize(
    ("facts", "tier"),
    [
        (study("pin", patient="E1", day="20260310"), Tier.PINNED),
        (study("a", patient="E1", day="20260310"), Tier.EMERGENCY),
        (study("a", patient="I2", day="20260309"), Tier.EMERGENCY),
        (study("a", patient="E1", day="20240101", read=False), Tier.EMERGENCY),
        (study("a", patient="I1", day="20260310"), Tier.INPATIENT),
        (study("a", patient="I1", day="20260308"), Tier.PRIORS_IN_HOUSE),
        (study("a", patient="E1", day="20200101"), Tier.PRIORS_IN_HOUSE),
        (study("a", patient="E1", day=""), Tier.PRIORS_IN_HOUSE),
        (study("a", patient="O3", day="20200101"), Tier.PRIORS_IN_HOUSE),
        (study("a", patient="O1", day="20200101"), Tier.PRIORS_SCHEDULED),
        (study("a", patient="O1", day="20260310"), Tier.LAST_24_HOURS),
        (study("a", patient="O2", day="20200101"), Tier.REST),
        (study("a", day="20260309", time="143000"), Tier.LAST_24_HOURS),
        (study("a", day="20260309", time="142959"), Tier.LAST_4_WEEKS),
        (study("a", day="20260309", time=""), Tier.LAST_24_HOURS),
        (study("a", day="20260309", time="14:30:00.123"), Tier.LAST_24_HOURS),
        (study("a", day="2026.03.10"), Tier.LAST_24_HOURS),
        (study("a", day="20100101", read=False), Tier.LAST_24_HOURS),
        (study("a", day="20260210"), Tier.LAST_4_WEEKS),
        (study("a", day="20260209"), Tier.REST),
        (study("a", day=""), Tier.REST),
        (study("a", day="20991231"), Tier.REST),
        (study("a", day="00000000"), Tier.REST),
        (study("a", day="20261399"), Tier.REST),
        (study("a", day="yesterday"), Tier.REST),
    ],
)
def test_a_study_goes_with_the_first_tier_whose_condition_it_meets(facts: StudyFacts, tier: Tier) -> None:
    assert tiers([facts], patients=HOUSE, pins=["pin"]) == {facts.study: tier}


def test_tiers_follow_each_other_and_pins_keep_their_own_order() -> None:
    studies = [
        study("rest"),
        study("weeks", day="20260301"),
        study("scheduled", patient="O1"),
        study("prior", patient="E1"),
        study("day", day="20260310"),
        study("ward", patient="I1", day="20260310"),
        study("emergency", patient="E1", day="20260310"),
        study("pin 2"),
        study("pin 1"),
    ]
    expected = ["pin 1", "pin 2", "emergency", "ward", "day", "prior", "scheduled", "weeks", "rest"]
    assert names(studies, patients=HOUSE, pins=["pin 1", "pin 2", "absent"]) == expected


def test_priors_like_the_current_examination_go_first() -> None:
    current = study("now", patient="I1", day="20260310", modalities=("MR",), body_part="HEAD")
    priors = [
        study("other", patient="I1", day="20250401", modalities=("US",), body_part="KNEE"),
        study("part", patient="I1", day="20250301", modalities=("CT",), body_part="head"),
        study("modality", patient="I1", day="20250201", modalities=("MR",), body_part="KNEE"),
        study("both", patient="I1", day="20250101", modalities=("MR", "SR"), body_part="HEAD"),
    ]
    assert names([*priors, current], patients=HOUSE) == ["now", "both", "modality", "part", "other"]


def test_the_list_says_what_a_scheduled_patient_comes_for() -> None:
    coming = PatientNow(Personal("P"), scheduled=NOW.date(), modality="MG")
    studies = [study("newer", patient="P", day="20250101"), study("mg", patient="P", modalities=("MG",))]
    assert names(studies, patients=[coming]) == ["mg", "newer"]


def test_the_rest_goes_newest_first_and_dateless_studies_last_by_receipt() -> None:
    studies = [
        study("null old", day="", received_at=RECEIVED - timedelta(days=2)),
        study("null new", day="garbage", received_at=RECEIVED),
        study("2019", day="20190101"),
        study("2020 evening", time="2359"),
        study("2020 morning", time="06"),
    ]
    assert names(studies) == ["2020 evening", "2020 morning", "2019", "null new", "null old"]


def test_an_issuer_in_the_list_must_match_and_a_list_without_one_means_every_issuer() -> None:
    mine, theirs = study("mine", patient="7", issuer="A"), study("theirs", patient="7", issuer="B")
    exact = PatientNow(Personal("7"), issuer="A", patient_class=PatientClass.INPATIENT)
    assert tiers([mine, theirs], patients=[exact]) == {"mine": Tier.PRIORS_IN_HOUSE, "theirs": Tier.REST}
    loose = PatientNow(Personal("7"), patient_class=PatientClass.INPATIENT)
    assert set(tiers([mine, theirs], patients=[loose]).values()) == {Tier.PRIORS_IN_HOUSE}


def test_the_plan_may_put_the_last_day_before_emergency() -> None:
    plan = OrderPlan(tiers=(Tier.LAST_24_HOURS, *[tier for tier in Tier if tier is not Tier.LAST_24_HOURS]))
    facts = study("a", patient="E1", day="20260310")
    assert tiers([facts], patients=HOUSE, plan=plan) == {"a": Tier.LAST_24_HOURS}


@pytest.mark.parametrize("wrong", [tuple(Tier)[1:], (*Tier, Tier.REST), ()])
def test_a_plan_that_lacks_or_repeats_a_tier_is_refused(wrong: tuple[Tier, ...]) -> None:
    with pytest.raises(BadTierOrder):
        OrderPlan(tiers=wrong)


def test_the_rest_never_swallows_another_tier_wherever_the_plan_puts_it() -> None:
    plan = OrderPlan(tiers=(Tier.REST, *list(Tier)[:-1]))
    assert tiers([study("a", day="20260310")], plan=plan) == {"a": Tier.LAST_24_HOURS}


@given(
    st.lists(
        st.builds(
            study,
            st.text("0123456789.", min_size=1, max_size=4),
            day=st.one_of(st.text(max_size=10), st.dates().map(lambda day: day.strftime("%Y%m%d"))),
            time=st.text("0123456789:. ", max_size=12),
            patient=st.sampled_from(["E1", "I1", "O1", "O3", "x"]),
            read=st.sampled_from([None, True, False]),
        ),
        unique_by=lambda facts: facts.study,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_depend_on_the_order_of_the_facts(studies: list[StudyFacts], random: object) -> None:
    once = names(studies, patients=HOUSE)
    assert sorted(once) == sorted(facts.study for facts in studies)
    random.shuffle(studies)  # type: ignore[attr-defined]
    assert names(studies, patients=HOUSE) == once


def test_no_order_of_patient_rows_changes_a_tier() -> None:
    rows = [
        PatientNow(Personal("P"), patient_class=PatientClass.INPATIENT),
        PatientNow(Personal("P"), patient_class=PatientClass.EMERGENCY),
        PatientNow(Personal("P"), scheduled=NOW.date()),
    ]
    facts = study("a", patient="P", day="20260310")
    assert {tiers([facts], patients=list(order))["a"] for order in permutations(rows)} == {Tier.EMERGENCY}


def test_a_patient_list_is_read_with_its_optional_columns() -> None:
    text = (
        "\ufeffPatient_ID,class,location,scheduled,issuer,bed\n P1 ,e,ED,,H,4\n\nP2,,,2026-03-11,,\nP3,O,,20260312,,\n"
    )
    listed = read_patients(text.splitlines(keepends=True))
    assert listed.columns_unused == ("bed",)
    assert listed.patients == (
        PatientNow(Personal("P1"), "H", PatientClass.EMERGENCY, "ED"),
        PatientNow(Personal("P2"), scheduled=date(2026, 3, 11)),
        PatientNow(Personal("P3"), patient_class=PatientClass.OUTPATIENT, scheduled=date(2026, 3, 12)),
    )
    assert "P1" not in repr(listed)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "empty"),
        ("name,class\nA,E\n", 1, "no-patient-id-column"),
        ("patient_id,class,class\n", 1, "column-twice"),
        ("patient_id,class\nA,E\n,E\n", 3, "no-patient-id"),
        ("patient_id,class\nA,Z\n", 2, "class"),
        ("patient_id,scheduled\nA,11.03.2026\n", 2, "scheduled-date"),
        ("patient_id,class\nA,\n", 2, "neither-class-nor-scheduled"),
        ("patient_id,class\nA,E,x\n", 2, "cells"),
    ],
)
def test_a_bad_patient_list_says_the_line_and_what_is_wrong(text: str, line: int, why: str) -> None:
    with pytest.raises(BadPatientList) as caught:
        read_patients(text.splitlines(keepends=True))
    assert caught.value.facts["line"] == line
    assert caught.value.facts["why"] == why
