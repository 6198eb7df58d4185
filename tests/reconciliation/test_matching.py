"""Matching: tables of what agrees and contradicts, and what holds for any two."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.names import Personal
from safelight.reconciliation.case import Case
from safelight.reconciliation.matching import (
    CERTAIN_POINTS,
    PROPOSED_POINTS,
    SIGNS,
    Traits,
    case_traits,
    name_key,
    propose,
    score,
)
from safelight.reconciliation.sides import Exam, Order
from support.reconciled_sides import AT, RITA, TEMP, TEMPORARY, UNNAMED, exam, order, study


@pytest.mark.parametrize(
    ("case", "ordered", "certain", "but"),
    [
        # The modality used the worklist: number, UID and patient agree.
        (exam("RA1"), order(accession="RA1"), True, ""),
        # Ordered afterwards under the downtime number, for the patient's own number.
        (exam("DT01"), order(accession="DT01"), True, ""),
        # Ordered afterwards under a number of its own: a person looks.
        (exam("DT01"), order(accession="RA1"), False, "not enough agrees"),
        (exam("DT01", TEMP), order(accession="RA1"), False, "not enough agrees"),
        # Same number, other patient: never by a rule.
        (exam("RA1", replace(RITA, patient_id=Personal("9"))), order(accession="RA1"), False, "something contradicts"),
        (exam("RA1"), order(accession="RA1", modalities=frozenset({"MR"})), False, "something contradicts"),
        (exam("RA1"), order(accession="RA1", is_cancelled=True), False, "the order was cancelled"),
    ],
)  # fmt: skip
def test_what_is_certain_needs_a_number_and_the_patient(case: Exam, ordered: Order, certain: bool, but: str) -> None:
    (found,) = propose([Case(case, (study(case),))], [ordered], TEMPORARY)[case.accession]
    assert (found.is_certain, found.but) == (certain, but)


@pytest.mark.parametrize(
    ("case", "ordered"),
    [
        (exam("DT01", replace(RITA, patient_id=Personal("9"), name=Personal("Other^Olga"))), order()),
        (exam("DT01", UNNAMED, is_unidentified=True), order()),
    ],
)
def test_what_hardly_agrees_is_not_even_proposed(case: Exam, ordered: Order) -> None:
    assert propose([Case(case, (study(case),))], [ordered], TEMPORARY)[case.accession] == ()


def test_two_exams_that_fit_one_order_are_both_shown_to_a_person() -> None:
    one, two = exam("DT01"), exam("DT02")
    twins = [Case(one, (study(one),)), Case(two, (study(two, accession="DT01"),))]
    found = propose(twins, [order(accession="DT01")], TEMPORARY)
    assert [proposal.is_certain for name in ("DT01", "DT02") for proposal in found[name]] == [False, False]


def test_a_placeholder_for_a_name_contradicts_nothing_once_the_patient_is_known() -> None:
    known = exam("DT01", UNNAMED, is_unidentified=True, identified_as=RITA)
    (found,) = propose([Case(known, (study(known),))], [order(accession="DT01")], TEMPORARY)["DT01"]
    assert found.is_certain and not found.score.is_contradicted


def test_an_identifier_of_before_a_merge_is_the_patients() -> None:
    before = exam("DT01", replace(RITA, patient_id=Personal("111")))
    case, merged = Case(before, (study(before),)), {"111": "4711"}
    assert case_traits(case, TEMPORARY, merged).patient_ids == {"111", "4711"}
    (found,) = propose([case], [order(accession="DT01")], TEMPORARY, merged)["DT01"]
    assert found.is_certain


@pytest.mark.parametrize(
    ("one", "other"),
    [("REAL^RITA", "Real^Rita^M^Dr"), ("O'Neil^Ann", "ONEIL^ANN"), ("Müller^Jö=漢字", "MÜLLER^JÖ"), ("", "")],
)
def test_names_are_compared_as_people_would(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


letters = st.frozensets(st.sampled_from("abc"), max_size=2)
moments = st.sampled_from(
    ["", "20260301", "202603011000", "20260301105900", "20260301150000", "20260303000000", "9" * 14]
)
traits = st.builds(
    Traits, accessions=letters, studies=letters, patient_ids=letters, names=letters, birth_dates=letters,
    sexes=letters, modalities=letters, stations=letters, started=moments,
).flatmap(lambda one: st.sampled_from([one, replace(one, sure_ids=one.patient_ids)]))  # fmt: skip


@given(traits, traits)
def test_it_does_not_matter_which_of_two_comes_first(one: Traits, other: Traits) -> None:
    assert score(one, other) == score(other, one)


FIELDS = ("accessions", "studies", "patient_ids", "names", "birth_dates", "sexes", "modalities", "stations")


@given(traits, traits, st.sampled_from(FIELDS))
def test_something_more_that_agrees_never_makes_two_fit_less(one: Traits, other: Traits, name: str) -> None:
    more, most = ({name: getattr(given, name) | {"z"}} for given in (one, other))
    assert score(replace(one, **more), replace(other, **most)).points >= score(one, other).points


def test_every_sign_has_a_field_of_its_own() -> None:
    assert len(SIGNS) == len(FIELDS)
    assert all(
        sum(bool(sign.of(replace(Traits(), **{name: frozenset("z")}))) for name in FIELDS) == 1 for sign in SIGNS
    )


@given(
    st.lists(st.tuples(st.sampled_from(["DT01", "DT02", "RA1"]), st.sampled_from("12")), max_size=4, unique=True),
    st.data(),
)
def test_no_two_exams_are_ever_certain_of_one_order(named: list[tuple[str, str]], data: st.DataObject) -> None:
    cases = []
    for number, (accession, patient) in enumerate(named):
        of = Exam(
            f"{accession}-{number}", f"2.25.{number}", replace(RITA, patient_id=Personal(patient)), "CT", "", "", AT
        )
        cases.append(Case(of, (study(of, accession=accession, study=data.draw(st.sampled_from(["1.2.1", "1.2.2"]))),)))
    orders = [
        order(1, "DT01", replace(RITA, patient_id=Personal("1"))),
        order(2, "RA1", replace(RITA, patient_id=Personal("2"))),
    ]
    found = propose(cases, orders, frozenset())
    certain = [one.order.key for proposals in found.values() for one in proposals if one.is_certain]
    assert len(set(certain)) == len(certain)
    assert all(one.score.points >= PROPOSED_POINTS for proposals in found.values() for one in proposals)
    assert all(
        one.score.points >= CERTAIN_POINTS for proposals in found.values() for one in proposals if one.is_certain
    )
