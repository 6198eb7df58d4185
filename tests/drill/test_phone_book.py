"""Whom a notification drill calls: the roles of the plan, then its vendors, with their numbers and what they owe."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.drill.facts import Called
from safelight.drill.notification import next_call, reached, seconds_until_all
from safelight.drill.phone_book import calls_of, phone_book
from safelight.plan.inventory import Person, Role, Vendor
from safelight.plan.words import RoleKind, Side
from safelight.site.plan_folder import example_plan

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACME = Vendor(id="acme", name="Acme Imaging", emergency_number="0800 1")
PLAN = replace(
    example_plan("400-bed", date(2026, 3, 2)),
    people=(Person(id="acme", name="A. C. Me", side=Side.IT, mobile="+49 170 1"),),
    roles=(Role(id="lead", kind=RoleKind.RADIOLOGY_LEAD, side=Side.IT, person="acme"),),
    vendors=(ACME, replace(ACME, id="bits", name="Bits", emergency_number=None)),
)


def answered(person: str, *, after: int | None) -> Called:
    return Called("1", NOW, person, "", NOW, None if after is None else NOW + after * HOUR)


def test_vendors_are_called_after_the_roles_and_no_person_is_taken_for_one() -> None:
    calls = calls_of(PLAN)
    assert [(one.person, one.side) for one in calls] == [
        ("acme", "it"), ("vendors/acme", "vendor"), ("vendors/bits", "vendor"),
    ]  # fmt: skip
    assert next_call(calls, [answered("acme", after=0)]) == (calls[1], "vendors/acme")


def test_a_vendor_that_does_not_answer_was_not_reached() -> None:
    calls = calls_of(PLAN)
    made = [answered("acme", after=0), answered("vendors/acme", after=1), answered("vendors/bits", after=None)]
    assert next_call(calls, made) is None
    roles = reached(calls, made)
    assert [one.by for one in roles] == ["acme", "vendors/acme", ""]
    assert seconds_until_all(roles) is None
    assert seconds_until_all(roles[:2]) == 3600


def test_whoever_has_no_number_is_in_the_book_without_one() -> None:
    book = phone_book(PLAN)
    assert {name: dict(one.numbers) for name, one in book.items()} == {
        "acme": {"mobile": "+49 170 1"}, "vendors/acme": {"emergency": "0800 1"}, "vendors/bits": {},
    }  # fmt: skip
    assert (book["acme"].name, book["acme"].terms) == ("A. C. Me", "")
    assert set(book) == {one.person for one in calls_of(PLAN)}


@pytest.mark.parametrize(
    ("owes", "terms"),
    [
        ({}, "not at night or on weekends"),
        (
            {"contract": "P-77", "response": HOUR / 2, "on_site": 4 * HOUR, "out_of_hours": True},
            "contract P-77, responds within 30 min, on site within 4 h, at night and on weekends too",
        ),
        ({"subcontractor": "Field Service"}, "not at night or on weekends, Field Service comes"),
    ],
)
def test_a_vendor_stands_there_with_what_its_contract_says(owes: dict[str, object], terms: str) -> None:
    plan = replace(PLAN, vendors=(replace(ACME, **owes),))  # type: ignore[arg-type]
    assert phone_book(plan)["vendors/acme"].terms == terms


def test_the_number_of_who_really_comes_stands_beside_the_vendors_own() -> None:
    plan = replace(PLAN, vendors=(replace(ACME, subcontractor="Field Service", subcontractor_number="0800 9"),))
    assert phone_book(plan)["vendors/acme"].numbers == {"emergency": "0800 1", "subcontractor": "0800 9"}
