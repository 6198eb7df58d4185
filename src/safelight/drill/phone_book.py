"""Whom a plan has called in an outage: the people who have its roles, and its vendors; by which numbers, on what terms.

The numbers are for whoever calls, and are looked up while calling: the journal keeps no number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from safelight.core.span import span_text
from safelight.drill.facts import Call
from safelight.plan.inventory import Vendor
from safelight.plan.model import Plan

VENDOR: Final = "vendor"
"""The side of a company: neither of the two that make the plan."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who can be called."""

    name: str
    numbers: Mapping[str, str]
    """By which of the plan's numbers it is, such as ``mobile``; those that it has."""
    terms: str = ""
    """What the contract of a company says, in words."""


def calls_of(plan: Plan) -> tuple[Call, ...]:
    """Return the roles that must be reached, then the vendors, who are called by those who have the roles."""
    roles = [Call(one.id, one.side.value, one.person, one.deputy or "") for one in plan.roles]
    return (*roles, *(Call(_named(one), VENDOR, _named(one)) for one in plan.vendors))


def phone_book(plan: Plan) -> dict[str, Entry]:
    """Return everybody who can be called, by the names that the calls have."""
    people = {one.id: Entry(one.name, _numbers(mobile=one.mobile, office=one.office)) for one in plan.people}
    return people | {_named(one): _company(one) for one in plan.vendors}


def _named(vendor: Vendor) -> str:
    """Return a name that no person has: as findings name a vendor."""
    return f"vendors/{vendor.id}"


def _company(one: Vendor) -> Entry:
    numbers = _numbers(emergency=one.emergency_number, subcontractor=one.subcontractor_number)
    return Entry(one.name, numbers, ", ".join(_terms(one)))


def _terms(one: Vendor) -> Iterator[str]:
    if one.contract:
        yield f"contract {one.contract}"
    if one.response is not None:
        yield f"responds within {span_text(one.response)}"
    if one.on_site is not None:
        yield f"on site within {span_text(one.on_site)}"
    yield "at night and on weekends too" if one.out_of_hours else "not at night or on weekends"
    if one.subcontractor:
        yield f"{one.subcontractor} comes"


def _numbers(**numbers: str | None) -> dict[str, str]:
    return {name: number for name, number in numbers.items() if number}
